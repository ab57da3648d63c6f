"""What operators have set beside the file: quota goes by it from the next exchange on, and usage is kept."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.overrides.live import LiveOverrides
from gateway.overrides.override import ALL_LIMITS, EVERYBODY, Kind, Override, Scope
from gateway.overrides.whole import Overrides
from gateway.policies import Services
from gateway.policies.quota import KIND
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.quota.refusal import NO_QUOTA, refusal
from gateway.policy import (
    ALLOW,
    Action,
    Bucket,
    Decision,
    Facts,
    Limit,
    Location,
    Measure,
    Outcome,
    Policy,
    Principal,
    Take,
    Taken,
    Usage,
    note_facts,
)
from gateway.testing import context

ACME = Principal("acme", "org", "k1", "pro")
OTHER = Principal("other", "org", "k2", "free")
PRICES = {"default": (3.0, 0.3, 3.75, 15.0)}


def limit(name: str = "rpm", measure: str = "requests", **more: Any) -> dict[str, Any]:
    return {"name": name, "measure": measure, "per": ["account"], "capacity": 100, **more}


class Desk:
    """An operator, and a policy of these limits."""

    def __init__(self, *limits: dict[str, Any], **more: Any) -> None:
        self.live = LiveOverrides()
        services = Services(now=lambda: 0.0, directory=None, prices=PRICES, overrides=self.live)  # type: ignore[arg-type]
        self.policy: Any = KIND.build(QuotaConfig.model_validate({"limits": limits or [limit()], **more}), services)

    def set(self, *found: Override) -> None:
        self.live.whole = Overrides(found, revision=9)

    def decide(self, principal: Principal | None = ACME, share: float = 1.0, **more: Any) -> Decision:
        asking = asked(principal, share=share, **more)
        decision: Decision = self.policy.decide(asking)
        return decision

    def capacities(self, principal: Principal | None = ACME, **more: Any) -> list[float]:
        decision = self.decide(principal, **more)
        assert decision.action is Action.ALLOW
        return [take.bucket.limit.capacity for take in decision.takes]


def asked(principal: Principal | None = ACME, share: float = 1.0, country: str = "", **more: Any) -> Any:
    made = context(account=None, location=Location(country), **more)
    if principal is not None:
        note_facts(made, Facts(principal=principal, share=share))
    return made


def override(
    kind: Kind = Kind.SCALE, limit: str = "rpm", scope: Scope = EVERYBODY, number: int = 7, **more: Any
) -> Override:
    return Override(id=number, revision=number, limit=limit, scope=scope, kind=kind, **more)


def test_numbers_change_at_once_and_buckets_stay() -> None:
    """The next exchange of a planned caller has them: the same partition, the same name; and back again."""
    desk = Desk()
    before = desk.decide().takes[0].bucket
    desk.set(override(factor=3.0, scope=Scope(account="acme")))
    after = desk.decide().takes[0].bucket
    assert (after.limit.capacity, after.limit.refill) == (300.0, 300.0)
    assert (after.tag, after.partition, after.limit.name) == (before.tag, before.partition, before.limit.name)
    assert desk.capacities(OTHER) == [100.0]
    desk.set()
    assert desk.decide().takes[0].bucket == before


@pytest.mark.parametrize(
    ("scope", "one", "other"),
    [
        (Scope(model="m-*"), {"model": "m-1"}, {"model": "x-1"}),
        (Scope(country="NO"), {"country": "NO"}, {"country": "SE"}),
    ],
    ids=["model", "country"],
)
def test_what_the_file_did_not_go_by(scope: Scope, one: dict[str, Any], other: dict[str, Any]) -> None:
    """A limit that looks at no model and no country does where an override does; and no longer afterwards."""
    desk = Desk()
    desk.set(override(Kind.SET, scope=scope, capacity=5.0))
    for _ in range(2):
        assert desk.capacities(**one) == [5.0]
        assert desk.capacities(**other) == [100.0]
    desk.set()
    assert desk.capacities(**one) == desk.capacities(**other) == [100.0]
    assert len(desk.policy._plans._plans) == 1


def test_a_refusal_names_the_override_whose_numbers_were_short() -> None:
    """Before the limit: that is the rule that refused."""
    bucket = Bucket("", "p", Limit("rpm", Measure.REQUESTS, 1.0, 1.0, 60.0))
    found = refusal(Take(bucket, 1.0), Taken(False, (), 0, 1.0), override=override(Kind.SCALE, "rpm"))
    assert [match.rule for match in found.matches] == ["override 7", "rpm"]
    assert [match.rule for match in refusal(Take(bucket, 1.0), Taken(False, (), 0, 1.0)).matches] == ["rpm"]


@pytest.mark.parametrize("store", ["shared", "local"])
def test_a_freeze_of_all_limits(store: str) -> None:
    """Refused before any store is asked, also where no limit matches; callers are told nothing of others."""
    desk = Desk(limit(per=["client_address"], tiers=["none"]), store=store, unmatched="allow")
    desk.set(override(Kind.FREEZE, ALL_LIMITS, Scope(accounts=frozenset({"acme", "accomplice"}))))
    decision = desk.decide()
    assert (decision.action, decision.reason, decision.retry_after) == (Action.THROTTLE, "quota_frozen", None)
    assert decision.takes == () and decision.note == "override 7: freeze"
    assert decision.detail == "Requests are stopped for this account at the moment: waiting a little does not help."
    assert [(match.rule, match.action, match.reason) for match in decision.matches] == [
        ("override 7", "throttle", "quota_frozen")
    ]
    assert desk.decide(OTHER) is ALLOW
    assert desk.decide(None) is ALLOW


@pytest.mark.parametrize(
    ("scope", "what"),
    [
        (EVERYBODY, ""),
        (Scope(model="test-model"), " for this model"),
        (Scope(country="NO"), " from this country"),
        (Scope(model="*", organisation="org"), " for this model for this organisation"),
        (Scope(tier="pro"), " for this tier"),
        (Scope(account="acme"), " for this account"),
    ],
)
def test_a_freeze_says_what_is_frozen(scope: Scope, what: str) -> None:
    """In plain words."""
    desk = Desk()
    desk.set(override(Kind.FREEZE, ALL_LIMITS, scope))
    detail = desk.decide(country="NO", model="test-model").detail
    assert detail == f"Requests are stopped{what} at the moment: waiting a little does not help."


@pytest.mark.parametrize("store", ["shared", "local"])
def test_a_freeze_of_one_limit(store: str) -> None:
    """Refused before any store is asked, so also while there is none; the note says who did it, the text does not."""
    desk = Desk(store=store)
    desk.set(override(Kind.FREEZE))
    refused = desk.decide()
    assert (refused.action, refused.reason, refused.takes) == (Action.THROTTLE, "quota_frozen", ())
    assert (refused.note, refused.retry_after) == ("account=acme; override 7: freeze", None)
    assert "override" not in refused.detail and "frozen" in refused.detail


def test_unlimited_is_not_without_quota() -> None:
    """A limit that is not asked is there all the same; where none matches it stays a refusal."""
    desk = Desk(limit(), limit("pro-only", tiers=["pro"]))
    desk.set(override(Kind.UNLIMITED))
    assert [take.bucket.limit.name for take in desk.decide().takes] == ["pro-only"]
    assert desk.decide(OTHER) is ALLOW
    desk = Desk(limit("pro-only", tiers=["pro"]))
    desk.set(override(Kind.UNLIMITED, ALL_LIMITS))
    assert desk.decide(ACME) is ALLOW
    assert desk.decide(OTHER) is NO_QUOTA


def test_a_new_model_has_its_part_of_the_changed_limit() -> None:
    """Shares are of what holds."""
    desk = Desk()
    desk.set(override(factor=2.0))
    assert desk.capacities(share=0.1, model="m") == [200.0, 20.0]
    desk.set(override(factor=4.0))
    assert desk.capacities(share=0.1, model="m") == [400.0, 40.0]
    desk.set(override(Kind.UNLIMITED))
    assert desk.decide(share=0.1, model="m") is ALLOW


def test_a_running_exchange_ends_on_what_it_took() -> None:
    """What was taken before a swap is settled in those buckets, one number each, whatever is asked for by then."""
    desk = Desk(limit(), limit("out", "output_tokens", cached_weight=0.5))
    asking = asked(input_tokens=10, output_cap=50)
    takes = desk.policy.decide(asking).takes
    for found in ([override(Kind.UNLIMITED)], [override(Kind.FREEZE, ALL_LIMITS)], [override(factor=2.0)], []):
        desk.set(*found)
        assert desk.policy.settle(asking, takes, Outcome(200, Usage(input=10, output=20))) == (1, 20)


def test_no_reservation_exceeds_the_changed_bucket() -> None:
    """What is reserved without a cap is what the smallest bucket of output can hold now."""
    desk = Desk(limit("out", "output_tokens", capacity=5000))
    assert desk.decide().takes[0].cost == 1024
    desk.set(override(Kind.SET, "out", capacity=10.0))
    assert desk.decide().takes[0].cost == 10


def test_a_guard_before_auth_obeys_what_it_can_know() -> None:
    """Its numbers by name, for everybody and for a country; nothing that is of an account."""
    desk = Desk(limit("flood", per=["client_address"], capacity=3), store="local")
    desk.set(
        override(Kind.SET, "flood", capacity=1.0, every=3600.0),
        override(Kind.SET, "flood", Scope(country="NO"), 8, capacity=2.0, every=3600.0),
        override(Kind.SET, "flood", Scope(tier="default"), 9, capacity=1000.0),
    )
    assert [desk.decide(None).action for _ in range(2)] == [Action.ALLOW, Action.THROTTLE]
    answers = [desk.decide(None, country="NO", client_address="192.0.2.9") for _ in range(3)]
    assert [answer.action for answer in answers] == [Action.ALLOW, Action.ALLOW, Action.THROTTLE]
    assert answers[-1].note == "client_address=192.0.2.9; override 8: 2, every 3600 s"


@pytest.mark.parametrize(("store", "action"), [("local", Action.ALLOW), ("shared", Action.THROTTLE)])
def test_before_anybody_is_known_a_guard_leaves_a_freeze_to_others(store: str, action: Action) -> None:
    """It would refuse nobodies: who was hit could not be seen, and a wrong key would hear of it."""
    desk = Desk(limit("flood", per=["client_address"]), store=store)
    desk.set(override(Kind.FREEZE, ALL_LIMITS, Scope(model="m-*")))
    assert desk.decide(None).action is action
    assert desk.decide().action is Action.THROTTLE


def test_explain_names_what_bites() -> None:
    """Of each limit; a freeze of all is a finding of its own."""
    desk = Desk(limit(), limit("tpm"), limit("free", tiers=["free"]))
    desk.set(
        override(factor=3.0, scope=Scope(account="acme", model="m*")),
        override(Kind.UNLIMITED, "tpm", number=8),
        override(factor=2.0, limit="free", number=9),
    )
    found = {one.rule: one for one in desk.policy.explain(asked(model="m"))}
    assert (found["rpm"].applies, found["rpm"].note) == (True, "override 7: x3")
    assert found["rpm"].read == {"account.id": "acme", "request.model": "m"}
    assert (found["tpm"].applies, found["tpm"].note) == (False, "override 8: unlimited")
    assert (found["free"].applies, found["free"].note) == (False, "for the tiers free")
    desk.set(override(Kind.FREEZE, ALL_LIMITS))
    assert desk.policy.explain(asked())[0][:2] == ("override 7", True)


def test_nobody_can_set_anything() -> None:
    """Without a directory there is nothing to go by."""
    services = Services(now=lambda: 0.0, directory=None, prices=PRICES)  # type: ignore[arg-type]
    policy: Policy = KIND.build(QuotaConfig.model_validate({"limits": [limit()]}), services)
    decision = policy.decide(asked())
    assert isinstance(decision, Decision) and decision.takes[0].bucket.limit.capacity == 100
