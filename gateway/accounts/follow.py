"""A worker follows the changes of the directory: told through Redis, and by a look at the version twice a second.

Versions go up by one, and are visible in their order (`gateway.accounts.sql.database`). So a message with the version
that comes next says all there is to know; any other one means that something was missed, and the database is asked
what. The next look compares what was heard with what is there: a message may be of another directory on the same Redis.
A message that is lost, or a Redis that is away, costs half a second. While the database is away as well, the last that
was known stays in force, but for what messages name.

A version that is lower than the one we know means that the database was restored from a backup: all is read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts import announce
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.outage import Outage, said
from gateway.accounts.sql import lookup, tables
from gateway.accounts.sql.database import ALL, OVERRIDES, Change, Database, versions_since
from gateway.tasks import is_cancelled

INTERVAL: Final = 0.5
TIMEOUT: Final = 1.0
HEARD: Final = 1000
"""Messages that may wait to be seen in the database."""

_log = logging.getLogger(__name__)


class DirectoryFollower:
    """Keeps what a directory remembers as fresh as the database. `run` is for a task of its own; it never gives up."""

    def __init__(
        self,
        database: Database,
        redis: Redis | None,
        directory: LiveDirectory,
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        overrides_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`overrides_changed` is told when what operators set beside limits may be other than it was."""
        self._overrides_changed = overrides_changed
        self._database = database
        self._redis = redis
        self._directory = directory
        self._interval = interval
        self._timeout = timeout
        self._wake = asyncio.Event()
        self._file: tuple[int, int] | None = None
        self._asked_of: Collection[str] | None = None
        """The accounts of accounts.yaml of which it is known whether the database suspends them; None to ask again."""
        self._database_outage = Outage(
            _log,
            "the directory is not followed, the last known stays in force",
            "the directory is followed again",
        )
        self._redis_outage = Outage(
            _log,
            "nobody tells us of changes of the directory: looking has to do",
            "changes are told again",
        )
        self._seen: int | None = None
        """The version up to which the database itself has said what changed."""
        self._heard: dict[int, frozenset[str]] = {}
        """What messages say of those that come next."""
        self.version: int | None = None
        """The one whose changes are all known here; None before the first look."""
        self.changes = 0
        """Accounts that went void."""
        self.missed = 0
        """Versions of which nobody told us in time: found by looking."""

    @property
    def available(self) -> bool:
        """Whether the last look at the database had an answer."""
        return self._database_outage.over

    @property
    def told(self) -> bool:
        """Whether we listen to Redis."""
        return self._redis is not None and self._redis_outage.over

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._look_on(), self._listen_on())

    async def look(self) -> None:
        """Ask the database what has changed. Raises SQLAlchemyError."""
        if self._is_another_file():
            self._database.engine.dispose()
            self._seen = None
        known = self._seen
        version, found = await self._database.reading(functools.partial(self._read, known=known))
        if known is None or version < known:
            if known is not None:
                _log.warning("the directory went back from version %d to %d: all of it is read again", known, version)
            self._forget_all()
            self._heard = {}
        else:
            self._compare(version - known, found)
        # Messages may have brought us further than this answer, meanwhile.
        self._heard = {later: accounts for later, accounts in self._heard.items() if later > version}
        self._seen = self.version = version
        while self.version + 1 in self._heard:
            self.version += 1
        await self._look_at_file()

    def _compare(self, count: int, found: Mapping[int, Collection[str]] | None) -> None:
        """So many versions are new: what of them was not heard, or otherwise, is void now."""
        if found is None:
            self.missed += count
            self._forget_all()
            return
        unheard = [set(accounts) for version, accounts in found.items() if self._heard.get(version) != accounts]
        self.missed += len(unheard)
        accounts = set[str]().union(*unheard)
        if ALL in accounts:
            self._forget_all()
        else:
            self._forget(accounts)

    async def _look_at_file(self) -> None:
        """Which accounts of accounts.yaml are suspended in the database: asked when either of them has changed."""
        named = self._directory.file_accounts
        if named is self._asked_of:
            return
        # Before the question: what changes while it is answered is asked again.
        self._asked_of = named
        try:
            found = await self._database.reading(functools.partial(lookup.suspended, ids=named))
        except BaseException:
            self._asked_of = None
            raise
        self._directory.suspend_of_file(found)

    def hear(self, change: Change) -> None:
        """What a message says."""
        if self.version is None:
            return
        if change.version == self.version + 1 and change.accounts and len(self._heard) < HEARD:
            self.version = change.version
            self._heard[change.version] = frozenset(change.accounts)
        else:
            self._wake.set()
        # Also where something before it was missed: these are known to have changed, whatever else has.
        if ALL in change.accounts:
            self._forget_all()
        else:
            self._forget(change.accounts)
        if self._asked_of is None:
            self._wake.set()

    async def _look_on(self) -> None:
        loop = asyncio.get_running_loop()
        while not is_cancelled():
            self._wake.clear()
            # A look that hangs is not given up, as its thread would hang on: it is said, and waited for.
            slow = loop.call_later(self._timeout, self._database_outage.begins, "no answer")
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                self._database_outage.begins(said(error))
                await asyncio.sleep(self._interval)
            else:
                self._database_outage.ends()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._wake.wait()
            finally:
                slow.cancel()

    async def _listen_on(self) -> None:
        while self._redis is not None and not is_cancelled():
            try:
                async with asyncio.timeout(self._timeout):
                    if isinstance(self._redis, RedisCluster):
                        # Without, redis-py does not know a node to subscribe at.
                        await self._redis.initialize()
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    async with asyncio.timeout(self._timeout):
                        await pubsub.subscribe(announce.CHANNEL)
                    await self._listen(pubsub)
            except (RedisError, RedisClusterException, OSError, TimeoutError, ValueError) as error:
                # redis-py does not count a Cluster of which no node answers among its RedisErrors.
                self._redis_outage.begins(said(error))
                await asyncio.sleep(self._interval)

    async def _listen(self, pubsub: PubSub) -> None:
        while not is_cancelled():
            # The bound is for redis-py, which tries long and silently to get a lost connection back.
            async with asyncio.timeout(self._interval + self._timeout):
                message: dict[str, Any] | None = await pubsub.get_message(timeout=self._interval)
            self._redis_outage.ends()
            change = None if message is None else announce.read(message["data"])
            if change is not None:
                self.hear(change)

    def _read(self, connection: Connection, known: int | None) -> tuple[int, Mapping[int, Collection[str]] | None]:
        if known is None:
            return connection.execute(sql.select(tables.version.c.version)).scalar_one(), None
        return versions_since(connection, known)

    def _is_another_file(self) -> bool:
        """Whether somebody has put another SQLite file in the place of the one that we have open."""
        if self._database.url.get_backend_name() != "sqlite":
            return False
        try:
            found = Path(str(self._database.url.database)).stat()
        except OSError:
            return False  # On its way, or gone: what asks the database will say so.
        before, self._file = self._file, (found.st_dev, found.st_ino)
        return before is not None and before != self._file

    def _forget(self, accounts: Collection[str]) -> None:
        if OVERRIDES in accounts:
            self._overrides_changed()
            accounts = [account for account in accounts if account != OVERRIDES]
        self.changes += len(accounts)
        self._directory.void(accounts)
        if any(map(self._directory.has_in_file, accounts)):
            self._asked_of = None

    def _forget_all(self) -> None:
        self.changes += 1
        self._directory.void_all()
        self._overrides_changed()
        self._asked_of = None
