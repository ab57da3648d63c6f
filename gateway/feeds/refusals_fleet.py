"""Refusals of the whole fleet, through one Redis stream: what a worker counts, the others know within a second.

`tg:refusals`   stream: one entry a batch of a worker. Its fields: w a name of the worker for as long as it lives,
                c JSON, `[[account, slot, how many so far], ...]`, where a slot is Unix time by `SLOT`

A count is what the worker has counted in that slot so far: to hear it again, late, or after a higher one changes
nothing. While Redis is away each worker goes by its own counts, and what it has to tell waits, up to a bound.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from gateway.feeds.refusals import REMEMBERED
from gateway.feeds.refusals_memory import RecentRefusals, slot_of
from gateway.fleet_stream import Outages, follow, tell, texts
from gateway.tasks import spawn

STREAM: Final = "tg:refusals"
"""Spelled as the keys in `gateway.stores.keys`, which feeds may not import; it has a slot of a Cluster to itself."""
LONGEST: Final = 20_000
"""Entries that the stream keeps, about."""
BATCH: Final = 200
"""Counts in one entry: to read it is a fraction of a millisecond."""
PAUSE: Final = 0.25
"""Seconds in which counts gather before they are told: an account that is refused a thousand times is told once."""
WAITING_AT_MOST: Final = 20_000
"""Counts that wait for Redis."""
AHEAD: Final = 60.0
"""Seconds that a slot may be ahead of our clock."""

_LONGEST_ACCOUNT: Final = 256
_LARGEST: Final = 1_000_000_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the worker began."""

    counted: int = 0
    """Refusals here."""
    told: int = 0
    """Counts that were written."""
    learnt: int = 0
    """Counts that were read and were news."""
    dropped: int = 0
    """Counts that found the queue full, or are of an account that JSON cannot spell: others do not know of them."""
    unreadable: int = 0
    """What was read and made no sense."""
    failures: int = 0
    """Calls that Redis did not answer."""


class FleetRefusals(RecentRefusals):
    """As `Refusals`, of the whole fleet while `run` runs. `now` gives Unix time in seconds."""

    def __init__(self, now: Callable[[], float], **bounds: Any) -> None:
        super().__init__(now, **bounds)
        self.counts = Counts()
        self._worker = token_hex(8)
        self._outages = Outages(self.counts, _log, "refusals", "each worker goes by its own")
        self._to_tell: dict[tuple[str, int], int] = {}
        """(account, slot) -> the count so far."""
        self._wake = asyncio.Event()

    @property
    def available(self) -> bool:
        """Whether the last that was heard of Redis were answers."""
        return not self._outages

    def _learnt(self, account: str, slot: int, count: int) -> None:
        self.counts.counted += 1
        key = (account, slot)
        if (len(self._to_tell) >= WAITING_AT_MOST and key not in self._to_tell) or not _is_sayable(account):
            self.counts.dropped += 1
            return
        self._to_tell[key] = count
        self._wake.set()

    async def run(self, redis: Redis) -> None:
        """Tell and listen until cancelled; it never gives up. The client is the caller's to close."""
        write = functools.partial(self._write, redis)
        telling = spawn(tell(self._to_tell, self._wake, PAUSE, BATCH, write, self._outages), name="tell refusals")
        try:
            await follow(redis, STREAM, self._now, REMEMBERED, self._hear, self._outages)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _write(self, redis: Redis, batch: Mapping[tuple[str, int], int]) -> None:
        oldest = slot_of(self._now() - REMEMBERED)
        rows = [(account, slot, count) for (account, slot), count in batch.items() if slot >= oldest]
        if rows:
            entry: dict[Any, Any] = {"w": self._worker, "c": orjson.dumps(rows)}
            await redis.xadd(STREAM, entry, maxlen=LONGEST, approximate=True)
        self.counts.told += len(rows)

    def _hear(self, fields: Mapping[Any, Any]) -> None:
        try:
            said = texts(fields)
            worker, rows = said["w"], orjson.loads(said["c"])
            if worker == self._worker:
                return
            if not 0 < len(worker) <= 64 or not isinstance(rows, list) or len(rows) > BATCH:
                raise ValueError("no counts")
        except (KeyError, ValueError):
            self.counts.unreadable += 1
            return
        latest = slot_of(self._now() + AHEAD)
        for row in rows:
            if not _is_count(row) or row[1] > latest:
                self.counts.unreadable += 1
            elif self.learn(row[0], row[1], worker, row[2]):
                self.counts.learnt += 1


def _is_sayable(account: str) -> bool:
    """A token may name an account by half of a surrogate pair."""
    try:
        account.encode()
    except UnicodeEncodeError:
        return False
    return len(account) <= _LONGEST_ACCOUNT


def _is_count(row: Any) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and 0 < len(row[0]) <= _LONGEST_ACCOUNT
        and all(type(number) is int and 0 < number <= _LARGEST for number in row[1:])
    )
