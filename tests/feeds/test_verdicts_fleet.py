"""Verdicts in a worker: what is heard, what is kept, and how much of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.campaigns.verdict import Level, Verdict
from gateway.feeds.verdicts import HELD, TOLD, read, spelled, states_of, verdict_of
from gateway.feeds.verdicts_fleet import FleetVerdicts
from gateway.stores.embedded import EmbeddedServer
from gateway.tasks import spawn
from tests import servers
from tests.feeds.test_refusals import connected, until

NOW = 1_790_000_000.0
redis_7 = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))


def verdict(account: str = "acme", version: int = 1, score: float = 10.0, expires: float = NOW + 60.0) -> Verdict:
    families = (("content", 6.0), ("links", 4.0))
    return Verdict(account, "c1", score, families, ("they share a template",), 40, Level.HOLD, NOW, expires, version)


def entry(*verdicts: Verdict) -> dict[Any, Any]:
    return {b"v": b"[" + b",".join(map(spelled, verdicts)) + b"]"}


def test_spelling() -> None:
    """What is written is what is read."""
    assert read(spelled(verdict())) == verdict()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=4), st.lists, max_leaves=14))
def test_nonsense_is_no_verdict(said: object) -> None:
    """Whatever somebody writes into Redis is a verdict or a ValueError."""
    with contextlib.suppress(ValueError):
        assert isinstance(verdict_of(said), Verdict)


GOOD: list[Any] = ["acme", "c1", 10.0, [["links", 4.0]], ["so"], 40, 3, NOW, NOW + 60.0, 1]
SPOILT: list[tuple[int, Any]] = [
    (0, ""), (0, "a" * 300), (1, None), (2, "10"), (2, "nan"), (2, 1e300), (3, [["links", "nan"]]),
    (3, [["links", 1.0]] * 100), (4, ["x" * 5000]), (4, [""] * 5000), (5, -1), (5, 1.5), (6, 99), (7, "nan"),
    (8, 1e300), (8, "inf"), (9, -1), (9, "7"), (9, True),
]  # fmt: skip


@pytest.mark.parametrize(("member", "value"), SPOILT, ids=[f"{member}-{str(value)[:12]}" for member, value in SPOILT])
def test_what_is_out_of_its_range_is_no_verdict(member: int, value: object) -> None:
    """Names are short, numbers are numbers, and none is beyond what a detector says."""
    assert verdict_of(GOOD).account == "acme"
    with pytest.raises(ValueError, match=r"."):
        verdict_of([*GOOD[:member], value, *GOOD[member + 1 :]])


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(verdict(version=2, expires=32_503_680_000.0), id="ends-in-the-year-3000"),
        pytest.param(verdict(version=2**62), id="nobody-can-come-after-it"),
    ],
)
def test_nothing_is_said_for_good(stranger: Verdict) -> None:
    """A stranger's word in Redis that outlives all detectors is not taken: the detector's own still counts."""
    verdicts = FleetVerdicts(lambda: NOW)
    verdicts.learn(stranger)
    assert verdicts.of("acme", NOW) is None
    verdicts.learn(verdict(version=3, score=6.0))
    assert verdicts.of("acme", NOW) is not None
    assert verdicts.counts.unreadable == 1


async def test_who_serves_waits_for_them(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that begins before verdicts were read holds nobody: it says so."""
    verdicts = FleetVerdicts(lambda: NOW)
    assert not await verdicts.caught_up(0.01)
    assert "nobody is held" in caplog.text


ORDERS = {
    "the later one counts": ([verdict(version=1, score=6.0), verdict(version=2, score=9.0)], 9.0),
    "also where it is heard first": ([verdict(version=2, score=9.0), verdict(version=1, score=6.0)], 9.0),
    "what was taken back is gone": ([verdict(version=1), verdict(version=2, score=0.0)], None),
    "and is not brought back by an older one": ([verdict(version=2, score=0.0), verdict(version=1)], None),
    "it ends by itself": ([verdict(expires=NOW + 10.0)], None),
    "one that has ended is not taken": ([verdict(expires=NOW - 10.0)], None),
}


@pytest.mark.parametrize(("heard", "score"), ORDERS.values(), ids=ORDERS)
def test_versions(heard: list[Verdict], score: float | None) -> None:
    """Of two verdicts about one account the one with the higher version holds, until it expires."""
    verdicts = FleetVerdicts(lambda: NOW)
    for one in heard:
        verdicts.learn(one)
    found = verdicts.of("acme", NOW + 20.0)
    assert (found.score if found is not None else None) == score
    assert verdicts.of("another", NOW) is None


