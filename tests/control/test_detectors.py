"""How the detectors are, for the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.control.detectors import DetectorsApi
from gateway.control.fleet import detectors
from gateway.feeds.verdicts import LEADER, STATE
from gateway.stores.redis.client import client
from tests import servers
from tests.control.live.conftest import port

NOW = 1_800_000_000.0
ONE: Mapping[str, Any] = {
    "name": "one:7", "leader": True, "time": NOW, "lag": 0.0, "rate": 12.5, "events": 9, "unreadable": 0, "accounts": 3,
    "missed_seconds": 0.0, "bytes": 1, "verdicts": 2, "told": 2, "clusters": 1, "levels": {"hold": 1}, "kept": NOW - 5,
    "look_seconds": 0.0, "version": "1",
}  # fmt: skip
OLDER: Mapping[str, Any] = {name: value for name, value in ONE.items() if name != "kept"} | {
    "name": "two:8",
    "leader": False,
}


@pytest.mark.parametrize(
    ("found", "observed", "told"),
    [
        pytest.param(None, False, [], id="nothing is observed"),
        pytest.param([], True, [], id="none says anything"),
        pytest.param([ONE], True, [("one:7", True, NOW - 5)], id="one"),
        pytest.param([ONE, OLDER], True, [("one:7", True, NOW - 5), ("two:8", False, 0.0)], id="and an older one"),
        pytest.param([{**ONE, "levels": ["<b>"]}, OLDER], True, [("two:8", False, 0.0)], id="one makes no sense"),
    ],
)  # fmt: skip
async def test_detectors(found: Sequence[Mapping[str, Any]] | None, observed: bool, told: list[Any]) -> None:
    """Each with what people look at; what stands in Redis and makes no sense hides none of the others."""

    async def asked() -> Sequence[Mapping[str, Any]]:
        return found or ()

    api = DetectorsApi(None if found is None else asked, lambda: NOW)
    async with (
        port(api.operations()) as base,
        aiohttp.ClientSession() as http,
        http.get(f"{base}/detectors") as answer,
    ):
        said = await answer.json()
    assert (said["observed"], said["time"]) == (observed, NOW)
    assert [(one["name"], one["leader"], one["kept"]) for one in said["detectors"]] == told
    assert all(one["levels"] == {"hold": 1} and "bytes" not in one for one in said["detectors"])


async def test_of_the_fleet() -> None:
    """Who holds the lease tells, and one that was killed and said so does not; nobody is known where Redis is away."""
    if why := servers.missing("redis"):
        pytest.skip(why)
    async with servers.server("redis") as server:
        redis = client(server.url)
        killed, holds = ({**ONE, "name": name, "leader": name == "one:7"} for name in ("one:7", "two:8"))
        await redis.hset(STATE, mapping={one["name"]: orjson.dumps(one) for one in (killed, holds)})
        await redis.set(LEADER, "two:8 5f0a9c")
        found = await detectors(redis, NOW)
        assert [(one["name"], one["leader"]) for one in found] == [("two:8", True), ("one:7", False)]
        await redis.aclose()
    redis = client("redis://127.0.0.1:1")
    assert await detectors(redis, NOW) == []
    await redis.aclose()
