"""The fleet in bad times: Redis away, slow, emptied or full of nonsense; answers lost, callers gone, clocks apart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import fleet_stream
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.fleet_calls import STREAM, budget_key, record_key, solver_key
from gateway.challenges.interface import Unavailable
from gateway.challenges.ladder import NOTHING_HELD, Clearance, Lifted, Passed, Step, Weighed
from gateway.challenges.steps import passed
from gateway.stores.embedded import EmbeddedServer, free_port
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from tests import servers
from tests.challenges.conformance import HOUR, LADDER, RULE, Fleet, ended, open_fleet, until

pytestmark = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # A cancellation that redis-py swallows is heard after the next read.
    monkeypatch.setattr(fleet_stream, "BLOCK", 0.1)


@pytest.fixture
def kind() -> str:
    """These are of Redis; `test_interface` has the others."""
    return "redis"


@contextlib.asynccontextmanager
async def another(url: str, clock: Callable[[], float], *, follows: bool = True) -> AsyncIterator[RedisEscalations]:
    """One more worker, which starts now."""
    redis = client(url)
    worker = RedisEscalations(redis, clock, deadline=5.0)
    task = spawn(worker.run(), name="escalations") if follows else None
    try:
        assert not follows or await worker.caught_up(5.0)
        yield worker
    finally:
        await ended([task] if task else [])
        await redis.aclose()


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Redis]:
    """Somebody else who writes into the same Redis."""
    redis = client(redis_url)
    yield redis
    await redis.aclose()


def counts(fleet: Fleet, index: int = 0) -> Any:
    worker = fleet.workers[index]
    assert isinstance(worker, RedisEscalations)
    return worker.counts


# -- what is kept, and how long ------------------------------------------------------------------------------------


async def test_a_worker_that_starts_later_reads_back(
    fleet: Fleet, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In as many batches as it takes; it says when it has."""
    monkeypatch.setattr(fleet_stream, "BATCH", 7)
    subjects = [f"{fleet.subject}-{index}" for index in range(40)]
    for subject in subjects:
        await fleet.first.change(RULE, subject, LADDER, Weighed(50.0))
    async with another(redis_url, fleet.clock) as later:
        assert all((RULE, subject) in later.held for subject in subjects)
        assert later.counts.looks == 0


async def test_records_and_budgets_end(fleet: Fleet, raw: Redis) -> None:
    """In Redis, by its own clock: a budget with its clearance, a record when it is of no more use."""
    clearance = await fleet.clear(5, lasts=100.0)
    name = (RULE, fleet.subject)
    assert 99_000 < await raw.pttl(budget_key(name, clearance.id)) <= 100_000
    assert 60_000 <= await raw.pttl(record_key(name)) < 100 * DAY * 1000
    await fleet.first.solvers(f"s{fleet.subject}", "x", 100.0)
    await fleet.first.solvers(f"s{fleet.subject}", "x", 50.0)
    assert 99_000 < await raw.pttl(solver_key(f"s{fleet.subject}")) <= 100_000


