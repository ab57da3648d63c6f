"""The order of asking, taking and settling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import (
    ALLOW,
    Action,
    Ask,
    Bucket,
    Context,
    Decision,
    Facts,
    Limit,
    Measure,
    OnExhausted,
    Outcome,
    Principal,
    Take,
    Taken,
)
from gateway.stores.interface import StoreUnavailable, TakeAnswer
from gateway.stores.memory import MemoryStore


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A policy that says what it is told, and remembers what it was told."""

    def __init__(self, says: Any = ALLOW, name: str = "", journal: list[str] | None = None) -> None:
        self.says = says
        self.name = name
        self.journal = journal if journal is not None else []
        self.outcomes: list[Outcome] = []
        self.finals: tuple[float, ...] = ()

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        self.journal.append(f"decide {self.name}")
        if isinstance(self.says, Exception):
            raise self.says
        answer: Decision = self.says(context) if callable(self.says) else self.says
        return answer

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        self.journal.append(f"settle {self.name}")
        self.outcomes.append(outcome)
        return self.finals

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
        return Decision(Action.THROTTLE, reason="quota_exceeded", note=take.bucket.limit.name, retry_after=taken.wait)


class AwayStore:
    """A store that is away."""

    available = False

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        then(StoreUnavailable("down"))

    more = take

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        raise AssertionError("nothing was taken here")

    async def close(self) -> None: ...


def bucket(name: str, capacity: float = 10, cut: bool = False) -> Bucket:
    how = OnExhausted.CUT if cut else OnExhausted.FINISH
    limit = Limit(name, Measure.OUTPUT_TOKENS, capacity, capacity, 60.0, how)
    return Bucket("account=a", "account=a", limit)


def context(exchange: str = "x1") -> Context:
    return Context(exchange, 1000.0, "POST", "/v1/chat/completions", {}, "192.0.2.1", Ask("openai", "chat.completions"))


def taking(*takes: Take) -> Decision:
    return Decision(Action.ALLOW, takes=takes)


def used(store: MemoryStore, of: Bucket) -> float:
    """Units in use, by asking for nothing."""
    answers: list[Any] = []
    store.take("probe", [Take(of, 0)], answers.append)
    store.settle("probe", [Take(of, 0)], [0])
    return of.limit.capacity - float(answers[0].remaining[0])


def begin(
    entries: Sequence[tuple[Scripted, OnFailure]], store: Any, local: Any = None, of: Context | None = None
) -> tuple[Asked, list[Asked]]:
    chain = Chain(
        tuple(Entry.of(policy.name or f"p{i}", "scripted", policy, how) for i, (policy, how) in enumerate(entries)),
        store,
        store if local is None else local,
        {},
    )
    told: list[Asked] = []
    return chain.begin(of or context(), told.append), told


def test_all_are_asked_in_order_and_settled_in_reverse() -> None:
    """Who was asked last is settled first."""
    journal: list[str] = []
    policies = [Scripted(name=name, journal=journal) for name in "abc"]
    asked, told = begin([(policy, OnFailure.DENY) for policy in policies], MemoryStore(Clock()))
    assert told == [asked]
    asked.settle(Outcome(200))
    assert journal == ["decide a", "decide b", "decide c", "settle c", "settle b", "settle a"]


def test_the_first_refusal_ends_the_asking() -> None:
    """Nobody after it is asked, everybody before it is settled as not reached, and nothing was taken."""
    journal: list[str] = []
    store = MemoryStore(Clock())
    b = bucket("first")
    first = Scripted(taking(Take(b, 5)), "first", journal)
    second = Scripted(Decision(Action.DENY, reason="no"), "second", journal)
    third = Scripted(name="third", journal=journal)
    asked, told = begin([(p, OnFailure.DENY) for p in (first, second, third)], store)
    assert told == [asked]
    assert (asked.decision.reason, asked.entry) == ("no", "second")
    assert journal == ["decide first", "decide second", "settle second", "settle first"]
    assert not first.outcomes[0].reached
    assert used(store, b) == 0


def test_facts_reach_later_policies() -> None:
    """A principal that one policy found is there for the next, and weights add up."""
    principal = Principal("acme")
    seen: list[tuple[Any, int]] = []

    def look(context: Context) -> Decision:
        seen.append((context.principal, context.weight))
        return ALLOW

    facts = Scripted(Decision(Action.ALLOW, facts=Facts(principal=principal, weight=3)))
    more = Scripted(Decision(Action.ALLOW, facts=Facts(weight=2)))
    begin([(p, OnFailure.DENY) for p in (facts, more, Scripted(look))], MemoryStore(Clock()))
    assert seen == [(principal, 5)]


