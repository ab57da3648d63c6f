"""What a worker remembers of the fleet's escalations: bounded, and never older than it was."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.challenges.fleet_calls import Record
from gateway.challenges.interface import Name
from gateway.challenges.ladder import Held

ADDRESS: Final = "address="
"""What begins so is no account (`gateway.challenges.interface.Name`)."""
NAMES: Final = 100_000
SWEPT: Final = 2
"""Names looked at whenever one is learnt, whether their time is over."""


class _Mark(NamedTuple):
    version: int
    until: float


class Remembered:
    """The newest of each name. Where there is no room, those go first that nothing is asked of, oldest first.

    `now` gives Unix time; `forgot` is called for each that had to go although something was asked of it.
    """

    def __init__(self, now: Callable[[], float], forgot: Callable[[], None], names: int = NAMES) -> None:
        self.held: dict[Name, Held] = {}
        self._now = now
        self._forgot = forgot
        self._names = names
        self._light: OrderedDict[Name, _Mark] = OrderedDict()
        """Observed, and nothing else; or no account. As the other in the order in which they were learnt; the first
        of a plain dict is found slowly where many before it have gone.
        """
        self._heavy: OrderedDict[Name, _Mark] = OrderedDict()

    def version(self, name: Name) -> int:
        """0 where it is not known."""
        mark = self._heavy.get(name) or self._light.get(name)
        return mark.version if mark is not None else 0

    def until(self, name: Name) -> float:
        """Of what is known."""
        mark = self._heavy.get(name) or self._light[name]
        return mark.until

    def of(self, name: Name) -> Held | None:
        """What is in force; forgotten where its time is over."""
        mark = self._heavy.get(name) or self._light.get(name)
        if mark is None:
            return None
        if self._now() >= mark.until:
            self._drop(name)
            return None
        return self.held[name]

    def learn(self, name: Name, record: Record) -> bool:
        """Whether it is news: of another version than what is known, and that a higher one."""
        if record.version <= self.version(name):
            return False
        self._drop(name)
        held = record.held
        name = (sys.intern(name[0]), name[1])  # There are few rules, and many records.
        self.held[name] = held
        # Of accounts: addresses come by the million, and must drive out nobody who is under review.
        asked = (held.step or held.open or held.clearances) and not name[1].startswith(ADDRESS)
        (self._heavy if asked else self._light)[name] = _Mark(record.version, record.until)
        self._sweep()
        return True

    def _sweep(self) -> None:
        now = self._now()
        for marks in (self._light, self._heavy):
            for _ in range(SWEPT):
                name = next(iter(marks), None)
                if name is None or marks[name].until > now:
                    break
                self._drop(name)
        while len(self.held) > self._names:
            if not self._light:
                self._forgot()
            self._drop(next(iter(self._light or self._heavy)))

    def _drop(self, name: Name) -> None:
        if self.held.pop(name, None) is not None:
            self._light.pop(name, None)
            self._heavy.pop(name, None)
