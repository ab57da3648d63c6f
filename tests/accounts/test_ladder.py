"""Where an account stands, and what would lift it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.evidence import FALLS, KINDS
from gateway.accounts.ladder import USUAL, Ladder, Proof, Rung, bound, due, missing, standing
from gateway.policy import Evidence, Fall, Profile

DAY: Final = 86_400.0
NOW: Final = 1_700_000_000.0
LADDER: Final = Ladder(
    (
        Rung("free"),
        Rung("known", frozenset({"email"})),
        Rung("verified", frozenset({"email", "document"})),
        Rung("business", frozenset({"email", "document", "registry"}), "pro"),
    ),
    {"document": Proof(lasts=365 * DAY, renew=30 * DAY, grace=14 * DAY, provider="identity")},
    {"analyst": "verified", "identity": "known"},
)


def shown(*kinds: str, ago: float = 0.0, expires: float = math.inf) -> tuple[Evidence, ...]:
    return tuple(Evidence(kind, NOW - ago, expires) for kind in kinds)


@pytest.mark.parametrize(
    ("evidence", "falls", "assigned", "tier", "earned", "fell"),
    [
        ((), (), "default", "free", 0, ""),
        (shown("email"), (), "default", "known", 1, ""),
        (shown("document"), (), "default", "free", 0, ""),
        (shown("email", "document"), (), "default", "verified", 2, ""),
        (shown("email", "registry"), (), "default", "known", 1, ""),
        ((), (), "business", "business", 0, ""),
        (shown("email", "document"), (), "free", "verified", 2, ""),
        ((), (), "unlimited", "free", 0, ""),
        (shown("email", "document", "registry"), (Fall("analyst"),), "default", "verified", 3, "analyst"),
        (shown("email", "document"), (Fall("analyst"),), "default", "verified", 2, ""),
        ((), (Fall("identity"),), "business", "known", 0, "identity"),
        (shown("email", "document"), (Fall("analyst"), Fall("chargeback")), "", "free", 2, "chargeback"),
        (shown("email"), (Fall("chargeback", NOW),), "", "known", 1, ""),
        (shown("email", "document", ago=379 * DAY), (), "", "known", 1, ""),
        (shown("email", "document", ago=378 * DAY), (), "", "verified", 2, ""),
        (shown("email", "document", expires=NOW - 14 * DAY), (), "", "free", 0, ""),
    ],
    ids=[
        "nothing shown", "one kind", "a kind without the other", "two", "a rung is not jumped", "assigned",
        "assigned low and shown more", "a plan", "a fall", "a fall above", "a fall bounds what was assigned",
        "the lower of two falls", "a fall that is over", "lasted", "in its grace", "ended by itself",
    ],
)  # fmt: skip
def test_where_it_stands(
    evidence: tuple[Evidence, ...], falls: tuple[Fall, ...], assigned: str, tier: str, earned: int, fell: str
) -> None:
    """The highest rung whose requirements are met, not below what was assigned, not above what falls leave."""
    found = standing(LADDER, Profile(evidence=evidence, falls=falls), assigned, NOW)

    assert (found.tier, found.earned, found.fell) == (tier, earned, fell)
    assert LADDER.rungs[found.rung].name == tier


def test_what_is_due_and_missing() -> None:
    """Its owner is asked before the end, and the tier goes after the grace."""
    profile = Profile(evidence=shown("document", ago=340 * DAY))

    assert missing(LADDER, 3, profile, NOW) == ("email", "registry")
    assert [(one.kind, one.ends - NOW, one.goes - NOW) for one in due(LADDER, profile, NOW)] == [
        ("document", 25 * DAY, 39 * DAY)
    ]
    assert missing(LADDER, 3, profile, NOW + 39 * DAY) == ("document", "email", "registry")
    assert due(LADDER, profile, NOW + 39 * DAY) == ()
    assert due(LADDER, Profile(evidence=shown("email")), NOW) == ()


def test_the_lowest_fall_binds() -> None:
    """Of several, what leaves least; none where all are over."""
    falls = (Fall("analyst"), Fall("detector", NOW + 5), Fall("identity"))

    assert bound(LADDER, Profile(falls=falls), NOW) == Fall("detector", NOW + 5)
    assert bound(LADDER, Profile(falls=falls), NOW + 5) == Fall("identity")
    assert bound(LADDER, Profile(falls=(Fall("analyst", NOW),)), NOW) is None


_moment = st.integers(-800, 800).map(lambda days: NOW + days * DAY)
_evidence = st.builds(
    Evidence, st.sampled_from(["email", "document", "registry", "phone"]), _moment, st.just(math.inf) | _moment
)
_profile = st.builds(
    lambda evidence, falls: Profile(evidence=tuple({one.kind: one for one in evidence}.values()), falls=tuple(falls)),
    st.lists(_evidence, max_size=5),
    st.lists(st.builds(Fall, st.sampled_from(sorted(FALLS)), st.just(math.inf) | _moment), max_size=3),
)
_assigned = st.sampled_from(["", "default", "free", "verified", "business", "unlimited"])


@given(profile=_profile, assigned=_assigned, more=_evidence)
def test_more_evidence_never_lowers(profile: Profile, assigned: str, more: Evidence) -> None:
    """A kind that was not there."""
    before = standing(LADDER, profile, assigned, NOW)
    if all(one.kind != more.kind for one in profile.evidence):
        after = standing(LADDER, replace(profile, evidence=(*profile.evidence, more)), assigned, NOW)
        assert (after.rung, after.earned) >= (before.rung, before.earned)


@given(profile=_profile, assigned=_assigned, reason=st.sampled_from(sorted(FALLS)))
def test_a_fall_never_raises(profile: Profile, assigned: str, reason: str) -> None:
    """Nor does it change what was earned."""
    before = standing(LADDER, profile, assigned, NOW)
    after = standing(LADDER, replace(profile, falls=(*profile.falls, Fall(reason))), assigned, NOW)

    assert after.rung <= before.rung
    assert after.earned == before.earned


@given(profile=_profile, assigned=_assigned, share=st.floats(0, 1, exclude_max=True))
def test_nothing_changes_by_time_before_it_says(profile: Profile, assigned: str, share: float) -> None:
    """Whoever remembers it until then is right all the while."""
    found = standing(LADDER, profile, assigned, NOW)
    until = found.until if found.until < math.inf else NOW + 10_000 * DAY
    assert until > NOW
    # The product may be rounded up to the end itself.
    later = min(NOW + (until - NOW) * share, math.nextafter(until, NOW))

    assert standing(LADDER, profile, assigned, later) == found


@given(profile=_profile, assigned=_assigned)
def test_what_is_missing_lifts(profile: Profile, assigned: str) -> None:
    """Who shows all that is missing for a rung has earned it."""
    for index in range(len(LADDER.rungs)):
        lacking = missing(LADDER, index, profile, NOW)
        kept = tuple(one for one in profile.evidence if one.kind not in lacking)
        whole = replace(profile, evidence=(*kept, *shown(*lacking)))
        assert standing(LADDER, whole, assigned, NOW).earned >= index


def test_words_are_there_for_all() -> None:
    """A kind that a ladder names can be told to people."""
    assert all(KINDS.values())
    assert Proof(math.inf, 0.0, 0.0, "") == USUAL
