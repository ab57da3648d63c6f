"""A change in the directory bites on all workers within a second: on real databases, with a real Redis and without."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from gateway.accounts.announce import CHANNEL, Announcer
from gateway.accounts.directory import NOT_LOADED, AccountRecord, KeyRecord
from gateway.accounts.file_directory import snapshot
from gateway.accounts.follow import DirectoryFollower
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.model import AccountsFile
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import ALL, Change, Database, Writing
from gateway.accounts.stored import StoredAccounts
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import blocking, client
from gateway.tasks import spawn
from tests import servers

pytestmark = pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey"))

SECOND = 1.0
"""What is promised."""
NEVER = 60.0
"""Seconds between looks, where it has to be a message that says it."""
Open = Callable[..., Database]


async def until(condition: Callable[[], bool], seconds: float = SECOND) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Worker:
    """What a worker has: a directory with its own connections, and a follower."""

    def __init__(self, database: Database, secrets: Secrets, redis: Redis | None, interval: float = 0.5) -> None:
        self.redis = redis
        self.directory = LiveDirectory(stored=StoredAccounts(database, secrets, time.time))
        self.follower = DirectoryFollower(database, redis, self.directory, interval)

    async def load(self, prefix: str) -> KeyRecord:
        record = await self.directory.load(prefix)
        assert record is not None
        return record

    async def refuses(self, prefix: str, seconds: float = SECOND) -> None:
        """Within that time."""
        async with asyncio.timeout(seconds):
            while not (await self.load(prefix)).revoked:
                await asyncio.sleep(0.01)


async def listening(workers: Sequence[Worker]) -> None:
    """Until their subscriptions are known where they made them; in a Cluster, at one of the nodes."""
    redis = workers[0].redis
    if redis is None:
        return
    nodes = [redis]
    if isinstance(redis, RedisCluster):
        await redis.initialize()
        nodes = [Redis(host=node.host, port=node.port) for node in redis.get_nodes()]
    async with asyncio.timeout(10.0):
        while sum([(await node.pubsub_numsub(CHANNEL))[0][1] for node in nodes]) < len(workers):
            await asyncio.sleep(0.01)
    for node in nodes:
        if node is not redis:
            await node.aclose()


@contextlib.asynccontextmanager
async def running(*workers: Worker, interval: float = 0.5) -> AsyncIterator[None]:
    for worker in workers:
        worker.follower._interval = interval
    tasks = [spawn(worker.follower.run(), "follower") for worker in workers]
    try:
        for worker in workers:
            await until(lambda worker=worker: worker.follower.version is not None)  # type: ignore[misc]
        await listening(workers)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("valkey") as one:
        yield one


@pytest.fixture
async def redis(server: EmbeddedServer) -> AsyncIterator[Redis]:
    one = client(f"unix://{server.socket}")
    yield one
    await one.aclose()


class World:
    """Two workers on two connections, and somebody who writes."""

    def __init__(self, url: str, open_directory: Open, secrets: Secrets, socket: str, redis: Redis | None) -> None:
        self.secrets = secrets
        announcer = Announcer(functools.partial(blocking, f"unix://{socket}"), time.monotonic)
        self.loud = open_directory(url, announcer)
        self.quiet = open_directory(url)
        self.one, self.two = (Worker(open_directory(url), secrets, redis) for _ in range(2))

    def account(self, name: str) -> str:
        """The prefix of its key."""
        self.quiet.write("test", lambda w: accounts.create(w, NewAccount(name)))
        return self.quiet.write("test", lambda w: keys.create(w, self.secrets, name, "ci")).prefix

    def revoke(self, database: Database, prefix: str) -> str:
        return database.write("test", lambda w: keys.revoke(w, prefix))


@pytest.fixture
def world(directory_url: str, open_directory: Open, secrets: Secrets, server: EmbeddedServer, redis: Redis) -> World:
    """On each kind of database."""
    return World(directory_url, open_directory, secrets, str(server.socket), redis)


@pytest.fixture
def small(sqlite_url: str, open_directory: Open, secrets: Secrets, server: EmbeddedServer, redis: Redis) -> World:
    """On SQLite alone."""
    return World(sqlite_url, open_directory, secrets, str(server.socket), redis)


async def test_a_revoked_key_stops_on_all_workers(world: World) -> None:
    """At once, before anybody looks; and what is remembered elsewhere is void with it."""
    prefix = world.account("acme")
    async with running(world.one, world.two, interval=NEVER):
        held = [await worker.load(prefix) for worker in (world.one, world.two)]
        world.revoke(world.loud, prefix)
        await asyncio.gather(*(worker.refuses(prefix) for worker in (world.one, world.two)))

        assert not any(record.cell.current for record in held)
        assert world.one.follower.available
        assert world.one.follower.told
        assert world.one.follower.missed == 0


async def test_without_redis(world: World, server: EmbeddedServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is stopped: the promise is kept by looking, and the outage is said once by each who notices."""
    prefix = world.account("acme")
    async with running(world.one, world.two):
        for worker in (world.one, world.two):
            await worker.load(prefix)
        await server.stop()
        await until(lambda: not world.one.follower.told, 3.0)
        world.revoke(world.loud, prefix)
        await asyncio.gather(*(worker.refuses(prefix) for worker in (world.one, world.two)))

        await server.start()
        await until(lambda: world.one.follower.told and world.two.follower.told, 3.0)
    assert caplog.text.count("looking has to do") == 2


