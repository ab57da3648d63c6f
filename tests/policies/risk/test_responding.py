"""The shell of `campaigns`: in a chain, over a store that counts, in shadow, and when asked why."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest

from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.feeds.networks_memory import RecentNetworks
from gateway.feeds.refusals_memory import RecentRefusals
from gateway.feeds.verdicts_memory import MemoryVerdicts
from gateway.policies.risk import KIND
from gateway.policies.risk.config import RiskConfig
from gateway.policy import ALLOW, Action, Context, Decision, Evidence, Facts, Outcome, Policy, Profile, challenged_by
from gateway.stores.interface import StoreUnavailable
from gateway.stores.memory import MemoryStore
from gateway.stores.redis import connect
from gateway.testing import NOON, Clock, context, services
from tests import servers
from tests.policies.counted import STORES, Counted, store_of

DONE: Final = Outcome(200)
LEVELS: Final[dict[str, Any]] = {
    "budget": {"requests": 10},
    "hold": {"features": ["reasoning"]},
    "challenge": {},
    "verify": {},
    "tiers": {"unlimited": "observe"},
}
BY: Final = challenged_by("risk", "campaigns.challenge")


def verdict(account: str, score: float, size: int = 1, **more: Any) -> Verdict:
    families = ((Family.CONTENT, score / 2), (Family.WORK, score / 2))
    named = {"cluster": "c7", "since": NOON - 60.0, "expires": math.inf, "evidence": ("one template",), **more}
    return Verdict(account, score=score, families=families, size=size, **named)


def world(told: Iterable[Verdict], clock: Clock | None = None, **more: Any) -> Any:
    clock = clock or Clock()
    named = {"entry": "risk", "verdicts": MemoryVerdicts(told), "owner_link": lambda account: f"/own/{account}"}
    memories = {"networks": RecentNetworks(clock), "refusals": RecentRefusals(clock)}
    return dataclasses.replace(services(clock), **{**named, **memories, **more})


def built(verdicts: Iterable[Verdict], clock: Clock | None = None, **written: Any) -> Any:
    config = RiskConfig.model_validate({"campaigns": {**LEVELS, **written.pop("campaigns", {})}, **written})
    return KIND.build(config, world(verdicts, clock))


def decided(policy: Policy, exchange: Context) -> Decision:
    decision = policy.decide(exchange)
    assert isinstance(decision, Decision)
    return decision


# -- what callers are told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "call", "action", "status", "reason", "members"),
    [
        pytest.param(
            8.0, {"features": ["reasoning"]}, Action.DENY, 403, "temporarily_withheld",
            {"withheld": ("reasoning",), "verification_url": "/own/acme"}, id="hold",
        ),
        pytest.param(10.0, {}, Action.CHALLENGE, 0, "challenge_required", {}, id="challenge"),
        pytest.param(
            13.0, {}, Action.DENY, 403, "verification_required",
            {"missing": ("document", "liveness"), "verification_url": "/own/acme"}, id="verify",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_the_way_out(
    score: float, call: dict[str, Any], action: Action, status: int, reason: str, members: dict[str, Any]
) -> None:
    """With a stable reason; and nobody learns of the others in the group, nor by what it was found."""
    said = decided(built([verdict("acme", score)]), context(**call))
    assert (said.action, said.status, said.reason, said.members) == (action, status, reason, members)
    assert "c7" not in said.detail
    assert "template" not in said.detail
    assert said.note.startswith("c7 of 1 accounts")


def test_a_refusal_without_pages_for_owners_names_the_operator() -> None:
    """Nobody is sent to a page that is not there."""
    policy = KIND.build(
        RiskConfig.model_validate({"campaigns": LEVELS}), world([verdict("acme", 13.0)], owner_link=lambda _: "")
    )
    said = decided(policy, context())
    assert "verification_url" not in said.members
    assert "ask the operator" in said.detail


def test_who_is_told_to_wait_is_told_how_long() -> None:
    """In seconds that the SDKs obey."""
    policy = built([verdict("acme", 6.0)], campaigns={"trace": {"share": "20%", "wait": ["3s", "4s"]}})
    found = [decided(policy, context(exchange=f"e{number}")) for number in range(50)]
    waits = [one for one in found if one.action is Action.THROTTLE]
    assert [one.reason for one in waits] == ["cluster_paced"]
    assert waits[0].retry_after is not None
    assert 3.0 <= waits[0].retry_after <= 4.0


@pytest.mark.parametrize(
    ("verdicts", "call"),
    [
        pytest.param([], {}, id="nothing-known"),
        pytest.param([verdict("other", 13.0)], {}, id="of-another"),
        pytest.param([verdict("acme", 13.0, expires=NOON)], {}, id="expired"),
        pytest.param([verdict("acme", 13.0), verdict("acme", 0.0, version=1)], {}, id="taken-back"),
        pytest.param([verdict("acme", 4.0)], {}, id="observed"),
        pytest.param([verdict("acme", 13.0)], {"tier": "unlimited"}, id="a-tier-that-is-watched-alone"),
        pytest.param([verdict("acme", 13.0, most=Level.OBSERVE)], {}, id="capped"),
        pytest.param([verdict("acme", 13.0)], {"method": "GET", "generates": False}, id="nothing-is-made"),
        pytest.param([verdict("", 13.0)], {"account": None}, id="a-stranger"),
    ],
)
def test_who_is_left_alone(verdicts: list[Verdict], call: dict[str, Any]) -> None:
    """The plain yes: it is the same object for all."""
    assert decided(built(verdicts), context(**call)) is ALLOW


def test_without_a_detector_nothing_happens_and_the_reason_is_told() -> None:
    """Not known is said to be not known."""
    policy = KIND.build(RiskConfig.model_validate({"campaigns": LEVELS}), world([], verdicts=None))
    assert policy.decide(context()) is ALLOW
    notes = {finding.note for finding in policy.explain(context())}  # type: ignore[attr-defined]
    assert notes == {"not known: this gateway hears of no detector"}


def test_a_group_is_weighed_beside_the_rest() -> None:
    """Weights and takes of all parts add up in one answer."""
    clock = Clock()
    policy = built([verdict("acme", 6.0)], clock, refused={"from": 2}, campaigns={"budget": {"weight": 7}})
    for number in range(2):
        refused = Outcome(0, reached=False, refused=Action.THROTTLE, reason="quota_exceeded")
        policy.settle(context(exchange=f"e{number}"), (), refused)
    said = decided(policy, context())
    assert said.facts is not None
    assert (said.facts.weight, said.facts.tags) == (17, frozenset({"campaign", "campaign-budget"}))
    assert [match.rule for match in said.matches] == ["campaigns.budget", "refused"]
    assert len(said.takes) == 1


def test_what_suspicion_comes_to_adds_no_suspicion() -> None:
    """Whoever goes on after a refusal of this entry is not held to be refused again and again."""
    policy = built([verdict("acme", 6.0)], refused={"from": 2})
    for reason in ("cluster_budget_exhausted", "cluster_paced", "temporarily_withheld", "verification_required"):
        for number in range(9):
            ended = Outcome(0, reached=False, refused=Action.THROTTLE, reason=reason)
            policy.settle(context(exchange=f"{reason}{number}"), (), ended)
    assert [match.rule for match in decided(policy, context()).matches] == ["campaigns.budget"]


# -- one bucket -------------------------------------------------------------------------------------------------------


async def ask(counted: Counted, account: str, number: int) -> Asked:
    return await counted.ask(context(exchange=f"{account}-{number}", account=account))


@pytest.mark.parametrize("kind", STORES)
async def test_a_cluster_has_one_budget(kind: str) -> None:
    """64 accounts at once get what the file says for 64, exactly; another cluster has its own."""
    accounts = [f"a{number}" for number in range(64)]
    policy = built([*(verdict(name, 6.0, 64) for name in accounts), verdict("apart", 6.0, 1, cluster="c8")])
    async with store_of(kind) as store:
        counted = Counted(store, policy)
        found = await asyncio.gather(*(ask(counted, name, number) for name in accounts for number in range(4)))
        granted = [one for one in found if one.decision.action is Action.ALLOW]
        refused = [one.decision for one in found if one.decision.action is Action.THROTTLE]
        assert (len(granted), len(refused)) == (70, 256 - 70)
        assert {one.reason for one in refused} == {"cluster_budget_exhausted"}
        assert all(one.retry_after is not None and one.retry_after > 0.0 for one in refused)
        assert (await ask(counted, "apart", 0)).decision.action is Action.ALLOW
        # What an upstream did not do goes back to all of them.
        granted[0].settle(Outcome(503))
        await asyncio.sleep(0)
        if kind == "redis":
            await asyncio.sleep(0.05)
        assert (await ask(counted, "a9", 9)).decision.action is Action.ALLOW


@pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))
async def test_two_gateways_share_the_budget() -> None:
    """Two stores over one Redis, each with its own policies, with accounts at both: not one request more."""
    accounts = [f"a{number}" for number in range(16)]
    async with servers.server("redis") as server:
        stores = [await connect(server.url, deadline=2.0, first_wait=5.0) for _ in range(2)]
        try:
            sides = [Counted(store, built([verdict(name, 6.0, 16) for name in accounts])) for store in stores]
            found = await asyncio.gather(
                *(
                    side.ask(context(exchange=f"{index}-{name}-{number}", account=name))
                    for index, side in enumerate(sides)
                    for name in accounts
                    for number in range(5)
                )
            )
        finally:
            for store in stores:
                await store.close()
    assert sum(one.decision.action is Action.ALLOW for one in found) == 50


async def test_a_refusal_by_another_limit_leaves_the_budget() -> None:
    """All or nothing: what somebody else's limit refuses costs the group nothing."""
    clock = Clock()
    store = MemoryStore(clock)
    policy = built([verdict("acme", 6.0), verdict("bolt", 6.0)], clock)
    counted = Counted(store, policy, _Refuses())
    assert (await ask(counted, "acme", 0)).decision.reason == "no"
    plain = Counted(store, policy)
    for number in range(10):
        assert (await ask(plain, "bolt", number)).decision.action is Action.ALLOW
    assert (await ask(plain, "acme", 99)).decision.reason == "cluster_budget_exhausted"


