"""What is put into a template: samples by hash, so that each sampled filling and party is followed for good."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from gateway.detect.content.arrays import U32, U64, mixed

FILLINGS: Final = 256
"""Fillings that are followed: those with the lowest hashes (KMV: Bar-Yossef et al. 2002), 6 % standard error."""
PARTIES: Final = 32
EACH: Final = 8
"""Fillings of a followed party that are compared."""
BINS: Final = 16
ALL: Final = 1 << 64


class Resemblance(NamedTuple):
    """Mean Jaccard similarity of fillings apart from the template, estimated by one-permutation hashing."""

    within: float
    """Of one party's; NaN where there are no pairs."""
    across: float
    """Of different parties."""
    pairs: int
    """Within parties."""


def signature_of(shingles: U64) -> U32:
    """The least hash in each of 16 bins; all ones in an empty one (Li, Owen, Zhang 2012)."""
    hashes = mixed(shingles)
    least = np.full(BINS, 0xFFFFFFFF, np.uint32)
    np.minimum.at(least, (hashes & np.uint64(BINS - 1)).astype(np.int64), (hashes >> np.uint64(32)).astype(np.uint32))
    return least


@dataclass(slots=True)
class Slots:
    """Of one template."""

    fillings: dict[int, list[int]] = field(default_factory=dict)
    """Hash -> [the party that showed it first, events, events of other parties]."""
    below: int = ALL
    """Fillings with a hash below this are followed."""
    parties: dict[int, dict[int, U32]] = field(default_factory=dict)
    """Party -> hash of the filling -> signature."""
    among: int = ALL
    """Parties whose hash is below this are followed."""

    def note(self, party: int, filling: int) -> None:
        """An event of a followed filling."""
        known = self.fillings.get(filling)
        if known is not None:
            known[1] += 1
            known[2] += known[0] != party
            return
        self.fillings[filling] = [party, 1, 0]
        if len(self.fillings) >= 2 * FILLINGS:
            lowest = sorted(self.fillings)
            self.below = lowest[FILLINGS]
            self.fillings = {hashed: self.fillings[hashed] for hashed in lowest[:FILLINGS]}

    def compare(self, place: int, filling: int, signature: U32) -> None:
        """An event of a followed party; `place` is its hash."""
        held = self.parties.setdefault(place, {})
        held[filling] = signature
        if len(held) > EACH:
            del held[next(iter(held))]
        if len(self.parties) >= 2 * PARTIES:
            lowest = sorted(self.parties)
            self.among = lowest[PARTIES]
            self.parties = {hashed: self.parties[hashed] for hashed in lowest[:PARTIES]}

    @property
    def distinct(self) -> float:
        """Fillings."""
        return len(self.fillings) * (ALL / self.below)

    @property
    def elsewhere(self) -> float:
        """The share of fillings that came from more than one party."""
        return sum(known[2] > 0 for known in self.fillings.values()) / max(len(self.fillings), 1)

    @property
    def repeated(self) -> float:
        """Events a filling, less one: that came again from the party that showed it first."""
        again = sum(known[1] - known[2] - 1 for known in self.fillings.values())
        return again / max(len(self.fillings), 1)

    def resemblance(self) -> Resemblance:
        owners = [place for place, held in self.parties.items() for _ in held]
        if len(owners) < 2:
            return Resemblance(float("nan"), float("nan"), 0)
        rows = np.stack([signature for held in self.parties.values() for signature in held.values()])
        there = rows != 0xFFFFFFFF
        both = there[:, None] & there[None]
        used = (there[:, None] | there[None]).sum(axis=2)
        equal = ((rows[:, None] == rows[None]) & both).sum(axis=2) / np.maximum(used, 1)
        numbers = np.unique(owners, return_inverse=True)[1]
        upper = np.triu(np.ones(equal.shape, np.bool_), 1) & (used > 0)
        same = (numbers[:, None] == numbers[None]) & upper
        others = upper & ~same
        return Resemblance(_mean(equal[same]), _mean(equal[others]), int(same.sum()))


def _mean(values: np.typing.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
