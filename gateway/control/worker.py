"""What one worker tells its supervisor, and is told by it, on a unix socket that only its user can open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import web

Snapshot = Callable[[], dict[str, Any]]


class Rules(Protocol):
    """As gateway.control.in_force.InForce."""

    @property
    def version(self) -> tuple[int, str]: ...

    async def prepare(self, folder: Path, version: tuple[int, str]) -> list[str]: ...

    def commit(self, version: tuple[int, str]) -> bool: ...

    def discard(self) -> None: ...


class More(Protocol):
    """As gateway.control.live.pulse.Live."""

    def add_to(self, app: web.Application) -> None: ...


class Door:
    """Opened before the worker serves; until `serves` is set it answers 503 to everything."""

    def __init__(self, snapshot: Snapshot, rules: Rules, more: Sequence[More] = ()) -> None:
        """`more` add what else can be asked, such as what happens live."""
        self.snapshot = snapshot
        self.rules = rules
        self.more = more
        self.serves = False

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._closed])
        app.router.add_get("/snapshot", self._snapshot)
        app.router.add_get("/ruleset", self._version)
        app.router.add_post("/ruleset/prepare", self._prepare)
        app.router.add_post("/ruleset/commit", self._commit)
        app.router.add_post("/ruleset/discard", self._discard)
        for one in self.more:
            one.add_to(app)
        return app

    @web.middleware
    async def _closed(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        if not self.serves:
            return _answer({"error": "it is starting"}, 503)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _snapshot(self, _: web.Request) -> web.Response:
        return _answer(self.snapshot())

    async def _version(self, _: web.Request) -> web.Response:
        generation, digest = self.rules.version
        return _answer({"generation": generation, "digest": digest})

    async def _prepare(self, request: web.Request) -> web.Response:
        """200 where it is ready, 422 with the problems where it never will be."""
        folder, version = _whole_of(await request.read())
        problems = await self.rules.prepare(folder, version)
        return _answer({"problems": problems}, 422 if problems else 200)

    async def _commit(self, request: web.Request) -> web.Response:
        """200, or 409 where that one was not prepared."""
        _, version = _whole_of(await request.read())
        done = self.rules.commit(version)
        return _answer({"committed": done}, 200 if done else 409)

    async def _discard(self, _: web.Request) -> web.Response:
        self.rules.discard()
        return _answer({})


def _whole_of(content: bytes) -> tuple[Path, tuple[int, str]]:
    """Folder and version of a whole."""
    try:
        told = orjson.loads(content)
        return Path(told["folder"]), (int(told["generation"]), str(told["digest"]))
    except (ValueError, TypeError, KeyError) as error:
        raise web.HTTPBadRequest(text=f"not a whole: {error}") from error


def _answer(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


async def serve(path: Path, door: Door) -> web.AppRunner:
    """Serve until the runner is cleaned up."""
    # A worker that ends waits for no ruleset that is just being loaded.
    runner = web.AppRunner(door.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await asyncio.to_thread(path.unlink, missing_ok=True)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(path)).start()
    finally:
        os.umask(before)
    return runner
