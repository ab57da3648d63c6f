"""The fleet and its callers: answers that get lost, callers who leave or wait, callbacks that break, clocks apart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.challenges import fleet as fleet_module
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.interface import Changed, Unavailable
from gateway.challenges.ladder import Asked, Clearance, Open, Passed, Step, Weighed, Wrong
from gateway.challenges.steps import passed
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import Clock
from tests import servers
from tests.challenges.conformance import HOUR, LADDER, RULE, Fleet, ended, until

pytestmark = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))


@pytest.fixture
def kind() -> str:
    """These are of Redis; `test_interface` has the others."""
    return "redis"


class Unreliable:
    """A client between whom and Redis things happen to scripts."""

    def __init__(self, redis: Any, happens: Callable[[Any, tuple[Any, ...]], Any]) -> None:
        self._redis = redis
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def evalsha(self, *args: Any) -> Any:
        return await self._happens(self._redis.evalsha, args)


@contextlib.asynccontextmanager
async def worker(
    fleet: Fleet,
    happens: Callable[[Any, tuple[Any, ...]], Any] | None = None,
    clock: Callable[[], float] | None = None,
    told: Callable[[Changed], None] = lambda changed: None,
) -> AsyncIterator[RedisEscalations]:
    """One more, with a client to which that happens."""
    redis = client(fleet.url)
    between = Unreliable(redis, happens) if happens is not None else redis
    one = RedisEscalations(between, clock or fleet.clock, [told], deadline=1.0)
    task = spawn(one.run(), name="escalations")
    try:
        assert await one.caught_up(5.0)
        yield one
    finally:
        await ended([task])
        await redis.aclose()


# -- answers that get lost -----------------------------------------------------------------------------------------


async def test_what_is_sent_twice_is_made_once(fleet: Fleet) -> None:
    """redis-py repeats what it has no answer to: who passed is still who passed, and told of once."""
    one = await fleet.put()
    told: list[Changed] = []

    async def twice(send: Any, args: tuple[Any, ...]) -> Any:
        await send(*args)
        return await send(*args)

    async with worker(fleet, twice, told=told.append) as resending:
        before, after = await resending.change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 5))
        assert passed(before, after, one.id)
        await fleet.agreed()
        assert await fleet.first.draw(RULE, fleet.subject, after.clearances[0], 9) == 5
    assert [passed(change.before, change.after, one.id) for change in told] == [True]


async def test_what_was_made_without_an_answer_is_told_when_it_is_seen(fleet: Fleet) -> None:
    """Once, by the process that made it: a notice is not lost with an answer."""
    one = await fleet.put()
    told: list[Changed] = []

    async def lost(send: Any, args: tuple[Any, ...]) -> Any:
        await send(*args)
        raise TimeoutError

    async with worker(fleet, lost, told=told.append) as deaf:
        with pytest.raises(Unavailable):
            await deaf.change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 5))
        await until(lambda: told)
        await deaf.look(RULE, fleet.subject)
        assert [passed(change.before, change.after, one.id) for change in told] == [True]
        assert deaf.held[RULE, fleet.subject].open == ()
    await fleet.agreed()
    assert len([change for change in fleet.told if passed(change.before, change.after, one.id)]) == 0


async def test_what_never_reached_redis_is_not_told(fleet: Fleet) -> None:
    """And nothing of it is remembered as if it held; of many such there is an end."""
    one = await fleet.put()
    await fleet.agreed()
    told: list[Changed] = []

    async def away(send: Any, args: tuple[Any, ...]) -> Any:
        raise ConnectionError

    async with worker(fleet, away, told=told.append) as cut:
        before = cut.held[RULE, fleet.subject]
        for _ in range(fleet_module.UNCERTAIN + 10):
            with pytest.raises(Unavailable):
                await cut.change(RULE, fleet.subject, LADDER, Wrong(one.id))
        assert cut.held[RULE, fleet.subject] is before
        assert len(cut._underway) == fleet_module.UNCERTAIN
    assert told == []


# -- callers -------------------------------------------------------------------------------------------------------


async def test_who_leaves_takes_nobody_along(fleet: Fleet) -> None:
    """A caller who hangs up in the middle: others of the same account have their answers, and no work is left."""
    calls = [
        spawn(fleet.first.change(RULE, fleet.subject, LADDER, Weighed(30.0 * (index + 1))), name="call")
        for index in range(5)
    ]
    await asyncio.sleep(0)
    calls[0].cancel()
    calls[3].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False, False, True, False]
    await fleet.agreed()
    assert fleet.first._asked == {}  # type: ignore[attr-defined]


async def test_a_change_that_breaks_is_an_answer(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is in the log with its traceback, Unavailable for who asked, and over with the next call."""
    with monkeypatch.context() as broken:
        broken.setattr(fleet_module, "after", lambda *_: 1 / 0)
        with pytest.raises(Unavailable, match="broke"):
            await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(50.0))
    await until(lambda: any("crashed" in record.message for record in caplog.records))
    _, after = await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(50.0))
    assert after.step is Step.WORK


