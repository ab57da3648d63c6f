"""Who follows which decisions. Workers are asked only while somebody does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import orjson

from gateway.control.live.feed import Inbox, event
from gateway.control.live.lines import Lines
from gateway.control.live.rows import Filter, Row, row_of
from gateway.history.columns import AT
from gateway.tasks import spawn

EVERY: Final = 0.125
"""Seconds between two looks: so a reader has 8 batches a second at most."""
BATCH: Final = 500
"""Rows in one batch at most: more than a person's eye and a browser take."""
FIRST: Final = 200
"""Rows from before, for whoever begins to follow."""
KEPT: Final = 4000
_TIME: Final = AT["time"]

Wanted = Callable[[Mapping[str, Any]], bool]


class _Line(NamedTuple):
    row: Row
    content: bytes


class _Place(NamedTuple):
    """Up to where a worker was read."""

    life: str
    since: int


class Follow:
    """Merges what workers tell, by time, and hands each follower what it wants."""

    def __init__(self, lines: Lines, pause: Callable[[float], Any] = asyncio.sleep) -> None:
        self._lines = lines
        self._pause = pause
        self._followers: dict[Inbox, Wanted] = {}
        self._kept: deque[_Line] = deque(maxlen=KEPT)
        self._places: dict[str, _Place] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, wanted: Filter) -> Iterator[Inbox]:
        """What is wanted comes into the inbox, at first the last that were there already."""
        test = wanted.test()
        inbox = Inbox(BATCH)
        if self._task is None or self._task.done():
            self._kept.clear()
            self._places.clear()
            self._followers[inbox] = test
            self._task = spawn(self._run(), name="live decisions")
        else:
            inbox.put([line.content for line in self._kept if test(line.row)][-FIRST:])
            self._followers[inbox] = test
        try:
            yield inbox
        finally:
            del self._followers[inbox]

    async def _run(self) -> None:
        while self._followers:
            await self.look()
            await self._pause(EVERY)

    async def look(self) -> None:
        """Ask every worker once, and tell the followers."""
        first = not self._places
        events: list[tuple[str, list[Any]]] = []
        skipped = 0
        for worker, told in await self._lines.ask(self._target):
            before = self._places.get(worker)
            self._places[worker] = _Place(told["life"], told["since"])
            if before is not None and before.life == told["life"]:
                skipped += told["skipped"]
            events += [(worker, event) for event in told["rows"]]
        events.sort(key=_time)
        lines = [_line(worker, event) for worker, event in events]
        self._kept += lines
        for inbox, test in self._followers.items():
            found = [line.content for line in lines if test(line.row)]
            inbox.put(found[-FIRST:] if first else found, 0 if first else skipped)

    def _target(self, worker: str) -> str:
        place = self._places.get(worker)
        return "/recent" if place is None else f"/recent?since={place.since}&life={place.life}"


def _time(told: tuple[str, list[Any]]) -> float:
    time: float = told[1][_TIME]
    return time


def _line(worker: str, told: list[Any]) -> _Line:
    row = row_of(told, worker)
    return _Line(row, orjson.dumps(row))


def batch(rows: list[bytes], skipped: int) -> bytes:
    """One event: an array of rows, oldest first; where some were left out, an event before it says how many."""
    left_out = event("skipped", b'{"skipped":%d}' % skipped) if skipped else b""
    return left_out + (event("decisions", b"[%b]" % b",".join(rows)) if rows else b"")
