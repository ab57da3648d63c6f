"""A challenge of one entry, and the entry that makes it something that a caller can pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import (
    ALLOW,
    Action,
    Ask,
    Context,
    Decision,
    Facts,
    Match,
    Outcome,
    Take,
    Taken,
    challenged_by,
    has_passed,
)
from gateway.stores.interface import StoreUnavailable
from gateway.tasks import spawn

Says = Callable[[Context], Decision]


class Nothing:
    """A store that nobody asks."""

    def take(self, exchange: str, takes: Any, then: Callable[[Taken | StoreUnavailable], None]) -> None:
        raise AssertionError("nothing is taken here")

    more = take

    def settle(self, exchange: str, takes: Any, finals: Any) -> None:
        raise AssertionError("nothing was taken here")

    available = True

    async def close(self) -> None: ...


class Asking:
    """A policy of which each rule challenges whoever has not passed it, and then weighs."""

    def __init__(self, *rules: str, stubborn: bool = False, late: bool = False) -> None:
        self.rules = rules
        self.stubborn = stubborn
        self.late = late
        self.asked = 0
        self.outcomes: list[Outcome] = []

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        self.asked += 1
        decision = self._say(context)
        if not self.late:
            return decision

        async def wait() -> Decision:
            await asyncio.sleep(0)
            return decision

        return wait()

    def _say(self, context: Context) -> Decision:
        for rule in self.rules:
            if self.stubborn or not has_passed(context, challenged_by("asking", rule)):
                facts = Facts(weight=1) if self.stubborn else None
                match = Match(rule, "challenge", "odd")
                return Decision(Action.CHALLENGE, "odd", "Who are you?", facts=facts, matches=(match,))
        return Decision(Action.ALLOW, facts=Facts(weight=10))

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        self.outcomes.append(outcome)
        return ()


class Challenger:
    """Lets those rules pass, and puts a challenge for all others."""

    def __init__(self, *passed: str, late: bool = False, broken: bool = False) -> None:
        self.passed = passed
        self.late = late
        self.broken = broken
        self.heard: list[str] = []

    def decide(self, context: Context) -> Decision:
        return ALLOW

    def challenge(self, context: Context, by: str, decision: Decision) -> Decision | Awaitable[Decision]:
        self.heard.append(by)
        if self.broken:
            raise RuntimeError("broken")
        answer = ALLOW if by in self.passed else decision._replace(members={"challenge_url": "/x"}, matches=())
        if not self.late:
            return answer

        async def wait() -> Decision:
            await asyncio.sleep(0)
            return answer

        return wait()


async def ask(
    asking: Asking, challenger: Challenger | None, how: OnFailure = OnFailure.DENY, rollout: float = 1.0
) -> Asked:
    """Ask both, the challenger last, and wait for the answer."""
    entries = [Entry.of("asking", "asking", asking, OnFailure.DENY)]
    if challenger is not None:
        entries.append(Entry.of("captcha", "captcha", challenger, how, rollout=rollout))
    store = Nothing()
    answered: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
    chain = Chain(tuple(entries), store, store, {})
    context = Context("x1", 1000.0, "POST", "/v1/chat/completions", {}, "192.0.2.1", Ask("openai", "chat.completions"))
    chain.begin(context, answered.set_result)
    return await asyncio.wait_for(answered, 1.0)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "awaited"])
@pytest.mark.parametrize(
    ("rules", "passed", "action", "heard"),
    [
        (("a",), (), Action.CHALLENGE, ["asking/a"]),
        (("a",), ("asking/a",), Action.ALLOW, ["asking/a"]),
        (("a", "b"), ("asking/a",), Action.CHALLENGE, ["asking/a", "asking/b"]),
        (("a", "b"), ("asking/a", "asking/b"), Action.ALLOW, ["asking/a", "asking/b"]),
        (("a",), ("other/a",), Action.CHALLENGE, ["asking/a"]),
    ],
    ids=["nothing passed", "passed", "one of two", "both", "another rule's"],
)
async def test_a_challenge_is_handed_on(
    rules: tuple[str, ...], passed: tuple[str, ...], action: Action, heard: list[str], late: bool
) -> None:
    """Whoever passed a rule's challenge is asked the same entry again, and passes that rule alone."""
    asking, challenger = Asking(*rules, late=late), Challenger(*passed, late=late)
    asked = await ask(asking, challenger)
    assert (asked.decision.action, challenger.heard) == (action, heard)
    if action is Action.ALLOW:
        assert (asked.context.weight, asked.context.captcha, asked.context.passed) == (10, True, frozenset(passed))
        assert len(asked.decisions) == 2
    else:
        assert asked.decision.members == {"challenge_url": "/x"}
        assert [match.rule for _, match in asked.matches][-1:] == [rules[len(heard) - 1]]
        assert asking.outcomes == [Outcome(0, reached=False, refused=Action.CHALLENGE, reason="odd")]


