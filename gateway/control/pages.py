"""The pages that callers' answers link to: what a reason means and what to do about it."""

from __future__ import annotations

import html

from aiohttp import web

from gateway.wire.reasons import REASONS

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1.25rem; }}
code {{ font-size: 0.95em; }}
li {{ margin: 0.5rem 0; }}
</style>
</head>
<body><main>{body}</main></body>
</html>
"""
_FIELDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=3600",
}


def application() -> web.Application:
    """What stands under /tidegate/ on the callers' port."""
    app = web.Application()
    app.router.add_get("/tidegate/reasons", _all)
    app.router.add_get("/tidegate/reasons/{reason}", _one)
    return app


def _page(title: str, body: str) -> web.Response:
    return web.Response(
        text=_PAGE.format(title=html.escape(title), body=body), content_type="text/html", headers=_FIELDS
    )


async def _all(_: web.Request) -> web.Response:
    items = "".join(
        f'<li><a href="/tidegate/reasons/{code}"><code>{code}</code></a>: {html.escape(reason.meaning)}</li>'
        for code, reason in sorted(REASONS.items())
    )
    return _page("Why a request was refused", f"<h1>Why a request was refused</h1><ul>{items}</ul>")


async def _one(request: web.Request) -> web.Response:
    code = request.match_info["reason"]
    reason = REASONS.get(code)
    if reason is None:
        raise web.HTTPNotFound(text="There is no such reason. All are listed at /tidegate/reasons\n")
    body = (
        f"<h1><code>{code}</code></h1><p>{html.escape(reason.meaning)}</p>"
        f"<h2>What to do</h2><p>{html.escape(reason.remedy)}</p>"
        f'<p>Status {reason.status}. <a href="/tidegate/reasons">All reasons</a></p>'
    )
    return _page(code, body)
