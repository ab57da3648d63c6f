"""What one account did in the last hours."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.control.exchanges import Kept, Turns
from gateway.control.traffic import TrafficApi
from tests.control.live.conftest import port
from tests.history.logs import NOON, event, log, refused, segment

PRICES = {"default": (1.0, 1.0, 1.0, 2.0)}
HOUR = 3600.0


async def ask(folder: Path | None, target: str, prices: Any = PRICES) -> tuple[int, dict[str, Any]]:
    api = TrafficApi(Kept(folder, 30 * 86_400.0), Turns(), lambda: NOON + 1800, time.monotonic, lambda: prices)
    async with port(api.operations()) as base, aiohttp.ClientSession() as http, http.get(base + target) as answer:
        return answer.status, await answer.json()


def made() -> list[Any]:
    return [
        event(exchange="a", time=NOON + 1, weight=4, latitude=59.91, longitude=10.7, network_kinds=["hosting", "vpn"]),
        event(exchange="b", time=NOON + 2, model="m-small", country="SE", key="k2", latitude=60.1, longitude=10.6),
        refused("quota", "quota_exceeded", "throttle", exchange="c", time=NOON - HOUR, weight=2),
        event(exchange="d", time=NOON + 3, account="other"),
        event(exchange="e", time=NOON - 30 * HOUR),
    ]


@pytest.mark.parametrize("recorded", [0, 1, 2, 5])
async def test_it_is_added_up_from_parts_and_spool(tmp_path: Path, recorded: int) -> None:
    """The same sums wherever the events are."""
    if recorded:
        log(tmp_path, made()[:recorded])
    segment(tmp_path, made()[recorded:], now=NOON + 60)
    status, told = await ask(tmp_path, "/accounts/acme/traffic")
    assert status == 200
    assert told["whole"]
    series = told["hours"]["series"]
    assert (series["requests"][-2:], series["refused"][-2:], series["tokens"][-2:]) == ([1, 2], [1, 0], [0, 60])
    assert len(told["hours"]["times"]) == 24
    assert told["hours"]["times"][-1] == NOON
    assert (series["weight_max"][-2:], series["weight_mean"][-2:]) == ([2, 4], [2.0, 2.0])
    assert series["spend"][-1] == pytest.approx(2 * (10 + 2 * 20) / 1e6)
    assert told["hours"]["reasons"]["quota_exceeded"][-2:] == [1, 0]
    assert [(one["model"], one["requests"], one["refused"]) for one in told["models"]] == [
        ("m-large", 2, 1), ("m-small", 1, 0),
    ]  # fmt: skip
    assert {one["country"]: one["requests"] for one in told["countries"]} == {"NO": 2, "SE": 1}
    assert {one["key"]: one["requests"] for one in told["keys"]} == {"k1": 2, "k2": 1}
    assert told["places"] == [{"latitude": 60.0, "longitude": 10.5, "requests": 2}]
    assert {(one["asn"], *one["kinds"]): one["requests"] for one in told["networks"]} == {
        (64_500, "hosting", "vpn"): 1, (64_500,): 2,
    }  # fmt: skip
    assert (told["first_seen"], told["last_seen"]) == (NOON - HOUR, NOON + 2)


async def test_what_is_recorded_while_one_looks_is_counted_once(tmp_path: Path) -> None:
    """A segment whose events are in a part by then."""
    log(tmp_path, made())
    segment(tmp_path, made(), now=NOON + 60)
    _, told = await ask(tmp_path, "/accounts/acme/traffic")
    assert told["hours"]["series"]["requests"][-2:] == [1, 2]


async def test_an_unknown_account_did_nothing(tmp_path: Path) -> None:
    """Zeros, as an account that nobody used has."""
    log(tmp_path, made())
    status, told = await ask(tmp_path, "/accounts/nobody/traffic?hours=2")
    assert (status, told["hours"]["series"]["requests"], told["first_seen"]) == (200, [0, 0], None)


async def test_without_prices_there_is_no_spend(tmp_path: Path) -> None:
    """None, and not 0 dollars."""
    log(tmp_path, made())
    _, told = await ask(tmp_path, "/accounts/acme/traffic", {})
    assert "spend" not in told["hours"]["series"]


async def test_without_a_log_it_says_what_is_lacking() -> None:
    """404 with the key of the file."""
    status, told = await ask(None, "/accounts/acme/traffic")
    assert status == 404
    assert "exchange_log" in told["error"]


@pytest.mark.parametrize("query", ["hours=0", "hours=169", "hours=x", "days=1"])
async def test_what_cannot_be_meant_is_refused(tmp_path: Path, query: str) -> None:
    """422, by the field's name."""
    status, told = await ask(tmp_path, f"/accounts/acme/traffic?{query}")
    assert (status, list(told["fields"])) == (422, [query.partition("=")[0]])
