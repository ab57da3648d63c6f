"""What rules say of an exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.expressions.expression import ExpressionFailed
from gateway.policies.rules.policy import NO_RULE
from gateway.policy import ALLOW, NO_TAGS, Action, Context, Decision, Facts, Location, Match
from gateway.rollout import share_of
from tests.policies.rules.built import asked, built

Written = dict[str, Any]

DENY: Written = {"action": "deny"}
ALLOWS: Written = {"action": "allow"}
CHALLENGE: Written = {"action": "challenge"}
WEIGH: Written = {"action": "weigh", "weight": 20}
TAG: Written = {"action": "tag", "tags": ["student"]}
THROTTLE: Written = {"action": "throttle", "limit": {"requests": 2, "every": "1m", "per": ["account"]}}
SHADOW: Written = {"mode": "shadow"}
NO: Written = {"when": "account.tier == 'gold'"}
FAILS: Written = {"when": "int(account.id) > 5"}
LONG: Written = {"when": "request.input_tokens > 9"}
LONGER: Written = {"when": "request.input_tokens > 99"}
RISKY: Written = {"when": "risk.score >= 20"}
TAGGED: Written = {"when": "'student' in tags && 'old' in tags"}
LISTED: Written = {"when": "client.country in lists.embargoed"}

DENIED = "r0:deny:rule_denied"
BROKEN = "r0:broken:condition_failed:shadow"
OLD = frozenset({"old"})
XA = Location("XA")


def row(name: str, rules: list[Written], action: Action, matches: str, **more: Any) -> Any:
    return pytest.param(rules, action, matches.split(), more, id=name.replace(" ", "-"))


@pytest.mark.parametrize(
    ("rules", "action", "matches", "more"),
    [
        row("nothing holds", [DENY | NO, WEIGH | NO], Action.ALLOW, ""),
        row("deny ends it", [DENY, WEIGH], Action.DENY, DENIED),
        row("allow ends it", [ALLOWS, DENY], Action.ALLOW, "r0:allow:"),
        row("challenge ends it", [CHALLENGE, DENY], Action.CHALLENGE, "r0:challenge:challenge_required"),
        row("weigh and tag go on", [WEIGH, TAG, ALLOWS], Action.ALLOW, "r0:weigh: r1:tag: r2:allow:"),
        row("shadow goes on", [DENY | SHADOW, ALLOWS], Action.ALLOW, "r0:deny:rule_denied:shadow r1:allow:"),
        row("allow in shadow", [ALLOWS | SHADOW, DENY], Action.DENY, "r0:allow::shadow r1:deny:rule_denied"),
        row("who has passed goes on", [CHALLENGE, WEIGH], Action.ALLOW, "r1:weigh:", captcha=True),
        row("who has passed is not noted in shadow", [CHALLENGE | SHADOW], Action.ALLOW, "", captcha=True),
        row("failed in shadow", [DENY | SHADOW | FAILS, WEIGH], Action.ALLOW, BROKEN + " r1:weigh:"),
        row("what comes after the end cannot fail", [ALLOWS, DENY | FAILS], Action.ALLOW, "r0:allow:"),
        row("a passed challenge cannot fail", [CHALLENGE | FAILS, WEIGH], Action.ALLOW, "r1:weigh:", captcha=True),
        row("a throttle is no match yet", [THROTTLE, WEIGH], Action.ALLOW, "r1:weigh:"),
        row("volatile, then steady", [DENY | LONGER, ALLOWS], Action.ALLOW, "r1:allow:"),
        row("volatile holds", [DENY | LONG, ALLOWS], Action.DENY, DENIED),
        row("by list", [DENY | LISTED], Action.DENY, DENIED, location=XA),
        row("weights are seen", [WEIGH, DENY | RISKY], Action.DENY, "r0:weigh: r1:deny:rule_denied"),
        row("weights add up", [WEIGH, DENY | {"when": "risk.score >= 25"}], Action.ALLOW, "r0:weigh:", weight=4),
        row("earlier rules see no later weights", [DENY | RISKY, WEIGH], Action.ALLOW, "r1:weigh:"),
        row("shadow adds no weight", [WEIGH | SHADOW, DENY | RISKY], Action.ALLOW, "r0:weigh::shadow"),
        row("later rules see tags", [TAG, DENY | TAGGED], Action.DENY, "r0:tag: r1:deny:rule_denied", tags=OLD),
        row("volatile weights", [WEIGH | LONG, DENY | RISKY], Action.DENY, "r0:weigh: r1:deny:rule_denied"),
        row("and only where they hold", [WEIGH | LONGER, DENY | RISKY], Action.ALLOW, ""),
    ],
)  # fmt: skip
def test_the_order(rules: list[Written], action: Action, matches: list[str], more: dict[str, Any]) -> None:
    """Rules are asked in order, enforced terminal ones end the entry; said alike cold and warm."""
    policy = built(*rules)
    for _ in range(3):
        decision = policy.decide(asked(**more))
        assert decision.action is action
        assert [told(match) for match in decision.matches] == matches


def told(match: Match) -> str:
    return f"{match.rule}:{match.action}:{match.reason}{'' if match.enforced else ':shadow'}"


def test_what_is_added() -> None:
    """Weights and tags of all that held, also where the entry then refuses."""
    rules = [WEIGH, TAG, WEIGH | {"weight": 3}, WEIGH | SHADOW, TAG | {"tags": ["a", "b"]}]
    facts = Facts(weight=23, tags=frozenset({"student", "a", "b"}))
    assert built(*rules).decide(asked()).facts == facts
    assert built(*rules, DENY).decide(asked()).facts == facts
    assert built(*rules, DENY).decide(asked()).action is Action.DENY


def test_the_plain_yes_is_the_one_object() -> None:
    """The chain looks for that object: nothing is made where nothing is said."""
    assert built(DENY | NO).decide(asked()) is ALLOW


def test_otherwise() -> None:
    """What no enforced rule has ended is refused, and that is a match of its own, beside those in shadow."""
    policy = built(ALLOWS | {"when": "account.tier == 'pro'"}, ALLOWS | SHADOW, WEIGH, otherwise="deny")
    decision = policy.decide(asked())
    assert (decision.action, decision.reason) == (Action.DENY, "no_rule_allows")
    assert [told(match) for match in decision.matches] == [
        "r1:allow::shadow",
        "r2:weigh:",
        "otherwise:deny:no_rule_allows",
    ]
    assert policy.decide(asked(tier="pro")).action is Action.ALLOW


def test_what_the_author_says_is_said() -> None:
    """Reason, message, link and status."""
    said = {"reason": "embargoed_country", "message": "Not here.", "link": "https://example.com/x", "status": 451}
    decision = built(DENY | said).decide(asked())
    assert (decision.reason, decision.detail, decision.link, decision.status) == tuple(said.values())
    assert decision.matches == (Match("r0", "deny", "embargoed_country"),)


@pytest.mark.parametrize("rules", [[DENY | FAILS], [WEIGH, ALLOWS | FAILS, DENY], [WEIGH | FAILS], [THROTTLE | FAILS]])
def test_a_failure_is_never_silent(rules: list[Written]) -> None:
    """The chain applies the entry's `on_failure`; nothing is remembered as an answer."""
    policy = built(*rules)
    for _ in range(3):
        with pytest.raises(ExpressionFailed):
            policy.decide(asked(account="acme"))
    assert policy.decide(asked(account="3")).action is (Action.DENY if len(rules) == 3 else Action.ALLOW)


