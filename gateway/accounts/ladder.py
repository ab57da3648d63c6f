"""The ladder: which tier an account has earned by what it has shown. Pure, and the same for all who ask.

The policy of kind `kyc`, the account's page, the command line and the clerk all stand on `standing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.policy import Evidence, Fall, Profile


@dataclass(frozen=True, slots=True)
class Proof:
    """How one kind of evidence is had and kept. Times in seconds."""

    lasts: float = math.inf
    renew: float = 0.0
    """So long before its end its owner is asked for it again."""
    grace: float = 0.0
    """So long after its end the tier stays."""
    provider: str = ""
    """Who is asked for it, as tidegate.yaml names it; empty where it comes from the operator's own systems."""


USUAL = Proof()


@dataclass(frozen=True, slots=True)
class Rung:
    """One tier. It requires all that is named here; the rungs below are not asked for again."""

    name: str
    requires: frozenset[str] = frozenset()
    """Kinds of evidence."""
    quota: str = ""
    """The tier whose limits count for it; its own name if empty."""


class IdentityLimit(NamedTuple):
    """How many organisations one person may stand behind, by one kind of link."""

    organisations: int
    within: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs from the lowest, which requires nothing, to the highest."""

    rungs: tuple[Rung, ...]
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Kind of evidence -> how it is kept; USUAL for what is not named."""
    falls: Mapping[str, str] = field(default_factory=dict)
    """Reason to fall -> the highest tier that remains; the lowest for what is not named."""

    def index(self, tier: str) -> int | None:
        """Which rung has that name; None for none."""
        return next((index for index, rung in enumerate(self.rungs) if rung.name == tier), None)


class Standing(NamedTuple):
    """Where an account stands at one moment."""

    rung: int
    """Its place on the ladder: 0 is the lowest."""
    tier: str
    until: float
    """Unix time at which it may be another one although nobody does anything; inf for never."""
    earned: int
    """The rung by evidence alone, whatever was assigned and however it fell."""
    fell: str = ""
    """The reason for which it stands lower than it earned."""


def standing(ladder: Ladder, profile: Profile, assigned: str, now: float) -> Standing:
    """The tier of an account. A rung that somebody assigned stands in for evidence: more of that lifts it further.

    A fall bounds both, and is how an account is held down.
    """
    ends = {kind: end for kind, end in _ends(ladder, profile).items() if end > now}
    until = min(ends.values(), default=math.inf)
    earned = 0
    for index, rung in enumerate(ladder.rungs):
        if rung.requires <= ends.keys():
            earned = index
    index = max(earned, ladder.index(assigned) or 0)
    fell = ""
    for fall in profile.falls:
        if fall.until <= now:
            continue
        until = min(until, fall.until)
        left = remains(ladder, fall)
        if left < index:
            index, fell = left, fall.reason
    return Standing(index, ladder.rungs[index].name, until, earned, fell)


def bound(ladder: Ladder, profile: Profile, now: float) -> Fall | None:
    """The fall that keeps the account lowest, whatever it shows; None where nothing does."""
    lowest: Fall | None = None
    for fall in profile.falls:
        if fall.until > now and (lowest is None or remains(ladder, fall) < remains(ladder, lowest)):
            lowest = fall
    return lowest


def remains(ladder: Ladder, fall: Fall) -> int:
    """The highest rung that such a fall leaves."""
    return ladder.index(ladder.falls.get(fall.reason, "")) or 0


def missing(ladder: Ladder, rung: int, profile: Profile, now: float) -> tuple[str, ...]:
    """The kinds of evidence that the rung requires and the account does not have, by name."""
    ends = _ends(ladder, profile)
    wanted = ladder.rungs[rung].requires
    return tuple(sorted(kind for kind in wanted if ends.get(kind, -math.inf) <= now))


class Due(NamedTuple):
    """Evidence that ends soon, or has ended and is in its grace."""

    kind: str
    ends: float
    """Unix time at which it ends; the tier goes `grace` later."""
    goes: float


def due(ladder: Ladder, profile: Profile, now: float) -> tuple[Due, ...]:
    """What its owner should show again by now, the most pressing first."""
    found = []
    for kind, goes in _ends(ladder, profile).items():
        proof = ladder.proofs.get(kind, USUAL)
        end = goes - proof.grace
        if end - proof.renew <= now < goes:
            found.append(Due(kind, end, goes))
    return tuple(sorted(found, key=lambda due: due.goes))


def _ends(ladder: Ladder, profile: Profile) -> dict[str, float]:
    """Kind -> Unix time until which it counts, grace included."""
    ends: dict[str, float] = {}
    for evidence in profile.evidence:
        proof = ladder.proofs.get(evidence.kind, USUAL)
        ends[evidence.kind] = max(ends.get(evidence.kind, -math.inf), _end(evidence, proof) + proof.grace)
    return ends


def _end(evidence: Evidence, proof: Proof) -> float:
    return min(evidence.obtained + proof.lasts, evidence.expires)
