"""Where accounts were seen: bounded in memory, the same on every worker, and never in anybody's way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway import fleet_stream
from gateway.feeds import sightings_fleet
from gateway.feeds.sightings import REMEMBERED, Sighting
from gateway.feeds.sightings_fleet import STREAM, FleetSightings
from gateway.feeds.sightings_memory import MOMENT, RecentSightings, coarse
from gateway.policy import Location
from gateway.stores.embedded import EmbeddedServer, free_port
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import NOON, Clock
from tests import servers

BERLIN = Location("DE", 3320, frozenset({"vpn"}), 52.5244, 13.4105, 19.2)
HAMBURG = Location("DE", 3320, frozenset(), 53.5511, 9.9937, 20.0)
MAGDEBURG = Location("DE", 3320, frozenset(), 52.1205, 11.6276, 20.0)
TOKYO = Location("JP", 2516, frozenset(), 35.6895, 139.6917, 20.0)
JAPAN = Location("JP", 2516)


# -- in memory ----------------------------------------------------------------------------------------------------


def test_the_last_of_each_country_is_known_newest_first() -> None:
    """And of another account, nothing."""
    clock = Clock()
    seen = RecentSightings(clock)
    seen.note("acme", BERLIN, NOON)
    seen.note("acme", TOKYO, NOON + 100)
    seen.note("acme", HAMBURG, NOON + 200)
    assert seen.of("acme") == (Sighting(NOON + 200, coarse(HAMBURG)), Sighting(NOON + 100, coarse(TOKYO)))
    assert seen.of("other") == ()


def test_what_is_kept_is_coarse() -> None:
    """A tenth of a degree, the accuracy in whole kilometres, and no network: nobody's street is known."""
    assert coarse(BERLIN) == Location("DE", latitude=52.5, longitude=13.4, radius=20.0)
    assert coarse(JAPAN) == Location("JP")
    assert coarse(Location("GB", latitude=51.47, longitude=-0.04)) == coarse(
        Location("GB", 0, latitude=51.5, longitude=0)
    )


def test_a_place_that_is_not_known_is_not_kept() -> None:
    """No country, no sighting."""
    seen = RecentSightings(Clock())
    seen.note("acme", Location(latitude=1.0, longitude=1.0), NOON)
    assert seen.of("acme") == ()


@pytest.mark.parametrize(
    ("location", "after", "news"),
    [
        (BERLIN, MOMENT - 1, False),
        (BERLIN, MOMENT, True),
        (Location("DE", 9, frozenset(), 52.5244, 13.4105, 19.2), MOMENT - 1, False),
        (MAGDEBURG, 1.0, True),
        (Location("DE", 1, frozenset(), 52.6, 13.5, 20), 1.0, False),
        (TOKYO, 0.0, True),
        (Location("DE"), 1.0, True),
        (HAMBURG, -100.0, False),
    ],
    ids=["again", "a minute later", "an equal object", "moved", "hardly moved", "elsewhere", "less exact", "too late"],
)
def test_only_a_change_is_news(location: Location, after: float, news: bool) -> None:
    """Who stays where he is, is noted once a minute."""
    told: list[Sighting] = []

    class Told(RecentSightings):
        def _learnt(self, account: str, sighting: Sighting) -> None:
            told.append(sighting)

    seen = Told(Clock())
    seen.note("acme", BERLIN, NOON)
    seen.note("acme", BERLIN, NOON)
    seen.note("acme", location, NOON + after)
    assert len(told) - 1 == int(news)


def test_what_is_long_ago_is_forgotten() -> None:
    """Country by country, and in the end the account; what comes too late is not taken in."""
    clock = Clock()
    seen = RecentSightings(clock, remembered=100.0)
    seen.note("acme", BERLIN, NOON)
    seen.note("acme", TOKYO, NOON + 60)
    clock.turn(101)
    assert [one.location.country for one in seen.of("acme")] == ["JP"]
    assert not seen.learn("acme", Sighting(NOON, BERLIN))
    clock.turn(60)
    assert seen.of("acme") == ()
    assert seen.accounts == 0
    seen.note("acme", BERLIN, clock())
    assert len(seen.of("acme")) == 1


def test_countries_of_an_account_are_bounded() -> None:
    """The ones left longest ago go."""
    seen = RecentSightings(Clock(), countries=3)
    for index, country in enumerate(("DE", "FR", "ES", "PT", "IT")):
        seen.note("acme", Location(country), NOON + index)
    assert [one.location.country for one in seen.of("acme")] == ["IT", "PT", "ES"]
    assert not seen.learn("acme", Sighting(NOON, Location("GB")))


