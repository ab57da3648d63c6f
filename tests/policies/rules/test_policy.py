"""The shell: takes, refusals, settling, what is remembered, and what a person is told."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from gateway.expressions.expression import ExpressionFailed
from gateway.policies.rules import KIND
from gateway.policies.rules.memory import AT_MOST
from gateway.policies.rules.policy import Rules, ThrottlingRules
from gateway.policy import Action, Context, Decision, Location, Match, Outcome, Take, Taken
from gateway.rollout import share_of
from gateway.testing import NOON, OUTCOMES, assert_conforms, services
from tests.policies.rules.built import asked, built, config

LIMIT = {"requests": 2, "every": "1m", "per": ["account", "model"]}
THROTTLE: dict[str, Any] = {"name": "few", "action": "throttle", "limit": LIMIT}
DENY: dict[str, Any] = {"action": "deny"}
STEADY: dict[str, Any] = {"action": "deny", "when": "account.tier == 'pro' && request.model == 'm'"}


def throttling(*rules: dict[str, Any]) -> ThrottlingRules:
    policy = built(*rules)
    assert isinstance(policy, ThrottlingRules)
    return policy


def test_it_conforms() -> None:
    """The contract, with every action and every mode."""
    assert_conforms(
        KIND,
        config(
            {"action": "weigh", "weight": 5, "when": "request.input_tokens > 5"},
            {"action": "tag", "tags": ["a"], "rollout": 0.5},
            THROTTLE,
            THROTTLE | {"name": "few-in-shadow", "mode": "shadow"},
            {"action": "challenge", "when": "request.streaming"},
            {"action": "allow", "when": "request.model == ''"},
            {"action": "deny", "when": "client.country == 'DE'", "status": 451},
        ),
    )


def test_only_what_throttles_is_told_of_the_end() -> None:
    """Abilities are found by presence: an entry without buckets is not called when an exchange ends."""
    assert not hasattr(built(DENY), "settle")
    assert not hasattr(built(DENY), "refuse")
    throttling(THROTTLE)


def test_a_throttle_takes_from_a_bucket_of_its_own() -> None:
    """Named as the rule, for what `per` says; a batch takes as many as it has items."""
    policy = throttling(THROTTLE | {"when": "account.tier == 'free'"})
    for items in (1, 7):
        (take,) = policy.decide(asked(tier="free", items=items)).takes
        assert (take.bucket.tag, take.bucket.partition) == ("account=acme", "account=acme,model=m-large")
        assert (take.bucket.limit.name, take.bucket.limit.capacity, take.cost) == ("few", 2, items)
    assert policy.decide(asked(tier="pro")).takes == ()


def test_who_is_refused_takes_nothing() -> None:
    """A later rule's refusal leaves the bucket as it is."""
    assert throttling(THROTTLE, DENY).decide(asked()).takes == ()


@pytest.mark.parametrize(
    ("wait", "detail", "retry_after"),
    [
        (6.0, "Limit few (2 requests every 1 min) is used up. Try again in 6 s.", 6.0),
        (1e-9, "Limit few (2 requests every 1 min) is used up. Try again in 1e-09 s.", 0.001),
        (math.inf, "Limit few (2 requests every 1 min) is used up.", None),
    ],
)
def test_a_short_bucket_refuses_with_the_exact_wait(wait: float, detail: str, retry_after: float | None) -> None:
    """429, the rule's match, and the partition for the log alone."""
    policy = throttling(THROTTLE)
    (take,) = policy.decide(asked()).takes
    decision = policy.refuse(asked(), take, Taken(False, (0.0,), 0, wait))
    assert (decision.action, decision.reason) == (Action.THROTTLE, "rule_throttled")
    assert (decision.detail, decision.retry_after) == (detail, retry_after)
    assert decision.note == "account=acme,model=m-large"
    assert decision.matches == (Match("few", "throttle", "rule_throttled"),)


def test_the_right_throttle_refuses() -> None:
    """Of two, the one whose bucket is short, in its author's words."""
    said = {"reason": "tools_are_scarce", "message": "Tools are for later.", "link": "https://example.com/tools"}
    policy = throttling(THROTTLE, THROTTLE | {"name": "other"} | said)
    first, second = policy.decide(asked()).takes
    assert policy.refuse(asked(), first, Taken(False, (0.0, 0.0), 0, 2.0)).reason == "rule_throttled"
    decision = policy.refuse(asked(), second, Taken(False, (0.0, 0.0), 1, 2.0))
    assert (decision.reason, decision.link) == ("tools_are_scarce", "https://example.com/tools")
    assert decision.detail == "Tools are for later. Try again in 2 s."


