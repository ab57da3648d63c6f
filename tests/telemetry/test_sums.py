"""Who used what since it was last asked."""

from __future__ import annotations

import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import Usage
from gateway.telemetry import sums
from gateway.telemetry.sums import LONGEST, Sums
from gateway.testing import context

USAGE = Usage(10, 5, 3, 2, 1)


@pytest.mark.parametrize(
    ("asked", "refused", "usage", "row"),
    [
        pytest.param({}, False, USAGE, (1, 0, 10, 5, 3, 2), id="passed"),
        pytest.param({}, True, None, (1, 1, 0, 0, 0, 0), id="refused"),
        pytest.param({}, False, None, (1, 0, 0, 0, 0, 0), id="nothing stated"),
    ],
)
def test_an_exchange_is_one_row(
    asked: dict[str, Any], refused: bool, usage: Usage | None, row: tuple[int, ...]
) -> None:
    """Requests, refusals, and tokens of four sorts."""
    made = Sums()
    made.add(context(**asked), refused, usage)
    (found,) = made.take()
    assert found[0] == "acme"
    assert found[3:] == row
    assert made.take() == []


def test_nobody_is_nobody() -> None:
    """What could not be read, and what bears no credential, is of no account."""
    made = Sums()
    made.add(None, True, None)
    assert made.take() == [("", "", "", 1, 1, 0, 0, 0, 0)]


def test_a_long_name_is_cut() -> None:
    """Callers choose models."""
    made = Sums()
    made.add(context(model="m" * 5000), False, None)
    made.add(context(model="m" * 6000), False, None)
    ((_, _, model, requests, *_),) = made.take()
    assert (len(str(model)), requests) == (LONGEST, 2)


@given(st.lists(st.integers(0, 9), max_size=40))
def test_however_many_there_are_none_is_lost(models: list[int]) -> None:
    """Beyond what is held apart they are nobody's, and counted as such."""
    most, sums.AT_MOST = sums.AT_MOST, 4  # type: ignore[misc]
    try:
        made = Sums()
        for model in models:
            made.add(context(model=f"m{model}"), False, USAGE)
        found = made.take()
    finally:
        sums.AT_MOST = most  # type: ignore[misc]
    assert len(found) <= 5
    assert sum(int(row[3]) for row in found) == len(models)
    assert made.crowded == sum(int(row[3]) for row in found if row[0] == "")


@pytest.mark.timing
def test_a_sum_costs_next_to_nothing() -> None:
    """On the hot path: far below what an event costs; the bound is for a machine that does other things."""
    made, asked = Sums(), context()
    assert min(timeit.repeat(lambda: made.add(asked, False, USAGE), number=20_000, repeat=5)) / 20_000 < 3e-6
