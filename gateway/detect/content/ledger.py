"""How often each party has hit each template: sorted keys and counts, a batch of them folded in at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.content.arrays import I32, I64, U32, U64, Flags

_TEMPLATE: Final = np.uint64(33)
_TRUSTED: Final = np.uint64(1 << 32)
_PARTY: Final = np.uint64(0xFFFFFFFF)


class Ledger:
    """A key is template << 33 | trusted << 32 | party."""

    def __init__(self, at_most: int) -> None:
        self.keys: U64 = np.empty(0, np.uint64)
        self.counts: U32 = np.empty(0, np.uint32)
        self._fresh: list[U64] = []
        self._waiting = 0
        self._at_most = at_most

    def add(self, templates: I32, parties: I32, trusted: Flags) -> None:
        """One hit each."""
        keys: U64 = (templates.astype(np.uint64) << _TEMPLATE) | parties.astype(np.uint64)
        keys[trusted] |= _TRUSTED
        self._fresh.append(keys)
        self._waiting += len(templates)
        if self._waiting > 1 << 16:
            self.fold()

    def fold(self) -> None:
        """Takes in what waits. Beyond the bound all counts are halved, and what comes to nothing goes."""
        if not self._fresh:
            return
        keys, counts = np.unique(np.concatenate(self._fresh), return_counts=True)
        self._fresh, self._waiting = [], 0
        places = np.searchsorted(self.keys, keys)
        known = np.zeros(len(keys), np.bool_)
        inside = places < len(self.keys)
        known[inside] = self.keys[places[inside]] == keys[inside]
        self.counts[places[known]] += counts[known].astype(np.uint32)
        new = ~known
        self.keys = np.insert(self.keys, places[new], keys[new])
        self.counts = np.insert(self.counts, places[new], counts[new].astype(np.uint32))
        while len(self.keys) > self._at_most:
            self.halve()

    def halve(self) -> None:
        self.counts >>= np.uint32(1)
        stays = self.counts > 0
        self.keys, self.counts = self.keys[stays], self.counts[stays]

    def move(self, old: int, new: int) -> None:
        """The hits of one template are another's from now on; of -1, nobody's."""
        self.fold()
        low, high = self._range(old)
        keys, counts = self.keys[low:high], self.counts[low:high]
        self.keys = np.delete(self.keys, np.s_[low:high])
        self.counts = np.delete(self.counts, np.s_[low:high])
        if new < 0 or not len(keys):
            return
        keys = (keys & np.uint64((1 << 33) - 1)) | (np.uint64(new) << _TEMPLATE)
        merged, inverse = np.unique(np.concatenate([self.keys, keys]), return_inverse=True)
        self.counts = np.bincount(inverse, np.concatenate([self.counts, counts]), len(merged)).astype(np.uint32)
        self.keys = merged

    def of(self, template: int) -> tuple[I32, U32, I32, U32]:
        """Untrusted parties and their hits, trusted parties and theirs."""
        self.fold()
        low, high = self._range(template)
        keys, counts = self.keys[low:high], self.counts[low:high]
        middle = int(np.searchsorted(keys, (np.uint64(template) << _TEMPLATE) | _TRUSTED))
        parties = (keys & _PARTY).astype(np.int32)
        return parties[:middle], counts[:middle], parties[middle:], counts[middle:]

    def sizes(self, templates: I64) -> tuple[I64, I64]:
        """(Untrusted, trusted) distinct parties of each."""
        self.fold()
        first = templates.astype(np.uint64) << _TEMPLATE
        low = np.searchsorted(self.keys, first)
        middle = np.searchsorted(self.keys, first | _TRUSTED)
        high = np.searchsorted(self.keys, first + np.uint64(1 << 33))
        return (middle - low).astype(np.int64), (high - middle).astype(np.int64)

    def _range(self, template: int) -> tuple[int, int]:
        low = int(np.searchsorted(self.keys, np.uint64(template) << _TEMPLATE))
        return low, int(np.searchsorted(self.keys, np.uint64(template + 1) << _TEMPLATE))