@pytest.mark.parametrize(
    ("ending", "charged"),
    [
        ("usage stated", True),
        ("broken stream", True),
        ("refused by the upstream", True),
        ("caller left", True),
        ("upstream busy", False),
        ("upstream failed", False),
        ("no answer", False),
    ],
)
def test_what_the_upstream_did_not_do_is_not_counted(ending: str, charged: bool) -> None:
    """An outage does not use up a bucket by the tries that SDKs make."""
    policy = throttling(THROTTLE)
    takes = policy.decide(asked()).takes
    assert policy.settle(asked(), takes, OUTCOMES[ending]) == (() if charged else (0.0,))
    assert policy.settle(asked(), (), Outcome(503)) == ()


def test_a_throttle_in_shadow_says_what_it_would_have_refused() -> None:
    """It takes nothing from the store, and is a match only where its bucket would have been empty."""
    policy = throttling(THROTTLE | {"mode": "shadow"})
    decisions = [policy.decide(asked(now=NOON + second)) for second in (0, 1, 2, 40)]
    assert [decision.takes for decision in decisions] == [()] * 4
    match = Match("few", "throttle", "rule_throttled", enforced=False)
    assert [decision.matches for decision in decisions] == [(), (), (match,), ()]


def test_a_rollout_of_a_throttle_takes_from_who_is_chosen() -> None:
    """For the rest it is in shadow, and their exchanges leave no trace in the store."""
    policy = throttling(THROTTLE | {"rollout": 0.5})
    for number in range(50):
        made = asked(account=f"a{number}")
        assert bool(policy.decide(made).takes) is (share_of("rules/few", made) < 0.5)


def test_rules_of_one_name_in_two_entries_choose_other_accounts() -> None:
    """Two entries may read one file: else the same customers would be the first for both."""
    written = config({"name": "new", "action": "deny", "rollout": "30%"})
    policies = [Rules(written, replace(services(), entry=entry)) for entry in ("one", "two")]
    asks = [asked(account=f"a{number}") for number in range(300)]
    refused = [[policy.decide(made).action is Action.DENY for made in asks] for policy in policies]
    both = sum(first and second for first, second in zip(*refused, strict=True))
    assert all(60 < sum(chosen) < 120 for chosen in refused)
    assert 10 < both < 50


def test_a_denial_may_say_when_to_come_back() -> None:
    """A maintenance window: our status, and how long to wait. Without it nobody is told to come again."""
    window = {"action": "deny", "status": 503, "retry_after": "10m"}
    decision = built(window).decide(asked())
    assert (decision.action, decision.status, decision.retry_after) == (Action.DENY, 503, 600.0)
    assert built({"action": "deny"}).decide(asked()).retry_after is None


# -- what is remembered ---------------------------------------------------------------------------------------------


def counted(policy: Rules) -> list[Context]:
    """Every exchange for which the first rule's condition was asked."""
    seen: list[Context] = []
    first = policy._rules[0]
    holds = first.holds

    def counting(context: Context) -> bool:
        seen.append(context)
        return holds(context)

    object.__setattr__(first, "holds", counting)
    return seen


def test_a_condition_is_asked_once_for_the_same_values() -> None:
    """What it does not read is not part of what it is remembered by."""
    policy = built(STEADY)
    seen = counted(policy)
    for number in range(100):
        policy.decide(asked(account=f"a{number}", tier="pro", input_tokens=number, client_address=f"192.0.2.{number}"))
    assert len(seen) == 1
    policy.decide(asked(tier="free"))
    policy.decide(asked(tier="pro", model="m"))
    assert len(seen) == 3


def test_a_decision_is_one_object() -> None:
    """Ready-made for all values that lead to it: the warm path makes nothing."""
    policy = built({"action": "deny", "when": "client.asn > 5"})
    decisions = {id(policy.decide(asked(location=Location("DE", asn)))) for asn in range(6, 50)}
    assert len(decisions) == 1


def test_volatile_conditions_are_asked_each_time() -> None:
    """And only what is steady before and after them is remembered."""
    policy = built({"action": "deny", "when": "request.input_tokens > 50"}, STEADY)
    seen = counted(policy)
    for tokens in (10, 100, 10):
        assert (policy.decide(asked(input_tokens=tokens)).action is Action.DENY) is (tokens == 100)
    assert len(seen) == 3
    assert len(policy._memory) == 1


def test_memory_is_bounded_whatever_callers_send() -> None:
    """Neither many values nor long ones make it grow."""
    policy = built({"action": "deny", "when": "request.model.startsWith('x') || request.path.startsWith('x')"})
    for number in range(300):
        policy.decide(asked(model="m" * 100_000 + str(number)))
    assert len(policy._memory) == 0
    for number in range(AT_MOST + 500):
        policy.decide(asked(model=str(number)))
    assert AT_MOST / 2 <= len(policy._memory) <= AT_MOST