def test_accounts_are_bounded() -> None:
    """The one that was seen longest ago goes; those whose time is over go first, all of them."""
    clock = Clock()
    seen = RecentSightings(clock, accounts=10, remembered=1000.0)
    for index in range(100):
        if index % 5 == 0:
            seen.note("stays", BERLIN, NOON + index * 60)
        seen.note(f"a{index}", BERLIN, NOON + index * 60)
        assert seen.accounts <= 10
        assert seen.of("stays"), index
    assert seen.of("a99")
    assert not seen.of("a50")
    clock.turn(99 * 60 + 1001)
    seen.note("new", BERLIN, clock())
    assert seen.accounts == 1


countries = st.sampled_from(["DE", "FR", "JP", "US", "BR"])
places = st.builds(
    lambda country, latitude, longitude: Location(country, latitude=latitude, longitude=longitude),
    countries,
    st.floats(-80, 80),
    st.floats(-9, 9),
)
sightings = st.builds(Sighting, st.integers(0, 30).map(lambda seconds: NOON - seconds), places)
events = st.lists(st.tuples(st.sampled_from("ab"), sightings), max_size=30)


@given(events=events, order=st.randoms(use_true_random=False), most=st.integers(1, 6))
def test_the_order_of_arrival_does_not_matter(events: list[tuple[str, Sighting]], order: Any, most: int) -> None:
    """Late, early, twice: workers that heard the same agree, also where an account has more countries than are kept."""
    one, two = (RecentSightings(Clock(), countries=most) for _ in range(2))
    for account, sighting in events:
        one.learn(account, sighting)
    again = events + events[: len(events) // 2]
    order.shuffle(again)
    for account, sighting in again:
        two.learn(account, sighting)
    for account in "ab":
        assert one.of(account) == two.of(account)
        found = one.of(account)
        assert len(found) == len({sighting.location.country for sighting in found}) <= most
        assert list(found) == sorted(found, key=lambda sighting: -sighting.time)


@given(notes=st.lists(st.tuples(st.integers(0, 200), places), max_size=40))
def test_a_sighting_is_at_most_a_moment_old(notes: list[tuple[int, Location]]) -> None:
    """Noting less than every call costs the time no more than a minute, for any way through the world."""
    seen = RecentSightings(Clock())
    last: dict[str, float] = {}
    now = NOON
    for step, location in notes:
        now += step
        seen.note("acme", location, now)
        last[location.country] = now
    assert {one.location.country for one in seen.of("acme")} == set(last)
    assert all(0 <= last[one.location.country] - one.time < MOMENT for one in seen.of("acme"))


@pytest.mark.timing
def test_to_note_the_same_again_costs_next_to_nothing() -> None:
    """It is done for every call. The bound is for a busy machine."""
    seen = RecentSightings(Clock())
    took = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1000):
            seen.note("acme", BERLIN, NOON)
        took.append((time.perf_counter() - began) / 1000)
    assert min(took) < 2e-6


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
async def running(redis: Any, clock: Callable[[], float] = time.time, **bounds: Any) -> AsyncIterator[FleetSightings]:
    """A worker's sightings, following the stream; the client is closed at the end."""
    seen = FleetSightings(clock, **bounds)
    task = spawn(seen.run(redis), name="sightings")
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()


def connected(server: EmbeddedServer) -> Redis:
    return Redis(unix_socket_path=server.socket, socket_timeout=5.0)


@redis_7
async def test_two_workers_see_each_others(server: EmbeddedServer) -> None:
    """What one noted, the other knows a moment later, and both say the same."""
    now = time.time()
    async with running(connected(server)) as one, running(connected(server)) as two:
        one.note("acme", BERLIN, now - 100)
        two.note("acme", TOKYO, now)
        two.note("other", JAPAN, now)
        await until(lambda: len(one.of("acme")) == len(two.of("acme")) == 2 and one.of("other"))
        assert one.of("acme") == two.of("acme")
        assert one.of("acme")[1] == Sighting(round(now - 100, 3), coarse(BERLIN))
        assert (one.counts.told, one.counts.learnt) == (1, 2)
        assert one.available


