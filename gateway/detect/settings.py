"""The numbers of the detector, in one place, and what can be left out of it; what came of them: docs/detection.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.campaigns.verdict import Family

SIGNALS: Final = (
    # links
    *("payment", "document", "device", "phone", "email", "customer", "minted", "turns", "failover"),
    # content
    *("absence", "templates", "elicitation", "capabilities"),
    # work
    *("words", "output", "hours", "mix", "private", "fillings"),
    # balance, and the size of a cluster, which is of no family
    *("gini", "size"),
    # network, registration
    *("bundle", "asn", "prefix", "network_kinds", "cohort", "email_domain", "path", "signup_country"),
)
"""Names that can be left out, beside families. `pivot` and `trust` are families of one signal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds, evidence in nats."""

    caps: dict[str, float] = field(
        default_factory=lambda: {
            Family.LINKS: 8.0,
            Family.CONTENT: 6.0,
            Family.WORK: 3.0,
            Family.BALANCE: 3.0,
            Family.NETWORK: 2.0,
            Family.REGISTRATION: 2.0,
            Family.PIVOT: 2.0,
            Family.TRUST: 8.0,
        }
    )
    """Family -> the most that it may say."""
    without: frozenset[str] = frozenset()
    """Families, and names of single signals, that are left out: for ablation."""
    alarm: float = 5.0
    """From which score on a cluster is told of."""
    look: float = 10.0
    """Seconds of the events' clock between two looks."""
    group: float = 600.0
    """Seconds between two groupings of soft evidence, at the most."""
    lasts: float = 7 * 86_400.0
    """A verdict counts for so long after its evidence was last seen."""
    half_life: float = 7 * 86_400.0
    """Of what an account is remembered for."""
    accounts_at_most: int = 1_200_000
    shingles_at_most: int = 1 << 21
    """Slots of the table of shingles; a power of two."""
    seed: int = 7
