"""What `on_failure: degrade` counts in while Redis is away: this worker's share of each limit, in memory.

The share is the limit by the number of workers last known to live, and never less than one request or one slot where
the limit allows any. Shares add up to the limit, so that a fleet cut off from Redis still admits about what it should.

When Redis is back, what is then in use here (after the share's own refill) is posted to the real buckets, once per
batch. It is not the sum of all that passed: refill has paid for most of that meanwhile, and an account must not stand
in debt for an outage of ours. An exchange that is still running is posted as reserved, and corrected when it settles.
Slots of a concurrency limit are not posted: what runs since the outage is not counted in Redis until it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from gateway.policy import Bucket, Limit, Measure, Take, Taken
from gateway.stores.interface import TakeAnswer
from gateway.stores.memory import PARTITIONS, MemoryStore

SHARES: Final = 65_536
"""Buckets whose share is remembered."""


class Fleet(Protocol):
    """What of the Redis store is used here."""

    fleet: int
    worker: str
    on_back: list[Callable[[], None]]

    @property
    def available(self) -> bool:
        """Whether it answers."""

    def post(self, batch: str, charges: Sequence[tuple[Bucket, float]]) -> None:
        """Add debts, once per batch, kept and retried."""


class _Running(NamedTuple):
    takes: tuple[Take, ...]
    """With the real buckets; the cost is what was taken of the share."""
    posting: int
    """How many times debts had been posted when it began."""


def share_of(limit: Limit, workers: int) -> Limit:
    """One worker's part of a limit. A limit that allows nothing still allows nothing."""
    if limit.capacity <= 0 or workers <= 1:
        return limit
    capacity = limit.capacity / workers
    if limit.measure is Measure.CONCURRENCY:
        capacity = max(1.0, math.floor(capacity)) if limit.capacity >= 1 else limit.capacity
    elif limit.measure is Measure.REQUESTS:
        capacity = max(min(1.0, limit.capacity), capacity)
    return replace(limit, capacity=capacity, refill=limit.refill / workers)


class LocalShare:
    """The three verbs of a store, always answered at once. `clock` gives seconds, of any origin."""

    def __init__(self, store: Fleet, clock: Callable[[], float], partitions: int = PARTITIONS) -> None:
        self._store = store
        self._memory = MemoryStore(clock, partitions)
        self._most_touched = partitions
        self._workers = 0
        self._shares: dict[Bucket, Bucket] = {}
        self._touched: dict[Bucket, Bucket] = {}
        """Real buckets used since the last posting, with the share that was used."""
        self._running: dict[str, _Running] = {}
        self._postings = 0
        self._batches = 0
        store.on_back.append(self.post)

    def __repr__(self) -> str:
        return (
            f"<LocalShare 1/{max(1, self._workers)}, {len(self._touched)} buckets owed, {len(self._running)} in flight>"
        )

    def holds(self, exchange: str) -> bool:
        """Whether this exchange took here, so that it is to be settled here."""
        return exchange in self._running

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        shares = self._of(takes)
        taken = self._memory.take_now(exchange, shares)
        if taken.granted and takes:
            self._note(exchange, takes, shares)
        then(taken)

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        shares = self._of(takes)

        def noted(answer: object) -> None:
            if isinstance(answer, Taken) and answer.granted and exchange in self._running:
                self._note(exchange, takes, shares)

        def both(answer: object) -> None:
            noted(answer)
            then(answer)  # type: ignore[arg-type]  # what a store answers

        self._memory.more(exchange, shares, both)

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        running = self._running.pop(exchange, None)
        if running is None:
            return
        shares = self._of(takes)
        if running.posting == self._postings:
            self._memory.settle(exchange, shares, finals)
            return
        # What it reserved was posted: correct it there. Here it only gives its slots back.
        spent: dict[Bucket, float] = {}
        for take in running.takes:
            spent[take.bucket] = spent.get(take.bucket, 0.0) + take.cost
        self._memory.settle(exchange, shares, [spent.get(take.bucket, 0.0) for take in takes])
        charges = dict.fromkeys((take.bucket for take in takes), 0.0)
        for take, final in zip(takes, finals, strict=True):
            charges[take.bucket] += final
        self._send([(bucket, final - spent.get(bucket, 0.0)) for bucket, final in charges.items()])

    def post(self) -> None:
        """Post what is owed, if Redis answers. Called by the store when it is back, and now and then after that."""
        if not self._touched or not self._store.available:
            return
        charges = []
        for bucket, share in self._touched.items():
            charges.append((bucket, self._memory.used(share)))
            self._memory.forget(share)
        self._touched.clear()
        self._postings += 1
        self._send(charges)

    def _send(self, charges: list[tuple[Bucket, float]]) -> None:
        real = [
            (bucket, units) for bucket, units in charges if units and bucket.limit.measure is not Measure.CONCURRENCY
        ]
        if real:
            self._batches += 1
            self._store.post(f"{self._store.worker}:{self._batches}", real)

    def _note(self, exchange: str, takes: Sequence[Take], shares: Sequence[Take]) -> None:
        for take, share in zip(takes, shares, strict=True):
            if take.bucket not in self._touched and len(self._touched) >= self._most_touched:
                # As the share's own memory does: what was used first has mostly drained.
                del self._touched[next(iter(self._touched))]
            self._touched[take.bucket] = share.bucket
        own = tuple(
            Take(take.bucket, max(0.0, min(take.cost, share.bucket.limit.capacity)))
            for take, share in zip(takes, shares, strict=True)
        )
        before = self._running.get(exchange)
        if before is None:
            self._running[exchange] = _Running(own, self._postings)
        else:
            self._running[exchange] = before._replace(takes=before.takes + own)

    def _of(self, takes: Sequence[Take]) -> list[Take]:
        if self._workers != self._store.fleet or len(self._shares) > SHARES:
            self._workers = self._store.fleet
            self._shares.clear()
        shares = []
        for bucket, cost in takes:
            share = self._shares.get(bucket)
            if share is None:
                share = replace(bucket, limit=share_of(bucket.limit, self._workers))
                self._shares[bucket] = share
            shares.append(Take(share, cost))
        return shares
