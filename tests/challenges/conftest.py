"""Fleets of four workers: on memory, Redis 7.0, Valkey 9 and a Cluster of three."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway import fleet_stream
from tests.challenges.conformance import Fleet, open_fleet
from tests.stores.conftest import cluster_url, redis_url, valkey_url

__all__ = ["cluster_url", "fleet", "kind", "redis_url", "server_url", "valkey_url"]

KINDS = ("memory", "redis", "valkey", "cluster")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of fleet in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def server_url(request: pytest.FixtureRequest, kind: str) -> str:
    """The address of the server of that kind; memory has none."""
    url: str = "" if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    return url


@pytest_asyncio.fixture
async def fleet(server_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """The same fleet on every kind of server."""
    # A cancellation that redis-py swallows is heard after the next read.
    monkeypatch.setattr(fleet_stream, "BLOCK", 0.1)
    async with open_fleet(server_url) as opened:
        yield opened
