"""The page at `/` of the operators' port: the rules in force, what they do, and what is wrong with the files on disk.

Made by the server, without scripts: it is whole when it is there, and a reload of the page is what makes it new.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

FIELDS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --bad: light-dark(#a3001b, #ff8f9c); --line: light-dark(#ccc, #555); --soft: light-dark(#555, #aaa); }}
body {{ font: 1rem/1.55 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1.25rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2.25rem; }}
table {{ border-collapse: collapse; width: 100%; }}
caption {{ text-align: left; color: var(--soft); padding-bottom: 0.4rem; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0; border-bottom: 1px solid; }}
th, td {{ border-color: var(--line); }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.wide {{ overflow-x: auto; }}
.alarm {{ border-left: 0.3rem solid var(--bad); padding: 0.1rem 1rem; }}
.alarm h2 {{ color: var(--bad); margin-top: 0.5rem; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.25rem; }}
dt {{ color: var(--soft); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
a:focus-visible, [tabindex]:focus-visible {{ outline: 0.15rem solid; outline-offset: 0.15rem; }}
.skip {{ position: absolute; left: -99rem; }} .skip:focus {{ position: static; }}
</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<main id="main">
<h1>Tidegate: the rules in force</h1>
{body}
</main>
</body>
</html>
"""


def page(
    status: Mapping[str, Any],
    past: Sequence[Mapping[str, Any]],
    snapshots: Sequence[Mapping[str, Any]],
    now: float,
) -> str:
    """Of Rulesets.status and .past, the workers' snapshots, and Unix time."""
    body = [_alarm(status, now), _in_force(status, snapshots, now), _counts(status, snapshots), _history(past, now)]
    title = f"{status['name']}{' - files refused' if status['files'] == 'refused' else ''} - Tidegate"
    return _PAGE.format(title=_text(title), body="\n".join(body))


def _alarm(status: Mapping[str, Any], now: float) -> str:
    if status["files"] == "refused":
        problems = "\n".join(status["shown"])
        return (
            '<section class="alarm" role="alert"><h2>The files on disk are refused</h2>'
            f"<p>Since {_ago(status['refused_since'], now)}. What is in force stays in force. What is wrong:</p>"
            f'<pre tabindex="0">{_text(problems)}</pre></section>'
        )
    if status["files"] == "set_aside":
        return (
            '<section class="alarm" role="status"><h2>The files on disk are set aside</h2>'
            "<p>Somebody went back from them. They are applied again when they change, or by "
            "<code>tidegate policies reload</code>.</p></section>"
        )
    return ""


def _in_force(status: Mapping[str, Any], snapshots: Sequence[Mapping[str, Any]], now: float) -> str:
    wanted = (status["generation"], status["digest"])
    agree = sum((snapshot["generation"], snapshot["digest"]) == wanted for snapshot in snapshots)
    facts = [
        ("Generation", str(status["generation"])),
        ("Digest", status["digest"]),
        ("Since", _ago(status["since"], now)),
        ("By", f"{status['who']} ({status['action']})"),
        ("Workers", f"{agree} of {len(snapshots)} that answer serve by it"),
        ("Entries", " → ".join(status["entries"])),
    ]
    feeds = {feed[0]: feed for snapshot in snapshots for feed in snapshot["feeds"]}
    for name, age, stale in feeds.values():
        facts.append((f"Database {name}", f"{age / 86400:.1f} days old{' - stale' if stale else ''}"))
    return "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(fact)}</dd>" for name, fact in facts) + "</dl>"


def _counts(status: Mapping[str, Any], snapshots: Sequence[Mapping[str, Any]]) -> str:
    enforced: Counter[tuple[str, str, str, str]] = Counter()
    shadow: Counter[tuple[str, str, str, str]] = Counter()
    for snapshot in snapshots:
        for entry, rule, action, reason, is_enforced, count in snapshot["matched"]:
            (enforced if is_enforced else shadow)[entry, rule, action, reason] += count
    order = {name: index for index, name in enumerate(status["entries"])}
    keys = sorted({*enforced, *shadow}, key=lambda key: (order.get(key[0], len(order)), key))
    rows = [
        "<tr>"
        + "".join(f"<td>{_text(part)}</td>" for part in key)
        + f'<td class="n">{enforced[key]:,}</td><td class="n">{shadow[key]:,}</td></tr>'
        for key in keys
    ]
    head = "<th>Entry</th><th>Rule</th><th>Action</th><th>Reason</th>"
    head += '<th class="n">Enforced</th><th class="n">In shadow</th>'
    return _table("What the rules did", "Since each worker started, under all rulesets.", head, rows, "Nothing yet.")


def _history(past: Sequence[Mapping[str, Any]], now: float) -> str:
    rows = []
    for one in past:
        back = "in force" if one["in_force"] else f"<code>tidegate policies rollback {_text(one['digest'][:12])}</code>"
        cells = (one["name"], _ago(one["since"], now), f"{one['who']} ({one['action']})")
        rows.append("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + f"<td>{back}</td></tr>")
    head = "<th>Ruleset</th><th>Came into force</th><th>By</th><th>To go back to it</th>"
    return _table("History", "The newest first.", head, rows, "")


def _table(title: str, caption: str, head: str, rows: Sequence[str], empty: str) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>{empty}</p>"
    head = head.replace("<th", '<th scope="col"')
    return (
        f'<h2>{title}</h2><div class="wide" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _ago(then: float, now: float) -> str:
    seconds = max(0.0, now - then)
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def _text(text: str) -> str:
    return html.escape(text)
