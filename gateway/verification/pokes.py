"""Whoever has stored news says so through Redis, and the clerk looks at once. That a poke is lost costs half a second:
the clerk looks for itself as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from gateway.accounts.outage import Outage, said
from gateway.tasks import is_cancelled, spawn

log = logging.getLogger(__name__)

CHANNEL: Final = "tg:inbox"
TIMEOUT: Final = 1.0
INTERVAL: Final = 0.5
PAUSE: Final = 1.0
"""Seconds after which Redis is tried again."""


class Poker:
    """An Inbox's `told`: one message at a time, however often it is called meanwhile."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis = redis
        self._wanted = False
        self._running = False
        self._outage = Outage(log, "the clerk cannot be told of news, and looks for itself", "the clerk is told again")

    def __call__(self) -> None:
        self._wanted = True
        if not self._running:
            self._running = True
            spawn(self._publish(), "poke of the clerk")

    async def _publish(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                async with asyncio.timeout(TIMEOUT):
                    await self._redis.publish(CHANNEL, b"")
                self._outage.ends()
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            self._outage.begins(said(error))
        finally:
            self._running = False


async def listen(redis: Redis | RedisCluster, poke: Callable[[], None], again: float = PAUSE) -> None:
    """Call `poke` for each message, until cancelled."""
    outage = Outage(log, "nobody tells us of news: looking has to do", "news are told again")
    while not is_cancelled():
        try:
            async with asyncio.timeout(TIMEOUT):
                if isinstance(redis, RedisCluster):
                    # Without, redis-py does not know a node to subscribe at.
                    await redis.initialize()
            async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                async with asyncio.timeout(TIMEOUT):
                    await channel.subscribe(CHANNEL)
                outage.ends()
                poke()  # What was said before we listened.
                while not is_cancelled():
                    # The bound is for redis-py, which tries long and silently to get a lost connection back.
                    async with asyncio.timeout(INTERVAL + TIMEOUT):
                        message = await channel.get_message(timeout=INTERVAL)
                    if message is not None:
                        poke()
        except (RedisError, RedisClusterException, OSError, TimeoutError, ValueError) as error:
            outage.begins(said(error))
            await asyncio.sleep(again)
