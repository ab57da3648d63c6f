"""Revocation in the fleet, on a real Valkey: within a second everywhere, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.accounts import revocations
from gateway.accounts.directory import AccountRecord, KeyRecord
from gateway.accounts.file_directory import Snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.revocations import RevocationWatcher, restore, revoke, suspend
from gateway.policy import Principal
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from tests import servers

pytestmark = pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey"))

SECOND = 1.0
"""What is promised."""


def make_directory() -> LiveDirectory:
    keys = {name: KeyRecord(b"d" * 32, "p1", Principal("acme", key=name)) for name in ("Prefix0001", "Prefix0002")}
    return LiveDirectory(Snapshot(keys, {"acme": Principal("acme")}, frozenset(), {}))


def revoked(directory: LiveDirectory, prefix: str = "Prefix0001") -> bool:
    record = directory.find(prefix)
    assert isinstance(record, KeyRecord)
    return record.revoked


def suspended(directory: LiveDirectory) -> bool:
    record = directory.account("acme")
    assert isinstance(record, AccountRecord)
    return record.suspended


async def until(condition: Callable[[], bool], seconds: float = SECOND) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("valkey") as running:
        yield running


@pytest.fixture
async def redis(server: EmbeddedServer) -> AsyncIterator[Redis]:
    client = Redis(unix_socket_path=server.socket)
    yield client
    await client.aclose()


@contextlib.asynccontextmanager
async def worker(server: EmbeddedServer) -> AsyncIterator[LiveDirectory]:
    """A directory that is kept up to date, over connections of its own."""
    client = Redis(unix_socket_path=server.socket)
    directory = make_directory()
    task = spawn(RevocationWatcher(client, directory).run(), name="revocations")
    try:
        yield directory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def test_a_revoked_key_stops_on_all_workers(server: EmbeddedServer, redis: Redis) -> None:
    """Within a second, and no other key with it; so with an account; and both can be taken back."""
    async with worker(server) as one, worker(server) as two:
        await revoke(redis, "Prefix0001")
        await until(lambda: revoked(one) and revoked(two))
        assert not revoked(one, "Prefix0002")

        await suspend(redis, "acme")
        await until(lambda: suspended(one) and suspended(two))

        await restore(redis, prefix="Prefix0001", account="acme")
        await until(lambda: not (revoked(one) or revoked(two) or suspended(one) or suspended(two)))


async def test_a_worker_that_starts_later_knows(server: EmbeddedServer, redis: Redis) -> None:
    """What was revoked before it began is in force before its first second is over."""
    await revoke(redis, "Prefix0001")

    async with worker(server) as late:
        await until(lambda: revoked(late))


async def test_a_lost_message_is_noticed(server: EmbeddedServer, redis: Redis) -> None:
    """Nobody is told (the channel is another), and the version says it all the same."""
    async with worker(server) as one:
        await revoke(redis, "Prefix0002")
        await until(lambda: revoked(one, "Prefix0002"))

        await redis.hset(revocations.HASH, "key:Prefix0001", "1")
        await redis.hincrby(revocations.HASH, "version", 1)
        await until(lambda: revoked(one))


async def test_a_client_that_decodes(server: EmbeddedServer) -> None:
    """Both kinds of redis-py client will do."""
    client = Redis(unix_socket_path=server.socket, decode_responses=True)
    directory = make_directory()
    await revoke(client, "Prefix0001")

    assert await RevocationWatcher(client, directory).look()
    assert revoked(directory)
    await client.aclose()


async def test_a_server_that_comes_back(server: EmbeddedServer, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """While it is away nothing is forgotten; afterwards it is followed again; it is said twice, not at every try."""
    caplog.set_level(logging.WARNING, logger="gateway.accounts.revocations")
    async with worker(server) as one:
        await revoke(redis, "Prefix0001")
        await until(lambda: revoked(one))
        await server.stop()
        await until(lambda: "not followed" in caplog.text, 3.0)
        await asyncio.sleep(1.2)
        assert revoked(one)

        await server.start()
        await until(lambda: "followed again" in caplog.text, 3.0)
        await revoke(redis, "Prefix0002")
        await until(lambda: revoked(one, "Prefix0002"))

    assert caplog.text.count("not followed") == 1
    assert caplog.text.count("followed again") == 1


async def test_what_redis_lost_is_written_again(server: EmbeddedServer, redis: Redis) -> None:
    """It restarts empty, and the workers bring back what they know, for those who start later."""
    async with worker(server) as one:
        await revoke(redis, "Prefix0001")
        await until(lambda: revoked(one))
        await server.stop()
        await server.start()
        assert not await redis.hexists(revocations.HASH, "key:Prefix0001")

        async with asyncio.timeout(3.0):
            while not await redis.hexists(revocations.HASH, "key:Prefix0001"):
                await asyncio.sleep(0.02)
        assert revoked(one)

    async with worker(server) as late:
        await until(lambda: revoked(late))


async def test_a_loss_is_noticed_behind_the_same_version(redis: Redis) -> None:
    """Version 1 of another life is not version 1 of this one: the epoch tells them apart."""
    directory = make_directory()
    watcher = RevocationWatcher(redis, directory)
    await revoke(redis, "Prefix0001")
    await watcher.look()
    await redis.flushall()
    await revoke(redis, "Prefix0002")
    assert await redis.hget(revocations.HASH, "version") == b"1"

    await watcher.look()

    assert revoked(directory, "Prefix0001")
    assert revoked(directory, "Prefix0002")
    assert await redis.hexists(revocations.HASH, "key:Prefix0001")
    await restore(redis, prefix="Prefix0001")
    await watcher.look()
    assert not revoked(directory, "Prefix0001")


async def test_a_change_is_one_transaction(redis: Redis) -> None:
    """The entry, the version and the message: a listener that is told sees it, and nobody sees a part of it."""
    directory = make_directory()
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(revocations.CHANNEL)
        await pubsub.get_message(timeout=1)
        await revoke(redis, "Prefix0001")
        async with asyncio.timeout(SECOND):
            while await pubsub.get_message(timeout=0.1) is None:
                pass

    assert await RevocationWatcher(redis, directory).look()
    assert revoked(directory)
    transactions = await redis.info("commandstats")
    assert transactions["cmdstat_exec"]["calls"] == 1


async def test_what_does_not_change_is_not_read_again(redis: Redis) -> None:
    """The generation stays, so nobody's cache is void."""
    directory = make_directory()
    watcher = RevocationWatcher(redis, directory)
    await revoke(redis, "Prefix0001")

    assert [await watcher.look() for _ in range(3)] == [True, False, False]
    assert directory.generation == 1


