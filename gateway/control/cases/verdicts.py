"""What the detector says of accounts, as it stands in Redis: the hash `tg:verdicts`, account -> JSON of a `Verdict`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import orjson
import redis.exceptions

from gateway.campaigns.verdict import Level, Verdict

log = logging.getLogger(__name__)
HASH: Final = "tg:verdicts"
_FIELDS: Final = Verdict._fields


async def verdicts_of(redis_: Any, accounts: Sequence[str], now: float) -> dict[str, Verdict]:
    """Those in force at `now`. Where Redis does not answer there are none: this is for people to look at, and nothing
    is decided by it.
    """
    if redis_ is None or not accounts:
        return {}
    try:
        found = await redis_.hmget(HASH, list(accounts))
    except (redis.exceptions.RedisError, OSError) as error:
        log.warning("verdicts cannot be read: %s", type(error).__name__)
        return {}
    read = [verdict for text in found if text is not None and (verdict := verdict_of(text)) is not None]
    return {one.account: one for one in read if one.score > 0.0 and one.expires > now}


def verdict_of(text: bytes | str) -> Verdict | None:
    """None for what cannot be read."""
    try:
        stated = orjson.loads(text)
        values = stated if isinstance(stated, dict) else dict(zip(_FIELDS, stated, strict=False))
        values = {name: value for name, value in values.items() if name in _FIELDS}
        values["families"] = tuple((str(family), float(nats)) for family, nats in values.get("families", ()))
        values["evidence"] = tuple(map(str, values.get("evidence", ())))
        values["most"] = Level(values.get("most", Level.SUSPEND))
        return Verdict(**values)
    except (ValueError, TypeError, AttributeError):
        return None
