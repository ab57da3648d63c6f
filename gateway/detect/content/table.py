"""Shingles that two parties or more have shown, with how many have: buckets of eight, linear counting over 64 bits.

Forgetting: the bits of one of the 64 positions are cleared in turn, everywhere, all 64 within two half-lives. A bit
lives one half-life in the mean, unless the party comes again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.content.arrays import I32, I64, U32, U64, starts_of

WAYS: Final = 8
NOBODY: Final = np.uint32(0xFFFFFFFF)
"""The author of what several showed at once."""


class Table:
    """Columns of `slots` values; a shingle is found by bucket (its highest bits), then by equality."""

    def __init__(self, slots: int) -> None:
        buckets = max(slots // WAYS, 2)
        self.tags: U64 = np.zeros((buckets, WAYS), np.uint64)
        """Spread hashes; 0 is empty."""
        size = buckets * WAYS
        self.untrusted: U64 = np.zeros(size, np.uint64)
        self.trusted: U64 = np.zeros(size, np.uint64)
        self.fillings: U64 = np.zeros(size, np.uint64)
        self.seen: U32 = np.zeros(size, np.uint32)
        """Unix time."""
        self.heavy: I32 = np.full(size, -1, np.int32)
        """Number of its record in `Heavies`, -1 for none."""
        self.author: U32 = np.full(size, NOBODY, np.uint32)
        """Code (`door.codes_of`) of the party that showed it while no other did."""
        self._shift = np.uint64(64 - (buckets.bit_length() - 1))

    def find(self, shingles: U64) -> I64:
        """The slot of each, -1 where it is not here."""
        buckets = (shingles >> self._shift).astype(np.int64)
        # Eight flags are read as one number: its lowest byte that is not 0 is the way.
        equal = (self.tags[buckets] == shingles[:, None]).view("<u8").ravel()
        found = np.flatnonzero(equal)
        flags = equal[found]
        ways = np.bitwise_count((flags & -flags) - np.uint64(1)) >> np.uint8(3)
        slots = np.full(len(shingles), -1, np.int64)
        slots[found] = buckets[found] * WAYS + ways
        return slots

    def insert(self, shingles: U64, now: int) -> I64:
        """Slots for distinct ascending shingles that are not here, in the stead of the least worth; -1 where all of a
        bucket are worth more. The columns of a slot are empty then.
        """
        buckets = (shingles >> self._shift).astype(np.int64)
        if not len(buckets):
            return buckets
        starts = starts_of(buckets)
        rank = np.arange(len(buckets)) - np.repeat(starts, np.diff(starts, append=len(buckets)))
        worth = self._worth(buckets, now)
        order = np.argsort(worth, axis=1, kind="stable")
        fits = rank < WAYS
        way = order[np.arange(len(buckets)), np.where(fits, rank, 0)]
        fits &= worth[np.arange(len(buckets)), way] < _KEPT
        slots = np.where(fits, buckets * WAYS + way, -1)
        taken = slots[fits]
        self.tags.reshape(-1)[taken] = shingles[fits]
        for column in (self.untrusted, self.trusted, self.fillings):
            column[taken] = 0
        self.seen[taken] = now
        self.heavy[taken] = -1
        self.author[taken] = NOBODY
        return slots

    def _worth(self, buckets: I64, now: int) -> I32:
        """Of each slot of these buckets: parties count most, then how lately it was seen."""
        slots = buckets[:, None] * WAYS + np.arange(WAYS)
        parties = np.bitwise_count(self.untrusted[slots] | self.trusted[slots]).astype(np.int32)
        hours = (np.maximum(now - self.seen[slots].astype(np.int64), 0) // 3600).astype(np.int32)
        worth = np.where(self.tags[buckets] == 0, -(1 << 20), parties * 12 - hours)
        worth[self.heavy[slots] >= 0] = _KEPT
        return worth.astype(np.int32)

    def forget(self, position: int) -> None:
        """Clears one of the 64 positions everywhere."""
        keep = np.uint64(~(1 << position) & (2**64 - 1))
        for column in (self.untrusted, self.trusted, self.fillings):
            np.bitwise_and(column, keep, out=column)


_KEPT: Final = 1 << 20
"""A record of its own hangs on this slot: it is not displaced."""
