"""What workers hold is told through Redis, and whoever is gone is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.accounts.overrides_told import FRESH, KEY, Telling, Told, told
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import Clock
from tests import servers

pytestmark = pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey"))


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("valkey") as one:
        yield one


@pytest.fixture
async def redis(server: EmbeddedServer) -> AsyncIterator[Redis]:
    one = client(server.url)
    yield one
    await one.aclose()


def telling(redis: Redis, clock: Clock, worker: str = "w1", revision: int = 7, every: float = 60.0) -> Telling:
    return Telling(redis, "host:1", worker, lambda: (revision, 5.0), clock, every=every)


async def test_who_holds_what(redis: Redis, clock: Clock) -> None:
    """By gateway and worker; the last that a worker told holds."""
    await telling(redis, clock, "w2").tell()
    await telling(redis, clock, "w1", 6).tell()
    await telling(redis, clock, "w1", 8).tell()
    assert await told(redis, clock.at) == [
        Told("host:1", "w1", 8, 5.0, clock.at),
        Told("host:1", "w2", 7, 5.0, clock.at),
    ]


async def test_who_is_gone_is_removed(redis: Redis, clock: Clock) -> None:
    """By the time of its last word; so is what nobody can read. A worker that ends says so."""
    await telling(redis, clock, "old").tell()
    clock.at += FRESH + 0.1
    ending = telling(redis, clock, "new")
    await ending.tell()
    for field, value in (("host/x", "{"), ("host/y", "[]"), ("noname", '{"revision":1,"at":1,"told":9e9}')):
        await redis.hset(KEY, field, value)
    assert [one.worker for one in await told(redis, clock.at)] == ["new"]
    assert await redis.hkeys(KEY) == [b"host:1/new"]
    await ending.leave()
    assert await told(redis, clock.at) == []


async def test_told_at_once_and_now_and_then(redis: Redis, clock: Clock) -> None:
    """At each swap without waiting for the next turn; and again while nothing happens."""
    revision = 1
    one = Telling(redis, "host:1", "w1", lambda: (revision, 5.0), clock, every=60.0)
    often = telling(redis, clock, "w2", every=0.01)
    tasks = [spawn(one.run(), "one"), spawn(often.run(), "often")]

    async def until_told(*revisions: int) -> None:
        async with asyncio.timeout(5.0):
            while tuple(found.revision for found in await told(redis, clock.at)) != revisions:
                await asyncio.sleep(0.005)

    await until_told(1, 7)
    await redis.hdel(KEY, "host:1/w2")
    revision = 2
    one.swapped()
    await until_told(2, 7)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_redis_that_is_away_stops_nobody(server: EmbeddedServer, clock: Clock) -> None:
    """It is told when it is back; and who ends meanwhile just ends."""
    redis = client(server.url)
    await server.stop()
    one = telling(redis, clock)
    task = spawn(one.run(), "telling")
    await one.leave()
    assert not task.done()
    await server.start()
    async with asyncio.timeout(10.0):
        while not await told(redis, clock.at):
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await redis.aclose()
