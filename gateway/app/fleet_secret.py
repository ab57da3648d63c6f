"""The fleet's secret where no directory has any: kept in Redis, beside what it guards. Whoever can read it there can
write that as well.
"""

from __future__ import annotations

import asyncio
import logging
import secrets as random
from typing import Any, Final

from gateway.accounts.secrets import Secrets
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY

log = logging.getLogger(__name__)

SECRET: Final = "tg:challenge-secret"  # noqa: S105 - the name of a key


async def fleet_secrets(redis: Any) -> Secrets:
    """One that all workers have. Without Redis, one for this worker alone: callers do not wait for it."""
    try:
        found = await _kept(redis)
    except AWAY as error:
        log.warning("no secret of the fleet: challenges of other workers are not believed here: %s", error)
        found = None
    return Secrets({"fleet": found if found is not None else random.token_bytes(32)})


async def shared_secrets(redis: Any) -> Secrets:
    """The fleet's, however long that takes: hashes that no other gateway makes would be worth nothing."""
    retry = FIRST_RETRY
    while True:
        try:
            found = await _kept(redis)
        except AWAY as error:
            log.warning("no secret of the fleet, so nothing is observed yet: %s", str(error) or type(error).__name__)
            found = None
        if found is not None:
            return Secrets({"fleet": found})
        await asyncio.sleep(retry)
        retry = min(retry * 2, LAST_RETRY)


async def _kept(redis: Any) -> bytes | None:
    """None where it is gone at once: a Redis that evicts. Raises what Redis does."""
    await redis.set(SECRET, random.token_hex(32), nx=True)
    found = await redis.get(SECRET)
    return found if isinstance(found, bytes) else None
