"""Records of shingles that are shared by some parties: in whose company does each come?

A ring has 32 places. An event writes its number into the place of its party's hash, in the rings of all its shingles
that have a record. Shingles of one template have equal rings; a phrase of many texts has a ring of its own. A party has
one place in all rings, so it can neither bind nor loosen a template alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.content.arrays import I32, I64, U8, U32, U64

PLACES: Final = 32
SUSPECT: Final = 0
PUBLIC: Final = 1
"""Trusted parties use it about as much as others."""
REJECTED: Final = 2
"""By a person, with its template."""


class Heavies:
    """Records by number; numbers are used again."""

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self.tags: U64 = np.zeros(0, np.uint64)
        """Spread hash; 0 is a free record."""
        self.slots: I64 = np.zeros(0, np.int64)
        """In the table."""
        self.authors: U32 = np.zeros(0, np.uint32)
        """As in the table."""
        self.events: U32 = np.zeros((0, PLACES), np.uint32)
        """Rings of event numbers; 0 is empty."""
        self.parties: I32 = np.zeros((0, PLACES), np.int32)
        """Whose event it was: -1 for nobody's, -2 - party for a trusted one's."""
        self.template: I32 = np.zeros(0, np.int32)
        """Number of the template, -1 for none."""
        self.standing: U8 = np.zeros(0, np.uint8)
        """One of `SUSPECT`, `PUBLIC`, `REJECTED`."""
        self._free: list[int] = []

    def promote(self, tags: U64, slots: I64, authors: U32) -> I32:
        """Numbers of new records, in the order given; the last ones have -1 where there is no room."""
        while len(self._free) < len(tags) and len(self.tags) < self.at_most:
            self._grow()
        numbers = np.full(len(tags), -1, np.int32)
        room = min(len(self._free), len(tags))
        got = [self._free.pop() for _ in range(room)]
        numbers[:room] = got
        self.tags[got] = tags[:room]
        self.slots[got] = slots[:room]
        self.authors[got] = authors[:room]
        self.events[got] = 0
        self.parties[got] = -1
        self.template[got] = -1
        self.standing[got] = SUSPECT
        return numbers

    @property
    def live(self) -> I64:
        """Numbers of the records in use."""
        return np.flatnonzero(self.tags)

    def drop(self, numbers: I64) -> None:
        self.tags[numbers] = 0
        self.template[numbers] = -1
        self.restock()

    def restock(self) -> None:
        """What is free follows from the tags: the lowest number goes first."""
        self._free = np.flatnonzero(self.tags == 0)[::-1].tolist()

    def write(self, numbers: I32, places: U8, events: U32, parties: I32) -> None:
        """Where one place is written twice the last one counts."""
        self.events[numbers, places] = events
        self.parties[numbers, places] = parties

    def _grow(self) -> None:
        old = len(self.tags)
        size = min(max(2 * old, 1024), self.at_most)
        more = size - old
        self.tags = np.concatenate([self.tags, np.zeros(more, np.uint64)])
        self.slots = np.concatenate([self.slots, np.zeros(more, np.int64)])
        self.authors = np.concatenate([self.authors, np.zeros(more, np.uint32)])
        self.events = np.concatenate([self.events, np.zeros((more, PLACES), np.uint32)])
        self.parties = np.concatenate([self.parties, np.full((more, PLACES), -1, np.int32)])
        self.template = np.concatenate([self.template, np.full(more, -1, np.int32)])
        self.standing = np.concatenate([self.standing, np.zeros(more, np.uint8)])
        self.restock()
