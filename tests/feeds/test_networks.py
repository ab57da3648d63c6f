"""Networks of keys: bounded in memory, the same on every worker, and in nobody's way while Redis is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.feeds import networks_fleet
from gateway.feeds.networks import NETWORKS_AT_MOST, NO_USES, REFRESHED, REMEMBERED, Known, Subject, Use, joined
from gateway.feeds.networks_fleet import MEMBERS_AT_MOST, FleetNetworks, key_of
from gateway.feeds.networks_memory import RecentNetworks
from gateway.stores.embedded import EmbeddedServer, free_port
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import NOON, Clock
from tests import servers

ACME: Final = Subject("asn", "acme", "k1")
OTHER: Final = Subject("asn", "acme", "k2")


def uses_of(networks: RecentNetworks, subject: Subject = ACME) -> dict[str, Use]:
    known = networks._find(subject)
    return dict(known.uses) if known is not None else {}


# -- in memory ----------------------------------------------------------------------------------------------------


def test_first_last_and_whether_a_challenge_was_passed() -> None:
    """That is all that is kept, of each key by itself."""
    networks = RecentNetworks(Clock())
    networks.note(ACME, "AS1", NOON - 7200)
    networks.note(ACME, "AS1", NOON)
    networks.note(ACME, "AS2", NOON, vouched=True)
    assert uses_of(networks) == {"AS1": Use(NOON - 7200, NOON), "AS2": Use(NOON, NOON, vouched=True)}
    assert uses_of(networks, OTHER) == {}


@pytest.mark.parametrize(
    ("after", "vouched", "news"),
    [(1.0, False, False), (REFRESHED, False, True), (1.0, True, True), (-REFRESHED, False, False)],
    ids=["a moment later", "after a while", "with a challenge", "from before"],
)
def test_only_what_is_news_is_noted(after: float, vouched: bool, news: bool) -> None:
    """Who stays is noted every five minutes; the object by which others see news changes only then."""
    networks = RecentNetworks(Clock(NOON + 1000))
    networks.note(ACME, "AS1", NOON)
    known = networks.of(ACME, "AS1")
    assert known is not None
    before = known.uses
    networks.note(ACME, "AS1", NOON + after, vouched=vouched)
    assert (known.uses is not before) == news


def test_what_is_long_ago_is_forgotten() -> None:
    """Network by network."""
    clock = Clock()
    networks = RecentNetworks(clock, remembered=1000.0)
    networks.note(ACME, "AS1", NOON)
    clock.turn(900)
    networks.note(ACME, "AS2", clock())
    clock.turn(200)
    networks.note(ACME, "AS2", clock(), vouched=True)
    assert set(uses_of(networks)) == {"AS2"}


def test_keys_are_bounded_and_who_comes_often_stays() -> None:
    """Two generations."""
    networks = RecentNetworks(Clock(), subjects=10)
    for number in range(100):
        networks.note(ACME, "AS1", NOON)
        networks.note(Subject("asn", "acme", f"k-{number}"), "AS1", NOON)
        assert networks.subjects <= 20
        assert uses_of(networks)


def test_a_client_behind_rotating_addresses_grows_nothing() -> None:
    """Neither what is kept nor what is noted of it."""
    networks = RecentNetworks(Clock(NOON + 10_000))
    for number in range(1000):
        networks.note(ACME, f"192.0.{number}.0/24", NOON + number)
    known = networks.of(ACME, "AS1")
    assert isinstance(known, Known)
    assert len(known.uses) == NETWORKS_AT_MOST
    assert len(known.noted) <= NETWORKS_AT_MOST + 1


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
async def running(redis: Any, clock: Callable[[], float] = time.time, **bounds: Any) -> AsyncIterator[FleetNetworks]:
    """A worker's; the client is closed at the end."""
    networks = FleetNetworks(clock, **bounds)
    task = spawn(networks.run(redis), name="networks")
    try:
        await until(lambda: networks._running)
        yield networks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()