def test_a_failure_after_a_volatile_end_is_none() -> None:
    """A steady condition that fails is only reached where no earlier rule has ended the entry."""
    policy = built(ALLOWS | LONGER, DENY | FAILS)
    assert policy.decide(asked(input_tokens=100)).action is Action.ALLOW
    with pytest.raises(ExpressionFailed):
        policy.decide(asked(input_tokens=1))


def test_a_rollout_is_for_a_part_of_the_accounts() -> None:
    """Enforced for who is chosen, in shadow for the rest; the same ones each time."""
    policy = built(DENY | {"rollout": "30%"})
    enforced = set()
    for number in (*range(300), *range(300)):
        made = asked(account=f"a{number}")
        decision = policy.decide(made)
        chosen = share_of("rules/r0", made) < 0.3
        assert decision.matches == (Match("r0", "deny", "rule_denied", chosen),)
        assert (decision.action is Action.DENY) is chosen
        enforced |= {number} if chosen else set()
    assert 60 < len(enforced) < 120


# -- against a model ------------------------------------------------------------------------------------------------

Model = Callable[[Context, int, frozenset[str]], bool]


def _account(context: Context) -> str:
    return context.principal.account if context.principal else ""


def _country(context: Context) -> str:
    return context.location.country


def fails(context: Context, weight: int, tags: frozenset[str]) -> bool:
    account = _account(context)
    if not account.isdecimal():
        raise ExpressionFailed
    return int(account) > 5


