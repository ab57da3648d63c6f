"""The cookie by which a browser shows its session."""

from __future__ import annotations

from aiohttp import web

from gateway.control.access.guard import COOKIE, SECURE_COOKIE
from gateway.control.access.origin import is_secure


def put(request: web.Request, answer: web.StreamResponse, named: str, url: str) -> None:
    """No script reads it, no other site's request bears it, and it goes with the browser's window."""
    secure = is_secure(request, url)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE, named, path="/", httponly=True, samesite="Strict", secure=secure
    )


def take(request: web.Request, answer: web.StreamResponse, url: str) -> None:
    """Both names: one may be left from before TLS."""
    secure = is_secure(request, url)
    for name in (SECURE_COOKIE, COOKIE):
        answer.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=secure or name == SECURE_COOKIE)
