"""Shingles that one party alone has shown: a direct-mapped array of 32 bits each, where the newer one displaces.

Most shingles are never seen from two parties. They would fill any table; here one costs four bytes. A slot holds 13
bits of the shingle's hash, two bits of patience, whether the party is trusted, and 16 bits of the party's hash.
A shingle that its party repeats gains patience: so often a stranger in its place has to come before it goes.
Two shingles are taken for one once in 8,192 times: then a private shingle comes to the table, where it stays light.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.detect.content.arrays import U32, U64, Flags, mixed

TRUSTED: Final = 1 << 16
_PARTY: Final = np.uint32(0x1FFFF)
_PATIENCE: Final = np.uint32(3 << 17)
_PATIENT: Final = np.uint32(1 << 17)
_ABOVE: Final = np.uint32(19)
_TAG: Final = np.uint64(0x1FFF)


def codes_of(parties: U64, trusted: Flags) -> U32:
    """What stands for a party: 16 bits of its hash, and whether it is trusted."""
    codes: U32 = hashed(parties) | (trusted.astype(np.uint32) << np.uint32(16))
    return codes


def hashed(parties: npt.NDArray[np.integer]) -> U32:
    """16 bits of each, the lower ones of its code."""
    return (mixed(parties.astype(np.uint64)) >> np.uint64(48)).astype(np.uint32)


class Known(NamedTuple):
    """What the door knew of shingles, before this batch."""

    there: Flags
    codes: U32
    """Of the party that showed it; nothing where not `there`."""


class Door:
    def __init__(self, slots: int) -> None:
        self.slots: U32 = np.zeros(slots, np.uint32)
        self._bits = np.uint64(slots.bit_length() - 1)
        self._mask = np.uint64(slots - 1)

    def ask(self, shingles: U64) -> Known:
        held = self.slots[shingles & self._mask]
        # An empty slot is all zeros; a slot with tag 0, party 0 is taken for one: 1 in 2**29.
        there = ((held >> _ABOVE) == self._tags(shingles)) & (held != 0)
        return Known(there, held & _PARTY)

    def keep(self, shingles: U64, codes: U32, again: Flags) -> None:
        """Notes who has shown each; `again`: it was there already, from the same party."""
        places = shingles & self._mask
        held = self.slots[places]
        fresh = (self._tags(shingles) << _ABOVE) | codes
        patience = held & _PATIENCE
        stays = (patience != 0) & ~again
        grown = np.minimum(patience + _PATIENT, _PATIENCE)
        # A stranger before a patient slot takes a bit of its patience, and is forgotten.
        self.slots[places] = np.where(stays, held - _PATIENT, np.where(again, fresh | grown, fresh))

    def _tags(self, shingles: U64) -> U32:
        return ((shingles >> self._bits) & _TAG).astype(np.uint32)
