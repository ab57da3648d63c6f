"""How stand-ins are served: one application on one port, while a context lasts or until a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from aiohttp import web


class Addressed(Protocol):
    """A stand-in that serves."""

    address: str


@asynccontextmanager
async def listening(application: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """The address at which it serves, while the context lasts."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until_signal(serving: AbstractAsyncContextManager[Addressed]) -> None:
    """Serve, say where, and end by SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving as standin:
        sys.stdout.write(f"{standin.address}\n")
        sys.stdout.flush()
        await stop.wait()