def test_what_no_rule_knows_is_one() -> None:
    """Values that are only compared and looked up count by what was found: no flood of them makes a difference."""
    when = "request.model == 'm' || request.path in ['/x'] || client.address in lists.blocked || account.id != 'beta'"
    policy = built({"action": "deny", "when": when})
    seen = counted(policy)
    for number in range(100):
        policy.decide(
            asked(model=f"m{number}", path=f"/{number}", client_address=f"10.0.0.{number}", account=f"a{number}")
        )
    assert len(seen) == len(policy._memory) == 1
    known: list[dict[str, Any]] = [
        {"model": "m"},
        {"path": "/x"},
        {"client_address": "192.0.2.66"},
        {"account": "beta"},
    ]
    for more in known:
        policy.decide(asked(**more))
    assert len(seen) == len(policy._memory) == 5


class Broken:
    """A list that cannot answer, until it can."""

    def __init__(self) -> None:
        self.broken = True

    def __contains__(self, value: object) -> bool:
        if self.broken:
            raise OSError("unmapped")
        return value == "192.0.2.66"


def test_a_list_that_cannot_answer_is_a_failure_and_is_asked_again() -> None:
    """Never a silent yes or no, nor remembered as one."""
    lists = Broken()
    rules = config({"action": "deny", "when": "client.address in lists.blocked"})
    policy = KIND.build(rules, replace(services(), lists={"blocked": lists}))
    for _ in range(2):
        with pytest.raises(ExpressionFailed):
            policy.decide(asked(client_address="192.0.2.66"))
    lists.broken = False
    actions = [policy.decide(asked(client_address=address)) for address in ("192.0.2.66", "192.0.2.1")]
    assert [decision.action for decision in actions if isinstance(decision, Decision)] == [Action.DENY, Action.ALLOW]


def test_strange_values_are_no_failure() -> None:
    """Half of a surrogate pair, huge numbers, nobody, nowhere."""
    policy = built({"action": "deny", "when": "request.model == 'm' || 'tools' in request.features || client.asn > 5"})
    for made in (asked(model="\ud800"), asked(account=None, client_address=""), asked(location=Location("", 10**30))):
        assert [policy.decide(made).action for _ in range(2)] == [policy.decide(made).action] * 2


# -- what a person is told ------------------------------------------------------------------------------------------


def test_every_rule_is_explained() -> None:
    """Whether it applies, what it read, and why it has no effect where it has none."""
    policy = built(
        {"action": "weigh", "weight": 20, "when": "account.tier == 'free'"},
        {"action": "challenge"},
        {"action": "deny", "mode": "shadow", "when": "client.country in lists.embargoed"},
        {"action": "deny", "rollout": 0.0, "when": "risk.score >= 20"},
        {"action": "allow", "when": "risk.score >= 25"},
        {"action": "deny", "when": "request.model == 'x'"},
    )
    findings = policy.explain(asked(tier="free", weight=5, captcha=True, location=Location("XA")))
    assert [(finding.rule, finding.applies, finding.note) for finding in findings] == [
        ("r0", True, ""),
        ("r1", True, "the challenge was passed before"),
        ("r2", True, "in shadow"),
        ("r3", True, "in shadow"),
        ("r4", True, ""),
        ("r5", False, "not asked: `r4` has ended it"),
    ]
    assert findings[0].read == {"account.tier": "free"}
    assert findings[4].read == {"risk.score": 25}


def test_a_failure_is_explained() -> None:
    """The rule that gave no answer says so, and those after it were not asked."""
    policy = built({"action": "deny", "when": "int(account.id) > 5"}, {"action": "allow"})
    first, second = policy.explain(asked())
    assert not first.applies
    assert first.note.startswith("the condition gave no answer: ")
    assert second.note == "not asked: the entry has failed in `r0`"


def test_explaining_changes_nothing() -> None:
    """Nothing is taken, remembered or counted."""
    policy = throttling(THROTTLE | {"mode": "shadow"})
    for _ in range(10):
        policy.explain(asked())
    assert policy.decide(asked()).matches == ()
    assert len(policy._memory) == 1


def test_refusals_carry_their_take() -> None:
    """A take that is not of this entry is a fault of the chain, and no silent answer."""
    policy = throttling(THROTTLE)
    (take,) = policy.decide(asked()).takes
    alien = Take(take.bucket.__class__("t", "t", take.bucket.limit.__class__("alien", take.bucket.limit.measure, 1)), 1)
    with pytest.raises(KeyError):
        policy.refuse(asked(), alien, Taken(False, (0.0,), 0, 1.0))
