"""The store of a rehearsal: buckets in memory that can be filled beforehand, and that can be away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.policy import Bucket, Measure, Take
from gateway.stores.interface import StoreUnavailable, TakeAnswer
from gateway.stores.memory import MemoryStore

AWAY: Final = StoreUnavailable("down", "the store is away in this rehearsal")


class Counters(MemoryStore):
    """A MemoryStore. `leave` says what is left in the buckets of some limits before anything else is taken."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.away = False
        """Whether it answers at all."""
        self.short: tuple[str, Take] | None = None
        """The exchange that was refused last, and the take that there was no room for."""
        self._stated: Mapping[str, float] = {}
        self._filled: set[tuple[str, str]] = set()
        self._fillings = 0

    @property
    def available(self) -> bool:  # type: ignore[override]  # a plain attribute there
        return not self.away

    def leave(self, left: Mapping[str, float]) -> None:
        """Name of a limit -> units left. Holds for each bucket of it, from its next take on."""
        self._stated = left
        self._filled.clear()

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        if self.away:
            then(AWAY)
            return
        for take in takes if self._stated else ():
            bucket = take.bucket
            left = self._stated.get(bucket.limit.name)
            if left is not None and (bucket.partition, bucket.limit.name) not in self._filled:
                self._filled.add((bucket.partition, bucket.limit.name))
                self._fill(bucket, left)
        taken = self.take_now(exchange, takes)
        if not taken.granted:
            self.short = (exchange, takes[taken.short])
        then(taken)

    def _fill(self, bucket: Bucket, left: float) -> None:
        used = bucket.limit.capacity - left
        if bucket.limit.measure is Measure.CONCURRENCY:
            for _ in range(round(used)):
                self._use(Take(bucket, 1.0))
            return
        self.forget(bucket)
        if used > 0:
            self._use(Take(bucket, used))

    def _use(self, take: Take) -> None:
        self._fillings += 1
        self.take_now(f"before-{self._fillings}", (take,))
