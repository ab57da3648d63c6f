"""What a tier may not have, and what its callers are told."""

from __future__ import annotations

import fnmatch
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policies.kyc.config import KycConfig, Tier
from gateway.policies.kyc.rule import Gating, Ramps, Refused, refusal
from gateway.policy import Action, Ask, Decision, Evidence, Fall, Location, Principal, Profile
from gateway.testing import NOON

MODELS: Final = ("m-small", "m-large", "m-frontier", "m-frontier-2", "other", "")
PATTERNS: Final = ("m-*", "m-frontier*", "m-?arge", "other", "*")
FEATURES: Final = ("tools", "vision", "batch")
COUNTRIES: Final = ("DE", "NO", "CU")


def _some(items: tuple[str, ...]) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from(items), min_size=1, max_size=2)


_gate = st.none() | st.fixed_dictionaries(
    {"models": _some(PATTERNS), "features": _some(FEATURES), "countries": _some((*COUNTRIES, "ZZ"))}
)
_ask = st.builds(
    Ask,
    dialect=st.just("openai"),
    route=st.sampled_from(["chat.completions", "other"]),
    model=st.sampled_from(MODELS),
    features=st.frozensets(st.sampled_from(FEATURES), max_size=2),
    generates=st.booleans(),
)
_place = st.builds(Location, country=st.sampled_from(["", *COUNTRIES]), private=st.booleans())


def slowly(denied: Any, granted: Any, unread: bool, ask: Ask, place: Location) -> bool:
    """Whether anything of it may not be had: one thing after the other, as the README says it."""
    denied, granted = denied or {}, granted or {}
    no: list[bool] = []
    names, allowed = denied.get("models"), granted.get("models")
    if names or allowed:
        if ask.model:
            no.append(any(fnmatch.fnmatchcase(ask.model, one) for one in names or ()))
            no.append(allowed is not None and not any(fnmatch.fnmatchcase(ask.model, one) for one in allowed))
        else:
            no.append(unread and ask.generates)
    names, allowed = denied.get("features"), granted.get("features")
    if names or allowed:
        no.append(any(feature in (names or ()) for feature in ask.features))
        no.append(allowed is not None and any(feature not in allowed for feature in ask.features))
        no.append(unread and ask.generates and ask.route == "other")
    names, allowed = denied.get("countries"), granted.get("countries")
    if not place.private:
        no.append(place.country in (names or ()))
        no.append(allowed is not None and (place.country or "ZZ") not in allowed)
    return any(no)


@settings(max_examples=50)
@given(denied=_gate, granted=_gate, unread=st.booleans(), asked=st.lists(st.tuples(_ask, _place), max_size=6))
def test_a_gate_is_what_is_written(denied: Any, granted: Any, unread: bool, asked: list[tuple[Ask, Location]]) -> None:
    """However often it is asked, and whatever it remembers."""
    tier = Tier.model_validate({"name": "x", "withholds": denied, "grants": granted})
    gating = Gating(tier, unread=unread)

    for ask, place in [*asked, *asked]:
        assert bool(gating.refuses(ask, place)) == slowly(denied, granted, unread, ask, place)


LADDER: Final = KycConfig.model_validate(
    {
        "tiers": [
            {"name": "free"},
            {"name": "known", "requires": ["email"]},
            {"name": "verified", "requires": ["email", "document", "liveness"]},
        ],
        "falls": {"analyst": "known"},
    }
).ladder()
DOCUMENT: Final = "an identity document, looked at by a provider"
FACE: Final = "a living face that belongs to the document"
EMAIL: Final = "an e-mail address that its owner has answered from"


def told(profile: Profile, needed: int | None, rung: int = 0, link: str = "/tidegate/account/x") -> Decision:
    principal = Principal("acme", profile=profile)
    refused = Refused(principal, rung, "withholds.models", needed, "This model", NOON)
    return refusal(LADDER, refused, lambda account: link if account == "acme" else "")


