"""Wall-clock time that is kept to: what would not fit is not begun, and what does not end in time is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

ROOM: Final = 1.1
"""A run is expected to take so much of the slowest of its kind."""


class SpentError(Exception):
    """There is no time left for this."""


@dataclass(slots=True)
class Budget:
    """Seconds of a clock."""

    clock: Callable[[], float]
    until: float
    slowest: dict[str, float] = field(default_factory=dict)
    """Kind of run -> the most seconds that one took."""

    @property
    def left(self) -> float:
        return max(0.0, self.until - self.clock())

    def begin(self, kind: str) -> None:
        """Raises SpentError where a run of this kind would not fit. Of the first of a kind nobody knows."""
        if self.left <= ROOM * self.slowest.get(kind, 0.0):
            raise SpentError

    def check(self) -> None:
        """For within a run: raises SpentError where time is up."""
        if self.clock() >= self.until:
            raise SpentError

    def took(self, kind: str, seconds: float) -> None:
        self.slowest[kind] = max(seconds, self.slowest.get(kind, 0.0))

    def part(self, share: float) -> Budget:
        """Of what is left, with what is known of runs."""
        return Budget(self.clock, self.clock() + share * self.left, self.slowest)
