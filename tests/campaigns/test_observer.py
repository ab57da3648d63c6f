"""The worker's end of the line to the sketcher: it never waits, and what it loses it counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from gateway.campaigns import observer as observing
from gateway.campaigns.observer import HEAD, NOTES_AT_MOST, Observer
from gateway.tasks import spawn
from gateway.telemetry.counters import Counters

WITHIN: Final = 10.0


class Sketcher:
    """Reads frames, as fast as it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.server: asyncio.Server | None = None
        self.lines: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self.server = await asyncio.start_unix_server(self.hear, str(self.path))

    async def kill(self) -> None:
        assert self.server is not None
        self.server.close()
        for line in self.lines:
            line.transport.abort()

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self.reads.wait()
                size = int.from_bytes(await reader.readexactly(HEAD), "big")
                self.notes += orjson.loads(await reader.readexactly(size))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Observer, Counters]]:
    counters = Counters()
    observer = Observer(path, counters, lambda ended: ended, lambda _: asyncio.sleep(0.01))
    task = spawn(observer.run(), "observer")
    try:
        yield observer, counters
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_noted_arrives(tmp_path: Path) -> None:
    """In its order, in frames: a full one at once, the rest a moment later."""
    sketcher = Sketcher(tmp_path / "s.sock")
    await sketcher.open()
    async with running(sketcher.path) as (observer, counters):
        for number in range(NOTES_AT_MOST + 3):
            observer.note((number, "text"))
        await until(lambda: len(sketcher.notes) == NOTES_AT_MOST + 3)
    await sketcher.kill()

    assert [number for number, _ in sketcher.notes] == list(range(NOTES_AT_MOST + 3))
    assert (counters.observations_noted, counters.observations_dropped) == (NOTES_AT_MOST + 3, 0)


async def test_a_sketcher_may_come_later_and_again(tmp_path: Path) -> None:
    """What was noted meanwhile waits; who was killed is found again under the same name."""
    sketcher = Sketcher(tmp_path / "s.sock")
    async with running(sketcher.path) as (observer, counters):
        observer.note(("early",))
        observer.flush()
        await sketcher.open()
        await until(lambda: sketcher.notes == [["early"]])
        await sketcher.kill()
        await until(lambda: observer._transport is None)
        observer.note(("late",))
        observer.flush()
        await sketcher.open()
        await until(lambda: sketcher.notes == [["early"], ["late"]])
    await sketcher.kill()

    assert (counters.observations_noted, counters.observations_dropped) == (2, 0)


@pytest.mark.parametrize("away", [pytest.param(True, id="away"), pytest.param(False, id="slow")])
async def test_nothing_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, away: bool) -> None:
    """Of a sketcher that is away, or does not read: so many bytes wait, the oldest are lost, and every one counts."""
    monkeypatch.setattr(observing, "BUFFER", 100_000)
    sketcher = Sketcher(tmp_path / "s.sock")
    sketcher.reads.clear()
    if not away:
        await sketcher.open()
    async with running(sketcher.path) as (observer, counters):
        if not away:
            await until(lambda: observer._transport is not None)
        for number in range(2000):
            observer.note((number, "x" * 1000))
            if number % 20 == 19:
                observer.flush()
                await asyncio.sleep(0)
            assert observer._held <= 100_000 + 25_000
        assert counters.observations_dropped > 1000
        if away:
            await sketcher.open()
        sketcher.reads.set()
        await until(lambda: counters.observations_noted + counters.observations_dropped == 2000)
        await until(lambda: len(sketcher.notes) == counters.observations_noted)
    await sketcher.kill()

    assert sketcher.notes[-1][0] == 1999


async def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """And goes no further; what was noted beside it does."""
    sketcher = Sketcher(tmp_path / "s.sock")
    await sketcher.open()
    async with running(sketcher.path) as (observer, counters):
        observer.note(("\ud800",))
        observer.flush()
        observer.note(("one",))
        observer.note(("\ud800",))
        observer.note(("other",))
        observer.flush()
        await until(lambda: len(sketcher.notes) == 2)
    await sketcher.kill()
    assert [note[0] for note in sketcher.notes] == ["one", "other"]
    assert (counters.observations_noted, counters.observations_dropped) == (2, 2)
