"""What is held of accounts in this process alone: for rehearsals, for entries in shadow, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.challenges.interface import Name, Told
from gateway.challenges.ladder import Clearance, Event, Held, Ladder


class MemoryEscalations:
    """`gateway.challenges.interface.Escalations`, never unavailable. In bounded memory: what was touched longest ago
    is forgotten first.
    """

    def __init__(self, now: Callable[[], float], told: Sequence[Told] = ()) -> None:
        self._now = now
        self._told = tuple(told)

    @property
    def held(self) -> Mapping[Name, Held]:
        raise NotImplementedError

    async def look(self, rule: str, subject: str) -> Held:
        raise NotImplementedError

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        raise NotImplementedError

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        raise NotImplementedError

    async def solvers(self, solver: str, subject: str, within: float) -> int:
        raise NotImplementedError

    async def wait(self, rule: str, subject: str, seconds: float) -> None:
        raise NotImplementedError
