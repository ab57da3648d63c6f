"""Servers for a session, and a bench on each kind of store. The clock of the scripts is a key that tests write."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis, RedisCluster

from gateway.stores import keys
from gateway.stores.memory import MemoryStore
from gateway.stores.redis import connect
from tests import servers
from tests.stores.harness import EPOCH, Bench

KINDS = ("memory", "redis", "valkey", "cluster")
_count = itertools.count()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url() -> AsyncIterator[str]:
    """Debian's Redis 7.0."""
    if why := servers.missing("redis"):
        pytest.skip(why)
    async with servers.server("redis") as one:
        yield one.url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey_url() -> AsyncIterator[str]:
    """Valkey 9."""
    if why := servers.missing("valkey"):
        pytest.skip(why)
    async with servers.server("valkey") as one:
        yield one.url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster_url() -> AsyncIterator[str]:
    """A Cluster of three Valkey masters."""
    if why := servers.missing("valkey"):
        pytest.skip(why)
    async with servers.cluster() as nodes:
        yield servers.cluster_url(nodes)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def server_url(request: pytest.FixtureRequest, kind: str) -> str:
    """The address of the server of that kind; memory has none."""
    url: str = "" if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    return url


@contextlib.asynccontextmanager
async def open_bench(kind: str, url: str) -> AsyncIterator[Bench]:
    """A bench on a store of that kind."""
    number = next(_count)
    account = f"{kind}-{number}"
    if kind == "memory":
        now = [EPOCH]

        async def turn(seconds: float) -> None:
            now[0] = EPOCH + seconds

        yield Bench(MemoryStore(lambda: now[0]), account, turn, exchanges=f"x{number}-")
        return
    client: Any = (
        RedisCluster.from_url(url.replace("redis+cluster", "redis")) if kind == "cluster" else Redis.from_url(url)
    )
    tags = [f"account={account}", *(f"other={account}-{index}" for index in range(4))]

    async def turn_key(seconds: float) -> None:
        micros = round((EPOCH + seconds) * 1_000_000)
        names = ["clock", *(f"clock:{{{keys.safe(tag)}}}" for tag in tags)]
        for name in names:
            fields: dict[Any, Any] = {"s": str(micros // 1_000_000), "us": str(micros % 1_000_000)}
            await client.hset(name, mapping=fields)

    await turn_key(0)
    # A slow machine is no outage here: these tests are about what is counted.
    store = await connect(
        url, deadline=2.0, scripts=servers.scripts_with_clock(), first_wait=5.0, lease_ttl=1e6
    )  # Clocks jump here, and leases are not to lapse for it.
    try:
        yield Bench(store, account, turn_key, exchanges=f"x{number}-")
    finally:
        await store.close()
        await client.aclose()


@pytest_asyncio.fixture
async def bench(kind: str, server_url: str) -> AsyncIterator[Bench]:
    """The same bench on every kind of store."""
    async with open_bench(kind, server_url) as one:
        yield one
