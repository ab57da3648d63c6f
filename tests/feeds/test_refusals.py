"""Refusals of accounts: counted where they happen, summed over the fleet, and nothing for anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.feeds import refusals_fleet
from gateway.feeds.refusals import REMEMBERED, SLOT
from gateway.feeds.refusals_fleet import STREAM, FleetRefusals
from gateway.feeds.refusals_memory import HERE, RecentRefusals, slot_of
from gateway.stores.embedded import EmbeddedServer, free_port
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import NOON, Clock
from tests import servers

MINUTE: Final = 60.0


def note(refusals: RecentRefusals, account: str, times: int, now: float) -> None:
    for number in range(times):
        refusals.note(account, f"{account}-{now}-{number}", now)


# -- in memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "within", "count"),
    [(0.0, 60.0, 3), (54.0, 60.0, 3), (60.0, 60.0, 0), (61.0, 60.0, 0), (61.0, 120.0, 3), (0.0, 10.0, 3)],
    ids=["now", "nearly over", "over", "long over", "a longer span", "a short span"],
)
def test_how_many_there_were(ago: float, within: float, count: int) -> None:
    """Within the span, or a slot less; never more."""
    clock = Clock()
    refusals = RecentRefusals(clock)
    note(refusals, "acme", 3, NOON - ago)
    assert refusals.of("acme", within, NOON) == count
    assert refusals.of("other", within, NOON) == 0


def test_the_same_exchange_counts_once() -> None:
    """Two entries hear of it, one after the other."""
    refusals = RecentRefusals(Clock())
    for exchange in ("a", "a", "b", "b", "b", "c"):
        refusals.note("acme", exchange, NOON)
    assert refusals.of("acme", MINUTE, NOON) == 3


def test_only_who_is_refused_is_kept() -> None:
    """And not for longer than rules look back."""
    clock = Clock()
    refusals = RecentRefusals(clock)
    accounts = refusals.accounts
    assert "acme" not in accounts
    note(refusals, "acme", 1, NOON)
    assert "acme" in accounts
    clock.turn(REMEMBERED + SLOT)
    assert refusals.of("acme", MINUTE, clock()) == 0
    assert "acme" not in accounts
    assert refusals.accounts is accounts


def test_accounts_are_bounded() -> None:
    """Those that were refused longest ago go; whoever goes on stays."""
    clock = Clock()
    refusals = RecentRefusals(clock, accounts=10)
    for number in range(100):
        clock.turn(1)
        note(refusals, "goes-on", 1, clock())
        note(refusals, f"a{number}", 1, clock())
        assert len(refusals.accounts) <= 10
    assert "goes-on" in refusals.accounts
    clock.turn(REMEMBERED + SLOT)
    note(refusals, "new", 1, clock())
    assert set(refusals.accounts) == {"new"}


def test_slots_are_bounded() -> None:
    """Of an account that is refused all day."""
    clock = Clock()
    refusals = RecentRefusals(clock)
    for _ in range(2000):
        clock.turn(SLOT)
        note(refusals, "acme", 2, clock())
    slots = refusals._accounts["acme"]
    assert len(slots.sums) <= REMEMBERED / SLOT + 1
    assert len(slots.by_worker) <= REMEMBERED / SLOT + 1
    assert refusals.of("acme", MINUTE, clock()) == 2 * 12


heard = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 20), st.sampled_from(["w1", "w2", HERE]), st.integers(1, 9)),
    max_size=40,
)


@given(heard=heard, order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(heard: list[tuple[str, int, str, int]], order: Any) -> None:
    """Late, early, twice: each worker's highest count of a slot holds."""
    one, other = RecentRefusals(Clock()), RecentRefusals(Clock())
    newest = slot_of(NOON)
    again = heard + heard[: len(heard) // 2]
    order.shuffle(again)
    for refusals, rows in ((one, heard), (other, again)):
        for account, ago, worker, count in rows:
            refusals.learn(account, newest - ago, worker, count)
    highest: dict[tuple[str, int, str], int] = {}
    for account, ago, worker, count in heard:
        highest[account, ago, worker] = max(count, highest.get((account, ago, worker), 0))
    for account in "ab":
        expected = sum(count for (name, ago, _), count in highest.items() if name == account and ago < 12)
        assert one.of(account, MINUTE, NOON) == other.of(account, MINUTE, NOON) == expected


# -- in the fleet -------------------------------------------------------------------------------------------------

redis_7 = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("redis") as running:
        yield running


@contextlib.asynccontextmanager
async def running(redis: Any, clock: Callable[[], float] = time.time, **bounds: Any) -> AsyncIterator[FleetRefusals]:
    """A worker's, following the stream; the client is closed at the end."""
    refusals = FleetRefusals(clock, **bounds)
    task = spawn(refusals.run(redis), name="refusals")
    try:
        yield refusals
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()


def connected(server: EmbeddedServer) -> Redis:
    return Redis(unix_socket_path=server.socket, socket_timeout=5.0)


@redis_7
async def test_two_workers_sum_up(server: EmbeddedServer) -> None:
    """Within a second, and also where only one of them has refused."""
    now = time.time()
    async with running(connected(server)) as one, running(connected(server)) as two:
        note(one, "acme", 12, now)
        note(two, "acme", 9, now)
        note(two, "other", 1, now)
        began = time.monotonic()
        await until(lambda: one.of("acme", MINUTE, now) == two.of("acme", MINUTE, now) == 21)
        await until(lambda: one.of("other", MINUTE, now) == 1)
        assert time.monotonic() - began < 2.0
        note(one, "acme", 1, now)
        await until(lambda: two.of("acme", MINUTE, now) == 22)


@redis_7
async def test_a_flood_is_a_few_entries(server: EmbeddedServer) -> None:
    """An account that is refused thousands of times a second is told once a batch."""
    redis = connected(server)
    now = time.time()
    async with running(connected(server)) as one, running(connected(server)) as two:
        note(one, "acme", 5000, now)
        await until(lambda: two.of("acme", MINUTE, now) == 5000)
        assert await redis.xlen(STREAM) <= 2
    await redis.aclose()


@redis_7
async def test_a_worker_that_starts_later_reads_back(server: EmbeddedServer) -> None:
    """A restart lets nobody off."""
    now = time.time()
    async with running(connected(server)) as one:
        note(one, "acme", 30, now)
        await until(lambda: one.counts.told)
    async with running(connected(server)) as later:
        await until(lambda: later.of("acme", MINUTE, now) == 30)


@redis_7
async def test_while_redis_is_away_each_counts_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """And tells it when Redis is back: once, whatever was written before and however often it is read."""
    caplog.set_level(logging.WARNING)
    port = free_port()
    now = time.time()
    async with contextlib.AsyncExitStack() as stack:
        clients = [Redis(port=port, socket_timeout=5.0, socket_connect_timeout=0.5) for _ in range(2)]
        one, two = [await stack.enter_async_context(running(redis)) for redis in clients]
        note(one, "acme", 20, now)
        await until(lambda: one.counts.failures > 1)
        assert one.of("acme", MINUTE, now) == 20
        assert not one.available
        async with servers.server("redis", port=port):
            await until(lambda: two.of("acme", MINUTE, now) == 20, 20.0)
        failures = two.counts.failures
        note(two, "acme", 1, now)
        await until(lambda: two.counts.failures > failures)
        async with servers.server("redis", port=port):
            await until(lambda: one.of("acme", MINUTE, now) == 21, 20.0)
            assert two.of("acme", MINUTE, now) == 21
    said = [record.message for record in caplog.records if record.name == refusals_fleet.__name__]
    assert 4 <= len(said) <= 12, said


@redis_7
async def test_nonsense_in_the_stream_harms_nobody(server: EmbeddedServer) -> None:
    """What is no count is passed over, and so is what is from the future; what comes next is read."""
    slot = slot_of(time.time())
    redis = connected(server)
    rows: list[Any] = [
        1,
        [],
        ["acme", slot],
        ["acme", slot, 0],
        ["acme", slot, -1],
        ["acme", slot, 1.5],
        ["acme", slot, True],
        ["acme", slot, 10**12],
        ["acme", "5", 1],
        ["", slot, 1],
        ["x" * 1000, slot, 1],
        [None, slot, 1],
        ["acme", slot + 100, 1],
    ]
    async with running(connected(server)) as one:
        for fields in ({"z": "1"}, {"w": "w"}, {"w": "w", "c": "soon"}, {"w": "", "c": "[]"}, {"w": "w", "c": "{}"}):
            await redis.xadd(STREAM, fields)  # type: ignore[arg-type]
        await redis.xadd(STREAM, {"w": b"\xff", "c": "[]"})
        await redis.xadd(STREAM, {"w": "w", "c": orjson.dumps(rows)})
        await redis.xadd(STREAM, {"w": "w", "c": orjson.dumps([["acme", slot, 7]])})
        await until(lambda: one.of("acme", MINUTE, time.time()))
        assert one.of("acme", MINUTE, time.time()) == 7
        assert (one.counts.unreadable, one.counts.learnt) == (6 + len(rows), 1)
    await redis.aclose()


@redis_7
async def test_an_account_that_json_cannot_spell_stays_here(server: EmbeddedServer) -> None:
    """A token may name one so; the others are told of all the same."""
    now = time.time()
    async with running(connected(server)) as one, running(connected(server)) as two:
        for account in ("half\ud800", "x" * 300, "acme"):
            note(one, account, 3, now)
        await until(lambda: two.of("acme", MINUTE, now) == 3)
        assert one.of("half\ud800", MINUTE, now) == 3
        assert set(two.accounts) == {"acme"}
        assert one.counts.dropped == 6


@redis_7
async def test_in_a_cluster() -> None:
    """By redis-py's client for one."""
    now = time.time()
    async with servers.cluster(3, "redis") as nodes:
        clients = [client(servers.cluster_url(nodes)) for _ in range(2)]
        async with running(clients[0]) as one, running(clients[1]) as two:
            note(one, "acme", 4, now)
            await until(lambda: two.of("acme", MINUTE, now) == 4, 10.0)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis never answers, memory does not fill: it counts here all the same."""
    monkeypatch.setattr(refusals_fleet, "WAITING_AT_MOST", 10)
    refusals = FleetRefusals(Clock())
    for number in range(25):
        note(refusals, f"a{number}", 2, NOON)
    assert len(refusals._to_tell) == 10
    assert refusals.counts.dropped == 30
    assert refusals.of("a24", MINUTE, NOON) == 2
