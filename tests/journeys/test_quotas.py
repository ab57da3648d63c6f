"""Quotas through whole gateways: exact, all or none, settled by what was really used."""

from __future__ import annotations

from redis.asyncio import Redis

from tests.journeys.conftest import Fleet
from tests.journeys.harness import Caller, statuses


async def test_a_thousand_at_once_through_two_gateways(fleet: Fleet, caller: Caller) -> None:
    """Never one admitted beyond capacity and refill, and none refused that fitted, by the clock of Redis."""
    account = fleet.account("burst")
    limit = fleet.world.limit("burst-requests")
    async with Redis.from_url(fleet.redis.tcp_url) as redis:
        began = await _now(redis)
        replies = await caller.many(fleet.urls, account, 1000)
        ended = await _now(redis)

    counted = statuses(replies)
    assert set(counted) == {200, 429}
    # The last refusal came before the end: what flowed in until then fitted but for one, what came later need not.
    assert counted[200] <= limit.capacity + (ended - began) * limit.rate
    assert counted[200] >= limit.capacity
    (left,) = await fleet.world.left(account, "burst-requests")
    async with Redis.from_url(fleet.redis.tcp_url) as redis:
        looked = await _now(redis)
    # What is left says what was admitted: not one was lost, not one was counted twice.
    assert counted[200] - (looked - began) * limit.rate <= limit.capacity - left + 1 <= counted[200] + 1


async def _now(redis: Redis) -> float:
    seconds, micros = await redis.time()
    return float(seconds) + float(micros) / 1e6