async def test_solvers_are_bounded_and_unnamed(fleet: Fleet, raw: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are kept, and of the subjects only digests."""
    monkeypatch.setattr("gateway.challenges.fleet_calls.SOLVED_FOR", 3)
    solver = f"s{fleet.subject}"
    for index in range(6):
        fleet.clock.turn(1.0)
        await fleet.first.solvers(solver, f"x{index}", HOUR)
    assert await fleet.first.solvers(solver, "x5", HOUR) == 4
    members = await raw.zrange(solver_key(solver), 0, -1)
    assert {len(member) for member in members} == {16}


async def test_the_stream_is_bounded(fleet: Fleet, raw: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """About: Redis trims by whole nodes, of a hundred entries by default."""
    monkeypatch.setattr("gateway.challenges.fleet_calls.LONGEST", 100)
    for index in range(400):
        await fleet.first.change(RULE, f"{fleet.subject}-{index}", LADDER, Weighed(50.0))
    assert 100 <= await raw.xlen(STREAM) <= 300


async def test_scripts_that_redis_forgot_are_sent_again(fleet: Fleet, raw: Redis) -> None:
    """As after every restart."""
    clearance = await fleet.clear(5)
    await raw.script_flush()
    assert await fleet.first.draw(RULE, fleet.subject, clearance, 2) == 2
    await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(55.0))
    assert await fleet.first.solvers(f"s{fleet.subject}", "x", HOUR) == 1


async def test_more_calls_at_once_than_connections(fleet: Fleet) -> None:
    """redis-py has a hundred connections for a client: a thousand calls wait for their turn."""
    await asyncio.gather(*(fleet.first.look(RULE, f"{fleet.subject}-{index}") for index in range(1000)))
    assert counts(fleet).failures == 0


@pytest.mark.timing
async def test_a_change_is_with_the_others_at_once(fleet: Fleet) -> None:
    """Within 50 ms, as a rule."""
    took = []
    for weight in range(50, 75):
        began = time.perf_counter()
        _, after = await fleet.first.change(
            RULE, fleet.subject, LADDER, Lifted(Step(weight % 2)), Weighed(weight * 1.0)
        )
        while fleet.held(1) != after:
            await asyncio.sleep(0.0005)
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.05


# -- Redis away ----------------------------------------------------------------------------------------------------


async def refused(call: Awaitable[Any], within: float) -> None:
    began = time.perf_counter()
    with pytest.raises(Unavailable):
        await call
    assert time.perf_counter() - began < within


async def test_while_redis_is_away_what_is_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Everything else is Unavailable, soon; when it is back, empty, it goes on with what workers remember."""
    caplog.set_level(logging.WARNING)
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        stopped = contextlib.AsyncExitStack()
        await stopped.enter_async_context(servers.server("redis", port=port))
        fleet = await stack.enter_async_context(open_fleet(f"redis://127.0.0.1:{port}", deadline=0.25))
        clearance = await fleet.clear(5)
        await fleet.agreed()
        known = fleet.held(1)
        await stopped.aclose()
        calls = (
            fleet.first.look(RULE, fleet.subject),
            fleet.first.change(RULE, fleet.subject, LADDER, Weighed(70.0)),
            fleet.first.draw(RULE, fleet.subject, clearance, 1),
            fleet.first.solvers("s", "x", HOUR),
        )
        for call in calls:
            await refused(call, 0.75)
        await fleet.first.wait(RULE, fleet.subject, 0.01)
        assert fleet.held(0) == fleet.held(1) == known
        assert not fleet.first.available  # type: ignore[attr-defined]
        assert counts(fleet).failures >= 4
        async with servers.server("redis", port=port):
            _, after = await _again(lambda: fleet.first.change(RULE, fleet.subject, LADDER, Weighed(70.0)))
            assert after.clearances == known.clearances
            await until(lambda: fleet.held(1) == after, 20.0)
            assert await fleet.worker(2).draw(RULE, fleet.subject, clearance, 1) == 0
    said = [record.message for record in caplog.records if record.name == "gateway.challenges.fleet_calls"]
    assert len(said) <= 16, said


async def _again(call: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Until it is answered."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(Unavailable):
                return await call()
            await asyncio.sleep(0.05)


async def test_a_redis_that_hangs_costs_the_deadline() -> None:
    """Also when many ask at once, and whatever they ask."""
    options = ("--enable-debug-command", "local")
    async with servers.server("redis", *options) as server, open_fleet(server.url, deadline=0.1) as fleet:
        await fleet.put()
        redis = client(server.url)
        pause = spawn(redis.execute_command("DEBUG", "SLEEP", "1.5"), name="sleep")
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        calls = [fleet.first.look(RULE, fleet.subject) for _ in range(50)]
        changes = [fleet.first.change(RULE, fleet.subject, LADDER, Weighed(80.0 + n)) for n in range(50)]
        answers = await asyncio.gather(*calls, *changes, return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unavailable}
        assert time.perf_counter() - began < 0.6
        await pause
        await redis.aclose()
        await _again(lambda: fleet.first.look(RULE, fleet.subject))


async def test_what_redis_lost_stays_in_force(fleet: Fleet, raw: Redis) -> None:
    """Who looks is told what is remembered, and writes it back, as a change does; what was spent does not come back."""
    one = await fleet.put("c1", Step.CAPTCHA)
    clearance = await fleet.clear(5, "c2")
    await fleet.agreed()
    held = fleet.held(1)
    name = (RULE, fleet.subject)
    await raw.delete(record_key(name), budget_key(name, "c2"))
    assert await fleet.worker(1).look(*name) == held
    assert counts(fleet, 1).restored == 1
    async with another(fleet.url, fleet.clock, follows=False) as later:
        assert await later.look(*name) == held
    assert await fleet.worker(1).draw(*name, clearance, 1) == 0
    await raw.delete(record_key(name))
    before, after = await fleet.worker(2).change(*name, LADDER, Passed(one.id, HOUR, 0))
    assert before == held
    assert passed(before, after, one.id)
    await fleet.agreed()
    assert await fleet.worker(3).draw(*name, clearance, 1) == 0
    async with another(fleet.url, fleet.clock, follows=False) as later:
        assert await later.look(*name) == after


async def test_a_record_that_redis_made_older_is_not_believed(fleet: Fleet, raw: Redis) -> None:
    """As after a failover that lost the last writes: a challenge that was passed is not passed again."""
    one = await fleet.put()
    older: Any = await raw.get(record_key((RULE, fleet.subject)))
    _, after = await fleet.first.change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 5))
    clearance = after.clearances[0]
    assert await fleet.first.draw(RULE, fleet.subject, clearance, 3) == 3
    await fleet.agreed()
    await raw.set(record_key((RULE, fleet.subject)), older)
    before, again = await fleet.worker(1).change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 5))
    assert again is before
    assert await fleet.worker(1).look(RULE, fleet.subject) == after
    async with another(fleet.url, fleet.clock, follows=False) as unaware:
        assert await unaware.look(RULE, fleet.subject) == after
    await raw.set(record_key((RULE, fleet.subject)), older)
    async with another(fleet.url, fleet.clock, follows=False) as unaware:
        before, again = await unaware.change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 5))
        assert passed(before, again, one.id)
        assert await unaware.draw(RULE, fleet.subject, again.clearances[0], 9) == 2


