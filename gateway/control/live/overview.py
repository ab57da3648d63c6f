"""How it goes: the supervisor feels every worker's pulse once a second, and keeps what happened for a day."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson

from gateway.control.live.busy import Busy
from gateway.control.live.feed import Inbox, event
from gateway.control.live.lines import Lines, Told
from gateway.control.live.second import OTHER, UNKNOWN, Differ, add_used
from gateway.control.live.series import Series, told_second

EVERY: Final = 1.0
NAMES: Final = 200
"""Models that were answered, by name. Callers choose names: one that nobody answered never gets a label."""

Models = Callable[[], Container[str]]


def no_models() -> Container[str]:
    """Where no rule and no price names one."""
    return ()


class Names:
    """Which models are called by name: those that prices or rules name, and the last that an upstream counted tokens
    for.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._answered: OrderedDict[str, None] = OrderedDict()

    def newest(self) -> list[str]:
        """Those that were learnt."""
        return list(reversed(self._answered))

    def learn(self, model: str) -> None:
        self._answered[model] = None
        self._answered.move_to_end(model)
        if len(self._answered) > NAMES:
            self._answered.popitem(last=False)

    def __call__(self, model: str) -> str:
        if not model:
            return UNKNOWN
        return model if model in self._answered or model in self._models() else OTHER


class Overview:
    """`run` is for a task of its own. Clocks: `wall` gives Unix time, `clock` seconds."""

    def __init__(
        self,
        lines: Lines,
        wall: Callable[[], float],
        clock: Callable[[], float],
        busy: Busy,
        models: Models = no_models,
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.series = Series()
        self.pulses: list[Told] = []
        """The last of each worker that answered."""
        self._lines = lines
        self._wall = wall
        self._clock = clock
        self._busy = busy
        self._names = Names(models)
        self._differ = Differ()
        self._pause = pause
        self._followers: set[Inbox] = set()

    async def asked_for(self, _: str) -> Sequence[str]:
        """Models that upstreams counted tokens for lately, whoever asked: the newest first."""
        return self._names.newest()

    async def run(self) -> None:
        """For ever: once a second, however long asking takes."""
        due = self._clock()
        while True:
            await self.look()
            due = max(due + EVERY, self._clock())
            await self._pause(due - self._clock())

    async def look(self) -> None:
        """Feel every pulse once."""
        told = self.pulses = await self._lines.ask("/pulse")
        now = self._wall()
        second = self._differ.second(told, len(self._lines.sockets()), now)
        for _, pulse in told:
            rows = pulse["sums"]
            for row in rows:
                if row[2] and row[5] + row[6]:
                    self._names.learn(row[2])
            add_used(second, rows, self._names)
            self._busy.add(rows, now)
        self.series.add(second)
        if self._followers and (last := self.series.last()) is not None:
            content = orjson.dumps(told_second(last))
            for inbox in self._followers:
                inbox.put([content])

    @contextmanager
    def follow(self) -> Iterator[Inbox]:
        """Seconds as they come; the last one at once."""
        inbox = Inbox(1)
        if (last := self.series.last()) is not None:
            inbox.put([orjson.dumps(told_second(last))])
        self._followers.add(inbox)
        try:
            yield inbox
        finally:
            self._followers.discard(inbox)


def seconds(items: list[bytes], _: int) -> bytes:
    """One event for each; who was too slow for one sees the next."""
    return b"".join(event("second", item) for item in items)