async def test_a_growing_cluster_keeps_what_it_has_used() -> None:
    """More accounts get a larger bucket; never a fresh one."""
    verdicts = MemoryVerdicts([verdict("acme", 6.0, 1)])
    policy = KIND.build(RiskConfig.model_validate({"campaigns": LEVELS}), world([], verdicts=verdicts))
    counted = Counted(MemoryStore(Clock()), policy)
    for number in range(10):
        await ask(counted, "acme", number)
    verdicts.tell([verdict("acme", 6.0, 2, version=2)])
    found = [(await ask(counted, "acme", 10 + number)).decision.action for number in range(11)]
    assert found == [Action.ALLOW] * 10 + [Action.THROTTLE]


class _Refuses:
    def decide(self, _: Context) -> Decision:
        return Decision(Action.DENY, "no")


class _Away(MemoryStore):
    def take(self, exchange: str, takes: Sequence[Any], then: Any) -> None:
        then(StoreUnavailable("down"))


@pytest.mark.parametrize(
    ("on_failure", "reason"),
    [(OnFailure.ALLOW, ""), (OnFailure.DENY, "quota_store_unavailable"), (OnFailure.DEGRADE, "")],
)
def test_without_the_store_the_entry_says_what_then(on_failure: OnFailure, reason: str) -> None:
    """The shared budget is not counted, refused, or counted by this worker: as chain.yaml says."""
    entry = Entry.of("risk", "risk", built([verdict("acme", 6.0)]), on_failure)
    chain = Chain((entry,), _Away(Clock()), MemoryStore(Clock()), {})
    answers: list[Asked] = []
    for number in range(11):
        chain.begin(context(exchange=f"e{number}"), answers.append)
    assert {one.decision.reason for one in answers[:10]} == {reason}
    degraded = on_failure is OnFailure.DEGRADE
    assert answers[10].decision.reason == ("cluster_budget_exhausted" if degraded else reason)