async def test_a_callback_that_breaks_harms_nobody(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """The change is made, the others are called, and the log says it."""
    caplog.set_level(logging.ERROR)

    def broken(changed: Changed) -> None:
        raise RuntimeError("broken")

    async with worker(fleet, told=broken) as one:
        _, after = await one.change(RULE, fleet.subject, LADDER, Weighed(50.0))
        assert await one.look(RULE, fleet.subject) == after
    assert any("broken" in str(record.exc_info) for record in caplog.records)


async def test_waiters_leave_nothing_behind(fleet: Fleet) -> None:
    """Woken, cancelled or out of time."""
    one = fleet.workers[0]
    assert isinstance(one, RedisEscalations)
    waits = [spawn(one.wait(RULE, fleet.subject, 30.0), name="wait") for _ in range(3)]
    waits.append(spawn(one.wait(RULE, fleet.subject, 0.02), name="wait"))
    await asyncio.sleep(0)
    await ended(waits[:1])
    await waits[3]
    assert (one._waiting, len(one._waiters)) == (2, 1)
    await fleet.worker(1).change(RULE, fleet.subject, LADDER, Weighed(50.0))
    await asyncio.gather(*waits[1:])
    assert (one._waiting, one._waiters) == (0, {})


async def test_waiters_are_bounded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many waits a moment and looks again, as whoever waits does; it is not woken, and turns in no circle."""
    monkeypatch.setattr(fleet_module, "WAITERS", 2)
    monkeypatch.setattr(fleet_module, "CROWDED", 0.05)
    waits = [spawn(fleet.first.wait(RULE, fleet.subject, 30.0), name="wait") for _ in range(2)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    await fleet.first.wait(RULE, fleet.subject, 30.0)
    assert 0.04 < time.perf_counter() - began < 5.0
    await ended(waits)


# -- clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [-30.0, 30.0], ids=["behind", "ahead"])
async def test_clocks_that_differ(fleet: Fleet, apart: float) -> None:
    """By half a minute: changes alternate, none is lost, times never go back, and one pass is one."""
    other = Clock(fleet.clock() + apart)
    async with worker(fleet, clock=other) as stranger:
        both = (fleet.first, stranger)
        last = 0.0
        for index in range(20):
            now = fleet.clock()
            one = Open(f"c{index}", Step.WORK, "", f"asn={index}", now, now + HOUR)
            _, held = await both[index % 2].change(RULE, fleet.subject, LADDER, Weighed(45.0), Asked(one))
            results = [await both[n % 2].change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 3)) for n in range(3)]
            assert [passed(before, after, one.id) for before, after in results] == [True, False, False]
            assert last <= held.at
            last = held.at
            fleet.clock.turn(1.0)
            other.turn(1.0)
        clearance: Clearance = results[-1][1].clearances[0]
        drawn = [await one.draw(RULE, fleet.subject, clearance, 2) for one in (*both, *both)]
        assert drawn == [2, 1, 0, 0]
        held = await stranger.look(RULE, fleet.subject)
        await until(lambda: fleet.held(1) == held == stranger.held[RULE, fleet.subject])