def connected(server: EmbeddedServer) -> Redis:
    return Redis(unix_socket_path=server.socket, socket_timeout=5.0)


async def looked(networks: FleetNetworks, network: str, subject: Subject = ACME) -> dict[str, Use]:
    """As exchanges do: from memory, or by asking; again where there was no answer in time."""
    known = networks.of(subject, network)
    async with asyncio.timeout(5.0):
        while known is None:
            known = await networks.look(subject, network)
    return dict(known.uses)


@redis_7
async def test_two_workers_know_the_same(server: EmbeddedServer) -> None:
    """What one noted, the other finds when it asks; and it asks once a key and network."""
    now = float(int(time.time()))
    async with running(connected(server)) as one, running(connected(server)) as two:
        one.note(ACME, "AS1", now - 90_000)
        one.note(ACME, "AS1", now - 100)
        two.note(ACME, "AS2", now, vouched=True)
        await until(lambda: one.counts.told >= 1 and two.counts.told == 1)
        expected = {"AS1": Use(now - 90_000, now - 100), "AS2": Use(now, now, vouched=True)}
        assert await looked(one, "AS3") == expected
        assert await looked(two, "AS3") == expected
        asked = (one.counts.looked, two.counts.looked)
        assert await looked(one, "AS3") == await looked(two, "AS1") == expected
        assert (one.counts.looked, two.counts.looked) == asked


@redis_7
async def test_a_worker_that_starts_later_knows_the_history(server: EmbeddedServer) -> None:
    """A restart forgets nobody."""
    now = float(int(time.time()))
    async with running(connected(server)) as one:
        one.note(ACME, "AS1", now - 1000)
        await until(lambda: one.counts.told)
    async with running(connected(server)) as later:
        assert later.of(ACME, "AS1") is None
        assert await looked(later, "AS1") == {"AS1": Use(now - 1000, now - 1000)}


