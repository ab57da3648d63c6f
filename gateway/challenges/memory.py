"""What is held of accounts in this process alone: for rehearsals, for entries in shadow, and for tests."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from gateway.challenges.interface import Changed, Name, Told
from gateway.challenges.ladder import CLEARANCES_AT_MOST, NOTHING_HELD, Clearance, Event, Held, Ladder
from gateway.challenges.steps import after, lasts

NAMES: Final = 65_536
"""Accounts, and solvers. What was touched longest ago is forgotten first."""
SOLVED_FOR: Final = 1_000
"""Subjects that are remembered of a solver."""

_KeyT = TypeVar("_KeyT")
_ValueT = TypeVar("_ValueT")


class MemoryEscalations:
    """`gateway.challenges.interface.Escalations`, never unavailable, in bounded memory. `now` gives Unix time."""

    def __init__(self, now: Callable[[], float], told: Sequence[Told] = (), names: int = NAMES) -> None:
        self._now = now
        self._told = tuple(told)
        self._names = names
        self._held: OrderedDict[Name, Held] = OrderedDict()
        self._ends: dict[Name, float] = {}
        """When a record says nothing any more."""
        self._drawn: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._solved: OrderedDict[str, dict[str, float]] = OrderedDict()
        """Solver -> subject -> when it was first noted."""
        self._waiting: dict[Name, set[asyncio.Future[None]]] = {}

    def __repr__(self) -> str:
        return f"<MemoryEscalations {len(self._held)} held>"

    @property
    def held(self) -> Mapping[Name, Held]:
        """All of it."""
        return self._held

    async def look(self, rule: str, subject: str) -> Held:
        """As `held`, without what is over."""
        name = (rule, subject)
        if self._ends.get(name, 0.0) <= self._now():
            self._forget(name)
        return self._held.get(name, NOTHING_HELD)

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        """Nothing of another task comes in between."""
        name, now = (rule, subject), self._now()
        before = await self.look(rule, subject)
        then = before
        for event in events:
            then = after(ladder, then, event, now)
        if then is before:
            return before, then
        self._forget(name)
        seconds = lasts(ladder, then, now)
        if seconds > 0.0:
            while len(self._held) >= self._names:
                self._forget(next(iter(self._held)))
            self._held[name], self._ends[name] = then, now + seconds
        for waiting in self._waiting.get(name, ()):
            if not waiting.done():
                waiting.set_result(None)
        for tell in self._told:
            tell(Changed(rule, subject, before, then, now))
        return before, then

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        """Of one that is over, or was never given, there is nothing."""
        held = self._held.get((rule, subject), NOTHING_HELD)
        given = next((one for one in held.clearances if one.id == clearance.id), None)
        if given is None or self._now() >= given.expires:
            return 0
        if not given.exchanges:
            return wanted
        name = (rule, subject, clearance.id)
        drawn = self._drawn.get(name, 0)
        more = max(0, min(wanted, given.exchanges - drawn))
        _write(self._drawn, name, drawn + more, self._names * CLEARANCES_AT_MOST)
        return more

    async def solvers(self, solver: str, subject: str, within: float) -> int:
        """The first SOLVED_FOR are known; the others come after them."""
        now = self._now()
        known = self._solved.get(solver, {})
        if now - known.get(subject, -math.inf) >= within:
            known = {one: at for one, at in known.items() if now - at < within and one != subject}
            if len(known) < SOLVED_FOR:
                known[subject] = now
        _write(self._solved, solver, known, self._names)
        begin = known.get(subject, math.inf)
        before = sum(now - at < within and at < begin for at in known.values())
        ties = [one for one, at in known.items() if at == begin]
        return before + (ties.index(subject) if subject in ties else 0) + 1

    async def wait(self, rule: str, subject: str, seconds: float) -> None:
        """By the clock of the event loop."""
        name = (rule, subject)
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        others = self._waiting.setdefault(name, set())
        others.add(waiting)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await waiting
        except TimeoutError:
            return
        finally:
            others.discard(waiting)
            if not others and self._waiting.get(name) is others:
                del self._waiting[name]

    def _forget(self, name: Name) -> None:
        self._held.pop(name, None)
        self._ends.pop(name, None)


def _write(known: OrderedDict[_KeyT, _ValueT], key: _KeyT, value: _ValueT, at_most: int) -> None:
    """As the youngest; the oldest goes where there is no room."""
    known.pop(key, None)
    while len(known) >= at_most:
        known.popitem(last=False)
    known[key] = value
