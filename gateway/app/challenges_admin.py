"""Who is held to challenges, on the operators' port."""

from __future__ import annotations

from collections.abc import Callable

from gateway.accounts.sql.database import Database
from gateway.app.clocks import wall
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.terms import Terms
from gateway.control.challenges_admin import ChallengesApi
from gateway.control.operations import Operation
from gateway.stores.redis.client import client

DEADLINE = 2.0
"""Seconds that one answer of Redis may take: a person waits, not a request."""


class ChallengesAdmin:
    """Of one supervisor. It asks Redis when it is asked, and follows nothing."""

    def __init__(
        self, redis_url: str, database: Database | None, terms: Callable[[], Callable[[str], Terms | None]]
    ) -> None:
        """`terms` gives those of the rules in force."""
        self._redis = client(redis_url)
        escalations = RedisEscalations(self._redis, wall, deadline=DEADLINE)
        self._api = ChallengesApi(self._redis, escalations, database, terms, wall)

    def operations(self) -> list[Operation]:
        return self._api.operations()

    async def close(self) -> None:
        await self._redis.aclose()
