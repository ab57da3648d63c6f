"""Attackers by what they know and pay for (detection.md, section 7), as numbers that a search may turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Attacker:
    """Shares are from 0 to 1, times in days unless said otherwise."""

    name: str
    cover: float = 0.0
    """Share of an account's exchanges that are unrelated traffic."""
    variants: int = 1
    """Wordings of each template."""
    hits: float = 1.0
    """Share of distillation prompts that show their template; the others are asked in free words."""
    linked: float = 1.0
    """Share of accounts that have something hard in common with another."""
    per_card: int = 4
    """Accounts on one payment card, where linked."""
    networks: int = 400
    """/24s of the relay at full scale; 0 is one for each account."""
    bundles: int = 1
    """Bundles of client software; 0 is as honest people's."""
    sigma: float = 0.0
    """Of a log-normal of load; 0 is least recently used. 0.6 has a Gini of 0.36 (a pool's), 1.32 one of 0.65."""
    rewrites_ids: bool = False
    wander: float = 1.0
    """Share of expired conversations that go on at another account."""
    failover: float = 1.0
    """Seconds after which a refused prompt is tried at another account."""
    age: float = 10.0
    """Accounts were made over so many days before."""
    ramp: float = 0.0
    """Days until all accounts work."""
    templates: int = 12
    """Of each lab."""
    pool: int = 0
    """Distinct fillings of a template; 0 is without end."""
    own_words: float = 0.0
    """Share of words in each prompt that an account repeats of its own: to look like a program's own text."""
    poisoned: int = 0
    """Verified accounts that use the templates too: to look trusted."""
    new_words: float = 0.0
    """Templates are reworded every so many days; 0 is never."""
    life: int = 0
    """Exchanges after which an account is thrown away for a new one; 0 is never."""
    accounts: float = 1.0
    """More accounts for the same work."""
    path: str = ""


TIERS: Final[Mapping[str, Attacker]] = {
    "lazy": Attacker("lazy"),
    "mid": Attacker(
        "mid", variants=20, linked=0.0, networks=0, bundles=3, sigma=0.6, rewrites_ids=True, age=40.0, failover=1.5
    ),
    "careful": Attacker(
        "careful",
        variants=20,
        hits=0.10,
        linked=0.05,
        per_card=2,
        networks=0,
        bundles=0,
        sigma=1.32,
        rewrites_ids=True,
        wander=0.05,
        failover=900.0,
        age=500.0,
        ramp=2.0,
    ),
    "very_careful": Attacker(
        "very_careful",
        variants=20,
        hits=0.02,
        linked=0.02,
        per_card=2,
        networks=0,
        bundles=0,
        sigma=1.32,
        rewrites_ids=True,
        wander=0.02,
        failover=3_600.0,
        age=700.0,
        ramp=3.0,
    ),
    "adaptive": Attacker(
        "adaptive",
        variants=20,
        linked=0.0,
        networks=0,
        bundles=3,
        sigma=0.6,
        rewrites_ids=True,
        wander=0.3,
        failover=90.0,
        age=40.0,
        new_words=1.0,
        life=60,
    ),
}
COVERS: Final = (0, 50, 75, 90, 95)
"""Per cent."""


@dataclass(frozen=True, slots=True)
class Lab:
    """For whom a relay works."""

    name: str
    exchanges: float
    """In 45 days, at full scale."""
    accounts: int
    turns: float
    """Of a conversation, on average."""
    features: tuple[tuple[int, float], ...]
    """Index of `columns.FEATURES`, and its share."""
    code: bool = False
    moves: float = 0.0
    """Share of its traffic that is on a new model 24 h after its release."""


CAMPAIGNS: Final[Mapping[str, tuple[Lab, ...]]] = {
    "A": (
        Lab("D", 150_000, 218, 1.0, ((1, 0.9), (0, 0.1))),
        Lab("M", 3_400_000, 4_930, 4.0, ((2, 0.5), (3, 0.3), (4, 0.2))),
        Lab("X", 13_000_000, 18_852, 6.0, ((2, 0.6), (4, 0.2), (0, 0.2)), code=True, moves=0.5),
    ),
    "B": (Lab("Q", 28_800_000, 25_000, 6.0, ((2, 0.6), (4, 0.3), (0, 0.1)), code=True, moves=0.4),),
}
PERIOD: Final = 45.0
"""Days of a campaign, of which a world shows the first."""