def test_takes_of_all_entries_are_taken_together_or_not_at_all() -> None:
    """Two entries, one short bucket: nothing is taken anywhere, and the entry that owns the short one answers."""
    store = MemoryStore(Clock())
    wide, narrow = bucket("wide", 100), bucket("narrow", 1)
    one = Scripted(taking(Take(wide, 10)), "one")
    two = Scripted(taking(Take(narrow, 1)), "two")
    entries = [(one, OnFailure.DENY), (two, OnFailure.DENY)]
    asked, _ = begin(entries, store, of=context("x1"))
    assert asked.decision is ALLOW
    assert asked.remaining == (90, 0)
    refused, _ = begin(entries, store, of=context("x2"))
    assert (refused.entry, refused.decision.note) == ("two", "narrow")
    assert refused.decision.retry_after == pytest.approx(60)
    assert used(store, wide) == 10


def test_a_settle_corrects_to_what_it_cost() -> None:
    """What a policy returns is charged; what it leaves open stays as taken; a second settle changes nothing."""
    store = MemoryStore(Clock())
    exact, open_ = bucket("exact", 100), bucket("open", 100)
    one, two = Scripted(taking(Take(exact, 50))), Scripted(taking(Take(open_, 50)))
    one.finals = (7,)
    asked, _ = begin([(one, OnFailure.DENY), (two, OnFailure.DENY)], store)
    asked.settle(Outcome(200))
    asked.settle(Outcome(200))
    assert (used(store, exact), used(store, open_)) == (7, 50)


def test_what_never_reached_the_upstream_costs_nothing() -> None:
    """An exchange that ended before the upstream gives everything back."""
    store = MemoryStore(Clock())
    b = bucket("b", 100)
    asked, _ = begin([(Scripted(taking(Take(b, 50))), OnFailure.DENY)], store)
    asked.settle(Outcome(0, reached=False))
    assert used(store, b) == 0


@pytest.mark.parametrize(
    ("how", "reason"),
    [(OnFailure.DENY, "policy_unavailable"), (OnFailure.DEGRADE, "policy_unavailable"), (OnFailure.ALLOW, "")],
)
def test_a_broken_policy_follows_on_failure(how: OnFailure, reason: str) -> None:
    """An exception is no answer: what its author wrote down happens, and it is counted."""
    asked, told = begin([(Scripted(RuntimeError("bug"), "broken"), how)], MemoryStore(Clock()))
    assert told == [asked]
    assert asked.decision.reason == reason
    assert asked.chain.failures == {("broken", "decide"): 1}


@pytest.mark.parametrize(
    ("how", "reason", "charged"),
    [(OnFailure.DENY, "quota_store_unavailable", 0), (OnFailure.ALLOW, "", 0), (OnFailure.DEGRADE, "", 5)],
)
def test_without_the_store_each_entry_says_what_then(how: OnFailure, reason: str, charged: float) -> None:
    """deny refuses, allow passes uncounted, degrade counts in the worker."""
    local = MemoryStore(Clock())
    b = bucket("b")
    asked, told = begin([(Scripted(taking(Take(b, 5))), how)], AwayStore(), local)
    assert told == [asked]
    assert asked.decision.reason == reason
    assert used(local, b) == charged
    asked.settle(Outcome(200))


def test_one_deny_among_those_without_store_refuses() -> None:
    """The strictest entry decides, and then nothing is taken locally either."""
    local = MemoryStore(Clock())
    b = bucket("b")
    asked, _ = begin(
        [(Scripted(taking(Take(b, 5))), OnFailure.DEGRADE), (Scripted(taking(Take(bucket("c"), 1))), OnFailure.DENY)],
        AwayStore(),
        local,
    )
    assert asked.decision.reason == "quota_store_unavailable"
    assert used(local, b) == 0


def test_a_refusal_without_store_tells_everyone_of_their_own_takes() -> None:
    """An entry that would have passed uncounted shifts nobody's takes when a later one refuses."""
    seen: list[tuple[str, tuple[Take, ...]]] = []

    class Looks(Scripted):
        def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
            seen.append((self.name, takes))
            return ()

    takes = {name: Take(bucket(name), 1) for name in "abc"}
    how = {"a": OnFailure.DEGRADE, "b": OnFailure.ALLOW, "c": OnFailure.DENY}
    begin([(Looks(taking(takes[name]), name), how[name]) for name in "abc"], AwayStore(), MemoryStore(Clock()))
    assert seen == [(name, (takes[name],)) for name in "cba"]


