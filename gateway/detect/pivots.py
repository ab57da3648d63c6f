"""New models: when anybody used them first, and who did so within a day."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.accounts import DAY, Accounts
from gateway.detect.batch import Batch

SLOTS: Final = 32
"""New models that are remembered at the same time: bits of a column."""
ACTIVE: Final = 3 * DAY
"""Who was heard of so long before counts as somebody who could have moved."""


class Pivots:
    def __init__(self) -> None:
        self.first: dict[int, float] = {}
        """Number of a model -> when it was first used."""
        self.slots: dict[int, int] = {}
        """Number of a new model -> its bit."""
        self.began = 0.0
        self._next = 0

    def hear(self, batch: Batch, accounts: Accounts) -> None:
        self.began = self.began or float(batch.time[0])
        for model in np.unique(batch.model).tolist():
            if model and model not in self.first:
                self._meet(model, float(batch.time[batch.model == model].min()), accounts)
        for model, bit in self.slots.items():
            moved = (batch.model == model) & (batch.time - self.first[model] < DAY)
            accounts["moved"][batch.account[moved]] |= np.uint32(1 << bit)

    def _meet(self, model: int, now: float, accounts: Accounts) -> None:
        self.first[model] = now
        # Who has only begun to listen takes every model for a new one.
        if now - self.began < DAY:
            return
        bit = self._next % SLOTS
        self._next += 1
        self.slots = {other: slot for other, slot in self.slots.items() if slot != bit}
        self.slots[model] = bit
        mask = np.uint32(1 << bit)
        accounts["moved"][:] &= ~mask
        there = (accounts["first"] < now) & (accounts["last"] >= now - ACTIVE) & (accounts["heard"] > 0)
        accounts["before"][:] = np.where(there, accounts["before"] | mask, accounts["before"] & ~mask)

    def released(self, now: float) -> dict[int, float]:
        """Bit -> time, of those that came in the last 30 days."""
        return {bit: self.first[model] for model, bit in self.slots.items() if now - self.first[model] < 30 * DAY}

    def save(self) -> dict[str, object]:
        return {
            "first": [[model, at] for model, at in self.first.items()],
            "slots": [[model, bit] for model, bit in self.slots.items()],
            "began": self.began,
            "next": self._next,
        }

    def load(self, saved: dict[str, object]) -> None:
        first, slots, began, following = saved["first"], saved["slots"], saved["began"], saved["next"]
        if not (isinstance(first, list) and isinstance(slots, list) and isinstance(following, int)):
            raise ValueError("models of another shape")  # noqa: TRY004 - what is wrong is the file.
        self.first = {int(model): float(at) for model, at in first}
        self.slots = {int(model): int(bit) for model, bit in slots}
        self.began, self._next = float(str(began)), following
