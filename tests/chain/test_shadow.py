"""Conditions, shadow and rollout: who is asked, and what of it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import (
    ALLOW,
    Action,
    Bucket,
    Context,
    Decision,
    Facts,
    Limit,
    Location,
    Match,
    Measure,
    Outcome,
    Principal,
    Take,
    Taken,
)
from gateway.rollout import share_of
from gateway.stores.interface import TakeAnswer
from gateway.stores.memory import MemoryStore
from gateway.testing import Clock, context

DENIED = Decision(Action.DENY, reason="no")
BUCKET = Bucket("account=acme", "account=acme", Limit("tried", Measure.REQUESTS, 2, 2, 3600.0))
SLOT = Bucket("account=acme", "account=acme", Limit("slots", Measure.CONCURRENCY, 1))


class Scripted:
    """Says what it is told, and remembers who came by."""

    def __init__(self, says: Decision | Exception | Callable[[Context], Any] = ALLOW) -> None:
        self.says = says
        self.asked = 0
        self.outcomes: list[Outcome] = []

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says if isinstance(self.says, Decision) else self.says(context)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        self.outcomes.append(outcome)
        return ()

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
        return Decision(Action.THROTTLE, reason="short", retry_after=taken.wait)


def entry(policy: Any, name: str = "tried", how: OnFailure = OnFailure.DENY, **more: Any) -> Entry:
    return Entry.of(name, "scripted", policy, how, **more)


def chain(*entries: Entry, store: Any = None) -> Chain:
    store = store or MemoryStore(Clock())
    return Chain(entries, store, store, {})


def ask(of: Chain, case: Context | None = None) -> Asked:
    told: list[Asked] = []
    of.begin(case or context(), told.append)
    return told[0]


def unenforced(asked: Asked) -> list[tuple[str, str, str]]:
    return [(entry.name, match.action, match.reason) for entry, match in asked.matches if not match.enforced]


def test_an_entry_is_asked_where_its_condition_holds() -> None:
    """Where it does not, the entry is not asked and not settled, and the rest goes on."""
    policy = Scripted(DENIED)
    of = chain(entry(policy, when=lambda context: context.ask.model == "m-small"))
    passed = ask(of)
    passed.settle(Outcome(200))
    assert (passed.decision, policy.asked, policy.outcomes) == (ALLOW, 0, [])
    assert ask(of, context(model="m-small")).decision is DENIED


@pytest.mark.parametrize(
    ("how", "action"),
    [(OnFailure.DENY, Action.DENY), (OnFailure.DEGRADE, Action.DENY), (OnFailure.ALLOW, Action.ALLOW)],
)
def test_a_condition_that_fails_is_a_failure_of_its_entry(how: OnFailure, action: Action) -> None:
    """Never a silent allow: `on_failure` says what then, and it is counted."""

    def fails(context: Context) -> bool:
        raise ValueError("no such key")

    of = chain(entry(Scripted(), how=how, when=fails))
    asked = ask(of)
    assert asked.decision.action is action
    assert of.failures == {("tried", "decide"): 1}


@pytest.mark.parametrize("how", list(OnFailure))
@pytest.mark.parametrize("rollout", [0.0, 1e-9], ids=["in shadow", "outside of its rollout"])
def test_a_condition_that_fails_in_shadow_refuses_nobody(how: OnFailure, rollout: float) -> None:
    """It is counted, and what it would have come to is noted: nothing else."""

    def fails(context: Context) -> bool:
        raise ValueError("no such key")

    later = Scripted()
    of = chain(entry(Scripted(), how=how, when=fails, rollout=rollout), entry(later, "later"))
    asked = ask(of)
    assert (asked.decision, later.asked) == (ALLOW, 1)
    assert of.failures == {("tried", "decide"): 1}
    assert unenforced(asked) == ([] if how is OnFailure.ALLOW else [("tried", "deny", "policy_unavailable")])


def test_a_shadow_whose_condition_does_not_hold_is_not_asked() -> None:
    """Nor is it told how the exchange ended."""
    policy = Scripted(DENIED)
    asked = ask(chain(entry(policy, when=lambda context: context.ask.model == "m-small", rollout=0.0)))
    asked.settle(Outcome(200))
    assert (policy.asked, policy.outcomes, asked.matches) == (0, [], ())


async def test_a_shadow_that_waits_and_decides_nonsense_is_broken() -> None:
    """As one that is enforced: counted, and noted as what its `on_failure` says."""

    async def nonsense() -> str:
        return "yes"

    of = chain(entry(Scripted(lambda context: nonsense()), rollout=0.0))
    asked = ask(of)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert of.failures == {("tried", "decide"): 1}
    assert unenforced(asked) == [("tried", "deny", "policy_unavailable")]


def test_a_shadow_changes_nothing() -> None:
    """What it says is noted as not enforced; it gives no facts, and whoever comes later is asked as if it were not."""
    facts = Facts(principal=Principal("other"), weight=50, tags=frozenset({"x"}), captcha=True)
    loud = Decision(Action.DENY, reason="no", facts=facts, matches=(Match("r1", "deny", "no"), Match("r2", "weigh")))
    later = Scripted()
    of = chain(entry(Scripted(loud), rollout=0.0), entry(later, "later"))
    asked = ask(of)
    asked.settle(Outcome(200))
    case = asked.context
    assert asked.decision is ALLOW
    assert later.asked == 1
    assert (case.weight, case.tags, case.captcha, case.principal) == (
        0,
        frozenset(),
        False,
        Principal("acme"),
    )
    assert unenforced(asked) == [("tried", "deny", "no"), ("tried", "weigh", "")]
    assert of.matched == {("tried", "r1", "deny", "no", False): 1, ("tried", "r2", "weigh", "", False): 1}


@pytest.mark.parametrize("says", [ValueError("broken"), lambda _: broken()], ids=["at once", "later"])
async def test_a_broken_shadow_hurts_nobody(says: Any) -> None:
    """It is counted as a failure, and noted as what it would have come to."""
    of = chain(entry(Scripted(says), rollout=0.0))
    asked = ask(of)
    for _ in range(3):
        await asyncio.sleep(0)
    assert asked.decision is ALLOW
    assert unenforced(asked) == [("tried", "deny", "policy_unavailable")]
    assert of.failures == {("tried", "decide"): 1}


async def broken() -> Decision:
    raise ValueError("broken")


async def test_a_shadow_that_waits_keeps_nobody_waiting() -> None:
    """The exchange is decided before it has spoken, and its word is noted all the same."""
    gate = asyncio.Event()

    async def slow() -> Decision:
        await gate.wait()
        return DENIED

    asked = ask(chain(entry(Scripted(lambda _: slow()), rollout=0.0)))
    assert (asked.decision, asked.matches) == (ALLOW, ())
    gate.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert unenforced(asked) == [("tried", "deny", "no")]


def test_a_shadow_takes_beside_the_exchange() -> None:
    """Its buckets fill and empty as they would, and an empty one is noted and refuses nobody."""
    clock = Clock()
    of = chain(entry(Scripted(Decision(Action.ALLOW, takes=(Take(BUCKET, 1),))), rollout=0.0), store=MemoryStore(clock))
    seen = []
    for number in range(3):
        asked = ask(of, context(exchange=f"e{number}"))
        asked.settle(Outcome(200))
        seen.append((asked.decision is ALLOW, unenforced(asked)))
    assert seen == [(True, []), (True, []), (True, [("tried", "throttle", "short")])]


def test_a_shadows_slot_is_free_again() -> None:
    """What it took is settled with the exchange, so that the next one finds it."""
    store = MemoryStore(Clock())

    class Slots(Scripted):
        def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
            return (0.0,) * len(takes)

    of = chain(entry(Slots(Decision(Action.ALLOW, takes=(Take(SLOT, 1),))), rollout=0.0), store=store)
    for number in range(3):
        asked = ask(of, context(exchange=f"e{number}"))
        assert unenforced(asked) == []
        asked.settle(Outcome(200))
    assert store.in_flight == 0


class LateStore:
    """Answers when told to."""

    available = True

    def __init__(self) -> None:
        self.waiting: list[TakeAnswer] = []
        self.settled: list[tuple[str, list[float]]] = []

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        self.waiting.append(then)

    more = take

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        self.settled.append((exchange, list(finals)))


def test_what_a_shadow_took_too_late_is_given_back() -> None:
    """An exchange that ended before the store answered leaves no take behind."""
    store = LateStore()
    of = chain(entry(Scripted(Decision(Action.ALLOW, takes=(Take(BUCKET, 1),))), rollout=0.0), store=store)
    asked = ask(of)
    asked.settle(Outcome(0, reached=False))
    assert store.settled == []
    store.waiting[0](Taken(True, (1.0,)))
    assert store.settled == [("exchange-1~", [0.0])]


def test_a_refused_exchange_takes_nothing_in_shadow() -> None:
    """As it would not have: the refusal came first."""
    store = LateStore()
    tries = Scripted(Decision(Action.ALLOW, takes=(Take(BUCKET, 1),)))
    of = chain(entry(tries, rollout=0.0), entry(Scripted(DENIED), "no"), store=store)
    assert ask(of).decision is DENIED
    assert (store.waiting, store.settled) == ([], [])
    assert [outcome.reached for outcome in tries.outcomes] == [False]


def test_a_rollout_is_of_accounts_and_grows() -> None:
    """The same accounts every time; whoever is in at 5 % is in at 20 %; and the part is about as large as it says."""

    def refused(rollout: float) -> set[str]:
        of = chain(entry(Scripted(DENIED), rollout=rollout))
        return {name for name in accounts if ask(of, context(account=name)).decision is DENIED}

    accounts = [f"account-{number}" for number in range(2000)]
    small, large = refused(0.05), refused(0.2)
    assert small == refused(0.05)
    assert small < large
    assert (60 < len(small) < 150, 320 < len(large) < 480) == (True, True)
    assert len(refused(1.0)) == 2000


def test_another_rule_is_tried_on_other_accounts() -> None:
    """Else the same customers would be the first for all that is new."""
    first, second = (
        {
            n
            for n in range(2000)
            if ask(chain(entry(Scripted(DENIED), name, rollout=0.1)), context(account=f"a{n}")).entry
        }
        for name in ("one", "two")
    )
    assert len(first & second) < 60


def test_whoever_is_outside_of_the_rollout_is_in_shadow() -> None:
    """So that the rest can be compared with those for whom it is enforced."""
    asked = [ask(chain(entry(Scripted(DENIED), rollout=0.5)), context(account=f"a{n}")) for n in range(20)]
    assert {(one.decision is DENIED, bool(unenforced(one))) for one in asked} == {(True, False), (False, True)}


def test_where_the_caller_is_is_known_to_all() -> None:
    """The chain looks it up before anybody is asked, and an entry in shadow makes no difference to it."""
    seen: list[Location] = []

    def look(context: Context) -> Decision:
        seen.append(context.location)
        return ALLOW

    store = MemoryStore(Clock())
    of = Chain((entry(Scripted(look)),), store, store, {}, locate=lambda address: Location("NO", 64496))
    ask(of)
    assert seen == [Location("NO", 64496)]


def test_every_refusal_is_counted_as_a_match() -> None:
    """Also of a policy that has no rules of its own, and of a bucket that is short."""
    frozen = Bucket("account=acme", "account=acme", Limit("none", Measure.REQUESTS, 0, 1, 60.0))
    of = chain(
        entry(Scripted(lambda c: DENIED if c.ask.model == "x" else Decision(Action.ALLOW, takes=(Take(frozen, 1),))))
    )
    ask(of, context(model="x"))
    ask(of)
    assert of.matched == {("tried", "", "deny", "no", True): 1, ("tried", "", "throttle", "short", True): 1}


def test_the_matches_of_a_late_refusal_are_counted() -> None:
    """A policy whose bucket is short says in its own words which rule that was."""
    frozen = Bucket("account=acme", "account=acme", Limit("none", Measure.REQUESTS, 0, 1, 60.0))

    class Named(Scripted):
        def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
            return Decision(Action.THROTTLE, reason="short", matches=(Match("slow", "throttle", "short"),))

    of = chain(entry(Named(Decision(Action.ALLOW, takes=(Take(frozen, 1),), matches=(Match("seen", "weigh"),)))))
    asked = ask(of)
    assert [match.rule for _, match in asked.matches] == ["seen", "slow"]
    assert of.matched == {("tried", "seen", "weigh", "", True): 1, ("tried", "slow", "throttle", "short", True): 1}


def test_a_shadow_leaves_the_real_buckets_alone() -> None:
    """A limit that is enforced for some is not used up by those on whom it is only tried."""
    shared = Bucket("model=m", "model=m", Limit("scarce", Measure.REQUESTS, 3, 3, 3600.0))
    of = chain(entry(Scripted(Decision(Action.ALLOW, takes=(Take(shared, 1),))), rollout=0.5))
    names = [f"account-{number}" for number in range(60)]
    inside = [name for name in names if share_of("tried", context(account=name)) < 0.5]
    for number, name in enumerate(name for name in names if name not in inside):
        assert ask(of, context(exchange=f"out{number}", account=name)).decision is ALLOW
    granted = [
        ask(of, context(exchange=f"in{number}", account=name)).decision is ALLOW for number, name in enumerate(inside)
    ]
    assert granted == [True] * 3 + [False] * (len(inside) - 3)
