"""Verdicts of the fleet's detector, in a worker's memory: told through a stream, and read whole at the start.

While Redis is away what was heard stays in force until it expires, which it does by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from gateway.campaigns.verdict import Verdict
from gateway.feeds.verdicts import BATCH, HELD, TOLD, is_of_now, read, verdict_of
from gateway.fleet_stream import AGAIN, AWAY, FIRST_RETRY, LAST_RETRY, Outages, follow
from gateway.tasks import is_cancelled, spawn

AT_MOST: Final = 200_000
"""Accounts, of about 1 KB: the largest campaign known has 25,000."""
SCANNED: Final = 500
"""Entries of the hash that are read at once: some milliseconds of a loop that serves others as well."""
PATIENCE: Final = 5.0
"""Seconds for one of these reads."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the worker began."""

    learnt: int = 0
    """Verdicts that were news."""
    old: int = 0
    """Those that were not: heard again, or late."""
    unreadable: int = 0
    """What was read and made no sense."""
    dropped: int = 0
    """Verdicts for which there was no room: those go first that end first."""
    failures: int = 0
    """Calls that Redis did not answer."""


class FleetVerdicts:
    """As `Verdicts`, of the whole fleet while `run` runs. `now` gives Unix time in seconds."""

    def __init__(self, now: Callable[[], float], most: int = AT_MOST) -> None:
        self.counts = Counts()
        self._now = now
        self._most = most
        self._of: dict[str, Verdict] = {}
        self._outages = Outages(self.counts, _log, "verdicts", "those that are known stay in force until they expire")
        self._whole = asyncio.Event()
        """Set where all of the hash has to be read."""
        self._failures_seen = 0
        self._known = asyncio.Event()

    def __len__(self) -> int:
        """Accounts of which something is known, in force or not."""
        return len(self._of)

    @property
    def known(self) -> bool:
        """Whether all that was told was read once."""
        return self._known.is_set()

    async def caught_up(self, within: float) -> bool:
        """Wait until then, at most so many seconds: who serves before lets everybody through. Returns `known`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._known.wait()
        if not self.known:
            _log.warning("verdicts are not read yet: until they are, nobody is held by them")
        return self.known

    @property
    def available(self) -> bool:
        """Whether the last that was heard of Redis were answers."""
        return not self._outages

    def of(self, account: str, now: float) -> Verdict | None:
        """The one in force at `now`, Unix time."""
        verdict = self._of.get(account)
        return verdict if verdict is not None and verdict.score > 0.0 and now < verdict.expires else None

    async def run(self, redis: Redis) -> None:
        """Listen until cancelled; it never gives up. The client is the caller's to close."""
        self._whole.set()
        reading = spawn(self._read_on(redis), name="read all verdicts")
        try:
            await follow(redis, TOLD, self._now, AGAIN, self._hear, self._outages, self._caught_up)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def learn(self, verdict: Verdict) -> None:
        """Of two about one account the later version counts."""
        before = self._of.get(verdict.account)
        if before is not None and before.version >= verdict.version:
            self.counts.old += 1
            return
        now = self._now()
        if before is None and verdict.expires <= now:
            self.counts.old += 1
            return
        if not is_of_now(verdict, now):
            self.counts.unreadable += 1
            return
        self.counts.learnt += 1
        self._of[verdict.account] = verdict
        if len(self._of) > self._most:
            self._make_room()

    def _make_room(self) -> None:
        """A tenth at once: to look for the first of so many costs too much for each."""
        now = self._now()
        over = [account for account, verdict in self._of.items() if verdict.expires <= now]
        if len(self._of) - len(over) > self._most * 9 // 10:
            left = len(self._of) - self._most * 9 // 10
            soonest = heapq.nsmallest(left, self._of.values(), key=lambda one: (one.score > 0.0, one.expires))
            over = [verdict.account for verdict in soonest]
            self.counts.dropped += sum(verdict.score > 0.0 and verdict.expires > now for verdict in soonest)
        for account in over:
            del self._of[account]

    def _hear(self, fields: Mapping[Any, Any]) -> None:
        try:
            told = orjson.loads(fields.get(b"v", fields.get("v", b"")))
        except ValueError:
            told = None
        if not isinstance(told, list) or len(told) > BATCH:
            self.counts.unreadable += 1
            return
        for said in told:
            try:
                verdict = verdict_of(said)
            except ValueError:
                self.counts.unreadable += 1
            else:
                self.learn(verdict)

    def _caught_up(self) -> None:
        """Where Redis did not answer meanwhile, the stream may have been trimmed further than we had read it."""
        if self.counts.failures != self._failures_seen:
            self._failures_seen = self.counts.failures
            self._whole.set()

    async def _read_on(self, redis: Redis) -> None:
        retry = FIRST_RETRY
        while not is_cancelled():
            await self._whole.wait()
            self._whole.clear()
            try:
                await self._read_all(redis)
            except AWAY as error:
                self._outages.began("read", error)
                self._failures_seen = self.counts.failures
                self._whole.set()
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY)
            else:
                retry = FIRST_RETRY
                self._outages.ended("read")
                self._known.set()

    async def _read_all(self, redis: Redis) -> None:
        cursor = 0
        found: Any
        while True:
            async with asyncio.timeout(PATIENCE):
                cursor, found = await redis.hscan(HELD, cursor, count=SCANNED)
            for content in found.values():
                try:
                    verdict = read(content)
                except ValueError:
                    self.counts.unreadable += 1
                else:
                    self.learn(verdict)
            if not cursor:
                return
            await asyncio.sleep(0)