async def test_a_message_that_is_lost(world: World) -> None:
    """Nobody announces it: the next look finds it, and counts it as missed."""
    prefix = world.account("acme")
    async with running(world.one, world.two):
        for worker in (world.one, world.two):
            await worker.load(prefix)
        world.revoke(world.quiet, prefix)
        await asyncio.gather(*(worker.refuses(prefix) for worker in (world.one, world.two)))

    assert world.one.follower.missed == 1


async def test_a_message_that_comes_after_one_that_was_lost(small: World) -> None:
    """Its version shows that there is more to know: both changes are in force at once, not at the next look."""
    lost, told = small.account("lost"), small.account("told")
    async with running(small.one, interval=NEVER):
        await small.one.load(lost)
        await small.one.load(told)
        small.revoke(small.quiet, lost)
        small.revoke(small.loud, told)
        await asyncio.gather(small.one.refuses(lost), small.one.refuses(told))


async def test_a_new_key_works_within_a_second(small: World) -> None:
    """Also where it was asked for before it was there."""
    account = small.account("acme")
    async with running(small.one):
        assert await small.one.directory.load("Brandnew01") is None
        rename = tables.keys.update().where(tables.keys.c.prefix == account).values(prefix="Brandnew01")

        def make(writing: Writing) -> None:
            writing.connection.execute(rename)
            writing.changed("acme")

        small.quiet.write("test", make)
        await until(lambda: small.one.directory.find("Brandnew01") is NOT_LOADED)
        assert (await small.one.load("Brandnew01")).principal.account == "acme"


@pytest.mark.parametrize("accounts_", [(ALL,), tuple(f"a{number}" for number in range(1500))], ids=["all", "many"])
async def test_many_at_once(small: World, accounts_: tuple[str, ...]) -> None:
    """Everybody, or more than a message names."""
    prefix = small.account("a7")
    async with running(small.one, interval=NEVER):
        await small.one.load(prefix)

        def change(writing: Writing) -> None:
            writing.connection.execute(tables.keys.update().values(revoked=1.0))
            for account in accounts_:
                writing.changed(account)

        small.loud.write("test", change)
        await small.one.refuses(prefix)


