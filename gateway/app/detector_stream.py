"""`tg:events`, followed from an entry on: what was heard of it, what could not be read, and how far behind it is."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.campaigns.event import NAMES, Event
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, VERSION, salvaged, unpack
from gateway.detect.observations import STREAM
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY, Outages

ENTRIES: Final = 64
"""That are read at once, of at most 256 exchanges each."""

LARGEST: Final = 2**63 - 1
LATEST: Final = 1e11
"""Unix time in seconds that cannot be meant."""
LONGEST_LIST: Final = 1024
_KINDS: Final = {
    name: float if name == "time" else str if name in {"exchange", "account"} else type(Event._field_defaults[name])
    for name in NAMES
    if name not in {"system", "prompt"}
} | {"system": None, "prompt": None}
"""Member -> its type; None for sketches, which are arrays of numbers however they were made."""

log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """What some entries hold."""

    events: list[Event]
    accounts: set[str]
    last: str
    """Id of the last entry."""


@dataclass(slots=True)
class _Counts:
    failures: int = 0


class Following:
    """The reading end. `after` is the last entry that was heard: it is set by who has heard it."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._outages = Outages(_Counts(), log, "observations", "nothing new is found")
        self._retry = FIRST_RETRY
        self._sure = False
        """Whether `after` is an entry that this server can go on from."""
        self.after = "0-0"
        self.caught_up = False
        self.unreadable = 0
        """Entries that are none of ours, of a newer version, or hold what is no event."""
        self.missed = 0.0
        """Seconds of the stream that were gone before they were read."""

    async def read(self, block: float) -> list[Any]:
        """The next entries; none where none came within `block` seconds, or nobody answers."""
        try:
            async with asyncio.timeout(block + 2.0):
                if not self._sure:
                    await self._find()
                answer = await self._redis.xread({STREAM: self.after}, count=ENTRIES, block=max(1, int(block * 1000)))
        except AWAY as error:
            self._outages.began("followed", error)
            self._sure = self.caught_up = False
            await asyncio.sleep(min(self._retry, block))
            self._retry = min(self._retry * 2, LAST_RETRY)
            return []
        self._outages.ended("followed")
        self._retry = FIRST_RETRY
        entries = _entries(answer)
        self.caught_up = len(entries) < ENTRIES
        return entries

    def unpacked(self, entries: list[Any], now: float) -> Heard:
        """For a thread: 16,000 exchanges take a tenth of a second. `now` is Unix time."""
        events: list[Event] = []
        for _, fields in entries:
            try:
                if fields.get(FIELD_VERSION) != VERSION:
                    raise ValueError("another version")
                events += self._sound(fields[FIELD_EVENTS], now)
            except (ValueError, KeyError, TypeError):
                self.unreadable += 1
        return Heard(events, {event.account for event in events}, entries[-1][0].decode())

    def _sound(self, packed: bytes, now: float) -> list[Event]:
        """Those of a batch that the detector can compute with: one that is none would end it, again and again.

        None is later than `now`: a clock that is ahead, or a stranger, would make all that is known long ago.
        """
        try:
            found = unpack(packed)
            sound = are_sound(found)
        except (ValueError, TypeError):
            found, sound = salvaged(packed), False
        if not sound:
            # It may be what one caller has sent: that must not hide the others beside it.
            self.unreadable += 1
            found = [event for event in found if are_sound((event,))]
        return [event if event.time <= now else event._replace(time=now) for event in found]

    def lag(self, now: float) -> float:
        """Seconds between now and what was heard last; 0 at the end of the stream."""
        return 0.0 if self.caught_up else max(0.0, now - _time(self.after)) if self.after != "0-0" else 0.0

    async def _find(self) -> None:
        """At the start, and after an outage: the server may have trimmed what we had not read, or be another one."""
        first = await self._redis.xrange(STREAM, count=1)
        last = await self._redis.xrevrange(STREAM, count=1)
        if first and self.after != "0-0" and _order(first[0][0].decode()) > _order(self.after):
            gap = _time(first[0][0].decode()) - _time(self.after)
            if gap > 1.0:
                self.missed += gap
                log.warning("up to %.0f s of observations are lost: Redis does not have them any more", gap)
        if last and _order(last[0][0].decode()) < _order(self.after):
            # Another server, whose clock is behind: what it has so far was heard, or is lost. What comes is not.
            log.warning("the stream ends before what was heard last: it is followed from its end on")
            self.after = last[0][0].decode()
        self._sure = True


def are_sound(events: Sequence[Event]) -> bool:
    """Whether every member is of its type and in its range: anybody may write into a Redis."""
    for name, column in zip(NAMES, zip(*events, strict=True), strict=False):
        types = set(map(type, column))
        kind = _KINDS[name]
        if kind is float:
            if not types <= {float, int} or not all(map(math.isfinite, column)) or min(column) < 0:
                return False
        elif kind is tuple:
            if types != {tuple} or max(map(len, column)) > LONGEST_LIST:
                return False
        elif kind is int:
            if types != {int} or min(column) < 0 or max(column) > LARGEST:
                return False
        elif kind is not None and types != {kind}:
            return False
    return all(event.account and 0.0 < event.time < LATEST for event in events)


def _entries(answer: Any) -> list[Any]:
    """Of XREAD's answer: a list of streams by RESP2, a mapping by RESP3, nothing where nothing came."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [entry for batches in answer.values() for batch in batches for entry in batch]
    return [entry for _, entries in answer for entry in entries]


def _time(entry: str) -> float:
    return int(entry.partition("-")[0]) / 1000


def _order(entry: str) -> tuple[int, int]:
    time, _, number = entry.partition("-")
    return int(time), int(number or 0)