@redis_7
async def test_a_passed_challenge_is_heard_where_somebody_waits_for_it(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that weighs renews what it knows, beside the exchanges, and not more often than it must."""
    clock = Clock(float(int(time.time())))
    async with running(connected(server), clock) as one, running(connected(server), clock) as two:
        one.note(ACME, "AS1", clock())
        await until(lambda: one.counts.told)
        assert not (await looked(two, "AS1"))["AS1"].vouched
        one.note(ACME, "AS1", clock(), vouched=True)
        await until(lambda: one.counts.told == 2)
        two.renew(ACME)
        await asyncio.sleep(0.05)
        assert not (await looked(two, "AS1"))["AS1"].vouched
        clock.turn(networks_fleet.RENEWED)
        two.renew(ACME)
        await until(lambda: uses_of(two)["AS1"].vouched)


@redis_7
async def test_what_was_not_used_here_for_long_is_asked_again(server: EmbeddedServer) -> None:
    """Another worker has gone on with it."""
    clock = Clock(float(int(time.time())))
    async with running(connected(server), clock) as one:
        assert await looked(one, "AS1") == {}
        assert one.of(ACME, "AS1") is not None
        clock.turn(networks_fleet.STALE)
        assert one.of(ACME, "AS1") is None


@redis_7
async def test_only_what_is_said_above_is_stored(server: EmbeddedServer) -> None:
    """A digest, networks, times: no account, no key, no address. And it goes by itself."""
    redis = connected(server)
    async with running(connected(server), Clock()) as one:
        one.note(ACME, "192.0.2.0/24", NOON + 0.25, vouched=True)
        await until(lambda: one.counts.told)
    [key] = await redis.keys("*")
    assert key == key_of(ACME).encode()
    assert await redis.zrange(key, 0, -1, withscores=True) == [
        (b"192.0.2.0/24|+", NOON + 0.25),
        (f"192.0.2.0/24|{int(NOON)}".encode(), NOON + 0.25),
    ]
    assert REMEMBERED - 60 < await redis.ttl(key) <= REMEMBERED
    await redis.aclose()


@redis_7
async def test_what_redis_keeps_is_bounded(server: EmbeddedServer) -> None:
    """A client behind rotating addresses: a fixed number of members, and of networks."""
    redis = connected(server)
    async with running(connected(server)) as one, running(connected(server)) as two:
        now = time.time()
        for number in range(500):
            one.note(ACME, f"AS{number + 1}", now - 600 + number)
            if number % 50 == 0:
                await until(lambda: not one._to_tell)
        await until(lambda: not one._to_tell)
        await asyncio.sleep(0.05)
        assert await redis.zcard(key_of(ACME)) <= MEMBERS_AT_MOST
        found = await looked(two, "AS1")
        assert len(found) == NETWORKS_AT_MOST
        assert "AS500" in found
    await redis.aclose()


names = st.sampled_from(["AS1", "AS2", "DE", "192.0.2.0/24", "2001:db8::/56"])
hours = st.integers(0, 3).map(lambda hour: hour * 3600.0)
uses = st.tuples(hours, hours, st.booleans()).map(
    lambda drawn: Use(NOON - 20_000 - drawn[0], NOON - drawn[1], drawn[2])
)


@redis_7
async def test_any_order_gives_the_same_set(server: EmbeddedServer) -> None:
    """Told late, twice, by several workers: what Redis holds is what `joined` makes of it."""
    redis = connected(server)
    loop = asyncio.get_running_loop()
    clock = Clock(NOON)

    async def tell(told: list[tuple[str, Use]]) -> dict[str, Use]:
        await redis.delete(key_of(ACME))
        workers = [FleetNetworks(clock) for _ in range(3)]
        for number, (name, use) in enumerate(told):
            await workers[number % 3]._exchange(redis, [(ACME, {name: use})])
        [answer] = await workers[0]._exchange(redis, [(ACME, {})])
        return workers[0]._read(answer)

    @given(told=st.lists(st.tuples(names, uses), max_size=12))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def holds(told: list[tuple[str, Use]]) -> None:
        found = asyncio.run_coroutine_threadsafe(tell(told), loop).result(10.0)
        expected = NO_USES
        for name, use in told:
            expected = joined(expected, {name: use})
        assert found == dict(expected)

    await asyncio.to_thread(holds)
    await redis.aclose()


@redis_7
async def test_while_redis_is_away_memory_holds(caplog: pytest.LogCaptureFixture) -> None:
    """What is not known is not known at once; what is, stays in force; what was noted meanwhile is told afterwards."""
    caplog.set_level(logging.WARNING)
    port = free_port()
    now = float(int(time.time()))
    redis = Redis(port=port, socket_timeout=5.0, socket_connect_timeout=0.5)
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(running(redis))
        async with servers.server("redis", port=port):
            one.note(ACME, "AS1", now - 90_000)
            await looked(one, "AS1")
        began = time.monotonic()
        assert await one.look(OTHER, "AS1") is None
        await until(lambda: not one.available)
        assert one.of(ACME, "AS1") is not None
        assert one.of(ACME, "AS9") is not None
        assert one.of(OTHER, "AS1") is None
        assert await one.look(OTHER, "AS1") is None
        assert time.monotonic() - began < 3.0
        assert one.counts.unanswered >= 2
        one.note(ACME, "AS2", now)
        one.note(OTHER, "AS2", now)
        async with servers.server("redis", port=port):
            await until(lambda: one.available and not one._to_tell, 20.0)
            two = await stack.enter_async_context(running(Redis(port=port)))
            assert set(await looked(two, "AS2")) == {"AS2"}
            assert set(await looked(two, "AS2", OTHER)) == {"AS2"}
    said = [record.message for record in caplog.records if record.name == networks_fleet.__name__]
    assert 2 <= len(said) <= 4, said


@redis_7
async def test_nonsense_in_redis_harms_nobody(server: EmbeddedServer) -> None:
    """It is counted and passed over, also where the key is something else."""
    redis = connected(server)
    now = time.time()
    nonsense: dict[Any, float] = {
        "": now,
        "AS1": now,
        "AS1|": now,
        "AS1|soon": now,
        "AS1|-5": now,
        "|5": now,
        f"AS1|{int(now) + 50}": now,
        "AS2|5": now + 10_000,
        "AS3|+": -1.0,
        f"{'A' * 100}|5": now,
        b"\xff|5": now,
    }
    await redis.zadd(key_of(ACME), {**nonsense, f"AS4|{int(now) - 50}": now - 1})
    await redis.set(key_of(OTHER), "x")
    async with running(connected(server)) as one:
        assert set(await looked(one, "AS4")) == {"AS4"}
        assert one.counts.unreadable == len(nonsense)
        assert await one.look(OTHER, "AS1") is None
        assert one.available
        one.note(OTHER, "AS1", now)
        await until(lambda: one.counts.unreadable == len(nonsense) + 2)
        assert one.available
    await redis.aclose()


@redis_7
async def test_many_at_once_are_a_few_round_trips(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart everybody is asked for at the same moment; who is asked for twice is asked once."""
    # How long an exchange waits is another law: a busy machine may take longer for all of these.
    monkeypatch.setattr(networks_fleet, "PATIENCE", 20.0)
    async with running(connected(server)) as one:
        subjects = [Subject("asn", f"a{number}", "k") for number in range(300)]
        found = await asyncio.gather(*(one.look(subject, "AS1") for subject in subjects * 2))
        assert sum(known is not None for known in found) > 300
        assert one.counts.looked <= 900
        await until(lambda: not one._waiting and not one._to_tell)


@redis_7
async def test_in_a_cluster() -> None:
    """By redis-py's client for one, whose keys live on several nodes."""
    now = float(int(time.time()))
    async with servers.cluster(3, "redis") as nodes:
        clients = [client(servers.cluster_url(nodes)) for _ in range(2)]
        async with running(clients[0]) as one, running(clients[1]) as two:
            subjects = [Subject("asn", f"a{number}", "k") for number in range(20)]
            for subject in subjects:
                one.note(subject, "AS1", now)
            await until(lambda: one.counts.told == 20, 10.0)
            for subject in subjects:
                assert await looked(two, "AS1", subject) == {"AS1": Use(now, now)}


@redis_7
async def test_a_client_that_decodes_will_do(server: EmbeddedServer) -> None:
    """As will one that speaks RESP3."""
    now = float(int(time.time()))
    plain = Redis(unix_socket_path=server.socket, decode_responses=True, protocol=2)
    newer = Redis(unix_socket_path=server.socket, protocol=3)
    async with running(plain) as one, running(newer) as two:
        one.note(ACME, "AS1", now)
        two.note(ACME, "AS2", now)
        await until(lambda: one.counts.told and two.counts.told)
        assert set(await looked(one, "AS9")) == set(await looked(two, "AS9")) == {"AS1", "AS2"}


async def test_before_it_runs_nothing_is_known() -> None:
    """A worker that starts does not wait, and does not guess."""
    networks = FleetNetworks(Clock())
    networks.note(ACME, "AS1", NOON)
    assert networks.of(ACME, "AS1") is None
    assert not networks.available
    assert await networks.look(ACME, "AS1") is None


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis never answers, memory does not fill."""
    monkeypatch.setattr(networks_fleet, "WAITING_AT_MOST", 10)
    networks = FleetNetworks(Clock())
    for number in range(25):
        networks.note(Subject("asn", f"a{number}", ""), "AS1", NOON)
    assert len(networks._to_tell) == 10
    assert networks.counts.dropped == 15