# -- challenges -------------------------------------------------------------------------------------------------------


class _Passes:
    """Makes challenges, as captcha does: passed where it is told so."""

    passed = False

    def decide(self, _: Context) -> Decision:
        return ALLOW

    def challenge(self, context: Context, by: str, decision: Decision) -> Decision:
        assert by == BY
        assert context.principal is not None
        return Decision(Action.ALLOW, facts=Facts(captcha=True, passed=frozenset({by}))) if self.passed else decision


async def test_a_passed_challenge_lets_through_to_the_shared_budget() -> None:
    """And everything that is not forgiven still holds: the same entry is asked again."""
    passes = _Passes()
    entries = (
        Entry.of("risk", "risk", built([verdict("acme", 10.0)]), OnFailure.ALLOW),
        Entry.of("captcha", "captcha", passes, OnFailure.DENY),
    )
    counted = Counted(MemoryStore(Clock()))
    counted.chain = Chain(entries, counted.store, MemoryStore(Clock()), {})
    assert (await ask(counted, "acme", 0)).decision.action is Action.CHALLENGE
    passes.passed = True
    found = [(await ask(counted, "acme", number)).decision for number in range(1, 12)]
    assert {one.action for one in found[:10]} == {Action.ALLOW}
    assert found[10].reason == "cluster_budget_exhausted"


