"""Two gateways of two workers: what an operator sets bites on all of them within a second, and is gone as fast."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from gateway.accounts.announce import Announcer
from gateway.accounts.overrides_told import told
from gateway.accounts.sql import migrate, overrides
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.overrides import Row
from gateway.overrides.override import EVERYBODY, Kind, Scope
from gateway.overrides.written import Change
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import blocking, client
from gateway.tasks import spawn
from tests import servers
from tests.journeys import harness
from tests.journeys.harness import Account, Caller, Gateway, World, caller, until

pytestmark = pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey"))

CHANGES: Final = int(os.environ.get("TIDEGATE_LIVE_CHANGES", "8"))
"""How often something is set and taken back where time is measured. The promise was measured with 100."""
SECOND: Final = 1.0
QUOTA: Final = """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 1M, every: 1d}
  - {name: tiny, measure: requests, per: [account], tiers: [tiny], capacity: 1, every: 1d}
"""


@dataclass
class Fleet:
    """Four workers on one Redis and one directory, and somebody who writes as the operators' port does."""

    world: World
    gateways: list[Gateway]
    redis: EmbeddedServer
    database: Database
    caller: Caller
    revision: int = 0
    slowest: float = 0.0

    def write(self, work: Callable[[Writing], Row]) -> Row:
        return self.database.write("token:night", work)

    async def workers(self) -> list[dict[str, Any]]:
        """What each says that it holds, asked as its supervisor does."""
        answers = await asyncio.gather(*(snapshot(path) for gateway in self.gateways for path in sockets(gateway)))
        return [answer["overrides"] for answer in answers if "overrides" in answer]

    async def hold(self, revision: int) -> bool:
        held = await self.workers()
        return len(held) == 4 and all(one["revision"] >= revision for one in held)

    async def bites(self, work: Callable[[Writing], Row]) -> Row:
        """Write, and wait until all hold it; how long the slowest took is kept, from before the write. Who writes may
        still wait for a Redis that hangs by then.
        """
        began = time.monotonic()
        writing = spawn(asyncio.to_thread(self.write, work), name="write")
        await until(lambda: self.hold(self.revision + 1), limit=10.0, every=0.005)
        self.slowest = max(self.slowest, time.monotonic() - began)
        row = await writing
        self.revision = row.revision
        return row

    async def asked(self, account: Account, count: int = 12) -> set[tuple[int, str]]:
        """Status and reason of requests that meet all workers."""
        urls = [gateway.url for gateway in self.gateways]
        replies = await self.caller.many(urls, account, count)
        return {(reply.status, "" if reply.status == 200 else reply.reason) for reply in replies}


def sockets(gateway: Gateway) -> list[Path]:
    """The unix sockets of its workers, by their command lines."""
    found = []
    for pid in gateway.workers():
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "--control" in words:
            found.append(Path(words[words.index("--control") + 1]))
    return found


async def snapshot(path: Path) -> dict[str, Any]:
    """What a worker says of itself; nothing where it does not answer."""
    timeout = aiohttp.ClientTimeout(total=5.0)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as http,
            http.get("http://worker/snapshot") as answer,
        ):
            content: dict[str, Any] = await answer.json()
            return content
    except aiohttp.ClientError:
        return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A folder with a directory of its own."""
    with harness.scratch(tmp_path_factory, "overrides") as folder:
        async with servers.server("valkey", port=0) as redis, harness.standin() as standin, caller() as asking:
            world = World(folder, redis.tcp_url, standin.url)
            world.write({"quota": QUOTA}, {"usual": 8, "tiny": 4})
            settings = {
                "timeouts": {"store": "2s", "drain": "1s"},
                "directory": {"url": f"sqlite:///{folder}/directory.db", "secrets": {"s1": "0123456789abcdef" * 4}},
            }
            announcer = Announcer(lambda: blocking(redis.tcp_url), time.monotonic)
            database = Database(f"sqlite:///{folder}/directory.db", time.time, announce=announcer)
            migrate.upgrade(database)
            async with harness.gateways(world, 2, 2, **settings) as both:
                yield Fleet(world, both, redis, database, asking)
            database.close()
            announcer.close()


def setting(account: Account, change: Change, limit: str = "requests", **more: Any) -> Callable[[Writing], Row]:
    return lambda writing: overrides.create(writing, limit, Scope(account=account.name), change, "night", **more)


def undoing(row: Row) -> Callable[[Writing], Row]:
    return lambda writing: overrides.undo(writing, row.id, row.revision, "night is over")


FREEZE: Final = Change(Kind.FREEZE)
FROZEN: Final = {(429, "quota_frozen")}
SERVED: Final = {(200, "")}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timing
async def test_a_change_bites_on_all_workers_within_a_second(fleet: Fleet) -> None:
    """Set, and undone, again and again: each time all four hold it within a second of the write, and answer by it."""
    account = fleet.world.account("usual")
    fleet.slowest = 0.0
    for _ in range(CHANGES):
        row = await fleet.bites(setting(account, FREEZE))
        assert await fleet.asked(account) == FROZEN
        await fleet.bites(undoing(row))
        assert await fleet.asked(account) == SERVED
    print(f"\n{CHANGES} times set and undone: the slowest took {fleet.slowest:.3f} s")
    assert fleet.slowest < SECOND


async def _is_served(fleet: Fleet, account: Account) -> bool:
    return await fleet.asked(account, 4) == SERVED


@pytest.mark.asyncio(loop_scope="module")
async def test_usage_is_kept_and_the_numbers_are_shown(fleet: Fleet) -> None:
    """A boost gives what is missing, and its end leaves what was used as used."""
    account = fleet.world.account("tiny")
    url = fleet.gateways[0].url
    assert (await fleet.caller.chat(url, account)).status == 200
    assert await fleet.asked(account, 4) == {(429, "quota_exceeded")}
    row = await fleet.bites(setting(account, Change(Kind.SET, capacity=4.0), "tiny"))
    reply = await fleet.caller.chat(url, account)
    assert (reply.status, reply.left("tiny")) == (200, 2)
    await fleet.bites(undoing(row))
    assert await fleet.asked(account, 4) == {(429, "quota_exceeded")}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_boost_ends_by_itself(fleet: Fleet) -> None:
    """Without anybody's doing, on each worker."""
    account = fleet.world.account("usual")
    await fleet.bites(setting(account, FREEZE, expires=time.time() + 2.0))
    assert await fleet.asked(account) == FROZEN
    await until(lambda: _is_served(fleet, account), limit=5.0)
    assert all(one["count"] == 0 for one in await fleet.workers())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timing
