"""The few pages that are there before somebody is signed in. Without script; whole when they arrive."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

from aiohttp import web

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.0625rem/1.6 system-ui,sans-serif;max-width:34rem;margin:15vh auto 0;"
    "padding:0 1.25rem}h1{font-size:1.5rem}button{font:inherit;padding:.5rem 1.25rem;min-height:2.75rem}"
    "p{overflow-wrap:anywhere}"
)
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Tidegate</title><style>{style}</style></head>
<body><main><h1>{title}</h1>
{body}
</main></body>
</html>
"""


def page(title: str, body: str, status: int = 200) -> web.Response:
    """`title` is text, `body` is HTML. Its forms say that they are ours: their Origin must not be cut off by the policy
    of what is told of where one comes from.
    """
    text = _PAGE.format(title=html.escape(title), style=_STYLE, body=body)
    fields = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
    return web.Response(text=text, status=status, content_type="text/html", headers=fields)


def said(title: str, *sentences: str, status: int = 200) -> web.Response:
    """Text, a paragraph each."""
    return page(title, "\n".join(f"<p>{html.escape(one)}</p>" for one in sentences), status)


def asked(title: str, sentence: str, button: str) -> web.Response:
    """A button that sends a POST to the page's own address."""
    form = f'<form method="post"><button>{html.escape(button)}</button></form>'
    return page(title, f"<p>{html.escape(sentence)}</p>\n{form}")
