"""Buckets of one worker, for a guard that stands before anybody is known: no round trip, nothing to settle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.policy import Bucket, Taken

BUCKETS_AT_MOST: Final = 100_000
"""The bucket made first goes when a new one comes: a caller with that many addresses is past what a bucket can hold."""


class LocalBuckets:
    """Token buckets by (partition, limit). The arithmetic is the store's: units in use, and when that was."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._states)

    def _take_one(self, bucket: Bucket, cost: float, now: float) -> bool:
        """The usual case, in few words: one bucket that is there and has room."""
        limit = bucket.limit
        key = (bucket.partition, limit.name)
        state = self._states.get(key)
        if state is None or now < state[1]:
            return False
        used = state[0] - (now - state[1]) * limit.refill / limit.every
        used = cost + used if used > 0 else cost
        if used > limit.capacity or limit.capacity <= 0:
            return False
        self._states[key] = (used, now)
        return True

    def take(self, wanted: Sequence[tuple[Bucket, float]], now: float) -> Taken | None:
        """Take from all, or from none. None where that went well; else which is short, and for how long."""
        states = self._states
        if len(wanted) == 1 and self._take_one(*wanted[0], now):
            return None
        after = []
        short, longest = -1, 0.0
        for index, (bucket, cost) in enumerate(wanted):
            limit = bucket.limit
            key = (bucket.partition, limit.name)
            used, at = states.get(key, (0.0, now))
            rate = limit.refill / limit.every
            if now > at:
                used -= (now - at) * rate
                used = max(used, 0.0)
            total = used + min(cost, limit.capacity)
            if total > limit.capacity or limit.capacity <= 0:
                wait = (total - limit.capacity) / rate if rate and limit.capacity > 0 else float("inf")
                if wait >= longest:
                    short, longest = index, wait
            after.append((key, total))
        if short >= 0:
            return Taken(False, tuple([0.0] * len(after)), short, longest)
        for key, total in after:
            if key not in states and len(states) >= BUCKETS_AT_MOST:
                del states[next(iter(states))]
            states[key] = (total, now)
        return None
