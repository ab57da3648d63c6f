"""Following a stream: all of it, in order, and through bad times. (In a Cluster: `tests/feeds/test_sightings.py`.)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import fleet_stream
from gateway.fleet_stream import Outages, follow, texts
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from tests import servers

STREAM = "tg:some"
log = logging.getLogger("followed")


class Counts:
    """Where failures are added up."""

    failures = 0


class Follower:
    """What one has heard, and how often it was at the end of the stream."""

    def __init__(self, redis: Any, back: float = 60.0) -> None:
        self.heard: list[dict[str, str]] = []
        self.ends: list[int] = []
        self.outages = Outages(Counts(), log, "entries", "nothing is heard")
        self.work = follow(redis, STREAM, time.time, back, self._hear, self.outages, self._caught_up)

    def _hear(self, fields: Any) -> None:
        self.heard.append(texts(fields))

    def _caught_up(self) -> None:
        self.ends.append(len(self.heard))


@contextlib.asynccontextmanager
async def following(redis: Any, back: float = 60.0) -> AsyncIterator[Follower]:
    """Until the end of the block."""
    one = Follower(redis, back)
    task = spawn(one.work, name="follow")
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_heard(one: Follower, entries: int) -> None:
    async with asyncio.timeout(5.0):
        while len(one.heard) < entries:
            await asyncio.sleep(0.005)


@pytest.fixture
async def redis() -> AsyncIterator[Any]:
    """On a server of its own."""
    if why := servers.missing("redis"):
        pytest.skip(why)
    async with servers.server("redis") as server:
        one = client(server.url)
        yield one
        await one.aclose()


async def test_everything_is_heard_in_order(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there, in batches, and what comes then; the end is told when it is reached, and not before."""
    monkeypatch.setattr(fleet_stream, "BATCH", 10)
    for index in range(35):
        await redis.xadd(STREAM, {"n": index})
    async with following(redis) as one:
        await until_heard(one, 35)
        for index in range(35, 40):
            await redis.xadd(STREAM, {"n": index})
        await until_heard(one, 40)
    assert [int(fields["n"]) for fields in one.heard] == list(range(40))
    assert one.ends[0] == 35


@pytest.mark.timing
async def test_the_end_of_an_empty_stream_is_reached_at_once(redis: Any) -> None:
    """Whoever starts with nothing to read does not wait for something to come."""
    began = time.perf_counter()
    async with following(redis) as one, asyncio.timeout(5.0):
        while not one.ends:
            await asyncio.sleep(0.005)
    assert time.perf_counter() - began < fleet_stream.BLOCK


async def test_what_is_too_old_is_not_heard(redis: Any) -> None:
    """By the time that stands in the id."""
    await redis.xadd(STREAM, {"n": "old"}, id=f"{int((time.time() - 3600) * 1000)}-0")
    await redis.xadd(STREAM, {"n": "new"})
    async with following(redis, 60.0) as one:
        await until_heard(one, 1)
    assert one.heard == [{"n": "new"}]


async def test_an_outage_is_said_once(redis: Any, caplog: pytest.LogCaptureFixture) -> None:
    """When it begins and when it ends; each failure is counted, and what comes after it is heard."""
    caplog.set_level(logging.WARNING)
    await redis.set(STREAM, "another type")
    async with following(redis) as one, asyncio.timeout(10.0):
        while one.outages._counts.failures < 2:
            await asyncio.sleep(0.01)
        assert one.outages
        await redis.delete(STREAM)
        await redis.xadd(STREAM, {"n": "1"})
        await until_heard(one, 1)
        assert not one.outages
    said = [record.message.partition(":")[0] for record in caplog.records if record.name == log.name]
    assert said == ["entries are not followed, nothing is heard", "entries are followed again"]
