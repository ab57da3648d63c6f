"""Who is weighed and who is not, what is noted, and what it costs."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.feeds.networks import Known, Subject
from gateway.feeds.networks_memory import RecentNetworks
from gateway.feeds.refusals_memory import RecentRefusals
from gateway.policies import Services
from gateway.policies.risk import KIND
from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.policy import Risk
from gateway.policy import ALLOW, Action, Context, Decision, Facts, Location, Outcome, note_facts
from gateway.testing import NOON, Clock, context, services
from tests.policies.risk.callers import ATTACKERS, DAY, HOME, HONEST, HOUR, THIEF, Call

DONE: Final = Outcome(200)
REFUSED: Final = Outcome(0, reached=False, refused=Action.THROTTLE)
EVERYTHING: Final[dict[str, Any]] = {"new_network": {}, "key_shared": {}, "refused": {}}


def world(clock: Clock, **more: Any) -> Services:
    plain = services(clock)
    memory = {"networks": RecentNetworks(clock), "refusals": RecentRefusals(clock)}
    return dataclasses.replace(plain, entry="risk", **{**memory, **more})


def built(clock: Clock, written: dict[str, Any] | None = None, **more: Any) -> Risk:
    policy = KIND.build(RiskConfig.model_validate(written or EVERYTHING), world(clock, **more))
    assert isinstance(policy, Risk)
    return policy


def said(policy: Risk, exchange: Context) -> Decision:
    decision = policy.decide(exchange)
    if isinstance(decision, Decision):
        return decision
    return asyncio.run(_awaited(decision))


async def _awaited(decision: Any) -> Decision:
    found: Decision = await decision
    return found


def lived(calls: list[Call], written: dict[str, Any] | None = None) -> tuple[list[Decision], list[float]]:
    """All that the policy says of a caller, and when; each exchange is let pass, and ends at once."""
    clock = Clock()
    policy = built(clock, written)
    answers, times = [], []
    for at, call in calls:
        clock.at = NOON + at
        exchange = context(now=clock(), **{"key": "k1", **call})
        answers.append(said(policy, exchange))
        note_facts(exchange, answers[-1].facts or Facts())
        policy.settle(exchange, (), DONE)
        times.append(at)
    return answers, times


@pytest.mark.parametrize("caller", HONEST.values(), ids=HONEST)
def test_an_honest_caller_is_not_weighed(caller: Callable[[], list[Call]]) -> None:
    """With the usual values, and not once in all the days."""
    answers, times = lived(caller())
    assert [(at, one.note) for at, one in zip(times, answers, strict=True) if one is not ALLOW] == []


@pytest.mark.parametrize(("caller", "by"), ATTACKERS.values(), ids=ATTACKERS)
def test_an_attacker_is_weighed(caller: Callable[[], list[Call]], by: str) -> None:
    """By the part that is there for it."""
    answers, _ = lived(caller())
    assert by in {match.rule for one in answers for match in one.matches}
    assert all(one.action is Action.ALLOW for one in answers)


@pytest.mark.parametrize("within", ["asn", "network"])
def test_a_thief_is_weighed_and_the_owner_is_not(within: str) -> None:
    """From the first exchange on; the owner goes on as before."""
    calls = ATTACKERS["a thief"][0]()
    answers, times = lived(calls, {"new_network": {"within": within}})
    for (at, call), one in zip(calls, answers, strict=True):
        stranger = call["location"] is THIEF["location"]
        assert (one.facts is not None and one.facts.weight == 15) == stranger, at
    assert times


def test_a_cloud_by_network_is_why_the_usual_is_the_system() -> None:
    """As the README says: a /24 is nothing to hold against whoever leaves by another one every day."""
    assert any(
        one is not ALLOW
        for one in lived(HONEST["a cloud with 40 addresses"](), {"new_network": {"within": "network"}})[0]
    )
    assert all(
        one is ALLOW for one in lived(HONEST["IPv6 privacy addresses"](), {"new_network": {"within": "network"}})[0]
    )


# -- what is noted ------------------------------------------------------------------------------------------------


def at_home(clock: Clock, policy: Risk) -> None:
    """Two days of the owner."""
    for hour in range(48):
        clock.at = NOON - (47 - hour) * HOUR
        exchange = context(now=clock(), key="k1", **HOME)
        said(policy, exchange)
        policy.settle(exchange, (), DONE)


@pytest.mark.parametrize(
    "outcome", [Outcome(0, reached=False, refused=action) for action in Action], ids=lambda o: o.refused
)
def test_whoever_is_refused_was_not_there(outcome: Outcome) -> None:
    """Else a thief who is challenged would only have to wait."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    for hour in range(60):
        clock.at = NOON + hour * HOUR
        home = context(now=clock(), key="k1", **HOME)
        policy.settle(home, (), DONE)
        stranger = context(now=clock(), key="k1", **THIEF)
        assert said(policy, stranger).facts == Facts(weight=15)
        policy.settle(stranger, (), outcome)


