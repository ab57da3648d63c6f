"""The process that works the inbox off: hidden, as the supervisor starts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.tasks import spawn
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import World
from gateway.verification.duties import Duties
from gateway.verification.pokes import listen
from gateway.verification.provider import Provider

log = logging.getLogger(__name__)

DRAIN: Final = 15.0
"""Seconds for what is in hand when it is told to stop."""


async def run(
    database: Database,
    secrets: Secrets,
    providers: Mapping[str, Provider],
    ladder: Callable[[], Ladder | None],
    limits: Callable[[], Mapping[str, IdentityLimit]],
    redis: Redis | RedisCluster | None,
    stop: asyncio.Event,
) -> None:
    """Until `stop`. Closes none of what it was given."""
    clerk = Clerk(database, providers, World(secrets, limits), database.now)
    duties = Duties(database, providers, clerk, ladder, database.now, asyncio.sleep)
    tasks = [spawn(clerk.run(), "clerk"), spawn(duties.run(), "duties")]
    if redis is not None:
        tasks.append(spawn(listen(redis, clerk.poke), "pokes of the clerk"))
    stopped = spawn(stop.wait(), "stop of the clerk")
    try:
        # One that crashes ends the process: who supervises it starts it again.
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        try:
            async with asyncio.timeout(DRAIN):
                await clerk.idle()
        except TimeoutError:
            log.warning("%r: they are due again when their lease ends", clerk)
