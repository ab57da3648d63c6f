"""The breaker as a state machine, and the order of providers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.challenges.providers.breaker import FAILURES, PAUSE, Breaker, first
from gateway.challenges.providers.contract import Answered, Captcha, ProviderUnavailable, Verdict, Widget
from gateway.tasks import spawn
from tests.challenges.providers.standing import Clock, answered

PASS: Final = Verdict(True)
WRONG: Final = Verdict(False, "wrong")


class Fake:
    """Says what it is told to, and counts how often it was asked."""

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.says: Verdict | ProviderUnavailable = PASS
        self.asked = 0
        self.closed = False
        self.gate: asyncio.Event | None = None

    def issue(self, challenge: str, token: str) -> Widget:
        return Widget("div", {"challenge": challenge}, (), "field", {})

    async def validate(self, answered: Answered) -> Verdict:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.says, ProviderUnavailable):
            raise self.says
        return self.says

    async def close(self) -> None:
        self.closed = True


async def tried(breaker: Breaker) -> Verdict | None:
    try:
        return await breaker.validate(answered("x"))
    except ProviderUnavailable:
        return None


def at_once(call: Coroutine[Any, Any, Verdict | None]) -> Verdict | None:
    """What it returns: it waits for nothing, and needs no loop."""
    try:
        call.send(None)
    except StopIteration as end:
        said: Verdict | None = end.value
        return said
    raise AssertionError


class BreakerMachine(RuleBasedStateMachine):
    """Against a model: failures in a row, and until when it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(0.0)
        self.fake = Fake()
        self.breaker = Breaker(self.fake, self.clock)
        self.failures = 0
        self.until: float | None = None

    @rule(seconds=st.floats(min_value=0, max_value=PAUSE * 1.5))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(
        says=st.sampled_from([PASS, WRONG, ProviderUnavailable("away"), ProviderUnavailable("lost", healthy=True)]),
    )
    def somebody_answers(self, says: Verdict | ProviderUnavailable) -> None:
        self.fake.says = says
        asked, is_open = self.fake.asked, self.until is not None and self.clock.now < self.until
        verdict = at_once(tried(self.breaker))
        assert self.fake.asked == asked + (not is_open)
        assert verdict == (None if is_open or isinstance(says, ProviderUnavailable) else says)
        if is_open:
            return
        if isinstance(says, ProviderUnavailable) and not says.healthy:
            self.failures += 1
            if self.until is not None or self.failures >= FAILURES:
                self.until = self.clock.now + PAUSE
        else:
            self.failures, self.until = 0, None

    @invariant()
    def it_says_whether_it_is_away(self) -> None:
        assert self.breaker.away == (self.until is not None and self.clock.now < self.until)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


async def opened(clock: Clock, fake: Fake) -> Breaker:
    breaker = Breaker(fake, clock)
    fake.says = ProviderUnavailable("away")
    for _ in range(FAILURES):
        assert await tried(breaker) is None
    assert breaker.away
    return breaker


async def test_one_answer_at_a_time_is_tried_when_it_is_half_open() -> None:
    """While it is under way all others go elsewhere, and are not asked about."""
    clock, fake = Clock(0.0), Fake()
    breaker = await opened(clock, fake)
    clock.now += PAUSE
    fake.says, fake.gate, asked = PASS, asyncio.Event(), fake.asked
    trial = spawn(tried(breaker), name="trial")
    await asyncio.sleep(0)
    assert breaker.away
    assert await tried(breaker) is None
    assert fake.asked == asked + 1
    fake.gate.set()
    assert await trial == PASS
    assert not breaker.away


async def test_a_trial_that_is_cancelled_leaves_room_for_the_next() -> None:
    """Whoever gave the answer closed the page: the provider is neither back nor away for ever."""
    clock, fake = Clock(0.0), Fake()
    breaker = await opened(clock, fake)
    clock.now += PAUSE
    fake.says, fake.gate = PASS, asyncio.Event()
    trial = spawn(tried(breaker), name="trial")
    await asyncio.sleep(0)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    fake.gate = None
    assert await tried(breaker) == PASS


async def test_the_next_one_where_one_is_away() -> None:
    """In order; the first again once it is back; where all are away, the first: never none."""
    clock, one, two = Clock(0.0), Fake("one"), Fake("two")
    away, other = await opened(clock, one), Breaker(two, clock)
    providers: Mapping[str, Captcha] = {"one": away, "two": other, "plain": Fake("plain")}
    assert first(providers, ["one", "two"]) is other
    assert first(providers, ["two", "one"]) is other
    assert first(providers, ["one", "plain"]).name == "plain"
    assert first(providers, ["one"]) is away
    clock.now += PAUSE
    assert first(providers, ["one", "two"]) is away


async def test_it_hands_on_all_else() -> None:
    """Its name, its widget, and that it is closed."""
    fake = Fake("mine")
    breaker = Breaker(fake, Clock())
    assert breaker.name == "mine"
    assert breaker.issue("c", "t") == fake.issue("c", "t")
    await breaker.close()
    assert fake.closed