@pytest.mark.parametrize(
    ("profile", "needed", "reason", "detail", "lacking"),
    [
        (
            Profile(),
            2,
            "verification_required",
            f"This model needs the tier verified; still to be shown: {DOCUMENT}; {EMAIL}; {FACE}.",
            ("document", "email", "liveness"),
        ),
        (
            Profile(evidence=(Evidence("email", NOON), Evidence("document", NOON, NOON))),
            2,
            "verification_required",
            f"This model needs the tier verified; still to be shown: {DOCUMENT}; {FACE}.",
            ("document", "liveness"),
        ),
        (
            Profile(falls=(Fall("chargeback"),)),
            1,
            "payment_reversed",
            "A payment of this account was taken back, so its tier is free; this model needs the tier known.",
            None,
        ),
        (
            Profile(falls=(Fall("reversal"),)),
            2,
            "verification_reversed",
            "A verification of this account was taken back, so its tier is free; this model needs the tier verified.",
            None,
        ),
        (
            Profile(falls=(Fall("detector"),)),
            2,
            "account_under_review",
            "This account is under review, so its tier is free; this model needs the tier verified.",
            None,
        ),
        (
            Profile(falls=(Fall("analyst"),)),
            1,
            "verification_required",
            f"This model needs the tier known; still to be shown: {EMAIL}.",
            ("email",),
        ),
        (
            Profile(falls=(Fall("chargeback", NOON),)),
            1,
            "verification_required",
            f"This model needs the tier known; still to be shown: {EMAIL}.",
            ("email",),
        ),
        (
            Profile(),
            None,
            "tier_insufficient",
            "This model is not open to the tier free, and no verification changes that.",
            None,
        ),
    ],
    ids=[
        "nothing shown", "a part, and one that ended", "a chargeback", "a reversal", "a detector",
        "a fall that leaves enough", "a fall that is over", "no tier",
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_needed(
    profile: Profile, needed: int | None, reason: str, detail: str, lacking: tuple[str, ...] | None
) -> None:
    """Which tier, what is missing, and where; nobody is told to retry."""
    decision = told(profile, needed)

    assert (decision.action, decision.status, decision.retry_after) == (Action.DENY, 403, None)
    assert (decision.reason, decision.detail) == (reason, detail)
    assert decision.members.get("missing") == lacking
    assert decision.members["current_tier"] == "free"
    url = "/tidegate/account/x" if needed is not None else ""
    assert (decision.link, decision.members.get("verification_url", "")) == (url, url)
    assert decision.matches[0].rule == "free.withholds.models"


def test_without_pages_there_is_no_link() -> None:
    """And no empty member in its place."""
    decision = told(Profile(), 1, link="")

    assert decision.link == ""
    assert "verification_url" not in decision.members


def test_a_caller_learns_no_more_than_it_may() -> None:
    """Not which detector has spoken, nor with whom it shares an owner."""
    for reason in ("detector", "identity", "analyst"):
        profile = Profile(falls=(Fall(reason),), identity="identity-of-others", signup_burst=77)
        said = repr(told(profile, 2)._replace(note=""))
        assert not any(word in said for word in ("detector", "analyst", "identity-of-others", "campaign", "77"))


def test_the_smallest_share_holds() -> None:
    """From the first second of the first day, until the last day is over; for models of the pattern."""
    ramps = KycConfig.model_validate(
        {
            "tiers": [{"name": "free"}],
            "ramps": [
                {"models": ["m-2*"], "from": "2023-11-15T00:00:00Z", "days": 2, "tiers": ["free"], "share": "50%"},
                {"models": ["m-2-xl"], "from": "2023-11-16T00:00:00Z", "days": 7, "tiers": ["free"], "share": "10%"},
            ],
        }
    ).ramps
    free, begins, day = Ramps(ramps, "free"), 1_700_006_400.0, 86_400.0

    assert not Ramps(ramps, "pro")
    assert [free.share("m-2-xl", begins + at) for at in (-1, 0, day - 1, day, 2 * day, 8 * day - 1, 8 * day)] == [
        1.0, 0.5, 0.5, 0.1, 0.1, 0.1, 1.0,
    ]  # fmt: skip
    assert [free.share(model, begins) for model in ("m-2", "m-1", "")] == [0.5, 1.0, 1.0]
