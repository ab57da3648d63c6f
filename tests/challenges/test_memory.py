"""What only the one in memory promises; `conformance` has what all of them do."""

from __future__ import annotations

import asyncio

import pytest

from gateway.challenges import memory
from gateway.challenges.interface import Changed
from gateway.challenges.ladder import NOTHING_HELD, Asked, Clearance, Ladder, Lifted, Open, Passed, Step, Weighed
from gateway.challenges.memory import MemoryEscalations
from gateway.tasks import spawn
from gateway.testing import Clock

RULE = "captcha/usual"
LADDER = Ladder({Step.SLOW: 20.0, Step.WORK: 40.0, Step.CAPTCHA: 60.0})


async def test_the_youngest_names_are_held() -> None:
    """What was touched longest ago goes first, and is as if it had never been."""
    held = MemoryEscalations(Clock(), names=3)
    for subject in "abcad":
        await held.change(RULE, subject, LADDER, Weighed(50.0 if subject != "a" else 50.0 + 10.0 * len(held.held)))
    assert [subject for _, subject in held.held] == ["c", "a", "d"]
    assert await held.look(RULE, "b") is NOTHING_HELD


async def test_what_says_nothing_any_more_is_forgotten() -> None:
    """When somebody looks; and at once where a change leaves nothing."""
    clock = Clock()
    held = MemoryEscalations(clock)
    await held.change(RULE, "a", LADDER, Weighed(50.0))
    await held.change(RULE, "b", LADDER, Weighed(50.0))
    await held.change(RULE, "b", LADDER, Lifted(Step.OBSERVE))
    assert [subject for _, subject in held.held] == ["a"]
    clock.turn(86_400.0)
    assert await held.look(RULE, "a") is NOTHING_HELD
    assert not held.held


async def test_all_are_told_of_a_change_and_of_nothing_else() -> None:
    """In order."""
    told: list[Changed] = []
    clock = Clock()
    held = MemoryEscalations(clock, [told.append, told.append])
    before, then = await held.change(RULE, "a", LADDER, Weighed(50.0))
    await held.change(RULE, "a", LADDER, Weighed(50.0))
    assert told == [Changed(RULE, "a", before, then, clock())] * 2


async def test_nothing_is_drawn_of_what_is_not_there() -> None:
    """Never given, over, or forgotten; and never more than was given, whatever is asked by."""
    clock = Clock()
    held = MemoryEscalations(clock)
    made_up = Clearance("c", Step.CAPTCHA, "", "", clock() + 60.0, 10)
    assert await held.draw(RULE, "a", made_up, 1) == 0
    one = Open("c", Step.CAPTCHA, "", "", clock(), clock() + 60.0)
    _, then = await held.change(RULE, "a", LADDER, Weighed(70.0), Asked(one), Passed("c", 30.0, 5))
    [clearance] = then.clearances
    assert await held.draw(RULE, "a", made_up, 100) == 5
    assert await held.draw(RULE, "a", clearance, 1) == 0
    assert await held.draw(RULE, "a", clearance, -1) == 0
    clock.turn(30.0)
    assert await held.draw(RULE, "a", clearance, 1) == 0


async def test_solvers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In subjects, and in number."""
    monkeypatch.setattr(memory, "SOLVED_FOR", 10)
    held = MemoryEscalations(Clock(), names=5)
    counts = [await held.solvers("s", f"a{number}", 60.0) for number in range(20)]
    assert counts == [*range(1, 11), *[11] * 10]
    for number in range(50):
        await held.solvers(f"s{number}", "a", 60.0)
    assert len(held._solved) == 5


async def test_nothing_is_left_of_who_waited() -> None:
    """Woken, given up, or over."""
    held = MemoryEscalations(Clock())
    await held.wait(RULE, "a", 0.0)
    waits = [spawn(held.wait(RULE, "a", 30.0), name="wait") for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    await asyncio.sleep(0)
    await held.change(RULE, "a", LADDER, Weighed(50.0))
    await held.change(RULE, "a", LADDER, Weighed(60.0))
    await asyncio.gather(*waits, return_exceptions=True)
    assert not held._waiting
