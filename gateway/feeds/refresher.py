"""Fetches what says `every` when it is due: for the supervisor, which serves nobody itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.feeds.sources import DatabaseFeed, FeedSet, ListFeed
from gateway.feeds.update import Updated, World, recall, update

RETRY = 300.0
"""The longest that a failed one waits for its next try, in seconds; its own `every`, if that is shorter."""
LONGEST_SLEEP = 60.0

_log = logging.getLogger(__name__)


class Refresher:
    """Whoever watches the data folder sees what came; nothing else is told."""

    def __init__(
        self, feeds: FeedSet, world: World, told: Callable[[Updated], None] | None = None, retry: float = RETRY
    ) -> None:
        """`told` is called after each fetch, good or bad."""
        self.world = world
        self.failing: dict[str, str] = {}
        """Name -> why the last fetch of it failed. A database's name begins with `database `, a list's with `list `."""
        self._told = told
        self._retry = retry
        self._due: dict[str, float] = {}
        self._feeds: dict[str, DatabaseFeed | ListFeed] = {}
        self.replace(feeds)

    def replace(self, feeds: FeedSet) -> None:
        """Other feeds from now on. What stays the same keeps its time."""
        wanted = {_key(feed): feed for feed in feeds.all() if _every(feed)}
        self._due = {key: due for key, due in self._due.items() if wanted.get(key) == self._feeds.get(key)}
        self.failing = {key: why for key, why in self.failing.items() if key in self._due}
        self._feeds = wanted

    async def run(self) -> None:
        """For ever: for a task of its own."""
        while True:
            await self.look()
            await asyncio.sleep(self.pause())

    def pause(self) -> float:
        """Seconds until something is due, at most a minute: clocks are turned."""
        soonest = min(self._due.values(), default=float("inf")) - self.world.now()
        return min(max(soonest, 1.0), LONGEST_SLEEP)

    async def look(self) -> list[Updated]:
        """Fetch what is due, one after the other."""
        done = []
        for key, feed in list(self._feeds.items()):
            if key not in self._due:
                memory = await asyncio.to_thread(recall, self.world.data, feed)
                # A gateway that starts again need not fetch again.
                self._due[key] = memory.checked + _every(feed) if memory.checked else self.world.now()
            if self._due[key] <= self.world.now() and self._feeds.get(key) is feed:
                done.append(await self._fetch(key, feed))
        return done

    async def _fetch(self, key: str, feed: DatabaseFeed | ListFeed) -> Updated:
        found = await update(feed, self.world)
        every = _every(feed)
        if found.what == "failed":
            self._due[key] = self.world.now() + min(every, self._retry)
            _log.error("feed %s was not refreshed from %s: %s", key, feed.source, found.detail)
            self.failing[key] = found.detail
        else:
            self._due[key] = self.world.now() + every
            if self.failing.pop(key, None) is not None:
                _log.warning("feed %s is refreshed again from %s", key, feed.source)
            if found.what == "updated":
                _log.info("feed %s refreshed from %s: %d entries %s", key, feed.source, found.entries, found.detail)
        if self._told is not None:
            self._told(found)
        return found


def _key(feed: DatabaseFeed | ListFeed) -> str:
    return f"{'database' if isinstance(feed, DatabaseFeed) else 'list'} {feed.name}"


def _every(feed: DatabaseFeed | ListFeed) -> float:
    return feed.source.every if feed.source is not None else 0.0