async def test_a_directory_that_went_back(small: World, caplog: pytest.LogCaptureFixture) -> None:
    """Restored from a backup: its version is lower, and all that was remembered is read again."""
    prefix = small.account("acme")
    async with running(small.one):
        await small.one.load(prefix)

        def restore(writing: Writing) -> None:
            writing.connection.execute(tables.keys.update().values(revoked=1.0))
            writing.connection.execute(tables.version.update().values(version=1))
            writing.connection.execute(tables.changes.delete().where(tables.changes.c.version > 1))

        small.quiet.write("test", restore)
        await small.one.refuses(prefix)
        await until(lambda: small.one.follower.version == 1)
        small.loud.write("test", lambda w: w.changed("acme"))
        await until(lambda: small.one.follower.version == 2)
    assert "went back" in caplog.text


async def test_an_account_of_the_file_that_is_suspended_here(small: World) -> None:
    """It has a row as well, such as for its owner's visits: a suspension counts, also for keys of the file; and it is
    known of who is in a file that is read later, and of who follows later.
    """
    small.account("acme")
    entry = {"name": "ci", "prefix": "FilePrefix", "digest": "ab" * 32, "pepper": "p1"}
    stated = {"peppers": {"p1": "f" * 32}, "accounts": [{"id": "acme", "keys": [entry]}]}
    directory = small.one.directory

    def refused() -> bool:
        record, account = directory.find("FilePrefix"), directory.account("acme")
        assert isinstance(record, KeyRecord)
        assert isinstance(account, AccountRecord)
        return record.suspended and account.suspended

    directory.replace(snapshot(AccountsFile.model_validate(stated)))
    async with running(small.one, interval=NEVER):
        generation = directory.generation
        small.loud.write("test", lambda w: accounts.suspend(w, "acme", "test"))
        await until(refused)
        assert directory.generation > generation
        small.loud.write("test", lambda w: accounts.restore(w, "acme", "test"))
        await until(lambda: not refused())
        small.loud.write("test", lambda w: accounts.suspend(w, "acme", "test"))
        await until(refused)
    async with running(small.two, interval=0.1):
        directory = small.two.directory
        await asyncio.sleep(0.2)
        directory.replace(snapshot(AccountsFile.model_validate(stated)))
        await until(refused)


async def test_another_file_in_its_place(small: World, tmp_path: Path) -> None:
    """A backup of SQLite that is moved over the file: what we have open is not it any more."""
    prefix = small.account("acme")
    async with running(small.one):
        await small.one.load(prefix)
        path = Path(str(small.quiet.url.database))
        small.quiet.engine.raw_connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        backup = tmp_path / "backup.db"
        shutil.copy(path, backup)
        other = Database(f"sqlite:///{backup}", time.time)
        small.revoke(other, prefix)
        other.close()
        backup.rename(path)
        await small.one.refuses(prefix)


