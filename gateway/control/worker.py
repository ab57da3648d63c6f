"""What one worker tells its supervisor, on a unix socket that only its user can open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

Snapshot = Callable[[], dict[str, Any]]


async def serve(path: Path, snapshot: Snapshot) -> web.AppRunner:
    """Serve until the runner is cleaned up."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(snapshot()), content_type="application/json")

    app = web.Application()
    app.router.add_get("/snapshot", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await asyncio.to_thread(path.unlink, missing_ok=True)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(path)).start()
    finally:
        os.umask(before)
    return runner
