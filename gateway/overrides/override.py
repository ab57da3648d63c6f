"""One override: which limit, for whom, what instead, until when. Pure.

An override names one limit of the rules in force, or all of them (`*`), and a scope; whoever is in all that the scope
states is meant. Usage is kept: only the numbers that travel with each take change (`gateway.policy.Limit`).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

ALL_LIMITS: Final = "*"


class Kind(enum.StrEnum):
    """What an override does."""

    SET = "set"
    """These numbers instead of the file's; what is not stated stays as it is there."""
    SCALE = "scale"
    """The file's capacity and refill, times `factor`. With an expiry it is what people call a boost."""
    FREEZE = "freeze"
    """Nothing passes: 429 `quota_frozen`, and SDKs are told not to try again."""
    UNLIMITED = "unlimited"
    """The limit is not asked, and does not count."""
    SHADOW = "shadow"
    """Every entry but those of kind auth is in shadow: for all, and all limits. Needs an expiry."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom: all that is stated has to hold; nothing stated means everybody."""

    account: str = ""
    organisation: str = ""
    tier: str = ""
    model: str = ""
    """A pattern as in `models` of a limit (`*`, `?`)."""
    country: str = ""
    """ISO 3166-1 alpha-2: where the exchange comes from."""
    accounts: frozenset[str] = frozenset()
    """A cluster: accounts that act as one."""
    created_after: float = 0.0
    """New accounts: made at or after this Unix time. Whose age is unknown is not new."""


EVERYBODY: Final = Scope()


@dataclass(frozen=True, slots=True)
class Override:
    """Immutable: a change makes a new one with the next revision."""

    id: int
    revision: int
    """Of its last change: its ETag. One number for all overrides of a directory, that only grows."""
    limit: str
    """A name, or ALL_LIMITS. Only FREEZE, UNLIMITED, SCALE (not for concurrency's refill) and SHADOW are for all."""
    scope: Scope
    kind: Kind
    capacity: float | None = None
    """For SET: in the limit's unit."""
    refill: float | None = None
    every: float | None = None
    """Seconds."""
    factor: float = 1.0
    """For SCALE: above 0."""
    reason: str = ""
    by: str = ""
    """Who set it: `cli:USER`, the name of a token, who signed in."""
    created: float = 0.0
    """Unix time of its last change."""
    expires: float = math.inf
    """Unix time from which on it is as if it were not there."""