def test_whoever_has_passed_a_challenge_is_weighed_no_more() -> None:
    """From there; from elsewhere as before."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    stranger = context(now=clock(), key="k1", **THIEF)
    assert said(policy, stranger) is not ALLOW
    note_facts(stranger, Facts(captcha=True, passed=frozenset({"captcha/any"})))
    policy.settle(stranger, (), DONE)
    clock.turn(1)
    again = context(now=clock(), key="k1", **THIEF)
    assert said(policy, again) is ALLOW
    elsewhere = context(now=clock(), key="k1", location=Location("NL", 64499))
    assert said(policy, elsewhere) is not ALLOW


def test_a_challenge_that_was_passed_before_is_heard() -> None:
    """Where an entry before this one knows of it."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    for _ in range(2):
        stranger = context(now=clock(), key="k1", **THIEF)
        assert said(policy, stranger) is not ALLOW
        note_facts(stranger, Facts(captcha=True))
        assert said(policy, stranger) is ALLOW


def test_keys_of_one_account_are_apart() -> None:
    """And so are accounts, and those who come without a key."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    for other in ({"key": "k2"}, {"key": ""}, {"key": "k1", "account": "other"}, {"account": None}):
        assert said(policy, context(now=clock(), **{**THIEF, **other})) is ALLOW


# -- refusals -----------------------------------------------------------------------------------------------------


def refused(policy: Risk, times: int, outcome: Outcome = REFUSED, **call: Any) -> None:
    for number in range(times):
        policy.settle(context(exchange=f"{call}-{number}", key="k1", **call), (), outcome)


@pytest.mark.parametrize(
    ("times", "outcome", "call", "weight"),
    [
        (20, REFUSED, {}, 10),
        (19, REFUSED, {}, 0),
        (20, REFUSED._replace(refused=Action.DENY), {}, 10),
        (500, REFUSED._replace(refused=Action.CHALLENGE), {}, 0),
        (500, REFUSED._replace(refused=Action.DENY, reason="policy_unavailable"), {}, 0),
        (500, REFUSED._replace(refused=Action.DENY, reason="quota_store_unavailable"), {}, 0),
        (500, REFUSED._replace(refused=Action.DENY, reason="account_under_review"), {}, 0),
        (500, REFUSED._replace(reason="suspicion_throttled"), {}, 0),
        (500, Outcome(429), {}, 0),
        (500, Outcome(503), {}, 0),
        (500, Outcome(0, reached=False), {}, 0),
        (500, REFUSED, {"tier": "pro"}, 0),
        (500, REFUSED, {"account": None}, 0),
        (500, REFUSED, {"account": "other"}, 0),
    ],
    ids=[
        "throttled",
        "not quite",
        "denied",
        "challenged",
        "a policy of ours failed",
        "a store of ours is away",
        "under review for suspicion",
        "slowed for suspicion",
        "throttled by the upstream",
        "an upstream that fails",
        "an upstream that is not reached",
        "a tier that is excepted",
        "nobody",
        "another account",
    ],
)
def test_a_burst_of_refusals(times: int, outcome: Outcome, call: dict[str, Any], weight: int) -> None:
    """Throttled and denied by us, and nothing else; never for the volume of whom we trust."""
    policy = built(Clock(), {"refused": {"except_tiers": ["pro"]}})
    refused(policy, times, outcome, **call)
    asked = {"account": "acme"} if call.get("account", "acme") is None or "account" in call else {}
    decision = said(policy, context(key="k1", **{**call, **asked}))
    assert (decision.facts.weight if decision.facts else 0) == weight
    assert decision.action is Action.ALLOW


def test_a_burst_ends() -> None:
    """When it is as long ago as `within`, with nothing else done."""
    clock = Clock()
    policy = built(clock, {"refused": {}})
    refused(policy, 30)
    assert said(policy, context(now=clock())) is not ALLOW
    clock.turn(60)
    assert said(policy, context(now=clock())) is ALLOW


def test_a_tier_that_is_earned_later_is_excepted() -> None:
    """A ladder stands after this entry: what counts is the tier with which the exchange ended."""
    policy = built(Clock(), {"refused": {"except_tiers": ["pro"]}})
    refused(policy, 100, tier="pro")
    assert said(policy, context(tier="default")) is ALLOW


def test_two_entries_count_an_exchange_once() -> None:
    """Both hear of it, and one memory keeps it."""
    clock = Clock()
    shared = world(clock)
    one, two = (KIND.build(RiskConfig.model_validate({"refused": {}}), shared) for _ in range(2))
    for number in range(12):
        exchange = context(exchange=f"e{number}")
        for policy in (one, two):
            policy.settle(exchange, (), REFUSED)  # type: ignore[attr-defined]
    assert shared.refusals is not None
    assert shared.refusals.of("acme", 60.0, NOON) == 12


def test_weights_of_all_parts_add_up() -> None:
    """One decision, with each part in it."""
    clock = Clock()
    policy = built(clock)
    at_home(clock, policy)
    refused(policy, 20)
    decision = said(policy, context(now=clock(), key="k1", **THIEF))
    assert decision.facts == Facts(weight=25)
    assert [match.rule for match in decision.matches] == ["new_network", "refused"]


# -- in shadow ----------------------------------------------------------------------------------------------------


class Untouched:
    """What no entry in shadow may touch, beside what it is given for itself."""

    def __init__(self, aside: Any) -> None:
        self.aside = aside

    accounts: Final = {"acme": 1}
    available: Final = True

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} of the fleet's")


def test_in_shadow_nothing_of_the_fleet_is_touched() -> None:
    """It is found out all the same, by what this process saw."""
    clock = Clock()
    networks, refusals = Untouched(RecentNetworks(clock)), Untouched(RecentRefusals(clock))
    policy = built(clock, networks=networks, refusals=refusals, rollout=0.0)
    at_home(clock, policy)
    refused(policy, 20)
    assert said(policy, context(now=clock(), key="k1", **THIEF)).facts == Facts(weight=25)
    assert policy.explain(context(now=clock(), key="k1", **THIEF))


def test_a_rollout_is_in_shadow_for_the_rest() -> None:
    """Each account is on one side, as the chain has it."""
    clock = Clock()
    shared = world(clock, rollout=0.5)
    policy = KIND.build(RiskConfig.model_validate({"refused": {}}), shared)
    assert isinstance(policy, Risk)
    for number in range(200):
        refused(policy, 20, account=f"a{number}")
    assert shared.refusals is not None
    told = sum(1 for number in range(200) if shared.refusals.of(f"a{number}", 60.0, NOON))
    weighed = sum(1 for number in range(200) if said(policy, context(account=f"a{number}")) is not ALLOW)
    assert 60 < told < 140
    assert weighed == 200


# -- the fleet that gives no answer -------------------------------------------------------------------------------


class Away(RecentNetworks):
    """A fleet that is asked, and does not answer."""

    def __init__(self, now: Clock, *, available: bool) -> None:
        super().__init__(now)
        self._is_available = available
        self.looks = 0

    @property
    def available(self) -> bool:
        return self._is_available

    def of(self, subject: Subject, network: str) -> Known | None:
        return None

    async def look(self, subject: Subject, network: str) -> Known | None:
        self.looks += 1
        return None


@pytest.mark.parametrize("available", [True, False], ids=["slow", "away"])
def test_what_is_not_known_weighs_nothing(available: bool) -> None:
    """Nobody is refused or suspected for our outage; what this worker counts itself goes on."""
    clock = Clock()
    away = Away(clock, available=available)
    policy = built(clock, networks=away)
    exchange = context(now=clock(), key="k1", **THIEF)
    assert said(policy, exchange) is ALLOW
    policy.settle(exchange, (), DONE)
    refused(policy, 20)
    assert said(policy, exchange).facts == Facts(weight=10)
    assert away.looks == (2 if available else 0)


# -- why, and what it costs ---------------------------------------------------------------------------------------


def test_a_person_is_told_what_was_looked_at() -> None:
    """Each part that the file states, with what was read."""
    clock = Clock()
    policy = built(clock)
    at_home(clock, policy)
    findings = {one.rule: one for one in policy.explain(context(now=clock(), key="k1", **THIEF))}
    assert set(findings) == {"new_network", "key_shared", "refused"}
    assert findings["new_network"].applies
    assert findings["new_network"].note == "AS64496 is new for a key that is at home in AS3320"
    assert findings["new_network"].read["networks of the key (seconds ago)"] == {"AS3320": 0}
    assert findings["key_shared"].read["networks at once"] == 2
    assert findings["refused"].read == {"account.id": "acme", "refusals": 0}


@pytest.mark.parametrize(
    ("call", "note"),
    [
        ({"account": None, **THIEF}, "not asked: nobody knows who calls"),
        ({}, "not asked: the network is not known, or not of the public internet"),
        ({"tier": "pro", **THIEF}, "not asked: pro is excepted"),
        ({"key": "", **THIEF}, "not asked: it came without a key"),
    ],
    ids=["a stranger", "nowhere", "excepted", "no key"],
)
def test_a_person_is_told_what_was_not_looked_at(call: dict[str, Any], note: str) -> None:
    """And why."""
    policy = built(Clock(), EVERYTHING | {"refused": {"except_tiers": ["pro"]}})
    assert note in {one.note for one in policy.explain(context(**call))}


@pytest.mark.timing
def test_it_costs_next_to_nothing() -> None:
    """Half a microsecond on a quiet machine; the bound is for a busy one."""
    clock = Clock()
    policy = built(clock)
    at_home(clock, policy)
    exchange = context(now=clock(), key="k1", **HOME)
    took = []
    for _ in range(30):
        began = time.perf_counter()
        for _ in range(1000):
            policy.decide(exchange)
        took.append((time.perf_counter() - began) / 1000)
    assert min(took) < 2e-6


def test_verdicts_are_made_again_when_there_is_news() -> None:
    """What another exchange brought counts at once, without waiting for time to pass."""
    clock = Clock()
    shared = world(clock)
    policy = KIND.build(RiskConfig.model_validate({"key_shared": {"networks": 3}}), shared)
    assert isinstance(policy, Risk)
    exchange = context(now=clock(), key="k1", **HOME)
    assert said(policy, exchange) is ALLOW
    assert shared.networks is not None
    for name in ("AS1", "AS2"):
        shared.networks.note(Subject("asn", "acme", "k1"), name, clock())
    assert said(policy, exchange) is not ALLOW


def test_a_day_is_short_of_being_settled() -> None:
    """The weight ends by itself when the network has been in use for `settles`."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    weighed = []
    for hour in range(30):
        clock.at = NOON + hour * HOUR
        for place in (HOME, THIEF):
            exchange = context(now=clock(), key="k1", **place)
            if said(policy, exchange) is not ALLOW:
                weighed.append(hour)
            policy.settle(exchange, (), DONE)
    assert weighed == list(range(24))
    assert DAY == 24 * HOUR


def test_weight_ends_by_time_alone() -> None:
    """Without news: what was found is looked at again when it may be over."""
    clock = Clock()
    policy = built(clock, {"new_network": {}})
    at_home(clock, policy)
    exchange = context(now=clock(), key="k1", **THIEF)
    policy.settle(exchange, (), DONE)
    for _ in range(2):
        assert said(policy, context(now=clock(), key="k1", **THIEF)) is not ALLOW
    clock.turn(DAY)
    assert said(policy, context(now=clock(), key="k1", **THIEF)) is ALLOW
