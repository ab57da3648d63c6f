"""Workers are told of a change through Redis, so that it bites at once; they look for themselves twice a second anyway.

Channel `tg:directory`, JSON: {"version": 17, "accounts": ["acme"]}. An empty name stands for every account. Where the
list would be long it is left out, and workers read it from the database.

Who writes never waits for Redis: a thread says what was committed, in that order. What cannot be said is counted, and
said in the log.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

import orjson
from redis.exceptions import RedisClusterException, RedisError

from gateway.accounts.outage import Outage, said
from gateway.accounts.sql.database import Change

CHANNEL: Final = "tg:directory"
LISTED: Final = 1000
"""Accounts at most in a message."""
PAUSE: Final = 2.0
"""Seconds after a failure in which Redis is left alone: what waits meanwhile would be old news."""
WAITING: Final = 1000
"""Changes at most that wait to be said."""
PATIENCE: Final = 3.0
"""Seconds for which whoever closes it waits: a command that ends has said what it did, if Redis is there."""

_log = logging.getLogger(__name__)


class Announcer:
    """A Database's `announce`. It is called in the thread of the write, after the commit; it never raises, or waits."""

    def __init__(
        self, connect: Callable[[], Any], clock: Callable[[], float], pause: float = PAUSE, waiting: int = WAITING
    ) -> None:
        """`connect` makes a client that blocks, with short timeouts (`gateway.stores.redis.client.blocking`): called
        when there is something to say, since one for a Cluster asks for its nodes at once. `clock` is monotonic.
        """
        self._connect = connect
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Change | threading.Event] = queue.SimpleQueue()
        self._most = waiting
        self._thread: threading.Thread | None = None
        self._closed = False
        self._client: Any = None
        self._silent_until = float("-inf")
        self._outage = Outage(
            _log, "changes cannot be announced, workers notice them within a second", "changes are announced again"
        )
        self.told = 0
        self.untold = 0

    def __call__(self, change: Change) -> None:
        with self._lock:
            if self._closed or self._waiting.qsize() >= self._most:
                self.untold += 1
                self._outage.begins("it is closed" if self._closed else f"{self._most} wait to be said")
                return
            if self._thread is None:
                # A daemon: a Redis that hangs does not keep a process from ending.
                self._thread = threading.Thread(target=self._run, name="announce", daemon=True)
                self._thread.start()
            self._waiting.put(change)

    def settle(self, patience: float = PATIENCE) -> bool:
        """Wait until all so far is said, or given up; False where that takes longer."""
        done = threading.Event()
        with self._lock:
            if self._thread is None:
                return True
            self._waiting.put(done)
        return done.wait(patience)

    def close(self, patience: float = PATIENCE) -> None:
        with self._lock:
            self._closed = True
        # Else the thread still has the client, and is gone with the process.
        if self.settle(patience) and self._client is not None:
            self._client.close()

    def _run(self) -> None:
        while True:
            found = self._waiting.get()
            if isinstance(found, Change):
                self._say(found)
                continue
            found.set()
            if self._closed and self._waiting.empty():
                return

    def _say(self, change: Change) -> None:
        if self._clock() < self._silent_until:
            self.untold += 1
            return
        try:
            if self._client is None:
                self._client = self._connect()
            self._client.publish(CHANNEL, message(change))
        except (RedisError, RedisClusterException, OSError, ValueError) as error:
            # redis-py does not count a Cluster of which no node answers among its RedisErrors. ValueError: an address
            # that cannot be read, which the gateway's own configuration would have said.
            self._silent_until = self._clock() + self._pause
            self.untold += 1
            self._outage.begins(said(error))
        else:
            self.told += 1
            self._outage.ends()


def message(change: Change) -> bytes:
    if len(change.accounts) > LISTED:
        return orjson.dumps({"version": change.version})
    return orjson.dumps({"version": change.version, "accounts": change.accounts})


def read(content: bytes | str) -> Change | None:
    """None where somebody else has said something. No accounts where the message names none."""
    try:
        document = orjson.loads(content)
        version, accounts = document["version"], document.get("accounts", [])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if type(version) is not int or not isinstance(accounts, list):
        return None
    if not all(isinstance(account, str) for account in accounts):
        return None
    return Change(version, tuple(accounts))
