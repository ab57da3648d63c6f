"""Rules in a chain, on a store in memory: what later entries see, what is taken and counted, what a failure does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import Action, Context, Outcome, Usage
from gateway.stores.memory import MemoryStore
from gateway.testing import Clock
from tests.policies.rules.built import asked, built

THROTTLE: dict[str, Any] = {
    "name": "few",
    "action": "throttle",
    "limit": {"requests": 2, "every": "1m", "per": ["account"]},
}
FAILS: dict[str, Any] = {"name": "number", "when": "int(account.id) > 5", "action": "deny"}
DONE = Outcome(200, Usage(1, 1))

Ask = Callable[..., Asked]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def chain_of(clock: Clock, *entries: list[dict[str, Any]], on_failure: OnFailure = OnFailure.DENY) -> tuple[Chain, Ask]:
    """Entries e0, e1, ...; and what asks it for one exchange more."""
    made = tuple(Entry.of(f"e{index}", "rules", built(*rules), on_failure) for index, rules in enumerate(entries))
    store = MemoryStore(clock)
    chain = Chain(made, store, store, {})
    count = iter(range(1000))

    def ask(**more: Any) -> Asked:
        context: Context = asked(exchange=f"x{next(count)}", now=clock(), **more)
        return chain.begin(context, lambda _: None)

    return chain, ask


def test_later_entries_see_what_was_added(clock: Clock) -> None:
    """Weights and tags of one entry are read by the conditions of the next."""
    weighs: list[dict[str, Any]] = [{"action": "weigh", "weight": 30}, {"action": "tag", "tags": ["seen"]}]
    _, ask = chain_of(clock, weighs, [{"action": "deny", "when": "risk.score >= 30 && 'seen' in tags"}])
    assert ask().decision.action is Action.DENY


def test_a_throttle_refuses_with_the_exact_wait(clock: Clock) -> None:
    """Two pass, the third waits half a minute, and then passes; another account has its own bucket."""
    _, ask = chain_of(clock, [THROTTLE])
    for _ in range(2):
        passed = ask()
        assert passed.decision.action is Action.ALLOW
        passed.settle(DONE)
    refused = ask().decision
    assert (refused.action, refused.reason, refused.retry_after) == (Action.THROTTLE, "rule_throttled", 30.0)
    assert ask(account="other").decision.action is Action.ALLOW
    clock.turn(30.0)
    assert ask().decision.action is Action.ALLOW


def test_what_the_upstream_did_not_do_is_given_back(clock: Clock) -> None:
    """Ten tries against an upstream that is down leave the bucket as it was."""
    _, ask = chain_of(clock, [THROTTLE])
    for _ in range(10):
        passed = ask()
        assert passed.decision.action is Action.ALLOW
        passed.settle(Outcome(503))


def test_who_is_refused_by_a_later_entry_has_taken_nothing(clock: Clock) -> None:
    """All takes of a chain are one, and none where it refuses."""
    _, ask = chain_of(clock, [THROTTLE], [{"action": "deny", "when": "request.streaming"}])
    for _ in range(10):
        assert ask(streaming=True).decision.action is Action.DENY
    assert ask().decision.action is Action.ALLOW


@pytest.mark.parametrize(
    ("on_failure", "action", "reason"),
    [(OnFailure.DENY, Action.DENY, "policy_unavailable"), (OnFailure.ALLOW, Action.ALLOW, "")],
)
def test_a_failure_is_what_the_entry_says(clock: Clock, on_failure: OnFailure, action: Action, reason: str) -> None:
    """It is counted, and no rule before it has had an effect."""
    rules = [{"action": "weigh", "weight": 30}, FAILS]
    chain, ask = chain_of(clock, rules, [{"action": "deny", "when": "risk.score >= 30"}], on_failure=on_failure)
    found = ask()
    assert (found.decision.action, found.decision.reason) == (action, reason)
    assert chain.failures == {("e0", "decide"): 1}
    assert found.context.weight == 0


def test_a_failure_in_shadow_hurts_nobody(clock: Clock) -> None:
    """The entry goes on; the failure stands in the matches."""
    chain, ask = chain_of(clock, [FAILS | {"mode": "shadow"}, {"action": "allow"}])
    assert ask().decision.action is Action.ALLOW
    assert chain.failures == {}
    assert chain.matched[("e0", "number", "broken", "condition_failed", False)] == 1


def test_otherwise_is_counted(clock: Clock) -> None:
    """A refusal that no rule made has a name in the metrics, also beside a rule in shadow."""
    entry = Entry.of("e0", "rules", built({"action": "allow", "mode": "shadow"}, otherwise="deny"), OnFailure.DENY)
    store = MemoryStore(clock)
    chain = Chain((entry,), store, store, {})
    chain.begin(asked(), lambda _: None)
    assert chain.matched == {
        ("e0", "r0", "allow", "", False): 1,
        ("e0", "otherwise", "deny", "no_rule_allows", True): 1,
    }
