"""Workers tell the fleet which overrides they hold, through Redis: so that "applied" is a fact, also for others.

Hash `tg:live`: a field for each worker (`host/gateway/worker/pid`), JSON {"revision", "at", "told"}. A worker that is
gone tells nothing more; what was told too long ago is removed by whoever reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisClusterException, RedisError

from gateway.tasks import is_cancelled

KEY: Final = "tg:live"
EVERY: Final = 5.0
"""Seconds."""
FRESH: Final = 3 * EVERY
"""Seconds for which a worker counts as there after it has told something."""
TIMEOUT: Final = 1.0
AGAIN: Final = 0.25
"""Seconds after a failure."""
SEPARATOR: Final = "/"
AWAY: Final = (RedisError, RedisClusterException, OSError, TimeoutError, ValueError)
"""redis-py does not count a Cluster of which no node answers among its RedisErrors."""

_log = logging.getLogger(__name__)


class Told(NamedTuple):
    """What one worker has told."""

    gateway: str
    worker: str
    revision: int
    at: float
    """Unix time since when it holds there, by that host's clock."""
    told: float
    """Unix time at which it was told, by the same clock."""


class Telling:
    """One worker's part. `run` is for a task of its own; that Redis is away is nothing that it fails for."""

    def __init__(
        self,
        redis: Redis,
        gateway: str,
        worker: str,
        held: Callable[[], tuple[int, float]],
        now: Callable[[], float],
        *,
        every: float = EVERY,
    ) -> None:
        """`held` says the revision that this worker holds, and since when. Names hold no `/`."""
        self._redis = redis
        self._field = f"{gateway.replace(SEPARATOR, '_')}{SEPARATOR}{worker.replace(SEPARATOR, '_')}"
        self._held = held
        self._now = now
        self._every = every
        self._wake = asyncio.Event()

    def swapped(self) -> None:
        """It holds others: tell it at once."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while not is_cancelled():
            self._wake.clear()
            try:
                await self.tell()
            except AWAY as error:
                _log.debug("what overrides are held here cannot be told: %s", error)
                await asyncio.sleep(AGAIN)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()

    async def tell(self) -> None:
        """Raises what redis-py raises, and TimeoutError."""
        revision, at = self._held()
        value = orjson.dumps({"revision": revision, "at": at, "told": self._now()})
        async with asyncio.timeout(TIMEOUT):
            await self._redis.hset(KEY, self._field, value)

    async def leave(self) -> None:
        """It ends: nobody is to wait for it."""
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(TIMEOUT):
                await self._redis.hdel(KEY, self._field)


async def told(redis: Redis, now: float) -> list[Told]:
    """What the workers of the fleet hold, by name. Raises what redis-py raises."""
    content = await cast("Awaitable[dict[Any, Any]]", redis.hgetall(KEY))
    found, gone = [], []
    for field, value in content.items():
        one = _read(_text(field), value)
        if one is None or one.told < now - FRESH:
            gone.append(field)
        else:
            found.append(one)
    if gone:
        await redis.hdel(KEY, *gone)
    return sorted(found)


def _read(field: str, value: bytes | str) -> Told | None:
    """None where somebody else has written something."""
    gateway, separator, worker = field.partition(SEPARATOR)
    try:
        document = orjson.loads(value)
        told_at = float(document["told"])
        return Told(gateway, worker, int(document["revision"]), float(document["at"]), told_at) if separator else None
    except (ValueError, KeyError, TypeError):
        return None


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
