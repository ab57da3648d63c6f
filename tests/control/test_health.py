"""How the parts are, in numbers and in words."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.accounts.sql.database import Database
from gateway.control.exchanges import Kept
from gateway.control.health import (
    DETECTOR as DETECTOR_TOLD,
)
from gateway.control.health import (
    HealthApi,
    Process,
    Sources,
    alone,
    detection_of,
    directory_state,
    feeds_of,
    gateways_of,
    redis_state,
    warnings,
)
from gateway.control.limits.applied import Holds, Look
from gateway.control.live.lines import Lines
from gateway.stores.embedded import free_port
from gateway.stores.redis.client import client
from tests import schema, servers
from tests.control.live.conftest import MakeCrew, crew, port

__all__ = ["crew"]
STATUS: Mapping[str, Any] = {
    "generation": 4, "digest": "d4", "since": 1.0, "who": "start", "problems": (), "lists": [("tor", 60.0, False)],
}  # fmt: skip
WELL: Mapping[str, Any] = {
    "workers": [{"lag": 0.001, "store_available": 1, "directory_available": 1, "digest": "d", "events_dropped": 0}],
    "processes": [Process("worker", 1, (1,), 0)._asdict()],
    "redis": {"available": True, "evicted": 0, "memory_limit": 0, "memory": 5, "role": "master"},
    "directory": {"available": True},
    "rules": {"problems": ()},
    "feeds": [{"name": "tor", "age": 9.0, "stale": False}],
    "exchange_log": {"on": True, "keep": 30 * 86_400.0},
    "detection": {"dropped": 0, "detectors": [{"leader": True, "lag": 0.0, "missed_seconds": 0.0}]},
}
DETECTOR: Mapping[str, Any] = WELL["detection"]["detectors"][0]
WORKER: Mapping[str, Any] = WELL["workers"][0]
REDIS: Mapping[str, Any] = WELL["redis"]


def _detection(dropped: int = 0, **changed: Any) -> dict[str, Any]:
    return {"detection": {"dropped": dropped, "detectors": [{**DETECTOR, **changed}]}}


def sources(lines: Lines, pulses: Callable[[], Sequence[Any]], redis: Any, database: Database | None) -> Sources:
    async def snapshots() -> list[dict[str, Any]]:
        return [{"feeds": [["cities", 5 * 86_400.0, 1]]}, {"feeds": [["cities", 4 * 86_400.0, 0]]}]

    return Sources(
        pulses=pulses,
        snapshots=snapshots,
        processes=lambda: [Process("worker", len(lines.sockets()), (1, 2), 0), Process("recorder", 1, (), 3)],
        status=lambda: STATUS,
        redis=redis,
        database=database,
        kept=Kept(Path("x"), 86_400.0),
        clock=time.monotonic,
        wall=time.time,
        gateway="here:1",
    )


def away() -> Awaitable[Sequence[Holds]]:
    raise ConnectionError("refused")


async def others() -> Sequence[Holds]:
    return [Holds("b:7", "w1", 4, 9.0), Holds("a:1", "w0", 3, 8.0), Holds("b:7", "w0", 3, 8.0)]


@pytest.mark.parametrize(
    ("look", "told"),
    [
        pytest.param(alone, [], id="alone"),
        pytest.param(others, [("a:1", [("w0", 3)]), ("b:7", [("w1", 4), ("w0", 3)])], id="two others"),
        pytest.param(away, None, id="Redis is away"),
    ],
)
async def test_other_gateways_are_told(look: Look, told: Any) -> None:
    """With what their workers hold; none is not the same as not known."""
    found = await gateways_of(look)
    if told is None:
        assert found is None
    else:
        assert [(one["name"], [(w["name"], w["revision"]) for w in one["workers"]]) for one in found or ()] == told


async def test_all_parts_are_told(crew: MakeCrew, tmp_path: Path) -> None:
    """Of real doors, a real Redis and a real directory; with what to do about those that are not well."""
    if why := servers.missing("redis"):
        pytest.skip(why)
    database = Database("sqlite:///directory.db", time.time, tmp_path)
    schema.lay(database)
    async with servers.server("redis") as server, crew(2) as (_, lines):
        redis = client(server.url)
        pulses = await lines.ask("/pulse")
        api = HealthApi(sources(lines, lambda: pulses, redis, database))
        async with (
            port(api.operations()) as base,
            aiohttp.ClientSession() as http,
            http.get(f"{base}/health") as answer,
        ):
            told = await answer.json()
        await redis.aclose()
    database.close()
    assert [(one["name"], one["process"], one["generation"]) for one in told["workers"]] == [
        ("worker-0", "host-0", 4), ("worker-1", "host-1", 4),
    ]  # fmt: skip
    assert (told["gateway"], told["gateways"]) == ("here:1", [])
    assert told["workers"][0]["memory"] > 1024 * 1024
    assert (told["redis"]["role"], told["redis"]["evicted"]) == ("master", 0)
    assert 0 < told["redis"]["latency"] < 1
    assert (told["directory"]["kind"], told["directory"]["version"] >= 0) == ("sqlite", True)
    assert told["directory"]["size"] > 4096
    assert told["directory"]["schema"]
    assert told["feeds"] == [
        {"name": "cities", "age": 5 * 86_400.0, "stale": True}, {"name": "tor", "age": 60.0, "stale": False},
    ]  # fmt: skip
    assert not told["well"]
    assert [one["what"] for one in told["warnings"]] == [
        "1 of 1 recorder processes do not run",
        "cities is 5.0 days old",
        "the exchange log keeps 1 days: refusals can be explained no longer than that",
    ]


async def test_what_is_away_is_said_soon(tmp_path: Path) -> None:
    """Redis that is not there, and a directory without tables, are answers and no errors."""
    redis = client(f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    told = await redis_state(redis, time.monotonic)
    await redis.aclose()
    assert time.monotonic() - began < 3
    assert not told["available"]
    database = Database("sqlite:///directory.db", time.time, tmp_path)
    assert not (await directory_state(database, time.monotonic))["available"]
    database.close()
    assert (await directory_state(None, time.monotonic)) == {"kind": "file", "available": True}


@pytest.mark.parametrize(
    ("changed", "what", "grave"),
    [
        pytest.param(
            {"processes": [Process("worker", 2, (1,), 0)._asdict()]}, "1 of 2 worker processes", True, id="no worker"
        ),
        pytest.param({"processes": [Process("clerk", 1, (1,), 2)._asdict()]}, "again 2 times", False, id="restarts"),
        pytest.param({"workers": []}, "1 of 1 workers do not answer", True, id="silent"),
        pytest.param({"workers": [{**WORKER, "lag": 0.6}]}, "late by up to 0.60 s", False, id="late"),
        pytest.param({"workers": [{**WORKER, "store_available": 0}]}, "do not reach Redis", True, id="no Redis"),
        pytest.param({"workers": [WORKER, {**WORKER, "digest": "e"}]}, "different rules", False, id="rules differ"),
        pytest.param({"workers": [{**WORKER, "events_dropped": 7}]}, "7 events are not", False, id="lost events"),
        pytest.param({"redis": {"available": False, "error": "gone"}}, "Redis does not answer", True, id="Redis away"),
        pytest.param({"redis": {**REDIS, "evicted": 3}}, "evicted 3 keys", True, id="evicted"),
        pytest.param({"redis": {**REDIS, "memory_limit": 5}}, "90%", True, id="full"),
        pytest.param({"redis": {**REDIS, "role": "slave"}}, "is a replica", True, id="replica"),
        pytest.param({"directory": {"available": False, "error": "x"}}, "directory does not", True, id="directory"),
        pytest.param({"rules": {"problems": ["a", "b"]}}, "2 problems", False, id="files"),
        pytest.param({"exchange_log": {"on": False, "keep": 0.0}}, "no exchange log", False, id="no log"),
        pytest.param({"exchange_log": {"on": True, "keep": 86_400.0}}, "keeps 1 days", False, id="short log"),
        pytest.param({"detection": {"dropped": 0, "detectors": []}}, "no detector tells", False, id="no detector"),
        pytest.param(_detection(leader=False), "no detector tells", False, id="none tells"),
        pytest.param(_detection(lag=90.0), "1 of 1 detectors are behind by up to 90 s", False, id="behind"),
        pytest.param(_detection(missed_seconds=7.0), "7 s of observations were gone", False, id="missed"),
        pytest.param(_detection(dropped=5), "5 exchanges were not observed", False, id="not observed"),
    ],
)
def test_each_warning_says_what_to_do(changed: Mapping[str, Any], what: str, grave: bool) -> None:
    """One fault, one warning with a remedy; what is well has none."""
    assert list(warnings(WELL)) == []
    (found,) = (one for one in warnings({**WELL, **changed}) if what in one.what)
    assert (found.grave, bool(found.do)) == (grave, True)


def test_the_oldest_copy_of_a_feed_counts() -> None:
    """Workers open databases at different times."""
    told = feeds_of([("a", 5.0, False)], [{"feeds": [["a", 9.0, 1]]}, {}])
    assert told == [{"name": "a", "age": 9.0, "stale": True}]


def test_nothing_is_said_of_detection_where_nothing_is_observed() -> None:
    """Nor twice where Redis is away: then nobody can say how the detectors are."""
    assert detection_of(None, [{"observations_dropped": 3}]) is None
    assert list(warnings({**WELL, "detection": None})) == []
    away = {"redis": {"available": False, "error": "refused"}, "detection": {"dropped": 0, "detectors": []}}
    assert [one.what for one in warnings({**WELL, **away})] == ["Redis does not answer: refused"]


def test_what_is_told_of_detection() -> None:
    """What detectors say of themselves, without what is for metrics; what workers could not hand over, in all."""
    state: dict[str, Any] = {**dict.fromkeys(DETECTOR_TOLD, 1), "levels": {}}
    told = detection_of([state], [{"observations_dropped": 3}, {"observations_dropped": 4}, {}])
    assert told == {"dropped": 7, "detectors": [dict.fromkeys(DETECTOR_TOLD, 1)]}
