"""Health, readiness and metrics of all workers, on the operators' own port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway.telemetry.exposition import render

log = logging.getLogger(__name__)

ANSWER_WITHIN = 2.0
"""Seconds for a worker's answer; one that is too busy for it counts as not ready."""


class Fleet:
    """The workers of this supervisor, asked over their unix sockets."""

    def __init__(self, sockets: Callable[[], Sequence[Path]], restarts: Callable[[], int]) -> None:
        self.sockets = sockets
        self.restarts = restarts

    async def snapshots(self) -> list[dict[str, Any]]:
        """Of the workers that answer."""
        answers = await asyncio.gather(*(self._snapshot(path) for path in self.sockets()))
        return [answer for answer in answers if answer is not None]

    async def _snapshot(self, path: Path) -> dict[str, Any] | None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
                session.get("http://worker/snapshot") as answer,
            ):
                snapshot: dict[str, Any] = orjson.loads(await answer.read())
                return snapshot
        except (aiohttp.ClientError, OSError, TimeoutError, orjson.JSONDecodeError):
            return None


def application(fleet: Fleet) -> web.Application:
    """GET /healthz, /readyz and /metrics."""

    async def healthz(_: web.Request) -> web.Response:
        """This process lives; workers that die are started again, so this does not look at them."""
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        """200 where every worker takes requests; 503 with the reason where one does not."""
        wanted = len(fleet.sockets())
        snapshots = await fleet.snapshots()
        draining = sum(snapshot["draining"] for snapshot in snapshots)
        ready = len(snapshots) == wanted and not draining
        answer = {
            "status": "ready" if ready else "not ready",
            "workers": len(snapshots),
            "wanted": wanted,
            "draining": draining,
            "store_available": sum(snapshot["store_available"] for snapshot in snapshots),
            "rulesets": sorted({snapshot["digest"] for snapshot in snapshots}),
        }
        return web.json_response(answer, status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        snapshots = await fleet.snapshots()
        text = await asyncio.to_thread(render, snapshots, fleet.restarts())
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app