def test_a_policy_that_takes_and_cannot_refuse_is_a_broken_one() -> None:
    """Its caller is told, and not left waiting for ever."""

    class Takes:
        def decide(self, _: Context) -> Decision:
            return taking(Take(bucket("b", 1), 1))

    store = MemoryStore(Clock())
    chain = Chain((Entry.of("takes", "t", Takes(), OnFailure.DENY),), store, store, {})
    told: list[Asked] = []
    for exchange in ("x1", "x2"):
        chain.begin(context(exchange), told.append)
    assert [asked.decision.reason for asked in told] == ["", "policy_unavailable"]
    assert chain.failures == {("takes", "refuse"): 1}


async def test_an_awaitable_is_awaited_and_the_rest_follows() -> None:
    """A policy may wait; those after it are asked when it has answered."""

    async def later() -> Decision:
        return Decision(Action.ALLOW, facts=Facts(principal=Principal("acme")))

    journal: list[str] = []
    chain = Chain(
        (
            Entry.of("slow", "s", Scripted(lambda _: later(), "slow", journal), OnFailure.DENY),
            Entry.of("fast", "s", Scripted(name="fast", journal=journal), OnFailure.DENY),
        ),
        MemoryStore(Clock()),
        MemoryStore(Clock()),
        {},
    )
    done = asyncio.get_running_loop().create_future()
    asked = chain.begin(context(), done.set_result)
    assert journal == ["decide slow"]
    assert await done is asked
    assert journal == ["decide slow", "decide fast"]
    assert asked.context.principal == Principal("acme")


async def test_an_awaitable_that_fails_follows_on_failure() -> None:
    """Also where the failure comes later."""

    async def broken() -> Decision:
        raise RuntimeError("later")

    chain = Chain(
        (Entry.of("slow", "s", Scripted(lambda _: broken()), OnFailure.DENY),),
        MemoryStore(Clock()),
        MemoryStore(Clock()),
        {},
    )
    done = asyncio.get_running_loop().create_future()
    chain.begin(context(), done.set_result)
    assert (await done).decision.reason == "policy_unavailable"


def test_a_settle_of_the_wrong_length_leaves_the_charge() -> None:
    """A policy that miscounts its takes must not shift other entries' charges."""
    store = MemoryStore(Clock())
    a, b = bucket("a", 100), bucket("b", 100)
    wrong, right = Scripted(taking(Take(a, 10)), "wrong"), Scripted(taking(Take(b, 10)), "right")
    wrong.finals, right.finals = (1, 2), (3,)
    asked, _ = begin([(wrong, OnFailure.DENY), (right, OnFailure.DENY)], store)
    asked.settle(Outcome(200))
    assert (used(store, a), used(store, b)) == (10, 3)
    assert asked.chain.failures == {("wrong", "settle"): 1}


class Cutting(Scripted):
    """Needs one unit an output token."""

    def extend(self, context: Context, takes: tuple[Take, ...], delivered: int) -> tuple[Take, ...]:
        return tuple(Take(take.bucket, delivered - take.cost) for take in takes if delivered > take.cost)


def test_a_stream_takes_more_while_there_is_more_and_is_cut_at_the_end() -> None:
    """Every token that passed is paid for, and the stream is cut when the bucket is empty, not before."""
    store = MemoryStore(Clock())
    b = bucket("b", 200, cut=True)
    asked, _ = begin([(Cutting(taking(Take(b, 10))), OnFailure.DENY)], store)
    answers: list[bool] = []
    delivered = 0
    while not answers or answers[-1]:
        delivered += 4
        asked.extend(delivered, answers.append)
        assert delivered <= 204
    assert 200 <= delivered <= 204
    assert used(store, b) == pytest.approx(200)
    asked.settle(Outcome(200, delivered=delivered, aborted=True))


def test_an_exchange_is_never_told_twice() -> None:
    """The callback is forgotten once it was called: no cycle, no second answer."""
    asked, _ = begin([(Scripted(), OnFailure.DENY)], MemoryStore(Clock()))
    with pytest.raises(RuntimeError, match="twice"):
        asked.then(asked)


def test_what_has_no_decide_is_no_policy() -> None:
    """It is said at start, not at the first exchange; so is a settle that would have to be awaited."""

    class Waits:
        decide = Scripted.decide

        async def settle(self, *_: Any) -> Any: ...

    with pytest.raises(TypeError, match="decide"):
        Entry.of("x", "y", object(), OnFailure.DENY)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="plain function"):
        Entry.of("x", "y", Waits(), OnFailure.DENY)
