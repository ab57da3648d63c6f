"""The last exchanges that ended in a worker, for whoever follows live.

Where the exchange log is on, an event is made anyway and this keeps the same tuple. Where it is off, what was refused
or went wrong is kept always, and what passed only while somebody follows: making an event costs 2 µs, keeping one 0.1.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.history.columns import Event

SIZE: Final = 2048
"""Events that are kept: some 3 MB."""
FOLLOWED_FOR: Final = 3.0
"""Seconds after it was last asked for which somebody counts as following."""

Discreet = Callable[[list[Event]], list[Event]]


def as_they_are(events: list[Event]) -> list[Event]:
    return events


class Since(NamedTuple):
    """What came since a number."""

    events: list[Event]
    """Oldest first."""
    number: int
    """To ask with the next time."""
    skipped: int
    """Events that came and are gone: the ring was faster than who asked."""


class Recent:
    """A ring. `discreet` takes out what may not be kept of callers' addresses, when somebody asks and not before."""

    def __init__(self, clock: Callable[[], float], discreet: Discreet = as_they_are) -> None:
        self.life = secrets.token_hex(8)
        """Another one in each process: numbers of another life mean nothing."""
        self.number = 0
        """Events so far."""
        self.followed = False
        """Somebody wants what passes, too."""
        self._ring: list[Event] = [()] * SIZE
        self._clock = clock
        self._discreet = discreet
        self._until = 0.0

    def note(self, event: Event) -> None:
        number = self.number
        self._ring[number % SIZE] = event
        self.number = number + 1

    def since(self, number: int, limit: int) -> Since:
        """Up to `limit` events with that number or a later one; where there are more, the newest."""
        first = max(number, self.number - limit, self.number - SIZE, 0)
        events = [self._ring[index % SIZE] for index in range(first, self.number)]
        return Since(self._discreet(events), self.number, max(0, first - max(0, number)))

    def find(self, wanted: str, column: tuple[int, ...]) -> Event | None:
        """The newest event that has the text in the first of these columns, else in the next."""
        for at in column:
            for index in range(self.number - 1, max(self.number - SIZE, 0) - 1, -1):
                event = self._ring[index % SIZE]
                if event[at] == wanted:
                    return self._discreet([event])[0]
        return None

    def follow(self) -> None:
        """Somebody follows: for some seconds everything is kept. Called within the event loop."""
        self._until = self._clock() + FOLLOWED_FOR
        if not self.followed:
            self.followed = True
            asyncio.get_running_loop().call_later(FOLLOWED_FOR, self._look)

    def _look(self) -> None:
        left = self._until - self._clock()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._look)
        else:
            self.followed = False
