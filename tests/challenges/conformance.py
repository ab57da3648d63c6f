"""The laws of Escalations. Collected by test_interface.py, on every one there is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.interface import Changed, Escalations
from gateway.challenges.ladder import (
    NOTHING_HELD,
    Asked,
    Clearance,
    Held,
    Ladder,
    Lifted,
    Open,
    Passed,
    Step,
    Weighed,
    Wrong,
)
from gateway.challenges.memory import MemoryEscalations
from gateway.challenges.steps import passed
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.testing import Clock

WORKERS = 4
RULE = "captcha/main"
LADDER = Ladder({Step.SLOW: 20.0, Step.WORK: 40.0, Step.CAPTCHA: 60.0})
HOUR = 3600.0
LONG = 400 * 86_400.0
"""After which nothing is of any use."""
_count = itertools.count()


@dataclass
class Fleet:
    """Workers of one fleet, all by one clock, and an account that nobody has seen before."""

    workers: Sequence[Escalations]
    clock: Clock
    told: list[Changed]
    """By all of them."""
    url: str = ""
    subject: str = field(default_factory=lambda: f"a{next(_count)}")

    @property
    def first(self) -> Escalations:
        """Whichever."""
        return self.workers[0]

    def worker(self, index: int) -> Escalations:
        """In turn."""
        return self.workers[index % len(self.workers)]

    async def put(self, challenge: str = "c1", step: Step = Step.WORK) -> Open:
        """A challenge that is open in the whole fleet."""
        now = self.clock()
        one = Open(challenge, step, "", f"asn={challenge}", now, now + HOUR)
        _, held = await self.first.change(RULE, self.subject, LADDER, Weighed(45.0), Asked(one))
        assert one in held.open
        return one

    async def clear(self, exchanges: int, challenge: str = "c1", lasts: float = HOUR) -> Clearance:
        """A challenge that was passed."""
        one = await self.put(challenge)
        before, after = await self.first.change(RULE, self.subject, LADDER, Passed(one.id, lasts, exchanges))
        assert passed(before, after, challenge)
        [clearance] = [clearance for clearance in after.clearances if clearance.id == challenge]
        return clearance

    def held(self, index: int) -> Held:
        """What that worker remembers."""
        return self.workers[index].held.get((RULE, self.subject), NOTHING_HELD)

    async def agreed(self) -> None:
        """Until all remember the same."""
        held = await self.first.look(RULE, self.subject)
        await until(lambda: all(self.held(index) == held for index in range(len(self.workers))))


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """At most so long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def open_fleet(url: str, **options: Any) -> AsyncIterator[Fleet]:
    """Four workers on that server; without one, the memory of a process. Its clock stands at the real time of now."""
    clock, told = Clock(time.time()), list[Changed]()
    if not url:
        yield Fleet([MemoryEscalations(clock, [told.append])] * WORKERS, clock, told)
        return
    # A slow machine is no outage here: these tests are about what is held.
    options = {"deadline": 5.0} | options
    async with contextlib.AsyncExitStack() as stack:
        clients = [client(url) for _ in range(WORKERS)]
        for one in clients:
            stack.push_async_callback(_close, one)
        workers = [RedisEscalations(one, clock, [told.append], **options) for one in clients]
        following = [spawn(one.run(), name="escalations") for one in workers]
        stack.push_async_callback(ended, following)
        for one in workers:
            assert await one.caught_up(10.0)
        yield Fleet(workers, clock, told, url)


async def _close(redis: Any) -> None:
    await redis.aclose()
    # redis-py leaves those open that ask a Sentinel.
    manager = getattr(getattr(redis, "connection_pool", None), "sentinel_manager", None)
    for one in manager.sentinels if manager is not None else ():
        await one.aclose()