async def test_what_a_slow_clock_of_redis_makes_is_newer(fleet: Fleet, raw: Redis) -> None:
    """As after a failover to a server whose clock is an hour behind, and that never had the record."""
    await fleet.put()
    await fleet.agreed()
    name = (RULE, fleet.subject)
    record: Any = await raw.get(record_key(name))
    version = int((time.time() + HOUR) * 1e6)
    ahead = b"%d %b" % (version, record.partition(b" ")[2])
    await raw.xadd(STREAM, {"r": RULE, "s": fleet.subject, "v": ahead})
    await until(lambda: fleet.workers[2]._memory.version(name) == version)  # type: ignore[attr-defined]
    await raw.delete(record_key(name))
    _, after = await fleet.worker(2).change(*name, LADDER, Weighed(75.0))
    await until(lambda: all(fleet.held(index) == after for index in range(4)))


async def test_in_a_failover_of_a_sentinel() -> None:
    """The fleet goes on with the replica."""
    async with servers.sentinel() as (url, master, _), open_fleet(url, deadline=0.5) as fleet:
        clearance = await fleet.clear(5)
        await fleet.agreed()
        await _copied(master)
        await master.stop()
        await refused(fleet.first.look(RULE, fleet.subject), 1.0)
        assert await _again(lambda: fleet.worker(1).draw(RULE, fleet.subject, clearance, 9), 15.0) == 5
        _, after = await _again(lambda: fleet.first.change(RULE, fleet.subject, LADDER, Weighed(75.0)))
        assert after.clearances == (clearance,)
        await until(lambda: fleet.held(3) == after, 15.0)


async def _copied(master: EmbeddedServer) -> None:
    redis = Redis(unix_socket_path=master.socket)
    assert await redis.wait(1, 2000) == 1
    await redis.aclose()


# -- nonsense ------------------------------------------------------------------------------------------------------


