"""The fleet's secret where no directory has any."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from gateway.app.fleet_secret import fleet_secrets, shared_secrets
from gateway.tasks import spawn
from tests import servers

pytestmark = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))


async def test_all_have_the_same() -> None:
    """Workers and the processes beside them derive the same keys, whoever comes first."""
    async with servers.server("redis") as server:
        redis = Redis(unix_socket_path=server.socket, socket_timeout=5.0)
        found = [await fleet_secrets(redis), await shared_secrets(redis), await fleet_secrets(redis)]
        await redis.aclose()
    assert len({secrets.key("minted") for secrets in found}) == 1


async def test_without_redis() -> None:
    """A worker goes on with one of its own; who observes waits for the fleet's."""
    async with servers.server("redis", port=0) as server:
        redis = Redis.from_url(server.tcp_url, socket_timeout=1.0)
        await server.stop()
        assert (await fleet_secrets(redis)).key("minted") != (await fleet_secrets(redis)).key("minted")
        waiting = spawn(shared_secrets(redis), name="the fleet's secret")
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await server.start()
        async with asyncio.timeout(8.0):
            shared = await waiting
        assert shared.key("minted") == (await fleet_secrets(redis)).key("minted")
        await redis.aclose()