async def ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancelled, and gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Conformance:
    """One law a test."""

    async def test_of_who_is_not_known_nothing_is_held(self, fleet: Fleet) -> None:
        """And looking writes nothing."""
        assert await fleet.first.look(RULE, fleet.subject) == NOTHING_HELD
        assert fleet.held(0) == NOTHING_HELD
        assert fleet.told == []

    async def test_a_change_is_seen_at_once_by_who_looks(self, fleet: Fleet) -> None:
        """On every worker; and in `held` of the one that made it."""
        before, after = await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(50.0))
        assert before == NOTHING_HELD != after
        assert fleet.held(0) == after
        for worker in fleet.workers:
            assert await worker.look(RULE, fleet.subject) == after

    async def test_a_change_is_remembered_by_all(self, fleet: Fleet) -> None:
        """Without looking."""
        _, after = await fleet.first.change(RULE, fleet.subject, LADDER, Weighed(50.0))
        await until(lambda: all(fleet.held(index) == after for index in range(WORKERS)), 1.0)

    async def test_rules_and_subjects_are_apart(self, fleet: Fleet) -> None:
        """Whatever they are called."""
        names = [(RULE, fleet.subject), ("rules/x", fleet.subject), (RULE, f"address=::1{fleet.subject}")]
        names += [
            ("a:b", f"{{{fleet.subject}}}:c"),
            ("a", f"{{{fleet.subject}}}:b:c"),
            ("ü/\n", f"ü \n{fleet.subject}"),
        ]
        for weight, name in enumerate(names, 50):
            await fleet.first.change(*name, LADDER, Weighed(float(weight)))
        scores = [(await fleet.worker(1).look(*name)).score for name in names]
        assert scores == [float(weight) for weight in range(50, 50 + len(names))]
        await until(lambda: all(name in fleet.worker(2).held for name in names))

    async def test_events_of_one_change_come_one_after_the_other(self, fleet: Fleet) -> None:
        """All, or none; before is what was there, after what the last has made."""
        one = Open("c1", Step.WORK, "", "", fleet.clock(), fleet.clock() + HOUR)
        events = (Weighed(45.0), Asked(one), Passed("c1", HOUR, 0))
        before, after = await fleet.first.change(RULE, fleet.subject, LADDER, *events)
        assert before == NOTHING_HELD
        assert after.open == ()
        assert [clearance.id for clearance in after.clearances] == ["c1"]

    async def test_what_changes_nothing_is_not_written(self, fleet: Fleet) -> None:
        """Nobody is told, and both are the same object."""
        await fleet.put()
        told = len(fleet.told)
        for worker in fleet.workers:
            before, after = await worker.change(RULE, fleet.subject, LADDER, Passed("another", HOUR, 0))
            assert after is before
        await asyncio.sleep(0)
        assert len(fleet.told) == told

    async def test_what_a_worker_does_not_know_yet_counts(self, fleet: Fleet) -> None:
        """A change begins with what the fleet has, not with what the worker remembers."""
        one = await fleet.put()
        before, after = await fleet.worker(1).change(RULE, fleet.subject, LADDER, Passed(one.id, HOUR, 0))
        assert passed(before, after, one.id)

    async def test_told_once_where_it_was_made(self, fleet: Fleet) -> None:
        """With what was, what is, and when."""
        await fleet.put()
        fleet.told.clear()
        fleet.clock.turn(1.0)
        before, after = await fleet.worker(1).change(RULE, fleet.subject, LADDER, Wrong("c1"))
        assert fleet.told == [Changed(RULE, fleet.subject, before, after, fleet.clock())]
        await fleet.agreed()
        assert len(fleet.told) == 1

    async def test_a_challenge_is_passed_once(self, fleet: Fleet) -> None:
        """However many pass it at the same time, on however many workers; and one clearance comes of it."""
        one = await fleet.put()
        event = Passed(one.id, HOUR, 10)
        results = await asyncio.gather(
            *(fleet.worker(index).change(RULE, fleet.subject, LADDER, event) for index in range(200))
        )
        assert sum(passed(before, after, one.id) for before, after in results) == 1
        assert all([clearance.id for clearance in after.clearances] == [one.id] for _, after in results)
        assert sum(passed(change.before, change.after, one.id) for change in fleet.told) == 1
        await fleet.agreed()

    async def test_no_change_is_lost(self, fleet: Fleet) -> None:
        """A thousand from all workers at once: each began with what another ended with, and all agree at the end."""
        changes = [
            fleet.worker(index).change(
                RULE, fleet.subject, LADDER, Asked(_asked(fleet, index)), Passed(f"c{index}", HOUR, 0)
            )
            for index in range(1000)
        ]
        results = await asyncio.gather(*changes)
        assert all(passed(before, after, f"c{index}") for index, (before, after) in enumerate(results))
        befores = {before for before, _ in results}
        afters = {after for _, after in results}
        assert len(befores) == len(afters) == 1000
        assert befores - afters == {NOTHING_HELD}
        await fleet.agreed()
        assert len(fleet.told) == 1000

    async def test_budgets_are_drawn_exactly(self, fleet: Fleet) -> None:
        """All workers at once get what there is, no more and no less, and after that nothing."""
        clearance = await fleet.clear(1000)
        draws = await asyncio.gather(
            *(fleet.worker(index).draw(RULE, fleet.subject, clearance, 7) for index in range(200))
        )
        assert sum(draws) == 1000
        assert sorted(set(draws)) == [0, 6, 7]
        assert await fleet.first.draw(RULE, fleet.subject, clearance, 1) == 0

    async def test_budgets_are_apart(self, fleet: Fleet) -> None:
        """Of two clearances of one account, and of one id under two rules or subjects."""
        one, two = await fleet.clear(5, "c1"), await fleet.clear(3, "c2")
        assert await fleet.first.draw(RULE, fleet.subject, one, 9) == 5
        assert await fleet.worker(1).draw(RULE, fleet.subject, two, 9) == 3

    async def test_a_clearance_without_a_budget_lets_any_number_pass(self, fleet: Fleet) -> None:
        """What is wanted is there; nothing for nothing."""
        clearance = await fleet.clear(0)
        assert await fleet.first.draw(RULE, fleet.subject, clearance, 10**9) == 10**9
        assert await fleet.first.draw(RULE, fleet.subject, clearance, 0) == 0

    async def test_a_later_change_does_not_fill_a_budget(self, fleet: Fleet) -> None:
        """What was drawn stays drawn while the clearance is held."""
        clearance = await fleet.clear(5)
        assert await fleet.first.draw(RULE, fleet.subject, clearance, 4) == 4
        await fleet.worker(1).change(RULE, fleet.subject, LADDER, Weighed(55.0))
        await fleet.worker(2).change(RULE, fleet.subject, LADDER, Lifted(Step.OBSERVE))
        assert await fleet.worker(3).draw(RULE, fleet.subject, clearance, 4) == 1

    async def test_a_clearance_that_is_over_draws_nothing(self, fleet: Fleet) -> None:
        """With a budget or without."""
        clearances = [await fleet.clear(5, "c1", 100.0), await fleet.clear(0, "c2", 100.0)]
        fleet.clock.turn(100.0)
        assert [await fleet.worker(1).draw(RULE, fleet.subject, one, 1) for one in clearances] == [0, 0]

    async def test_what_is_over_is_not_held(self, fleet: Fleet) -> None:
        """Who looks, or changes it, finds nothing."""
        await fleet.clear(5)
        fleet.clock.turn(LONG)
        for worker in fleet.workers:
            assert await worker.look(RULE, fleet.subject) == NOTHING_HELD
        before, _ = await fleet.worker(1).change(RULE, fleet.subject, LADDER, Weighed(50.0))
        assert before == NOTHING_HELD

    async def test_solvers_are_counted_by_subject(self, fleet: Fleet) -> None:
        """In the order in which they came, each once, as long as it is asked for; of another solver, others."""
        solver = f"s{fleet.subject}"
        counts = []
        for index in range(6):
            counts.append(await fleet.worker(index).solvers(solver, f"x{index % 3}", HOUR))
            fleet.clock.turn(0.5)
        assert counts == [1, 2, 3, 1, 2, 3]
        assert await fleet.first.solvers(f"other{solver}", "x0", HOUR) == 1
        fleet.clock.turn(HOUR / 2)
        assert await fleet.first.solvers(solver, "x4", HOUR) == 4
        fleet.clock.turn(HOUR / 2 + 1)
        assert await fleet.first.solvers(solver, "x5", HOUR) == 2
        assert await fleet.first.solvers(solver, "x5", HOUR / 10) == 1

    async def test_who_comes_later_takes_no_place(self, fleet: Fleet) -> None:
        """However many come, and however often: those before them keep theirs, and time gives it free again."""
        solver = f"crowd{fleet.subject}"
        for index in range(5):
            assert await fleet.worker(index).solvers(solver, f"x{index}", HOUR) == index + 1
            fleet.clock.turn(60.0)
        for index in range(1_100):
            await fleet.worker(index).solvers(solver, f"y{index}", HOUR)
        assert await fleet.first.solvers(solver, "y1099", HOUR) > 1_000
        assert [await fleet.first.solvers(solver, f"x{index}", HOUR) for index in range(5)] == [1, 2, 3, 4, 5]
        fleet.clock.turn(HOUR - 299.0)
        assert await fleet.first.solvers(solver, "x1", HOUR) == 1
        fleet.clock.turn(HOUR)
        assert await fleet.first.solvers(solver, "y1099", HOUR) == 1

    async def test_who_waits_is_woken(self, fleet: Fleet) -> None:
        """By a change on any worker, all that wait; not by one of another account."""
        await fleet.put()
        await fleet.agreed()
        waits = [
            spawn(worker.wait(RULE, fleet.subject, 30.0), name="wait") for worker in (*fleet.workers, *fleet.workers)
        ]
        other = spawn(fleet.first.wait(RULE, f"not {fleet.subject}", 30.0), name="wait")
        await asyncio.sleep(0)
        assert not any(one.done() for one in waits)
        await fleet.worker(1).change(RULE, fleet.subject, LADDER, Passed("c1", HOUR, 0))
        async with asyncio.timeout(10.0):
            await asyncio.gather(*waits)
        assert not other.done()
        await ended([other])

    async def test_a_wait_is_over_in_time(self, fleet: Fleet) -> None:
        """Nothing is raised."""
        async with asyncio.timeout(10.0):
            await fleet.first.wait(RULE, fleet.subject, 0.01)
            await fleet.first.wait(RULE, fleet.subject, 0.0)


def _asked(fleet: Fleet, index: int) -> Open:
    return Open(f"c{index}", Step.WORK, "", "", fleet.clock(), fleet.clock() + HOUR)
