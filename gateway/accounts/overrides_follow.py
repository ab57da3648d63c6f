"""A worker keeps what operators have set as the database has it: read when told of a change, and by itself at an end.

`begin` is called before the worker serves: a freeze is not forgotten by a restart. While the database is away the last
that was known stays in force, and runs out as it was set to; a worker that starts then takes what the gateway's file
has of the last that any worker has held (`overrides_kept`). Where there is neither, it starts with none, says so at the
level of an error, and asks again twice a second.

Who tells it of changes is the follower of the directory (`gateway.accounts.follow`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.outage import Outage, said
from gateway.accounts.overrides_kept import KeptOverrides
from gateway.accounts.sql import overrides as stored
from gateway.accounts.sql.database import Database
from gateway.overrides.live import LiveOverrides
from gateway.overrides.whole import Overrides
from gateway.tasks import is_cancelled

INTERVAL: Final = 0.5
"""Seconds between looks at the clock: a wall clock may jump."""
PATIENCE: Final = 3.0
"""Seconds for which a start waits for the database."""

_log = logging.getLogger(__name__)


class OverridesFollower:
    """Swaps `live.whole`. `run` is for a task of its own; it never gives up."""

    def __init__(
        self,
        database: Database,
        kept: KeptOverrides,
        live: LiveOverrides,
        now: Callable[[], float],
        swapped: Callable[[], None] = lambda: None,
        *,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        """`now` is Unix time; `swapped` is told after each swap, in the event loop."""
        self._database = database
        self._kept = kept
        self._live = live
        self._now = now
        self._swapped = swapped
        self._interval = interval
        self._patience = patience
        self._wake = asyncio.Event()
        self._changed = True
        """Whether something may be there that was not read yet."""
        self._latest = now()
        self._unreadable: frozenset[str] = frozenset()
        self._outage = Outage(
            _log, "overrides cannot be read, the last known stay in force", "overrides are read again"
        )
        self._file_outage = Outage(
            _log, "overrides cannot be kept for a start without the database", "overrides are kept again"
        )
        self.at = 0.0
        """Unix time since when these hold here; 0 before the first."""

    @property
    def current(self) -> bool:
        """Whether all that was told of is read, as far as is known."""
        return self._outage.over and not self._changed

    def changed(self) -> None:
        """Something was set, changed or taken back; or all may be other than it was."""
        self._changed = True
        self._wake.set()

    async def begin(self) -> None:
        """Before anything is served."""
        try:
            async with asyncio.timeout(self._patience):
                await self.load()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._changed = True
            self._outage.begins(said(error))
            if not self.at:
                await self._take_kept()

    async def run(self) -> None:
        """Until cancelled."""
        while not is_cancelled():
            self._wake.clear()
            self._look_at_clock()
            if self._changed:
                try:
                    await self.load()
                except (SQLAlchemyError, OSError) as error:
                    self._changed = True
                    self._outage.begins(said(error))
                    # Not woken by another change: it would be asked as often as somebody writes elsewhere.
                    await asyncio.sleep(self._interval)
            await self._expire()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_next()):
                    await self._wake.wait()

    async def load(self) -> None:
        """Read all, and swap. Raises SQLAlchemyError."""
        # Before the question: what is told while it is answered is asked again.
        self._changed = False
        found = await self._database.reading(functools.partial(stored.read, now=self._now()))
        self._outage.ends()
        unreadable = frozenset(found.unreadable)
        for sentence in sorted(unreadable - self._unreadable):
            _log.error("%s", sentence)
        self._unreadable = unreadable
        if self._live.whole.revision == found.revision and self._live.whole.all == found.overrides and self.at:
            return
        # Ten thousand of them take some tens of milliseconds to sort: not in the event loop.
        await self._swap(await asyncio.to_thread(Overrides, found.overrides, found.revision, self._now()))

    def _look_at_clock(self) -> None:
        """A clock that was put back: what had expired by it holds again, and only the database has it."""
        now = self._now()
        if now < self._latest:
            self._changed = True
        self._latest = now

    async def _expire(self) -> None:
        whole = self._live.whole
        if self._now() >= whole.next_expiry:
            await self._swap(await asyncio.to_thread(whole.at, self._now()))

    async def _swap(self, whole: Overrides) -> None:
        before, self._live.whole = self._live.whole, whole
        self.at = self._now()
        _log.info("overrides in force: %d, revision %d (before: %d)", len(whole.all), whole.revision, before.revision)
        self._swapped()
        try:
            await asyncio.to_thread(self._kept.write, whole)
        except OSError as error:
            self._file_outage.begins(error.strerror or error)
        else:
            self._file_outage.ends()

    async def _take_kept(self) -> None:
        try:
            whole = await asyncio.to_thread(self._kept.read, self._now())
        except (OSError, ValueError) as error:
            _log.error("the last overrides cannot be read either: %s", error)
            whole = None
        if whole is None:
            _log.error("no override holds until the database answers: nobody knows which there are")
            return
        self._live.whole = whole
        self.at = self._now()
        _log.warning("overrides as they were kept hold: %d, revision %d", len(whole.all), whole.revision)
        self._swapped()

    def _until_next(self) -> float:
        left = self._live.whole.next_expiry - self._now()
        return max(0.001, min(self._interval, left))
