"""What a throttle in shadow would have refused: buckets of this worker, beside those that count."""

from __future__ import annotations

from typing import Final

from gateway.policy import Bucket

AT_MOST: Final = 10_000
"""Buckets. All are forgotten at once when there are more: an estimate, in bounded memory."""


class Gauge:
    """An estimate, and a low one: each worker fills a whole bucket, and what is refused later is not given back."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], tuple[float, float]] = {}

    def short(self, bucket: Bucket, cost: float, now: float) -> bool:
        """Whether it would have been refused; it has taken from the bucket if not. `now` is Unix time."""
        limit = bucket.limit
        key = (limit.name, bucket.partition)
        used, at = self._used.get(key, (0.0, now))
        # Exchanges may come a little out of order, and those of the past are judged again.
        used = max(0.0, used - max(0.0, now - at) * limit.rate) + min(cost, limit.capacity)
        if used > limit.capacity:
            return True
        if key not in self._used and len(self._used) >= AT_MOST:
            self._used.clear()
        self._used[key] = (used, max(at, now))
        return False
