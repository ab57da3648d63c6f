"""The operators' port without a gateway behind it: the console, and an API that answers what a test puts there.

For what a real deployment cannot be brought to do on demand: a feed of 1,000 decisions a second, Redis away, answers of
every status, names that are markup.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.control.access.roles import MAY, Role
from gateway.control.console import Console

Answer = Any
Feed = Callable[["Writer"], Awaitable[None]]


@dataclass
class Writer:
    """Of server-sent events."""

    response: web.StreamResponse

    async def event(self, name: str, data: Any) -> None:
        await self.response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())


@dataclass
class Fake:
    """`answers` by path: content, (status, content), or a function of the request; `feeds` by path."""

    role: Role | None = Role.ADMIN
    answers: dict[str, Answer] = field(default_factory=dict)
    feeds: dict[str, Feed] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    origin: str = ""
    token: str = "right"

    def session(self) -> dict[str, Any]:
        assert self.role is not None
        permissions = sorted(MAY[self.role])
        return {"name": "token:night", "role": self.role, "permissions": permissions, "csrf": "c", "expires": 2e9}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append((request.method, request.path_qs))
        if path == "/session":
            return await self._session(request)
        if path in self.feeds:
            return await self._feed(request, self.feeds[path])
        found = self.answers.get(path, (404, {"error": "there is nothing at this path"}))
        if callable(found):
            found = found(request)
        status, content = found if isinstance(found, tuple) else (200, found)
        return web.json_response(content, status=status)

    async def _session(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            if (await request.json())["token"] != self.token:
                return web.json_response({"error": "this token is unknown, or holds no more"}, status=401)
            self.role = Role.ADMIN
        if request.method == "DELETE":
            assert request.headers["X-Tidegate-Csrf"] == "c"
            self.role = None
            return web.json_response({})
        if self.role is None:
            return web.json_response({"error": "sign in"}, status=401)
        return web.json_response(self.session())

    async def _feed(self, request: web.Request, feed: Feed) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await feed(Writer(response))
        return response


@contextlib.asynccontextmanager
async def fake(console: Console | None = None) -> AsyncIterator[Fake]:
    """Serves until the end."""
    made = Fake()
    app = web.Application()
    for operation in (console or Console()).operations():
        app.router.add_route(operation.method, operation.path, operation.handler)
    app.router.add_route("*", "/{rest:.*}", made.serve)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    made.origin = str(server.make_url("")).rstrip("/")
    try:
        yield made
    finally:
        await server.close()
