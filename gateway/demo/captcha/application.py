"""The stand-in as an aiohttp application: five APIs, the scripts of their widgets, and what tests drive it with.

GET  /widget/{kind}.js         what a page loads instead of the provider's script: a box to tick
POST /widget/{kind}/answer     {"sitekey", "bound"}: the answer, for the page whose Origin asks
POST /standin/answers          {"kind", "host", "bound", "score", "age"}: an answer that was given like that
POST /standin/behaviour        any of `world.Behaviour`
GET  /standin/asked            what was asked for, without secrets
GET  /standin/last             what was answered last: where a redirect leads to
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.demo.captcha.protocols import ROUTES, Json, Told, Validates
from gateway.demo.captcha.world import KINDS, Behaviour, Settings, World
from gateway.demo.served import listening

_HERE: Final = Path(__file__).parent
_ANYBODY: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type"}

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    """One that serves. `address` is set once it does."""

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        self.address = ""
        self._last: Json = {}

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024)
        for path, validates in ROUTES.items():
            app.router.add_post(path, self._api(validates))
        app.router.add_get("/widget/{kind}.js", self._script)
        app.router.add_post("/widget/{kind}/answer", self._answer)
        app.router.add_options("/widget/{kind}/answer", self._allow)
        app.router.add_post("/standin/answers", self._give)
        app.router.add_post("/standin/behaviour", self._behave)
        app.router.add_get("/standin/asked", self._asked)
        app.router.add_get("/standin/last", self._again)
        return app

    def _api(self, validates: Validates) -> Served:
        async def handle(request: web.Request) -> web.StreamResponse:
            behaviour = self.world.behaviour
            if behaviour.down:
                return web.json_response({"error": "unavailable"}, status=503)
            told = await validates(self.world, request)
            self._last = told.content
            if behaviour.slow:
                await asyncio.sleep(behaviour.slow)
            if behaviour.lose > 0:
                behaviour.lose -= 1
                if request.transport is not None:
                    request.transport.abort()
            return _said(told, behaviour.answers)

        return handle

    async def _script(self, request: web.Request) -> web.Response:
        if request.match_info["kind"] not in KINDS:
            raise web.HTTPNotFound
        script = (_HERE / "widget.js").read_text()
        return web.Response(
            text=script, content_type="text/javascript", headers={**_ANYBODY, "Cache-Control": "no-store"}
        )

    async def _allow(self, _request: web.Request) -> web.Response:
        return web.Response(status=204, headers=_ANYBODY)

    async def _answer(self, request: web.Request) -> web.Response:
        kind, told = request.match_info["kind"], await request.json()
        host = urlsplit(request.headers.get("Origin", "")).hostname or ""
        if kind not in KINDS or told.get("sitekey") != self.world.settings.site_key:
            return web.json_response({"error": "invalid site key"}, status=400, headers=_ANYBODY)
        return web.json_response({"answer": self.world.give(kind, host, str(told.get("bound", "")))}, headers=_ANYBODY)

    async def _give(self, request: web.Request) -> web.Response:
        told = await request.json()
        if told.get("kind") not in KINDS:
            return web.json_response({"error": f"known are {', '.join(KINDS)}"}, status=400)
        score = told.get("score", 0.9)
        answer = self.world.give(
            told["kind"],
            str(told.get("host", "")),
            str(told.get("bound", "")),
            score=None if score is None else float(score),
            age=float(told.get("age", 0)),
        )
        return web.json_response({"answer": answer})

    async def _behave(self, request: web.Request) -> web.Response:
        told = await request.json()
        known = {one.name: type(getattr(self.world.behaviour, one.name)) for one in fields(Behaviour)}
        if set(told) - set(known):
            return web.json_response({"error": f"known are {', '.join(known)}"}, status=400)
        for name, value in told.items():
            setattr(self.world.behaviour, name, known[name](value))
        return web.json_response(asdict(self.world.behaviour))

    async def _asked(self, _request: web.Request) -> web.Response:
        return web.json_response({"asked": self.world.asked})

    async def _again(self, _request: web.Request) -> web.Response:
        return web.json_response(self._last)


def _said(told: Told, how: str) -> web.Response:
    """What is wrong with it is only how it is said: whoever takes it all the same, takes it for a pass."""
    if how == "redirect":
        return web.Response(status=302, headers={"Location": "/standin/last"})
    if how == "html":
        return web.Response(text=json.dumps(told.content), content_type="text/html")
    texts = {
        "large": json.dumps({**told.content, "x": "x" * 200_000}),
        "nonsense": json.dumps(told.content)[:-1],
        "deep": json.dumps(told.content)[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}",
        "list": f"[{json.dumps(told.content)}]",
        "empty": "",
    }
    if how in texts:
        return web.Response(text=texts[how], content_type="application/json")
    return web.json_response(told.content, status=told.status)


@asynccontextmanager
async def serving(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[StandIn]:
    """Serve while the context lasts."""
    standin = StandIn(settings)
    async with listening(standin.application(), host, port) as standin.address:
        yield standin