POOL: dict[str, Model] = {
    "true": lambda c, w, t: True,
    "account.tier == 'pro'": lambda c, w, t: c.principal is not None and c.principal.tier == "pro",
    "client.country in lists.embargoed": lambda c, w, t: c.location.country in {"XA", "XB"},
    "request.input_tokens > 50": lambda c, w, t: c.ask.input_tokens > 50,
    "risk.score >= 20": lambda c, w, t: w >= 20,
    "risk.score == 35": lambda c, w, t: w == 35,
    "account.id in lists.accounts || client.country == 'DE'": lambda c, w, t: _account(c) == "7" or _country(c) == "DE",
    "client.country in ['DE', 'XA'] && account.id != 'beta'": lambda c, w, t: (
        _country(c) in {"DE", "XA"} and _account(c) != "beta"
    ),
    "account.id > 'a'": lambda c, w, t: _account(c) > "a",
    "risk.score >= 20 && request.input_tokens > 50": lambda c, w, t: w >= 20 and c.ask.input_tokens > 50,
    "'student' in tags": lambda c, w, t: "student" in t,
    "captcha.passed": lambda c, w, t: c.captcha,
    "int(account.id) > 5": fails,
}
ACTIONS: list[Written] = [DENY, ALLOWS, CHALLENGE, WEIGH, TAG]
MODES: list[Written] = [{}, {}, SHADOW, {"rollout": 0.5}]

RULE = st.builds(
    lambda when, action, mode: {"when": when, **action, **mode},
    st.sampled_from(sorted(POOL)),
    st.sampled_from(ACTIONS),
    st.sampled_from(MODES),
)
CONTEXT = st.builds(
    lambda account, tier, country, tokens, weight, tags, captcha: asked(
        account=account,
        tier=tier,
        location=Location(country),
        input_tokens=tokens,
        weight=weight,
        tags=tags,
        captcha=captcha,
    ),
    st.sampled_from(["acme", "beta", "3", "7", None]),
    st.sampled_from(["free", "pro"]),
    st.sampled_from(["", "XA", "DE"]),
    st.sampled_from([1, 100]),
    st.sampled_from([0, 15, 30]),
    st.sampled_from([NO_TAGS, frozenset({"student"})]),
    st.booleans(),
)


def by_the_book(rules: list[Written], context: Context, otherwise: Decision) -> tuple[Any, ...]:
    """The README, rule by rule, with no memory: action, reason, matches, weight, tags."""
    weight, tags, matches = context.weight, context.tags, []
    for index, rule in enumerate(rules):
        share = 0.0 if rule.get("mode") == "shadow" else rule.get("rollout", 1.0)
        enforced = share >= 1.0 or share_of(f"rules/r{index}", context) < share
        if rule["action"] == "challenge" and context.captcha:
            continue
        try:
            if not POOL[rule["when"]](context, weight, tags):
                continue
        except ExpressionFailed:
            if enforced:
                return ("failed",)
            matches.append(Match(f"r{index}", "broken", "condition_failed", False))
            continue
        reason = {"deny": "rule_denied", "challenge": "challenge_required"}.get(rule["action"], "")
        matches.append(Match(f"r{index}", rule["action"], reason, enforced))
        if not enforced:
            continue
        weight, tags = weight + rule.get("weight", 0), tags | set(rule.get("tags", ()))
        if rule["action"] in ("deny", "allow", "challenge"):
            return (Action(rule["action"]), reason, tuple(matches), weight, tags)
    return (otherwise.action, otherwise.reason, (*matches, *otherwise.matches), weight, tags)


@settings(max_examples=300)
@given(
    st.lists(RULE, min_size=1, max_size=7),
    st.lists(CONTEXT, min_size=1, max_size=12),
    st.sampled_from(["allow", "deny"]),
)
def test_what_is_remembered_is_what_would_be_found(
    rules: list[Written], contexts: list[Context], otherwise: str
) -> None:
    """One policy that remembers says of every exchange, in any order, what the plain reading of the file says."""
    policy = built(*rules, otherwise=otherwise)
    last = NO_RULE if otherwise == "deny" else ALLOW
    for context in (*contexts, *reversed(contexts)):
        try:
            decision = policy.decide(context)
        except ExpressionFailed:
            found: tuple[Any, ...] = ("failed",)
        else:
            facts = decision.facts or Facts()
            found = (
                *(decision.action, decision.reason, decision.matches),
                *(context.weight + facts.weight, context.tags | facts.tags),
            )
        assert found == by_the_book(rules, context, last)


def test_what_rules_add_stands_between() -> None:
    """A score that is compared after a weight counts by its value, not by whether it is the literal now."""
    policy = built(WEIGH, DENY | {"when": "risk.score == 35"})
    actions = [policy.decide(asked(weight=weight)).action for weight in (0, 15, 0, 35)]
    assert actions == [Action.ALLOW, Action.DENY, Action.ALLOW, Action.ALLOW]
