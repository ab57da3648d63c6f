"""The numbers of the detector, in one place. They were chosen by benign replay and by ablation (docs/detection.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.campaigns.verdict import Family


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
