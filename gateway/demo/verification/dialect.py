"""What each provider brings: routes of its API, its news, and how they are signed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from gateway.demo.verification.world import Credentials, Session, World

Json = dict[str, Any]
Handler = Callable[[World, web.Request], Awaitable[web.Response]]


class News(NamedTuple):
    """One webhook. `kind` is the provider's word."""

    kind: str
    body: bytes


class Dialect(Protocol):
    @property
    def ROUTES(self) -> Mapping[tuple[str, str], Handler]:  # noqa: N802 - a module's constant
        """By method and path."""

    def news(self, world: World, session: Session) -> News | None:
        """Of the state that the session is in; None where the provider says nothing of it."""

    def sign(self, credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:
        """Fields of the request."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def hexdigest(secret: str, content: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), content, algorithm).hexdigest()


def dump(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def answer(content: object, status: int = 200) -> web.Response:
    return web.Response(body=dump(content), status=status, content_type="application/json")


async def read_json(request: web.Request) -> Json:
    """Raises Refused."""
    try:
        content = await request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "no JSON object")
    return content


def session_of(world: World, provider: str, reference: str) -> Session:
    """Raises Refused."""
    session = world.sessions.get((provider, reference))
    if session is None:
        raise Refused(404, "no such session")
    return session


def way_in(request: web.Request, session: Session) -> str:
    """Where the person goes."""
    return f"{request.url.origin()}/verify/{session.token}"
