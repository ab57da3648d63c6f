"""What an exchange of an account comes to, and what is remembered of it."""

from __future__ import annotations

import timeit
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policies.kyc import build, policy
from gateway.policies.kyc.config import KycConfig
from gateway.policies.kyc.policy import Kyc
from gateway.policy import (
    ALLOW,
    Action,
    Context,
    Decision,
    Evidence,
    Facts,
    Fall,
    Location,
    Principal,
    Profile,
    note_facts,
)
from gateway.testing import NOON, context, services

DAY: Final = 86_400.0
SHOWN: Final = (Evidence("document", NOON - DAY), Evidence("liveness", NOON - DAY))
TIERS: Final = [
    {"name": "free", "withholds": {"models": ["m-frontier*"], "countries": ["CU"]}},
    {"name": "verified", "requires": ["document", "liveness"], "quota": "pro", "withholds": {"features": ["batch"]}},
    {"name": "business", "requires": ["document", "liveness", "registry"]},
]
VERIFIED: Final = ("verified", ("document", "liveness"))
BUSINESS: Final = ("business", ("document", "liveness", "registry"))
EVIDENCE: Final = {"document": {"lasts": "30d", "grace": "1d"}}


def kyc(**more: Any) -> Kyc:
    config = KycConfig.model_validate({"tiers": TIERS, "evidence": EVIDENCE, **more})
    made = build(config, services(lists={"throwaway": {"mail.example"}}, owner_link=lambda account: f"/x/{account}"))
    assert isinstance(made, Kyc)
    return made


def of(principal: Principal, now: float = NOON, **ask: Any) -> Context:
    made = context(now=now, **ask)
    note_facts(made, Facts(principal=principal))
    return made


def ask(principal: Principal, now: float = NOON, **asked: Any) -> Decision:
    return kyc().decide(of(principal, now, **asked))


def standing(decision: Decision) -> tuple[str, int, str]:
    """Tier, verification and what was assigned, as later entries see them."""
    assert decision.facts is not None
    assert decision.facts.principal is not None
    found = decision.facts.principal
    return found.tier, found.profile.verification, found.profile.assigned


def test_where_nothing_changes_nothing_is_said() -> None:
    """The plain yes is one object."""
    assert ask(Principal("a", tier="free")) is ALLOW


@pytest.mark.parametrize(
    ("principal", "seen"),
    [
        (Principal("a"), ("free", 0, "default")),
        (Principal("a", tier="default", profile=Profile(evidence=SHOWN)), ("pro", 1, "default")),
        (Principal("a", tier="free", profile=Profile(evidence=SHOWN)), ("pro", 1, "free")),
        (Principal("a", tier="verified"), ("pro", 1, "verified")),
        (Principal("a", tier="plan", profile=Profile(evidence=SHOWN)), ("plan", 1, "plan")),
        (Principal("a", tier="verified", profile=Profile(falls=(Fall("detector"),))), ("free", 0, "verified")),
        (Principal("a", tier="business", profile=Profile(verification=5)), None),
        (Principal("a", tier="verified", profile=Profile(verification=5)), ("pro", 5, "verified")),
        (Principal("a", tier="free", profile=Profile(verification=2, falls=(Fall("analyst"),))), None),
    ],
    ids=[
        "nobody assigned a tier", "earned", "assigned low", "assigned", "a plan keeps its quotas", "fell",
        "stated to be verified", "stated to be verified further", "fell from nothing",
    ],
)  # fmt: skip
def test_later_entries_see_the_tier(principal: Principal, seen: tuple[str, int, str] | None) -> None:
    """The tier whose quotas count, and how far it was verified; everything else of the principal stays."""
    decision = ask(principal)

    if seen is None:
        assert decision is ALLOW
        return
    assert standing(decision) == seen
    assert decision.facts is not None
    assert decision.facts.principal is not None
    changed = replace(principal.profile, verification=seen[1], assigned=seen[2])
    assert decision.facts.principal == replace(principal, tier=seen[0], profile=changed)


