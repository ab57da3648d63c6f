"""What the operators' port answers: JSON, kept by nobody on the way, since it may be about people or hold a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

FIELDS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "tidegate"}
"""Of every answer, unless its handler says otherwise (files of the console are named by their digest)."""


class Refused(Exception):
    """An answer that is not the usual one. Raised by a handler; the border makes JSON of it."""

    def __init__(self, status: int, error: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        """`error` is a sentence for people; `more` stands beside it, such as `fields`."""
        super().__init__(error)
        self.status = status
        self.content: dict[str, Any] = {"error": error, **more}
        self.headers = dict(headers or {})


def said(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON. An account that a token names may hold half of a surrogate pair: it must not hide all others."""
    try:
        body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        body = json.dumps(content).encode() + b"\n"
    return web.Response(
        body=body, status=status, content_type="application/json", headers={**FIELDS, **(headers or {})}
    )
