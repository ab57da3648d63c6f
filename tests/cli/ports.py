"""An operators' port for tests of commands: real HTTP, with answers that each test states."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiohttp import web

TOKEN = "a token of sixteen bytes"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Heard(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    content: Any
    fields: dict[str, str]


class FakePort:
    """`answers`: "GET /path" -> content, or (status, content), or (status, content, etag), or a handler, or a list of
    these, one after another.
    """

    def __init__(self, **more: Any) -> None:
        self.answers: dict[str, Any] = dict(more)
        self.heard: list[Heard] = []
        self.address = ""

    def of(self, method: str, path: str) -> list[Heard]:
        return [one for one in self.heard if (one.method, one.path) == (method, path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.read()
        heard = Heard(
            request.method,
            request.path,
            dict(request.query),
            orjson.loads(text) if text else None,
            dict(request.headers),
        )
        self.heard.append(heard)
        if request.path != "/readyz" and heard.fields.get("Authorization") != f"Bearer {TOKEN}":
            return _json({"error": "this token is unknown, or holds no more"}, 401)
        found = self.answers.get(f"{request.method} {request.path}", (404, {"error": "there is nothing at this path"}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            answer: web.StreamResponse = await found(request)
            return answer
        status, content, etag = (*found, "")[:3] if isinstance(found, tuple) else (200, found, "")
        return _json(content, status, etag)

    async def serve(self, path: str = "") -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site: web.BaseSite = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"unix:{path}" if path else "{}:{}".format(*runner.addresses[0][:2])
        return runner


@contextmanager
def served(port: FakePort, socket: Path | None = None) -> Iterator[FakePort]:
    """In a thread of its own: commands run a loop themselves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(port.serve(str(socket or "")), loop).result(10)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _json(content: Any, status: int = 200, etag: str = "") -> web.Response:
    fields = {"ETag": f'"{etag}"'} if etag else {}
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json", headers=fields)


def feed(*events: tuple[str, Any], ends: bool = False) -> Handler:
    """Server-sent events; it stays open unless it `ends`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        for name, data in events:
            await response.write(f"event: {name}\r\ndata: ".encode() + orjson.dumps(data) + b"\r\n\r\n")
        if not ends:
            await asyncio.Event().wait()
        return response

    return answer