def test_two_ladders_come_to_one_thing() -> None:
    """A second entry judges what was assigned, not what the first one found."""
    principal = Principal("a", tier="default", profile=Profile(evidence=SHOWN))
    exchange = of(principal)
    first = kyc().decide(exchange)
    assert first.facts is not None
    note_facts(exchange, first.facts)

    assert kyc().decide(exchange) is ALLOW


def test_one_principal_has_one_in_its_place() -> None:
    """Quota's plans go by identity: the same object, also after it was looked at anew."""
    rooms = kyc()
    principal = Principal("a", profile=Profile(evidence=(*SHOWN, Evidence("email", NOON, NOON + 5))))

    first = rooms.decide(of(principal))
    again = rooms.decide(of(principal, NOON + 1))
    later = rooms.decide(of(principal, NOON + 6))

    assert first is again
    assert first.facts is not None
    assert later.facts is not None
    assert later is not first
    assert later.facts.principal is first.facts.principal


def test_a_tier_ends_with_its_evidence() -> None:
    """To the second, with its grace, although nothing else happens."""
    rooms = kyc()
    principal = Principal("a", profile=Profile(evidence=SHOWN))
    ends = NOON - DAY + 31 * DAY

    said = [rooms.decide(of(principal, at, model="m-frontier")).action for at in (NOON, ends - 1, ends, ends - 2)]

    assert said == [Action.ALLOW, Action.ALLOW, Action.DENY, Action.ALLOW]


@pytest.mark.parametrize(
    ("tier", "asked", "reason", "members"),
    [
        ("free", {"model": "m-frontier-2"}, "verification_required", VERIFIED),
        (
            "free",
            {"model": "m-frontier-2", "features": ["batch"]},
            "verification_required",
            BUSINESS,
        ),
        ("verified", {"features": ["batch"]}, "verification_required", BUSINESS),
        ("free", {"location": Location("CU")}, "verification_required", VERIFIED),
        ("free", {"location": Location("CU", private=True)}, "", None),
        ("free", {"model": "m-large", "features": ["batch"]}, "", None),
        ("free", {"route": "other", "model": ""}, "verification_required", BUSINESS),
        ("free", {"route": "other", "model": "", "generates": False}, "", None),
        ("plan", {"model": "m-frontier"}, "verification_required", VERIFIED),
    ],
    ids=[
        "a model", "a model that the next tier has not", "a feature", "a country", "a private address", "nothing gated",
        "nobody can read it", "it generates nothing", "a plan",
    ],
)  # fmt: skip
def test_what_is_withheld(tier: str, asked: dict[str, Any], reason: str, members: Any) -> None:
    """The lowest tier that has all of it is named."""
    decision = ask(Principal("a", tier=tier), **asked)

    assert decision.reason == reason
    if members is not None:
        assert (decision.members["required_tier"], decision.members["missing"]) == members
        assert decision.members["verification_url"] == decision.link == "/x/a"


def test_nobody_known_is_refused() -> None:
    """Where no entry has found out who asks, nothing passes."""
    decision = kyc().decide(context(account=None))

    assert (decision.action, decision.reason) == (Action.DENY, "verification_required")
    assert kyc().explain(context(account=None))[0].applies


def test_others_may_pass() -> None:
    """Who is on no tier of this ladder is then not touched; who was assigned none is still on it."""
    rooms = kyc(others="pass")

    assert rooms.decide(of(Principal("a", tier="plan"), model="m-frontier")) is ALLOW
    assert rooms.decide(of(Principal("a"), model="m-frontier")).action is Action.DENY


def test_a_new_model_has_a_share() -> None:
    """For the tiers that are named; beside whatever else is found."""
    begins = "2023-11-15T00:00:00Z"
    rooms = kyc(ramps=[{"models": ["m-new*"], "from": begins, "days": 7, "tiers": ["free"], "share": "10%"}])
    plain, fresh = Principal("a", tier="free"), Principal("b")

    def share(principal: Principal, model: str, now: float = NOON) -> float:
        exchange = of(principal, now, model=model)
        decision = rooms.decide(exchange)
        assert rooms.decide(exchange) is decision
        return 1.0 if decision.facts is None else decision.facts.share

    assert share(plain, "m-new-1") == share(fresh, "m-new-1") == 0.1
    assert (
        share(plain, "m-large") == share(fresh, "m-large") == share(Principal("c", tier="verified"), "m-new-1") == 1.0
    )
    assert share(plain, "m-new-1", NOON + 8 * DAY) == 1.0
    assert standing(rooms.decide(of(fresh, model="m-new-1"))) == ("free", 0, "default")


