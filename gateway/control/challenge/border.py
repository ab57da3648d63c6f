"""The border: every error in the words of who asked, and the same fields on all that we answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from gateway.challenges.interface import Unavailable
from gateway.challenges.token import BadChallenge
from gateway.control import look
from gateway.control.challenge import words
from gateway.control.challenge.back import BACK, local
from gateway.control.challenge.views import Views, Way
from gateway.control.challenge.words import Said

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROGRAMS: Final = ("/puzzle", "/status")
"""How addresses end at which programs ask."""


def border(views: Views) -> Any:
    """The middleware."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except BadChallenge as bad:
            response = _answer(views, request, _BAD.get(bad.reason, words.UNKNOWN), bad.reason)
        except Unavailable as error:
            log.error("a challenge could not be looked up: %s", error)
            response = _answer(views, request, words.UNAVAILABLE, "unavailable", *_again(views, request))
        except web.HTTPException as error:
            response = _error(views, request, error)
        for name, value in look.FIELDS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return handle


_BAD: Final = {"expired": words.EXPIRED, "closed": words.CLOSED, "no_work": words.CLOSED}


def _error(views: Views, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status == 400:
        # Maybe for its Host: a page would have to name it.
        return web.Response(status=400, text=error.text)
    said = words.ERRORS.get(error.status, words.OTHERWISE)._replace(status=error.status)
    response = _answer(views, request, said, error.reason.lower().replace(" ", "_"))
    for name in ("Allow", "Retry-After"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def _again(views: Views, request: web.Request) -> tuple[Way, ...]:
    """The same page once more; a form that was sent is filled in anew."""
    token = request.match_info.get("token", "")
    back = local(request.query.get(BACK, ""))
    return (Way(views.path(quote(token, safe=""), to=back), "Try again"),) if token else ()


def _answer(views: Views, request: web.Request, said: Said, code: str, *ways: Way) -> web.Response:
    if not request.path.endswith(PROGRAMS):
        return views.says(request, said, *ways)
    response = web.json_response({"error": {"type": code, "message": said.text}}, status=said.status)
    if said.retry_after:
        response.headers["Retry-After"] = str(said.retry_after)
    return response
