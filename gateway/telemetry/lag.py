"""How late an event loop is: what a busy processor, or code that does not wait, costs every exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

EVERY: Final = 0.1


class Lag:
    """The most that a timer came too late since it was last asked. Seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._worst = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Within the event loop that is watched."""
        self._due = self._clock() + EVERY
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._rang)

    def _rang(self) -> None:
        self._worst = max(self._worst, self._clock() - self._due)
        self.start()

    def take(self) -> float:
        """And begin anew. While it is overdue, that counts, too; 0 where nobody has started it."""
        worst, self._worst = self._worst, 0.0
        return max(worst, self._clock() - self._due) if self._timer is not None and self._due < self._clock() else worst

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
