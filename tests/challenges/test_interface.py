"""Every one keeps the laws of the interface."""

from __future__ import annotations

import random

import pytest

from gateway.challenges.ladder import Asked, Event, Lifted, Open, Passed, Shown, Step, Weighed, Wrong
from gateway.challenges.memory import MemoryEscalations
from tests.challenges.conformance import LADDER, RULE, Conformance, Fleet


class TestEscalations(Conformance):
    """On memory, and by four workers on Redis 7.0, Valkey 9 and a Cluster of three."""


def _event(some: random.Random, now: float) -> Event:
    name = f"c{some.randrange(4)}"
    challenge = Open(name, some.choice([Step.WORK, Step.CAPTCHA]), "", f"asn={name}", now, now + 600.0)
    events: list[Event] = [
        Weighed(some.uniform(0.0, 90.0)),
        Asked(challenge),
        Passed(name, 300.0, some.randrange(4)),
        Wrong(name),
        Shown(),
        Lifted(Step(some.randrange(4))),
    ]
    return some.choice(events)


@pytest.mark.parametrize("seed", range(3))
async def test_all_say_the_same(fleet: Fleet, seed: int) -> None:
    """As the one in memory, one thing after the other on any worker: the same records, and the same budgets."""
    some, model = random.Random(seed), MemoryEscalations(fleet.clock)
    for _ in range(150):
        worker, subject = fleet.worker(some.randrange(4)), f"{fleet.subject}-{some.randrange(3)}"
        events = [_event(some, fleet.clock()) for _ in range(some.randrange(1, 3))]
        expected = await model.change(RULE, subject, LADDER, *events)
        assert await worker.change(RULE, subject, LADDER, *events) == expected
        for clearance in expected[1].clearances:
            assert await worker.draw(RULE, subject, clearance, 1) == await model.draw(RULE, subject, clearance, 1)
        fleet.clock.turn(some.choice([0.0, 0.1, 10.0, 200.0]))
        assert await worker.look(RULE, subject) == await model.look(RULE, subject)
