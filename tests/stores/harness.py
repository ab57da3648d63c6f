"""A store with its clock in hand, and words to write laws with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.policy import Bucket, Limit, Measure, Take, Taken
from gateway.stores.interface import Store, StoreUnavailable

MEASURES = {measure.value: measure for measure in Measure}
EPOCH = 1_790_000_000.0


def bucket(
    account: str,
    name: str = "rpm",
    capacity: float = 10,
    rate: float = 0.0,
    *,
    measure: str = "requests",
    rest: str = "",
    tag: str = "",
) -> Bucket:
    """A bucket of one account; `rest` is what its partition has beyond the account."""
    tag = tag or f"account={account}"
    return Bucket(tag, f"{tag}{rest}", Limit(name, MEASURES[measure], capacity, refill=rate, every=1.0))


def slots(account: str, capacity: float) -> Bucket:
    """A concurrency limit of one account."""
    return bucket(account, "concurrency", capacity, measure="concurrency")


async def ask(verb: Callable[..., None], exchange: str, takes: Sequence[Take]) -> Taken | StoreUnavailable:
    """What a verb answers."""
    answer: asyncio.Future[Taken | StoreUnavailable] = asyncio.get_running_loop().create_future()
    verb(exchange, takes, answer.set_result)
    return await answer


async def taken(verb: Callable[..., None], exchange: str, *rows: tuple[Bucket, float]) -> Taken:
    """What a verb answers, where the store must be there."""
    answer = await ask(verb, exchange, [Take(*row) for row in rows])
    assert isinstance(answer, Taken), repr(answer)
    return answer


class Turn(Protocol):
    """Sets the store's clock to EPOCH and some seconds."""

    def __call__(self, seconds: float) -> Awaitable[None]: ...


class Bench:
    """A store under test. `account` is fresh, so that benches share a server. `at` sets the clock."""

    def __init__(self, store: Store, account: str, at: Turn, *, exchanges: str) -> None:
        self.store = store
        self.account = account
        self.at = at
        self._prefix = exchanges

    def bucket(self, name: str = "rpm", capacity: float = 10, rate: float = 0.0, **more: str) -> Bucket:
        return bucket(self.account, name, capacity, rate, **more)

    def slots(self, capacity: float) -> Bucket:
        return slots(self.account, capacity)

    async def take(self, exchange: str, *rows: tuple[Bucket, float]) -> Taken:
        return await taken(self.store.take, self._prefix + exchange, *rows)

    async def more(self, exchange: str, *rows: tuple[Bucket, float]) -> Taken:
        return await taken(self.store.more, self._prefix + exchange, *rows)

    def settle(self, exchange: str, *rows: tuple[Bucket, float, float]) -> None:
        """Rows of bucket, taken, final."""
        takes = [Take(bucket, cost) for bucket, cost, _ in rows]
        self.store.settle(self._prefix + exchange, takes, [final for _, _, final in rows])

    async def left(self, bucket: Bucket) -> float:
        """What a bucket has: asked with a cost of nothing, so that nothing changes but an in-flight marker."""
        answer = await taken(self.store.more, f"{self._prefix}peek", (bucket, 0))
        return answer.remaining[0]