# -- in shadow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "rules"),
    [(6.0, {"campaigns.budget"}), (10.0, {"campaigns.challenge"}), (13.0, {"campaigns.verify"})],
)
async def test_in_shadow_it_says_what_would_be(score: float, rules: set[str]) -> None:
    """Nothing is refused, tagged or taken from the real bucket, and nobody gets a link; matches tell the report."""
    store = MemoryStore(Clock())
    links: list[str] = []
    config = RiskConfig.model_validate({"campaigns": LEVELS})
    shadowed = KIND.build(config, world([verdict("acme", score)], rollout=0.0, owner_link=links.append))
    counted = Counted(store, shadowed, shadow="respondingrisk")
    for number in range(20):
        asked = await ask(counted, "acme", number)
        assert asked.decision is ALLOW
        assert (asked.context.weight, asked.context.tags, asked.takes) == (0, frozenset(), ())
        assert {match.rule for _, match in asked.matches} == rules
        assert not any(match.enforced for _, match in asked.matches)
    assert links == []
    real = Counted(store, built([verdict("acme", 6.0)]))
    assert (await ask(real, "acme", 99)).remaining == (9.0,)


# -- why --------------------------------------------------------------------------------------------------------------


def test_it_says_why_in_words() -> None:
    """The score, the families, the level, and what each level would take."""
    policy = built([verdict("acme", 10.0, 300)])
    found = {finding.rule: finding for finding in policy.explain(context())}
    assert [name for name, finding in found.items() if finding.applies] == [
        "campaigns", "campaigns.budget", "campaigns.hold", "campaigns.challenge",
    ]  # fmt: skip
    assert found["campaigns"].note == "one template"
    assert found["campaigns"].read["families"] == {"content": 5.0, "work": 5.0}
    assert found["campaigns"].read["level"] == "challenge"
    assert found["campaigns.verify"].note == "needs a score of 12 and 2 families of evidence"


@pytest.mark.parametrize(
    ("more", "call", "rule", "note"),
    [
        ({"most": Level.BUDGET}, {}, "campaigns.challenge", "no more than budget, as for what sits in one place"),
        ({}, {"tier": "unlimited"}, "campaigns.budget", "an account of the tier unlimited comes to no more"),
        ({"score": 13.0}, {}, "campaigns.verify", "its owner has not shown it"),
        (
            {"score": 13.0},
            {"profile": Profile(evidence=(Evidence("document", NOON), Evidence("liveness", NOON)))},
            "campaigns.verify",
            "its owner has shown it",
        ),
    ],
)
def test_it_says_what_spares_an_account(more: dict[str, Any], call: dict[str, Any], rule: str, note: str) -> None:
    """Whichever of them it is."""
    policy = built([verdict("acme", **{"score": 10.0, **more})])
    found = {finding.rule: finding.note for finding in policy.explain(context(**call))}
    assert note in found[rule]