async def test_while_the_database_is_away(small: World, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Memory stays in force but for what messages name; that is said once; then all is followed again."""
    caplog.set_level(logging.WARNING)
    kept, named = small.account("kept"), small.account("named")
    async with running(small.one):
        records = [await small.one.load(prefix) for prefix in (kept, named)]
        version = small.one.follower.version
        assert version is not None
        small.quiet.write("test", lambda w: w.connection.execute(tables.version.delete()))
        await until(lambda: not small.one.follower.available)
        await redis.publish(CHANNEL, orjson.dumps({"version": version + 5, "accounts": ["named"]}))
        await until(lambda: not records[1].cell.current)
        assert records[0].cell.current
        await asyncio.sleep(0.6)

        small.quiet.write(
            "test", lambda w: w.connection.execute(tables.version.insert(), {"id": 1, "version": version})
        )
        await until(lambda: small.one.follower.available)
        small.revoke(small.loud, kept)
        await small.one.refuses(kept)
    texts = [record.message for record in caplog.records if "directory is" in record.message]
    assert [text.partition(":")[0] for text in texts] == [
        "the directory is not followed, the last known stays in force",
        "the directory is followed again",
    ]


async def test_a_database_that_hangs_is_said(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its look is waited for, and meanwhile it counts as away."""
    worker = Worker(small.quiet, small.secrets, None, interval=0.01)
    worker.follower._timeout = 0.02
    gate = asyncio.Event()
    inner = small.quiet.reading

    async def reading(work: Any) -> Any:
        await gate.wait()
        return await inner(work)

    monkeypatch.setattr(small.quiet, "reading", reading)
    task = spawn(worker.follower.run(), "follower")
    await until(lambda: not worker.follower.available)
    gate.set()
    await until(lambda: worker.follower.available)
    task.cancel()
    await asyncio.wait([task])


async def test_nonsense_on_the_channel(small: World, redis: Redis) -> None:
    """Is nothing; what follows is heard."""
    prefix = small.account("acme")
    async with running(small.one, interval=NEVER):
        await small.one.load(prefix)
        for content in (b"", b"{}", b"[]", b'{"version": "x"}', b"\xff"):
            await redis.publish(CHANNEL, content)
        small.revoke(small.loud, prefix)
        await small.one.refuses(prefix)


async def test_a_message_that_is_late(small: World) -> None:
    """A look has brought us further already: we do not go back, and no look is taken for a restored backup."""
    follower, version = small.one.follower, 0
    small.account("acme")
    await follower.look()
    assert follower.version is not None
    version = follower.version
    generation = small.one.directory.generation

    follower.hear(Change(version - 1, ("acme",)))
    assert follower.version == version
    follower.hear(Change(version + 1, ("acme",)))
    assert follower.version == version + 1
    small.quiet.write("test", lambda w: w.changed("acme"))
    await follower.look()

    assert follower.version == version + 1
    assert small.one.directory.generation == generation


async def test_a_message_during_a_look(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is newer than the answer that the look then gets: that is no way back either."""
    follower = small.one.follower
    small.account("acme")
    await follower.look()
    generation = small.one.directory.generation
    inner = follower._database.reading

    async def reading(work: Any) -> Any:
        answer = await inner(work)
        assert follower.version is not None
        follower.hear(Change(follower.version + 1, ("acme",)))
        return answer

    monkeypatch.setattr(follower._database, "reading", reading)
    before = follower.version
    assert before is not None
    await follower.look()

    assert follower.version == before + 1
    assert small.one.directory.generation == generation


async def test_what_another_directory_says_on_the_same_redis(small: World) -> None:
    """Its version may be the one that comes next here: what that changes here is learned all the same."""
    follower, prefix = small.one.follower, small.account("acme")
    await follower.look()
    await small.one.load(prefix)
    assert follower.version is not None
    generation = small.one.directory.generation
    follower.hear(Change(follower.version + 1, ("of-another",)))
    await follower.look()
    small.revoke(small.quiet, prefix)
    await follower.look()

    assert (await small.one.load(prefix)).revoked
    assert small.one.directory.generation == generation, "it is no directory that went back"


async def test_a_cluster_is_followed_too(sqlite_url: str, open_directory: Open, secrets: Secrets) -> None:
    """Messages reach every node, and so whoever listens at any of them."""
    async with servers.cluster() as nodes:
        url = servers.cluster_url(nodes)
        ours = client(url)
        world = World(sqlite_url, open_directory, secrets, "", ours)
        announcer = Announcer(functools.partial(blocking, url), time.monotonic)
        loud = open_directory(sqlite_url, announcer)
        prefix = world.account("acme")
        async with running(world.one, interval=5.0):
            await world.one.load(prefix)
            world.revoke(loud, prefix)
            await world.one.refuses(prefix)
        announcer.close()
        await ours.aclose()


async def test_run_ends_when_it_is_cancelled(small: World) -> None:
    """And leaves nothing behind that still runs."""
    async with running(small.one):
        pass
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
