"""The detector's process, with a real Redis: what it follows, what it tells, and what survives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sql
from redis.asyncio import Redis

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.migrate import upgrade
from gateway.app import detector_telling
from gateway.app.detector import Process
from gateway.app.detector_facts import DirectoryFacts
from gateway.app.detector_levels import Levels
from gateway.app.detector_telling import Lease, Telling
from gateway.campaigns.verdict import Verdict
from gateway.detect.observations import STREAM
from gateway.detect.settings import Settings
from gateway.feeds.verdicts import HELD, LEADER, STATE, TERM, read
from gateway.feeds.verdicts_fleet import FleetVerdicts
from gateway.stores.embedded import EmbeddedServer
from gateway.tasks import spawn
from tests import servers
from tests.detect.standin import StandIn
from tests.detect.streamed import observed, tell

pytestmark = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))
LOOK = 0.1
ODD: tuple[dict[str, Any], ...] = (
    {"time": float("nan")},
    {"account": ""},
    {"asn": -1},
    {"status": "200"},
    {"features": ("tools",) * 2000},
)


async def until(condition: Callable[[], Any], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("redis") as running:
        yield running


@pytest.fixture
async def redis(server: EmbeddedServer) -> AsyncIterator[Redis]:
    client = connected(server)
    yield client
    await client.aclose()


def connected(server: EmbeddedServer) -> Redis:
    return Redis(unix_socket_path=server.socket, socket_timeout=5.0)


class Running:
    """A process in this one, with a detector whose words are easy to foresee."""

    def __init__(self, redis: Redis, folder: Path, name: str = "one", database: Database | None = None) -> None:
        self.detector = StandIn(Settings(look=LOOK))
        facts, telling = DirectoryFacts(database, time.time), Telling(redis, database, time.time)
        self.process = Process(
            self.detector, redis, Settings(look=LOOK), folder, facts, telling, Levels(None), name, 0.3
        )
        self._redis = redis
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = spawn(self.process.run(self._stopping), name="detector")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()
        if not self._task.cancelled():
            self._task.result()

    async def die(self) -> None:
        """Without a last word."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def state(self) -> dict[str, Any]:
        return self.process.state()


@contextlib.asynccontextmanager
async def worker(server: EmbeddedServer) -> AsyncIterator[FleetVerdicts]:
    verdicts = FleetVerdicts(time.time)
    redis = connected(server)
    task = spawn(verdicts.run(redis), name="verdicts")
    try:
        yield verdicts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()


def in_force(verdicts: FleetVerdicts, accounts: int = 3) -> bool:
    now = time.time()
    return all(verdicts.of(f"account-{number}", now) is not None for number in range(accounts))