async def test_a_cancelled_watcher_ends(redis: Redis) -> None:
    """Whatever it is doing: redis-py may swallow a cancellation, and then a worker would never stop."""
    for ticks in range(60):
        task = spawn(RevocationWatcher(redis, make_directory(), interval=0.001).run(), name="revocations")
        await asyncio.sleep(0.004)
        for _ in range(ticks % 40):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=SECOND)
        assert done


async def test_a_replica_without_the_last_writes_forgets_nothing(redis: Redis) -> None:
    """A version that goes back is a failover, not a change: what we know stays in force, and is written again."""
    directory = make_directory()
    watcher = RevocationWatcher(redis, directory)
    await revoke(redis, "Prefix0001")
    await watcher.look()
    before: dict[Any, Any] = await redis.hgetall(revocations.HASH)
    await revoke(redis, "Prefix0002")
    await watcher.look()
    await redis.delete(revocations.HASH)
    await redis.hset(revocations.HASH, mapping=before)
    await watcher.look()
    assert revoked(directory, "Prefix0001")
    assert revoked(directory, "Prefix0002")
    assert await redis.hget(revocations.HASH, "key:Prefix0002") == b"1"


async def test_a_cluster_is_followed_too() -> None:
    """Where messages cannot be followed, looking keeps the promise."""
    async with servers.cluster() as nodes:
        url = servers.cluster_url(nodes)
        theirs, ours = client(url), client(url)
        directory = make_directory()
        task = spawn(RevocationWatcher(theirs, directory).run(), "watcher")
        await revoke(ours, "Prefix0001")
        await until(lambda: revoked(directory))
        await restore(ours, prefix="Prefix0001")
        await until(lambda: not revoked(directory))
        task.cancel()
        await asyncio.wait([task])
        await theirs.aclose()
        await ours.aclose()


async def test_a_cluster_that_is_away_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No node answers, which redis-py says with an error of another family: it is an outage like any other."""
    nobody = client("redis+cluster://127.0.0.1:1")
    watcher = RevocationWatcher(nobody, make_directory(), interval=0.01)
    task = spawn(watcher.run(), "watcher")
    await until(lambda: not watcher.available, 5.0)
    await asyncio.sleep(0.05)

    assert not task.done()
    assert caplog.text.count("not followed") == 1
    task.cancel()
    await asyncio.wait([task])
    await nobody.aclose()


async def test_nonsense_in_redis_ends_nothing(server: EmbeddedServer, redis: Redis) -> None:
    """A version that is no number is an outage like any other: when it is mended, revocations are followed again."""
    async with worker(server) as directory:
        await revoke(redis, "Prefix0001")
        await until(lambda: revoked(directory))
        await redis.hset(revocations.HASH, "version", "abc")
        await asyncio.sleep(0.7)
        await redis.hset(revocations.HASH, "version", "9")
        await revoke(redis, "Prefix0002")
        await until(lambda: revoked(directory, "Prefix0002"), 2 * SECOND)
