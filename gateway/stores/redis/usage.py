"""What is in use of some buckets, read and reset off the hot path, by redis-py.

The clock is that of the server which has the bucket, as in the scripts of the store. Buckets of one tag are read in one
script, and so at one moment; others beside them.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

from gateway.policy import Bucket, Measure
from gateway.stores import keys
from gateway.stores.units import scale_of

TIMEOUT: Final = 2.0
"""Seconds for an answer."""
AT_ONCE: Final = 500
"""Buckets that one script looks at: it holds up nobody for long."""
_STATE: Final = struct.Struct("<2d")


class InUse(NamedTuple):
    """Of one bucket."""

    used: float = 0.0
    """Units of the limit, after what has come back by now; more than the capacity is debt. For concurrency: slots."""
    now: float = 0.0
    """Unix time of its server."""
    there: bool = False
    """Whether the store has anything of it: what has drained vanishes."""
    exchanges: tuple[str, ...] = ()
    """Some of those that hold a slot."""


class Usages:
    """`redis` is a client of redis.asyncio (`stores.redis.client`). Raises what that raises, and TimeoutError."""

    def __init__(self, redis: Any, edit: Callable[[str], str] = str) -> None:
        """`edit` changes the text of the scripts: tests put a clock there that they can turn."""
        self._redis = redis
        folder = files("gateway.stores") / "lua"
        self._usage, self._reset = (edit((folder / f"{name}.lua").read_text("utf-8")) for name in ("usage", "reset"))

    async def read(self, buckets: Sequence[Bucket]) -> list[InUse]:
        """In the order of the buckets. Changes nothing."""
        return await self._each(buckets, self._read)

    async def reset(self, buckets: Sequence[Bucket]) -> list[InUse]:
        """Nothing of them is in use any more; what was. Not for concurrency: slots come back when exchanges end."""
        if any(bucket.limit.measure is Measure.CONCURRENCY for bucket in buckets):
            raise ValueError("slots are given back by the exchanges that hold them")
        return await self._each(buckets, self._take_back)

    async def _each(self, buckets: Sequence[Bucket], work: Callable[[list[Bucket]], Any]) -> list[InUse]:
        by_tag: dict[str, list[int]] = {}
        for place, bucket in enumerate(buckets):
            by_tag.setdefault(bucket.tag, []).append(place)
        batches = [
            places[start : start + AT_ONCE] for places in by_tag.values() for start in range(0, len(places), AT_ONCE)
        ]
        async with asyncio.timeout(TIMEOUT):
            answers = await asyncio.gather(*(work([buckets[place] for place in places]) for places in batches))
        found = [InUse()] * len(buckets)
        for places, answer in zip(batches, answers, strict=True):
            for place, one in zip(places, answer, strict=True):
                found[place] = one
        return found

    async def _read(self, buckets: list[Bucket]) -> list[InUse]:
        names, fields = [], []
        for bucket in buckets:
            leased = bucket.limit.measure is Measure.CONCURRENCY
            names.append(keys.lease_of(bucket) if leased else keys.hash_of(bucket))
            fields.append(b"" if leased else keys.field_of(bucket))
        now, *states = await self._redis.eval(self._usage, len(names), *names, *fields)
        return [_in_use(bucket, state, int(now)) for bucket, state in zip(buckets, states, strict=True)]

    async def _take_back(self, buckets: list[Bucket]) -> list[InUse]:
        names, fields = [keys.hash_of(bucket) for bucket in buckets], [keys.field_of(bucket) for bucket in buckets]
        now, *states = await self._redis.eval(self._reset, len(names), *names, *fields)
        return [_in_use(bucket, state, int(now)) for bucket, state in zip(buckets, states, strict=True)]


def _in_use(bucket: Bucket, state: Any, now: int) -> InUse:
    """The arithmetic of take.lua. `now` in microseconds."""
    if bucket.limit.measure is Measure.CONCURRENCY:
        held, exchanges = state
        return InUse(float(held), now / 1e6, held > 0, tuple(one.decode(errors="replace") for one in exchanges))
    if state is None:
        return InUse(now=now / 1e6)
    scale = scale_of(bucket.limit)
    used, at = _STATE.unpack(state)
    if now > at:
        used = max(0.0, used - (now - at) * 0.000001 * bucket.limit.rate * scale)
    return InUse(used / scale, now / 1e6, there=True)