def test_bounded() -> None:
    """No more accounts are kept than was said; those go first that end first, and that is counted."""
    verdicts = FleetVerdicts(lambda: NOW, most=100)
    for number in range(250):
        verdicts.learn(verdict(f"a{number}", expires=NOW + 1000.0 - number))
    assert len(verdicts) <= 100
    assert verdicts.of("a0", NOW) is not None
    assert verdicts.counts.dropped == 250 - len(verdicts)


STATED = {
    "name": "one", "leader": False, "time": NOW, "lag": 0.0, "events": 1, "rate": 0.0, "unreadable": 0,
    "missed_seconds": 0.0, "accounts": 1, "bytes": 1, "verdicts": 0, "told": 0, "clusters": 0, "levels": {},
    "look_seconds": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("leader", "names", "leads"),
    [
        pytest.param(b"two a1b2", ["two", "one"], [True, False], id="the holder, first"),
        pytest.param("two a1b2", ["two", "one"], [True, False], id="as text"),
        pytest.param(b"one a1b2", ["one", "two"], [True, False], id="not one that was killed and says so still"),
        pytest.param(None, ["one", "two"], [False, False], id="nobody"),
        pytest.param(b"gone a1b2", ["one", "two"], [False, False], id="one that says nothing of itself"),
        pytest.param(b"\xff", ["one", "two"], [False, False], id="what makes no sense"),
    ],
)
def test_states(leader: bytes | str | None, names: list[str], leads: list[bool]) -> None:
    """Who holds the lease tells, whatever it says of itself, and comes first; who has said nothing for a while, and
    what makes no sense, is left out.
    """
    found = {
        b"one": orjson.dumps(STATED),
        b"two": orjson.dumps(STATED | {"name": "two", "leader": True}),
        b"old": orjson.dumps(STATED | {"time": NOW - 100.0}),
        b"odd": b"{",
        b"other": b"[]",
        b"less": b'{"name": "less"}',
    }
    states = states_of(found, leader, NOW)
    assert [state["name"] for state in states] == names
    assert [state["leader"] for state in states] == leads


# -- in the fleet -------------------------------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("redis") as running:
        yield running


@pytest.fixture
async def redis(server: EmbeddedServer) -> AsyncIterator[Redis]:
    client = connected(server)
    yield client
    await client.aclose()


@pytest.fixture
async def verdicts(server: EmbeddedServer) -> AsyncIterator[FleetVerdicts]:
    """A worker's, following."""
    found, client = FleetVerdicts(time.time), connected(server)
    task = spawn(found.run(client), name="verdicts")
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.aclose()


@redis_7
async def test_a_worker_that_starts_reads_all(redis: Redis, verdicts: FleetVerdicts) -> None:
    """Also what was told long ago, of which the stream says nothing any more."""
    later = time.time() + 60.0
    held: dict[Any, Any] = {f"a{number}": spelled(verdict(f"a{number}", expires=later)) for number in range(1_200)}
    await redis.hset(HELD, mapping=held | {"odd": b"{", "other": b"[1]"})
    verdicts._whole.set()
    await until(lambda: verdicts.counts.learnt == 1_200)
    assert verdicts.counts.unreadable >= 2  # It may be read twice
    assert verdicts.of("a1199", time.time()) is not None


@redis_7
async def test_nonsense_in_the_stream_harms_nobody(redis: Redis, verdicts: FleetVerdicts) -> None:
    """It is counted, and what comes after it is heard."""
    for fields in ({"v": "{"}, {"w": "1"}, {"v": "[[1]]"}, {"v": b"\xff"}):
        await redis.xadd(TOLD, fields)  # type: ignore[arg-type]
    await redis.xadd(TOLD, entry(verdict(expires=time.time() + 60.0)))
    await until(lambda: verdicts.of("acme", time.time()) is not None)
    assert verdicts.counts.unreadable == 4


@redis_7
async def test_after_an_outage_all_is_read_again() -> None:
    """What was told while a worker could not listen is in the hash, whatever the stream still has."""
    async with servers.server("redis", port=0) as server:
        found, client = FleetVerdicts(time.time), connected(server)
        task = spawn(found.run(client), name="verdicts")
        try:
            await until(lambda: found.known)
            found.learn(verdict("kept", expires=time.time() + 60.0))
            await server.stop()
            await until(lambda: not found.available)
            assert found.of("kept", time.time()) is not None
            await server.start()
            other = connected(server)
            await other.hset(HELD, "acme", spelled(verdict(expires=time.time() + 60.0)))
            await other.aclose()
            await until(lambda: found.of("acme", time.time()) is not None, 20.0)
            assert found.available
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.aclose()