@pytest.mark.timing
async def test_every_worker_knows_within_a_second(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """What is found at a look is known to every worker within a second of it."""
    async with worker(server) as one, worker(server) as other, Running(connected(server), tmp_path) as running:
        await until(lambda: one.known and other.known and running.state["leader"])
        await tell(redis, observed(time.time(), 30, 3))
        await until(lambda: running.state["verdicts"] == 3)
        began = time.monotonic()
        await until(lambda: in_force(one) and in_force(other))
        assert time.monotonic() - began < 1.0
        verdict = one.of("account-0", time.time())
        assert verdict is not None
        assert (verdict.score, verdict.kinds, verdict.cluster.partition("-")[0]) == (10.0, 2, "c0")


async def test_one_tells(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """Of many detectors all follow and one tells; when that ends another one does, and says all that stands."""
    async with (
        worker(server) as told,
        Running(connected(server), tmp_path / "1", "one") as one,
    ):
        await until(lambda: one.state["leader"])
        async with Running(connected(server), tmp_path / "2", "other") as other:
            await tell(redis, observed(time.time(), 30, 3))
            await until(lambda: in_force(told) and other.state["verdicts"] == 3)
            assert other.state["told"] == 0
            assert not other.state["leader"]
            before = told.of("account-0", time.time())
            await one.die()
            await until(lambda: other.state["leader"])
            await until(lambda: other.state["told"] >= 3)
            after = told.of("account-0", time.time())
            assert before is not None
            assert after is not None
            await until(lambda: told.of("account-0", time.time()).version > before.version)  # type: ignore[union-attr]


async def test_a_term_has_so_many_versions(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has said so much that its versions are used up begins a term: workers hear what is said then."""
    monkeypatch.setattr(detector_telling, "VERSIONS", 8)
    lease, telling = Lease(redis, "one", time.monotonic, time.time), Telling(redis, None, time.time)
    await lease.look()
    begun, heard = lease.term, []
    for look in range(8):
        telling.add([Verdict(f"a{at}", "c1", 9.0 + look, expires=time.time() + 99) for at in range(3)], (), ())
        while telling._verdicts:
            await telling.tell(lease)
        heard.append(read((await redis.hget(HELD, "a0")) or b""))
    assert [verdict.score for verdict in heard] == [9.0 + look for look in range(8)]
    assert [verdict.version for verdict in heard] == sorted({verdict.version for verdict in heard})
    assert lease.term > begun


@pytest.mark.parametrize("poison", [b"abc", b"9" * 30, b"1e308", b"nan", b"-inf", b"inf"])
async def test_a_poisoned_term(redis: Redis, poison: bytes) -> None:
    """What a stranger wrote in its place counts for nothing: somebody tells all the same."""
    await redis.set(TERM, poison)
    lease = Lease(redis, "one", time.monotonic, time.time)
    await lease.look()
    assert lease.held
    assert abs(lease.term - time.time()) < 60


async def test_two_of_one_name(redis: Redis) -> None:
    """Two containers may have one name and one number of a process: one tells all the same."""
    turned = [0.0]
    one, other = (Lease(redis, "host:7", lambda: turned[0], time.time) for _ in range(2))
    await one.look()
    await redis.delete(LEADER)  # It was stopped for too long.
    await other.look()
    await one.look()
    assert (one.held, other.held) == (False, True)


async def test_redis_away_and_back(tmp_path: Path) -> None:
    """While Redis is away verdicts stay in force; when it is back, what is new is found and told."""
    async with (
        servers.server("redis", port=0) as server,
        worker(server) as told,
        Running(connected(server), tmp_path) as running,
    ):
        redis = connected(server)
        await tell(redis, observed(time.time(), 30, 3))
        await until(lambda: in_force(told))
        await redis.aclose()
        await server.stop()
        await until(lambda: not told.available)
        assert in_force(told)
        await server.start()
        redis = connected(server)
        await tell(redis, observed(time.time(), 30, 4, "later", system=500))
        await until(lambda: told.of("later-0", time.time()) is not None, 20.0)
        await redis.aclose()
        assert running.state["events"] == 60


async def test_nonsense(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """Entries that are none of ours are counted, and harm nobody."""
    async with Running(connected(server), tmp_path) as running:
        await redis.xadd(STREAM, {"v": "1", "e": "["})
        await redis.xadd(STREAM, {"v": "9", "e": "[]"})
        await redis.xadd(STREAM, {"something": "else"})
        for odd in (
            {"time": float("nan")},
            {"account": ""},
            {"asn": -1},
            {"status": "200"},
            {"features": ("a",) * 2000},
        ):
            await tell(redis, [observed(time.time(), 1, 1)[0]._replace(**odd), *observed(time.time(), 1, 1)])
        await tell(redis, observed(time.time(), 5, 2))
        await until(lambda: running.state["events"] == 10)
        assert running.state["unreadable"] == 8


async def test_the_future(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """An exchange dated in the year 3000 is heard as of now: all that is known would be long ago."""
    async with Running(connected(server), tmp_path) as running:
        await tell(redis, observed(32_503_680_000.0, 3, 1))
        await until(lambda: running.state["events"] == 3)
        assert running.state["newest"] <= time.time()


@pytest.mark.timing
async def test_burst(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """A burst of 20,000 exchanges is heard within some seconds, and the lag is 0 again."""
    async with Running(connected(server), tmp_path) as running:
        await tell(redis, observed(time.time(), 20_000, 500))
        await until(lambda: running.state["events"] == 20_000 and running.state["lag"] == 0.0, 5.0)


async def test_snapshot(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """One that starts again goes on where it had ended, and tells what stands although it has not found it again."""
    async with worker(server) as told:
        async with Running(connected(server), tmp_path):
            await tell(redis, observed(time.time(), 30, 3))
            await until(lambda: in_force(told))
        await redis.delete(HELD)
        async with Running(connected(server), tmp_path) as again:
            await until(lambda: again.state["told"] == 3)
            assert again.state["events"] == 30
            assert not again.detector.heard
            assert await redis.hlen(HELD) == 3


async def test_directory(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """It knows of accounts what the directory does, also what changed; clusters are cases there."""
    database = directory(tmp_path)
    with contextlib.closing(database):
        async with Running(connected(server), tmp_path / "kept", database=database) as running:
            await until(lambda: running.state["leader"])
            await tell(redis, observed(time.time(), 30, 3))
            await until(lambda: {account for _, account in running.detector.learnt} == {"account-0", "account-1"})
            await until(lambda: rows(database, tables.case_accounts) == 3)
            before = len(running.detector.learnt)
            change(database, "account-1")
            await until(lambda: len(running.detector.learnt) == before + 1)


def directory(folder: Path) -> Database:
    """With two accounts."""
    database = Database("sqlite:///directory.db", time.time, folder)
    upgrade(database)

    def add(writing: Any) -> None:
        for name in ("account-0", "account-1"):
            writing.connection.execute(tables.accounts.insert().values(id=name, created=1.0, email_domain="a.example"))
            writing.changed(name)

    database.write("test", add)
    return database


def change(database: Database, account: str) -> None:
    def write(writing: Any) -> None:
        which = tables.accounts.c.id == account
        writing.connection.execute(tables.accounts.update().where(which).values(tier="pro"))
        writing.changed(account)

    database.write("test", write)


def rows(database: Database, table: Any) -> int:
    count = sql.select(sql.func.count()).select_from(table)
    found: int = database.read(lambda connection: connection.execute(count).scalar_one())
    return found


# -- as a process -------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def started(folder: Path, server: EmbeddedServer) -> AsyncIterator[asyncio.subprocess.Process]:
    (folder / "tidegate.yaml").write_text(
        f"redis: {server.url}\nupstreams: [{{url: 'http://127.0.0.1:1'}}]\ndetector: {{}}\n"
    )
    words = (
        "-m",
        "gateway",
        "detect",
        "run",
        "--config",
        str(folder / "tidegate.yaml"),
        "--look",
        "0.2",
        "--snapshot",
        "0.5",
    )
    process = await asyncio.create_subprocess_exec(sys.executable, *words, "--parent", str(os.getpid()))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def heard(redis: Redis) -> int:
    """By the leader."""
    states = [json.loads(content) for content in (await redis.hgetall(STATE)).values()]
    return max((int(state["events"]) for state in states if state["leader"]), default=0)


async def test_kill_minus_9(server: EmbeddedServer, redis: Redis, tmp_path: Path) -> None:
    """Killed at any moment, it goes on from its last snapshot: no exchange is lost, and none counts twice."""
    await tell(redis, observed(time.time(), 3_000, 50))
    async with started(tmp_path, server) as process:
        await until(lambda: _is(heard(redis), 3_000), 20.0)
        await until(lambda: list((tmp_path / "data" / "detector").glob("0*")), 5.0)
        await tell(redis, observed(time.time(), 2_000, 50, "other"))
        process.kill()
        await process.wait()
    await tell(redis, observed(time.time(), 500, 50, "third"))
    await redis.delete(STATE, LEADER)  # Nobody waits for the lease of the dead one.
    async with started(tmp_path, server):
        await until(lambda: _is(heard(redis), 5_500), 30.0)
        await asyncio.sleep(0)
        assert await heard(redis) == 5_500


async def _is(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted
