"""What the detector says of an account: how sure it is, on what grounds, and with whom. The rules say what follows."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol


class Level(enum.IntEnum):
    """What a cluster may come to, rising. `suspend` is a person's word alone: no program sets it."""

    OBSERVE = 0
    BUDGET = 1
    """One bucket for the cluster instead of one an account."""
    TRACE = 2
    """A few requests are throttled: a relay shows its next head."""
    HOLD = 3
    """Features and new models wait."""
    CHALLENGE = 4
    VERIFY = 5
    SUSPEND = 6

    @property
    def word(self) -> str:
        return self.name.lower()


class Family(enum.StrEnum):
    """Kinds of evidence that do not follow from each other. Each is capped, and none convicts alone."""

    LINKS = "links"
    """Payment, document, device; ids, turns and prompts that wander between accounts."""
    CONTENT = "content"
    """Templates that only they use."""
    WORK = "work"
    """One list of work, shared: interchangeable accounts."""
    BALANCE = "balance"
    """As if a load balancer stood before them."""
    NETWORK = "network"
    REGISTRATION = "registration"
    PIVOT = "pivot"
    """To a new model within a day, all at once."""
    TRUST = "trust"
    """What speaks for them; never above 0."""


class Verdict(NamedTuple):
    """Of one account."""

    account: str
    cluster: str
    """Id of the cluster, stable while most of it stays: `c`, a number, and which detector counted: `c1-5f0a9c`."""
    score: float
    """Log-likelihood ratio in nats, families added under their caps, trust off."""
    families: tuple[tuple[str, float], ...] = ()
    """(Family, nats), the strongest first; those of less than 0.05 nats are left out."""
    evidence: tuple[str, ...] = ()
    """In plain words, no text of callers: at most one line a family."""
    size: int = 1
    """Accounts in the cluster."""
    most: Level = Level.SUSPEND
    """The highest level that it may come to, whatever the score: a cluster in one place is never challenged."""
    since: float = 0.0
    """Unix time at which it was first said of this account."""
    expires: float = 0.0
    """Unix time from which on it counts no more, unless it is renewed."""
    version: int = 0
    """Of the detector's words about this account: the higher one counts."""

    @property
    def kinds(self) -> int:
        """Families that speak against it with a nat or more."""
        return sum(nats >= 1.0 for _, nats in self.families)


class Verdicts(Protocol):
    """What a worker knows; never waits."""

    def of(self, account: str, now: float) -> Verdict | None:
        """The one in force at `now`, Unix time."""
