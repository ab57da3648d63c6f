"""What the detector says of accounts, as it stands in Redis: for people to look at. Nothing is decided by it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from gateway.campaigns.verdict import Verdict
from gateway.feeds.verdicts import HELD, is_of_now, read
from gateway.fleet_stream import AWAY

log = logging.getLogger(__name__)
PATIENCE: Final = 2.0
"""Seconds."""


async def verdicts_of(redis: Any, accounts: Sequence[str], now: float) -> dict[str, Verdict]:
    """Those in force at `now`. Where Redis does not answer there are none."""
    if redis is None or not accounts:
        return {}
    try:
        async with asyncio.timeout(PATIENCE):
            found = await redis.hmget(HELD, list(accounts))
    except AWAY as error:
        log.warning("verdicts cannot be read: %s", type(error).__name__)
        return {}
    told = [verdict for text in found if text is not None and (verdict := _read(text)) is not None]
    return {one.account: one for one in told if one.score > 0.0 and one.expires > now and is_of_now(one, now)}


def _read(text: bytes | str) -> Verdict | None:
    """None for what no detector has written."""
    try:
        return read(text)
    except ValueError:
        return None