WEIGH: Final = {
    "signup_burst": {"from": 20, "weight": 15},
    "disposable_email": {"list": "throwaway", "weight": 20},
}


@pytest.mark.parametrize(
    ("profile", "weight", "rules"),
    [
        (Profile(), 0, []),
        (Profile(signup_burst=19, email_domain="uni.example"), 0, []),
        (Profile(signup_burst=20), 15, ["weigh.signup_burst"]),
        (Profile(email_domain="mail.example"), 20, ["weigh.disposable_email"]),
        (Profile(signup_burst=99, email_domain="mail.example"), 35, ["weigh.signup_burst", "weigh.disposable_email"]),
        (Profile(signup_burst=99, email_domain="mail.example", evidence=SHOWN), 0, []),
    ],
    ids=["nothing known", "few", "many", "thrown away", "both", "shown more"],
)
def test_what_speaks_against_an_account_weighs(profile: Profile, weight: int, rules: list[str]) -> None:
    """On the lowest tier alone, and nobody is refused for it."""
    decision = kyc(weigh=WEIGH).decide(of(Principal("a", tier="free", profile=profile)))

    assert decision.action is Action.ALLOW
    assert (decision.facts.weight if decision.facts else 0) == weight
    assert [match.rule for match in decision.matches] == rules


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes often is kept, whoever else comes."""
    monkeypatch.setattr(policy, "REMEMBERED_AT_MOST", 10)
    rooms = kyc()
    often = Principal("often")
    first = rooms.decide(of(often))
    for number in range(100):
        rooms.decide(of(Principal(f"a{number}")))
        assert rooms.decide(of(often)) is first
        assert len(rooms._young) + len(rooms._old) <= 20


def test_it_explains_itself() -> None:
    """Each tier, each gate and each weight, with what was read."""
    rooms = kyc(weigh=WEIGH)
    fell = Profile(evidence=SHOWN, falls=(Fall("detector"),), signup_burst=30)

    findings = {one.rule: one for one in rooms.explain(of(Principal("a", profile=fell), model="m-frontier"))}

    assert {name: one.applies for name, one in findings.items()} == {
        "free": True, "verified": False, "business": False, "free.withholds.models": True,
        "free.withholds.countries": False, "weigh.signup_burst": True, "weigh.disposable_email": False,
    }  # fmt: skip
    assert "fell from verified: detector" in findings["free"].note
    assert rooms.explain(of(Principal("a", tier="plan")))[0].applies
    assert [one.rule for one in kyc(others="pass").explain(of(Principal("a", tier="plan")))] == ["others"]


_kinds = st.lists(st.sampled_from(["document", "liveness", "registry"]), unique=True, max_size=3)


@given(kinds=_kinds, model=st.sampled_from(["m-large", "m-frontier"]), steps=st.lists(st.integers(0, 40), max_size=8))
def test_what_is_remembered_is_what_would_be_found(kinds: list[str], model: str, steps: list[int]) -> None:
    """However the clock goes."""
    rooms = kyc()
    principal = Principal("a", profile=Profile(evidence=tuple(Evidence(kind, NOON) for kind in kinds)))
    for days in steps:
        exchange = of(principal, NOON + days * DAY, model=model)
        remembered, anew = rooms.decide(exchange), kyc().decide(exchange)
        assert remembered == anew


@pytest.mark.timing
def test_a_known_account_costs_next_to_nothing() -> None:
    """Less than 5 µs on any machine, with a gate; a third of one on a quiet one."""
    rooms = kyc()
    exchange = of(Principal("a", profile=Profile(evidence=SHOWN)))

    best = min(timeit.repeat(lambda: rooms.decide(exchange), number=1000, repeat=20)) / 1000

    assert best < 5e-6