async def test_nonsense_in_the_stream_harms_nobody(fleet: Fleet, raw: Redis) -> None:
    """It is counted and passed over, and what comes next is read."""
    _, after = await fleet.first.change(RULE, f"{fleet.subject}-x", LADDER, Weighed(50.0))
    good: Any = await raw.get(record_key((RULE, f"{fleet.subject}-x")))
    future = b"%d%b" % (int((fleet.clock() + 2 * DAY) * 1e6), good[16:])
    nonsense: list[dict[Any, Any]] = [
        {"z": "1"},
        {"r": RULE, "s": fleet.subject},
        {"r": RULE, "s": fleet.subject, "v": ""},
        {"r": RULE, "s": fleet.subject, "v": "1"},
        {"r": RULE, "s": fleet.subject, "v": b"1 w 1 \xff\xff"},
        {"r": RULE, "s": b"\xff", "v": good},
        {"r": RULE, "s": "x" * 10_000, "v": good},
        {"r": RULE, "s": fleet.subject, "v": future},
    ]
    unreadable = counts(fleet, 1).unreadable
    for fields in nonsense:
        await raw.xadd(STREAM, fields)
    await raw.xadd(STREAM, {"r": RULE, "s": fleet.subject, "v": good})
    await until(lambda: fleet.held(1) == after)
    assert counts(fleet, 1).unreadable - unreadable == len(nonsense)


@pytest.mark.parametrize(
    "put",
    [
        pytest.param(lambda raw, key: raw.set(key, "nonsense"), id="a word"),
        pytest.param(lambda raw, key: raw.set(key, b"\xff\x00"), id="bytes"),
        pytest.param(lambda raw, key: raw.set(key, "9" * 400 + " w.1 1 []"), id="a huge version"),
        pytest.param(lambda raw, key: raw.set(key, "17 w.1 1 []"), id="a version, and no record"),
        pytest.param(lambda raw, key: raw.rpush(key, "x"), id="another type"),
    ],
)
async def test_nonsense_in_a_key_is_as_good_as_lost(
    fleet: Fleet, raw: Redis, put: Callable[[Redis, bytes], Awaitable[Any]]
) -> None:
    """Who remembers goes on, for others nothing is held; the next change of either writes a record again."""
    name = (RULE, fleet.subject)
    await fleet.clear(5)
    await fleet.agreed()
    held = fleet.held(0)
    for worker, known in ((fleet.first, held), (None, NOTHING_HELD)):
        await raw.delete(record_key(name), budget_key(name, "c1"), solver_key("n"))
        for key in (record_key(name), budget_key(name, "c1"), solver_key("n")):
            await put(raw, key)
        async with another(fleet.url, fleet.clock, follows=False) as unaware:
            one = worker or unaware
            assert await one.look(*name) == known
            assert await one.draw(*name, Clearance("c1", Step.WORK, "", "", fleet.clock() + HOUR, 5), 1) == 0
            assert await one.solvers("n", "x", HOUR) == 1
            before, after = await one.change(*name, LADDER, Weighed(75.0))
            assert before == known != after
            assert one.counts.unreadable >= 1  # type: ignore[attr-defined]
        async with another(fleet.url, fleet.clock, follows=False) as reader:
            assert await reader.look(*name) == after


@pytest.mark.parametrize("where", ["redis", "cluster"])
async def test_a_stream_that_takes_nothing_ends_no_change(request: pytest.FixtureRequest, where: str) -> None:
    """The change is made, who looks sees it, and that nobody was told is counted."""
    async with contextlib.AsyncExitStack() as stack:
        if where == "redis":
            url = (await stack.enter_async_context(servers.server("redis"))).url
        else:
            url = servers.cluster_url(await stack.enter_async_context(servers.cluster(3, "redis")))
        fleet = await stack.enter_async_context(open_fleet(url))
        redis = client(url)
        stack.push_async_callback(redis.aclose)
        await redis.delete(STREAM)
        await redis.set(STREAM, "x")
        _, after = await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(50.0))
        assert counts(fleet).untold == 1
        assert await fleet.worker(1).look(RULE, fleet.subject) == after
