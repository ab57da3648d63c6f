"""The page that a person sees at a provider: what they would show there, and the four ways that it can end."""

from __future__ import annotations

import html
from string import Template

from gateway.demo.verification.world import Session

ACTIONS = {
    "approve": "Approve",
    "decline": "Decline",
    "again": "Ask again",
    "leave": "Leave without an answer",
}
"""Value of a button -> what it says."""

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Stand-in for $provider</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 34rem; padding: 1.5rem; }
label, button { display: block; }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; margin: .25rem 0 1.25rem; }
button { width: 100%; font: inherit; padding: .7rem; margin: .5rem 0; cursor: pointer; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
</style>
</head>
<body>
<main>
<h1>Stand-in for $provider</h1>
<p>This page stands for a provider of verifications. Nothing is checked here: you decide what the answer is.</p>
$content
</main>
</body>
</html>
""")

_FORM = Template("""<form method="post">
<label for="number">Document number</label>
<input id="number" name="number" value="$number" autocomplete="off" spellcheck="false" aria-describedby="about-number">
<p id="about-number">Made up. The same number twice is the same person twice.</p>
$buttons
</form>
""")


def form(session: Session) -> str:
    """For a session that is not over."""
    buttons = "\n".join(
        f'<button type="submit" name="action" value="{value}">{says}</button>' for value, says in ACTIONS.items()
    )
    return _page(session, _FORM.substitute(number=html.escape(session.document.number), buttons=buttons))


def over(session: Session) -> str:
    """For one that is."""
    return _page(session, f'<p role="status">This verification is over: {html.escape(session.state)}.</p>')


def _page(session: Session, content: str) -> str:
    return _PAGE.substitute(provider=html.escape(session.provider.capitalize()), content=content)
