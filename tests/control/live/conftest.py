"""Workers as the supervisor sees them: real doors on real unix sockets, over counters and rings that a test fills."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from gateway.control.access.border import border
from gateway.control.live import feed
from gateway.control.live.lines import Lines
from gateway.control.live.pulse import Live
from gateway.control.operations import Operation
from gateway.control.worker import Door, serve
from gateway.history.recent import Recent
from gateway.telemetry.counters import Counters
from gateway.telemetry.lag import Lag
from gateway.telemetry.sums import Sums

STATE: Mapping[str, Any] = {
    "connections": 3, "body_bytes": 0, "store_available": 1, "directory_available": 1, "draining": 0, "generation": 4,
    "digest": "d4",
}  # fmt: skip


@dataclass
class Crew:
    """Some workers; each can be started anew, as another process in the same place."""

    folder: Path
    count: int
    workers: list[Live] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: dict(STATE))
    runners: dict[int, web.AppRunner] = field(default_factory=dict)

    def sockets(self) -> list[Path]:
        return [self.folder / f"worker-{index}.sock" for index in range(self.count)]

    async def start(self, index: int) -> Live:
        lag = Lag(time.monotonic)
        live = Live(Counters(), Recent(time.monotonic), Sums(), lambda: self.state, time.time, lag, f"host-{index}")
        door = Door(dict, cast("Any", SimpleNamespace(version=(1, "d"))), [live])
        self.runners[index] = await serve(self.sockets()[index], door)
        door.serves = True
        self.workers[index : index + 1] = [live]
        return live

    async def end(self, index: int) -> None:
        await self.runners.pop(index).cleanup()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds see soon that their reader has gone."""
    monkeypatch.setattr(feed, "LOOK", 0.05)


MakeCrew = Callable[[int], AbstractAsyncContextManager[tuple[Crew, Lines]]]


@pytest.fixture
def crew() -> MakeCrew:
    """`async with crew(2) as (workers, lines):`"""

    @contextlib.asynccontextmanager
    async def run(count: int) -> AsyncIterator[tuple[Crew, Lines]]:
        # Paths of unix sockets are short.
        with tempfile.TemporaryDirectory(prefix="tg-") as folder:
            made = Crew(Path(folder), count)
            lines = Lines(made.sockets)
            try:
                for index in range(count):
                    await made.start(index)
                yield made, lines
            finally:
                await lines.close()
                for index in list(made.runners):
                    await made.end(index)

    return run


@contextlib.asynccontextmanager
async def port(operations: list[Operation]) -> AsyncIterator[str]:
    """The operators' port with these operations and no guard; gives its address."""
    app = web.Application(middlewares=[border])
    for operation in operations:
        app.router.add_route(operation.method, operation.path, operation.handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until(true: Callable[[], bool], within: float = 3.0) -> None:
    """What another task will have done."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.005)
