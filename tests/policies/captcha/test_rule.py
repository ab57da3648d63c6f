"""What is decided never contradicts what is held, under everything that callers, owners and time may do."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.challenges.ladder import NOTHING_HELD, Held, Step
from gateway.challenges.steps import cleared, needs
from gateway.policies.captcha.rule import Caller, Rule, missing
from gateway.policy import Action, Context, Decision, Evidence
from tests.policies.captcha.world import RULE, USUAL, World, said

STEP_OF = {
    "challenge_required": {"usual.work": Step.WORK, "usual.captcha": Step.CAPTCHA},
    "verification_required": {"usual.verify": Step.VERIFY},
    "account_under_review": {"usual.review": Step.REVIEW},
}
ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.1")
ACTS = st.one_of(
    st.tuples(st.just("call"), st.sampled_from((0, 10, 19, 20, 29, 31, 49, 50, 79, 80, 94, 95, 150, 400)),
              st.sampled_from(ADDRESSES), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from((0.01, 1.0, 6.0, 61.0, 600.0, 1801.0, 7200.0, 90_000.0))),
    st.tuples(st.just("solve")),
    st.tuples(st.just("other worker")),
)  # fmt: skip


def needed(world: World, context: Context, held: Held) -> Step:
    """The ladder's word, where nothing was passed that is worth something here."""
    rule = Rule.of(world.config, "captcha", RULE, world.config.ladders[0])
    caller = Caller("acme", "", f"network={context.client_address.rpartition('.')[0]}.0/24")
    step, _ = rule.asks(held, context.weight, caller, context.now)
    return step


def judge(world: World, context: Context, decision: Decision, held: Held) -> None:
    """Hold an answer against what the fleet holds after it."""
    network = f"network={context.client_address.rpartition('.')[0]}.0/24"
    step = needed(world, context, held)
    assert step >= needs(Rule.of(world.config, "captcha", RULE, world.config.ladders[0]).ladder, held,
                         context.weight, context.now)  # fmt: skip
    passed = cleared(held, min(step, Step.CAPTCHA), "", network, context.now)
    if decision.action is Action.ALLOW:
        assert step <= Step.SLOW or (step <= Step.CAPTCHA and passed is not None)
        assert bool(decision.takes) == (step is Step.SLOW and passed is None)
    else:
        assert STEP_OF[decision.reason][decision.matches[0].rule] is step
        assert step >= Step.VERIFY or passed is None
    if decision.action is Action.CHALLENGE:
        challenge = world.challenge_of(decision)
        assert (challenge.subject, challenge.network, challenge.step) == ("acme", network, step)
        assert any(one.id == challenge.id for one in held.open)


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(ACTS, min_size=1, max_size=25))
def test_decide_never_contradicts_the_ladder(acts: list[tuple[Any, ...]]) -> None:
    """Whoever is refused is asked for the step of the fleet's state and has passed nothing that covers it; whoever
    passes is on none, or has; from memory or not, on this worker or another one.
    """

    async def run() -> None:
        world = World({**USUAL, "clearance": {"work": {"lasts": "1h", "exchanges": 0},
                                              "captcha": {"lasts": "24h", "exchanges": 0}}})  # fmt: skip
        workers, last = [world.here, world.worker()], None
        for act in acts:
            # Beyond what a judgement is remembered for, and the fleet is not asked again.
            world.clock.turn(6.0)
            if act[0] == "wait":
                world.clock.turn(act[1])
            elif act[0] == "solve" and last is not None:
                if world.clock() < world.tokens.read(world.token_of(last), 0.0).until - 1:
                    await world.solve(last)
                last = None
            elif act[0] == "other worker":
                workers.reverse()
            elif act[0] == "call":
                context = world.exchange(act[1], client_address=act[2])
                for worker in workers if act[3] else workers[:1]:
                    # Whoever is suspected now is asked about, also by a worker that has just begun.
                    heard = {} if act[3] and act[1] >= 20 else world.fleet.held
                    worker._escalations.held.clear()
                    worker._escalations.held.update(heard)
                    decision = await said(worker.decide(context))
                    judge(world, context, decision, world.fleet.held.get((RULE, "acme"), NOTHING_HELD))
                    last = decision if decision.action is Action.CHALLENGE else last

    asyncio.run(run())


def test_what_is_missing() -> None:
    """Shown after the step began, and still good; in the order of the file."""
    evidence = (Evidence("document", 10.0), Evidence("liveness", 30.0, 40.0), Evidence("email", 30.0))
    assert missing(("document", "liveness", "email"), evidence, 20.0, 35.0) == ("document",)
    assert missing(("document", "liveness"), evidence, 5.0, 40.0) == ("liveness",)
    assert missing((), (), 0.0, 0.0) == ()
