"""Who eats the capacity."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.live import busy
from gateway.control.live.busy import Busy, By

PRICES = {"default": (1.0, 1.0, 1.0, 2.0), "m-large": (10.0, 1.0, 1.0, 30.0)}
MADE = [
    ["many", "NO", "m-small", 900, 0, 9000, 0, 0, 0],
    ["dear", "NO", "m-large", 10, 0, 4000, 2000, 0, 0],
    ["refused", "FR", "m-small", 50, 50, 0, 0, 0, 0],
    ["", "", "", 5, 5, 0, 0, 0, 0],
]


@pytest.mark.parametrize(
    ("by", "first", "value"),
    [
        pytest.param("requests", "many", 900, id="requests"),
        pytest.param("tokens", "many", 9000, id="tokens"),
        pytest.param("refusals", "refused", 50, id="refusals"),
        pytest.param("spend", "dear", 0.1, id="spend, by the model's price"),
    ],
)
def test_the_largest_stands_first(by: By, first: str, value: float) -> None:
    """By each measure another one; nobody's exchanges are in the total and in no account."""
    sums = Busy(lambda: PRICES)
    sums.add(MADE, 1000.0)
    told = sums.told(by, 5, 10, 1001.0)
    assert told["accounts"][0]["account"] == first
    assert told["accounts"][0][by] == pytest.approx(value)
    assert told["total"]["requests"] == 965
    assert "" not in {one["account"] for one in told["accounts"]}


@pytest.mark.parametrize(("minutes", "seen"), [(1, False), (5, True), (60, True)])
def test_a_window_is_as_long_as_it_says(minutes: int, seen: bool) -> None:
    """What was four minutes ago is of the last five, and not of the last one."""
    sums = Busy()
    sums.add(MADE, 10_000.0)
    told = sums.told("requests", minutes, 10, 10_240.0)
    assert bool(told["accounts"]) is seen


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(0, 50)), max_size=80))
def test_what_is_told_is_right_up_to_the_error(made: list[tuple[int, int, int]]) -> None:
    """Nobody has used less than is told, nor more than that and the error; and who is left out at most the error."""
    kept, busy_kept = 4, busy.KEPT
    busy.KEPT = kept  # type: ignore[misc]
    try:
        sums = Busy()
        true: dict[str, int] = {}
        for account, requests, _ in made:
            name = f"a{account}"
            true[name] = true.get(name, 0) + requests
        for account, requests, when in sorted(made, key=lambda one: one[2]):
            sums.add([[f"a{account}", "", "", requests, 0, 0, 0, 0, 0]], 6000.0 + when)
        told = sums.told("requests", 5, 100, 6051.0)
    finally:
        busy.KEPT = busy_kept  # type: ignore[misc]
    found = {one["account"]: one["requests"] for one in told["accounts"]}
    for name, requests in true.items():
        assert found.get(name, 0) <= requests <= found.get(name, 0) + told["error"]
    assert told["total"]["requests"] == sum(true.values())


@pytest.mark.timing
def test_who_eats_the_capacity_is_told_at_once() -> None:
    """2,000 requests a second of 20,000 accounts for two minutes: the top 20 are right, and told within 0.1 s."""
    import time  # noqa: PLC0415 - a clock for this bound alone

    rng = random.Random(7)
    sums, true = Busy(), dict[str, int]()
    for second in range(120):
        rows: list[list[Any]] = []
        for _ in range(2000):
            account = f"a{min(int(rng.paretovariate(0.7)), 20_000)}"
            true[account] = true.get(account, 0) + 1
            rows.append([account, "NO", "m", 1, 0, 10, 10, 0, 0])
        sums.add(rows, 12_000.0 + second)
    began = time.perf_counter()
    told = sums.told("requests", 5, 20, 12_119.0)
    assert time.perf_counter() - began < 0.1
    ranked = sorted(true.items(), key=lambda item: (-item[1], item[0]))[:20]
    assert [one["account"] for one in told["accounts"]][:10] == [account for account, _ in ranked][:10]
    for one in told["accounts"]:
        assert one["requests"] <= true[one["account"]] <= one["requests"] + told["error"]