async def test_a_policy_that_does_not_look_is_taken_by_its_word() -> None:
    """A stranger's policy challenges for ever: who passed it once goes on, and what else it said counts once."""
    asking = Asking("a", stubborn=True)
    asked = await ask(asking, Challenger("asking/a"))
    assert (asked.decision, asking.asked, asked.context.weight) == (ALLOW, 2, 1)


@pytest.mark.parametrize(
    ("challenger", "rollout"), [(None, 1.0), (Challenger("asking/a"), 0.0)], ids=["nobody", "one in shadow"]
)
async def test_without_a_challenger_it_stands(challenger: Challenger | None, rollout: float) -> None:
    """Nobody makes it passable: it is a refusal like any other."""
    asked = await ask(Asking("a"), challenger, rollout=rollout)
    assert (asked.decision.action, asked.decision.members) == (Action.CHALLENGE, {})


@pytest.mark.parametrize(
    ("how", "action", "reason"),
    [(OnFailure.DENY, Action.DENY, "policy_unavailable"), (OnFailure.ALLOW, Action.ALLOW, "")],
)
async def test_a_broken_challenger_does_as_its_entry_says(how: OnFailure, action: Action, reason: str) -> None:
    """Its `on_failure` counts, and the failure is its own; whoever is let pass has passed no challenge."""
    asked = await ask(Asking("a"), Challenger(broken=True), how)
    assert (asked.decision.action, asked.decision.reason) == (action, reason)
    assert not asked.context.captcha
    assert asked.chain.failures == {("captcha", "decide"): 1}


async def test_a_caller_who_leaves_meanwhile_is_settled_once() -> None:
    """The answer comes when nobody waits any more: that changes nothing."""
    asking = Asking("a")
    asked = await ask(asking, Challenger("asking/a", late=True))
    asked.settle(Outcome(0, aborted=True, reached=False))
    asked.settle(Outcome(200))
    assert asking.outcomes == [Outcome(0, aborted=True, reached=False)]
    await spawn(asyncio.sleep(0), "a turn")


async def test_what_could_not_be_put_is_not_passed() -> None:
    """The challenger is away and lets pass: each rule is asked for once, the entry's other rules count, and no later
    entry is told that somebody has passed.
    """
    asking = Asking("a", "b")
    seen: list[tuple[bool, int]] = []
    challenger = Challenger(broken=True, late=True)

    class Later:
        def decide(self, context: Context) -> Decision:
            seen.append((context.captcha, context.weight))
            return ALLOW

    entries = (
        Entry.of("asking", "asking", asking, OnFailure.DENY),
        Entry.of("captcha", "captcha", challenger, OnFailure.ALLOW),
        Entry.of("later", "later", Later(), OnFailure.DENY),
    )
    store = Nothing()
    answered: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
    context = Context("x1", 1000.0, "POST", "/v1/chat/completions", {}, "192.0.2.1", Ask("openai", "chat.completions"))
    Chain(entries, store, store, {}).begin(context, answered.set_result)
    asked = await asyncio.wait_for(answered, 1.0)
    assert (asked.decision.action, challenger.heard) == (Action.ALLOW, ["asking/a", "asking/b"])
    assert seen == [(False, 10)]
    assert context.passed == {"asking/a", "asking/b"}