@redis_7
async def test_a_worker_that_starts_later_reads_back(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the window, however many batches that are; and nothing from before it."""
    monkeypatch.setattr(fleet_stream, "BATCH", 7)
    now = time.time()
    redis = connected(server)
    before = int((now - REMEMBERED - 3600) * 1000)
    await redis.xadd(STREAM, {"a": "old", "t": repr(now), "c": "DE"}, id=f"{before}-0")
    await redis.aclose()
    async with running(connected(server)) as one:
        for index in range(40):
            one.note(f"a{index}", BERLIN, now)
        await until(lambda: one.counts.told == 40)
    async with running(connected(server)) as later:
        await until(lambda: later.counts.learnt == 40)
        assert later.of("old") == ()
        assert all(later.of(f"a{index}") == (Sighting(round(now, 3), coarse(BERLIN)),) for index in range(40))


@redis_7
async def test_only_what_is_said_above_is_stored(server: EmbeddedServer) -> None:
    """Account, time, country, coarse place: no address, no network, no key."""
    redis = connected(server)
    async with running(connected(server), Clock()) as seen:
        seen.note("acme", BERLIN, NOON + 0.12345)
        await until(lambda: seen.counts.told == 1)
    entries: Any = await redis.xrange(STREAM)
    await redis.aclose()
    [(_, fields)] = entries
    assert fields == {b"a": b"acme", b"t": b"1700049600.123", b"c": b"DE", b"y": b"52.5", b"x": b"13.4", b"r": b"20.0"}


@redis_7
async def test_the_stream_is_bounded(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """About: Redis trims by whole nodes, of a hundred entries by default."""
    monkeypatch.setattr(sightings_fleet, "LONGEST", 100)
    redis = connected(server)
    async with running(connected(server)) as seen:
        for index in range(1000):
            seen.note(f"a{index}", BERLIN, time.time())
        await until(lambda: seen.counts.told == 1000)
        assert 100 <= await redis.xlen(STREAM) <= 300
    await redis.aclose()


@redis_7
async def test_an_account_that_hops_is_told_once_a_batch(server: EmbeddedServer) -> None:
    """Redis has no more work from an account that is in two places a thousand times a second."""
    now = time.time()
    async with running(connected(server)) as seen:
        for index in range(2000):
            seen.note("acme", BERLIN if index % 2 else HAMBURG, now + index / 1000)
        await until(lambda: seen.counts.told)
        await asyncio.sleep(0.2)
        assert seen.counts.told == 1
        assert seen.of("acme")[0].time == round(now + 1.999, 3)


@redis_7
async def test_while_redis_is_away_a_worker_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Its own sightings count at once, are told when Redis is back (even with nothing kept), and it is said once."""
    caplog.set_level(logging.WARNING)
    port = free_port()
    now = time.time()
    async with contextlib.AsyncExitStack() as stack:
        clients = [Redis(port=port, socket_timeout=5.0, socket_connect_timeout=0.5) for _ in range(2)]
        one, two = [await stack.enter_async_context(running(redis)) for redis in clients]
        await until(lambda: one.counts.failures > 1)
        one.note("acme", BERLIN, now)
        assert one.of("acme")
        assert not one.available
        async with servers.server("redis", port=port):
            await until(lambda: two.of("acme") and one.available and two.available, 20.0)
            two.note("acme", TOKYO, now)
            await until(lambda: len(one.of("acme")) == 2)
            # As by a server whose clock is ahead: the next one's entries stand before what was read last.
            redis = Redis(port=port)
            await redis.xadd(STREAM, {"a": "b", "t": repr(now), "c": "DE"}, id=f"{int((now + 50) * 1000)}-0")
            await redis.aclose()
            await until(lambda: one.of("b") and two.of("b"))
        failures = one.counts.failures
        one.note("acme", Location("FR"), now)
        assert len(one.of("acme")) == 3
        await until(lambda: one.counts.failures > failures)
        async with servers.server("redis", port=port):
            await until(lambda: len(two.of("acme")) == 3, 20.0)
    said = [record.message for record in caplog.records if record.name == sightings_fleet.__name__]
    assert 4 <= len(said) <= 12, said


@redis_7
async def test_nonsense_in_the_stream_harms_nobody(server: EmbeddedServer) -> None:
    """What is no sighting is counted and passed over, what is from the future too, and what comes next is read."""
    now = repr(time.time())
    redis = connected(server)
    nonsense: list[dict[str, Any]] = [
        {"z": "1"},
        {"a": "", "t": now, "c": "DE"},
        {"a": "x" * 1000, "t": now, "c": "DE"},
        {"a": "acme", "t": "soon", "c": "DE"},
        {"a": "acme", "t": "nan", "c": "DE"},
        {"a": "acme", "t": "1e300", "c": "DE"},
        {"a": "acme", "t": repr(time.time() + 3600), "c": "DE"},
        {"a": "acme", "t": now, "c": "Germany"},
        {"a": "acme", "t": now, "c": "DE", "y": "91", "x": "0", "r": "0"},
        {"a": "acme", "t": now, "c": "DE", "y": "nan", "x": "0", "r": "0"},
        {"a": "acme", "t": now, "c": "DE", "y": "1"},
        {"a": b"\xff", "t": now, "c": "DE"},
    ]
    async with running(connected(server)) as seen:
        for fields in nonsense:
            await redis.xadd(STREAM, fields)  # type: ignore[arg-type]
        await redis.xadd(STREAM, {"a": "acme", "t": now, "c": "JP"})
        await until(lambda: seen.of("acme"))
        assert [one.location for one in seen.of("acme")] == [Location("JP")]
        assert (seen.counts.unreadable, seen.counts.learnt) == (len(nonsense), 1)
    await redis.aclose()


@redis_7
async def test_a_key_of_another_type_is_an_outage(server: EmbeddedServer) -> None:
    """Whoever has put something else there is told of by the log, and the worker goes on when it is gone."""
    redis = connected(server)
    await redis.set(STREAM, "x")
    async with running(connected(server)) as one, running(connected(server)) as two:
        one.note("acme", JAPAN, time.time())
        await until(lambda: one.counts.failures > 1)
        await redis.delete(STREAM)
        await until(lambda: two.of("acme"))
    await redis.aclose()


@redis_7
async def test_a_client_that_decodes_will_do(server: EmbeddedServer) -> None:
    """As will one that speaks RESP3."""
    now = time.time()
    plain = Redis(unix_socket_path=server.socket, decode_responses=True, protocol=2)
    newer = Redis(unix_socket_path=server.socket, protocol=3)
    async with running(plain) as one, running(newer) as two:
        one.note("acme", BERLIN, now)
        two.note("acme", TOKYO, now)
        await until(lambda: len(one.of("acme")) == len(two.of("acme")) == 2)


@redis_7
async def test_in_a_cluster() -> None:
    """By redis-py's client for one, as `gateway.stores.redis.client` makes it."""
    now = time.time()
    async with servers.cluster(3, "redis") as nodes:
        clients = [client(servers.cluster_url(nodes)) for _ in range(2)]
        async with running(clients[0]) as one, running(clients[1]) as two:
            one.note("acme", BERLIN, now)
            two.note("acme", TOKYO, now)
            await until(lambda: len(one.of("acme")) == len(two.of("acme")) == 2, 10.0)


async def test_what_was_not_told_does_not_replace_what_is_newer() -> None:
    """A batch that Redis did not take goes back to those that wait, behind what came meanwhile."""
    seen = FleetSightings(Clock())

    class Away:
        """A client that fails while the account goes on."""

        async def xread(self, *_: Any, **__: Any) -> Any:
            raise ConnectionError("away")

        def pipeline(self, *, transaction: bool) -> Any:
            seen.note("acme", MAGDEBURG, NOON + 1)
            raise ConnectionError("away")

    seen.note("acme", BERLIN, NOON)
    seen.note("acme", TOKYO, NOON)
    task = spawn(seen.run(Away()), name="tell")  # type: ignore[arg-type]
    await until(lambda: ("acme", "DE") in seen._to_tell and seen._to_tell["acme", "DE"].time > NOON)
    await until(lambda: ("acme", "JP") in seen._to_tell)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {country: sighting.time for (_, country), sighting in seen._to_tell.items()} == {"DE": NOON + 1, "JP": NOON}


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis never answers, memory does not fill: what is too much is counted, and still counts here."""
    monkeypatch.setattr(sightings_fleet, "WAITING_AT_MOST", 10)
    seen = FleetSightings(Clock())
    for index in range(25):
        seen.note(f"a{index}", BERLIN, NOON)
    assert len(seen._to_tell) == 10
    assert seen.counts.dropped == 15
    assert seen.accounts == 25
    seen.note("a0", BERLIN, NOON + MOMENT)
    assert seen.counts.dropped == 15
    assert seen._to_tell["a0", "DE"].time == NOON + MOMENT
