"""A chain over a store that counts for real: Redis, or this process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Final

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import Context, Policy
from gateway.stores.interface import Store
from gateway.stores.memory import MemoryStore
from gateway.stores.redis import connect
from gateway.testing import NOON
from tests import servers

STORES: Final = ("memory", "redis")


class Counted:
    """Policies in order, and a store under them. Ids of exchanges are its own: give none."""

    def __init__(self, store: Store, *policies: Policy, shadow: str = "") -> None:
        """`shadow` is the kind of the one that is in shadow, by the name of its class."""
        named = [(type(policy).__name__.lower(), policy) for policy in policies]
        entries = tuple(
            Entry.of(name, name, policy, OnFailure.DENY, rollout=0.0 if name == shadow else 1.0)
            for name, policy in named
        )
        self.chain = Chain(entries, store, MemoryStore(lambda: NOON), {})
        self.store = store

    async def ask(self, exchange: Context) -> Asked:
        """As the edge does. Give it a context of its own each time."""
        answer: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        self.chain.begin(exchange, answer.set_result)
        return await answer


async def extended(asked: Asked, delivered: int) -> bool:
    """What a stream is told that has passed on so many output tokens."""
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    asked.extend(delivered, answer.set_result)
    return await answer


def left(asked: Asked) -> dict[str, float]:
    """Partition and limit -> what is there, after it."""
    return {
        f"{take.bucket.partition} {take.bucket.limit.name}": there
        for take, there in zip(asked.takes, asked.remaining, strict=True)
    }


ids: Final = (f"counted-{number}" for number in itertools.count())


@contextlib.asynccontextmanager
async def store_of(kind: str) -> AsyncIterator[Store]:
    """A fresh one. Its clock is the machine's: let buckets refill slowly."""
    if kind == "memory":
        yield MemoryStore(lambda: NOON)
        return
    if why := servers.missing("redis"):
        pytest.skip(why)
    async with servers.server("redis") as server:
        store = await connect(server.url, deadline=2.0, first_wait=5.0)
        try:
            yield store
        finally:
            await store.close()
