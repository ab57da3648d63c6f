"""What an owner should hear of the evidence that the account stands on: what ends, and when. Pure."""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

from gateway.accounts.ladder import USUAL, Ladder
from gateway.policy import Evidence, Profile


class About(enum.StrEnum):
    """How far it has come."""

    RENEW = "renew"
    """It ends soon: it can be shown again already."""
    GRACE = "grace"
    """It has ended, and its tier stays for a while."""
    ENDED = "ended"
    """It counts no more."""


class Notice(NamedTuple):
    """Of one kind of evidence. Times are Unix time."""

    about: About
    kind: str
    ends: float
    goes: float
    """When the tier that rests on it goes, or went."""


def end(ladder: Ladder, evidence: Evidence) -> float:
    """Unix time at which it ends, before any grace; inf for never."""
    proof = ladder.proofs.get(evidence.kind, USUAL)
    return min(evidence.obtained + proof.lasts, evidence.expires)


def notices(ladder: Ladder, profile: Profile, now: float) -> tuple[Notice, ...]:
    """The most pressing first: what goes soonest, then what is gone."""
    found = []
    for evidence in profile.evidence:
        proof, ends = ladder.proofs.get(evidence.kind, USUAL), end(ladder, evidence)
        goes = ends + proof.grace
        if math.isinf(ends) or now < ends - proof.renew:
            continue
        about = About.RENEW if now < ends else About.GRACE if now < goes else About.ENDED
        found.append(Notice(about, evidence.kind, ends, goes))
    return tuple(sorted(found, key=lambda notice: (notice.about is About.ENDED, notice.goes)))