async def test_shadow_of_everything(fleet: Fleet) -> None:
    """Nothing is refused but strangers, within a second; a change of rules meanwhile stays in shadow; and its end."""
    account = fleet.world.account("tiny")
    await fleet.asked(account)
    assert (429, "quota_exceeded") in await fleet.asked(account)
    fleet.slowest = 0.0
    row = await fleet.bites(
        lambda writing: overrides.create(
            writing, "*", EVERYBODY, Change(Kind.SHADOW), "a bad rule", expires=time.time() + 60.0
        )
    )
    assert await fleet.asked(account) == SERVED
    stranger = Account("nobody", "tg_live_no_such_key", "none")
    assert {status for status, _ in await fleet.asked(stranger)} == {401}

    fleet.world.write_policy("quota", QUOTA + "# A remark.\n")
    await until(lambda: _generations(fleet, 2), limit=20.0)
    assert await fleet.asked(account) == SERVED
    row = await fleet.bites(lambda writing: overrides.withdraw(writing, row.id, row.revision))
    print(f"\nshadow: the slowest took {fleet.slowest:.3f} s")
    assert fleet.slowest < SECOND
    assert await fleet.asked(account) == {(429, "quota_exceeded")}


async def _generations(fleet: Fleet, generation: int) -> bool:
    found = [await snapshot(path) for gateway in fleet.gateways for path in sockets(gateway)]
    return all(one.get("generation") == generation for one in found)


@pytest.mark.asyncio(loop_scope="module")
async def test_each_worker_tells_the_fleet_what_it_holds(fleet: Fleet) -> None:
    """Two gateways of two workers, by name, in Redis."""
    account = fleet.world.account("usual")
    row = await fleet.bites(setting(account, FREEZE))
    redis = client(fleet.redis.tcp_url)

    async def all_told() -> bool:
        return [one.revision for one in await told(redis, time.time())] == [row.revision] * 4

    await until(all_told, limit=5.0)
    found = await told(redis, time.time())
    assert len({one.gateway for one in found}) == 2
    assert {one.worker for one in found} == {one["worker"] for one in await fleet.workers()}
    await redis.aclose()
    await fleet.bites(undoing(row))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_freeze_is_not_forgotten_by_a_restart(fleet: Fleet) -> None:
    """A worker that dies: its successor holds the freeze before it answers anybody."""
    account = fleet.world.account("usual")
    row = await fleet.bites(setting(account, FREEZE))
    gateway = fleet.gateways[0]
    before = gateway.workers()
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: len(set(gateway.workers()) - set(before)) == 1, limit=20.0)
    # Never anything else than refused, also while it starts.
    for _ in range(20):
        with contextlib.suppress(aiohttp.ClientConnectionError):
            reply = await fleet.caller.chat(gateway.url, account)
            assert (reply.status, reply.reason) == (429, "quota_frozen")
        await asyncio.sleep(0.05)
    await until(lambda: fleet.hold(row.revision), limit=harness.START_LIMIT)
    await fleet.bites(undoing(row))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timing
async def test_also_while_redis_fails(fleet: Fleet) -> None:
    """It hangs, or is killed and comes back at its address: workers look for themselves, and lose nothing."""
    account = fleet.world.account("usual")
    fleet.slowest = 0.0
    for number in range(max(2, CHANGES // 10)):
        async with away(fleet.redis, kill=number % 2 == 1):
            row = await fleet.bites(setting(account, FREEZE))
            await fleet.bites(undoing(row))
            row = await fleet.bites(setting(account, FREEZE))
        # It is on its way back.
        await fleet.bites(undoing(row))
    print(f"\nwhile Redis fails: the slowest took {fleet.slowest:.3f} s")
    assert fleet.slowest < SECOND
    await until(lambda: _is_served(fleet, account))


@contextlib.asynccontextmanager
async def away(redis: EmbeddedServer, *, kill: bool) -> AsyncIterator[None]:
    """It does not answer, or is not there."""
    assert redis.process is not None
    if not kill:
        redis.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            redis.process.send_signal(signal.SIGCONT)
        return
    redis.process.kill()
    await redis.process.wait()
    Path(redis.socket).unlink(missing_ok=True)
    try:
        yield
    finally:
        await redis.start()
