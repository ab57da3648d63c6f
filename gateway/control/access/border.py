"""The one border of the operators' port: whatever goes wrong behind it becomes an answer in JSON."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from redis.exceptions import RedisClusterException, RedisError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.accounts.sql.accounts import Exists, NoSuch
from gateway.challenges.interface import Unavailable
from gateway.control.access.answers import FIELDS, Refused, said
from gateway.control.access.content import LARGEST
from gateway.control.account_shapes import Wrong
from gateway.control.challenges_shown import NotHeld

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

AWAY: Final = "Redis cannot be asked just now: try again"
DIRECTORY: Final = "the directory cannot be asked just now: try again"


@web.middleware
async def border(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The first middleware. What a handler did not foresee is told in the log, with an id that the answer has too."""
    try:
        answer = await handler(request)
    except web.HTTPException as error:
        answer = _plain(request, error)
    except Exception as error:  # noqa: BLE001 - the border
        known = _known(error)
        answer = known if known is not None else _unforeseen(request, error)
    if request.writer is not None and request.writer.output_size > 0 and not answer.prepared:
        # Half of another answer has gone already: the reader has to see that it is not whole.
        request.protocol.force_close()
    if not answer.prepared:
        for name, value in FIELDS.items():
            answer.headers.setdefault(name, value)
    return answer


def _known(error: Exception) -> web.Response | None:
    """What callers can do wrong, and servers that are away."""
    match error:
        case Refused():
            return said(error.content, error.status, error.headers)
        case Wrong():
            return said({"error": "some fields are wrong", "fields": dict(error.fields)}, 422)
        case NoSuch() | NotHeld():
            return said({"error": str(error)}, 404)
        case Exists():
            return said({"error": str(error)}, 409)
        case IntegrityError():
            return said({"error": "somebody has changed the same at the same time: ask again"}, 409)
        case SQLAlchemyError():
            return said({"error": DIRECTORY}, 503, {"Retry-After": "1"})
        case Unavailable() | RedisError() | RedisClusterException():
            return said({"error": AWAY}, 503, {"Retry-After": "1"})
    return None


def _plain(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """What aiohttp says by itself, and redirects."""
    if error.status < 400:
        return error
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return said({"error": f"{request.method[:16]} is not for this path: {allowed}"}, 405, {"Allow": allowed})
    words: dict[int, str] = {
        404: "there is nothing at this path",
        413: f"the content has more than {LARGEST} bytes",
    }
    return said({"error": words.get(error.status, error.reason.lower())}, error.status)


def _unforeseen(request: web.Request, error: Exception) -> web.Response:
    named = secrets.token_hex(8)
    resource: Any = request.match_info.route.resource
    where = resource.canonical if resource is not None else "no route"
    log.error("%s %s: %s", request.method, where, named, exc_info=error)
    return said({"error": f"something is broken here; the gateway's log tells what, under {named}", "id": named}, 500)
