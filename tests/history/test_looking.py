"""One exchange by its id, and the last ones that fit."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.history.columns import AT
from gateway.history.looking import find, lately
from gateway.history.parquet import parts
from gateway.history.recorder import Recorder
from tests.history.logs import NOON, event, log, refused, segment

DAY = 86_400.0
COLUMNS = ("exchange", "time", "account", "reason", "rules", "worker")


def still() -> float:
    return 0.0


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("wanted", ["ours", "theirs"])
def test_a_recorded_one_is_found(tmp_path: Path, wanted: str, indexed: bool) -> None:
    """By our id and by its caller's, with an index and without one."""
    told = refused("geo", "country_not_allowed", exchange="ours", request_id="theirs", created=NOON - DAY)
    log(tmp_path, [event(exchange=str(number)) for number in range(50)] + [told])
    if indexed:
        Recorder(tmp_path, lambda: NOON, keep=9 * DAY).index()
    row = find(tmp_path, wanted)
    assert row is not None
    assert (row["exchange"], row["time"], row["created"]) == ("ours", NOON, NOON - DAY)
    assert row["rules"] == [["geo", "", "deny", "country_not_allowed", True]]


@pytest.mark.parametrize("wanted", ["ours", "theirs"])
def test_one_that_waits_in_the_spool_is_found(tmp_path: Path, wanted: str) -> None:
    """Before a recorder has seen it."""
    segment(tmp_path, [event(exchange="ours", request_id="theirs"), event(exchange="another")])
    row = find(tmp_path, wanted)
    assert row is not None
    assert (row["exchange"], row["worker"]) == ("ours", "w1")


@pytest.mark.parametrize("wanted", ["acme", "m-large", "nothing", "ou", "ours2"])
def test_what_is_no_id_is_not_found(tmp_path: Path, wanted: str) -> None:
    """A word that stands elsewhere in an event, or a part of an id, is none."""
    segment(tmp_path, [event(exchange="ours")], now=NOON + 60)
    log(tmp_path / "parts", [event(exchange="ours")])
    assert find(tmp_path, wanted) is None
    assert find(tmp_path / "parts", wanted) is None


def test_a_log_of_schema_2_is_looked_through(tmp_path: Path) -> None:
    """It knows no ids of callers, and all else."""
    log(tmp_path, [event(exchange="old")])
    (part,) = parts(tmp_path)
    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.drop_columns(["request_id"]), part)
    Recorder(tmp_path, lambda: NOON, keep=9 * DAY).index()
    row = find(tmp_path, "old")
    assert row is not None
    assert row["request_id"] == ""


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    """A gateway that has just begun."""
    assert find(tmp_path / "none", "x") is None
    assert lately(tmp_path / "none", {}, 0.0, NOON, 5, COLUMNS, still, 1.0).rows == []


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["acme", "other"])), max_size=25), st.integers(1, 8))
def test_the_last_that_fit_are_the_last_that_fit(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, str]], limit: int
) -> None:
    """Of parts and spool together, each once, newest first: as a list comprehension finds them."""
    folder = tmp_path_factory.mktemp("lately")
    events = [
        event(exchange=f"e{number}", time=NOON + 40.0 * minute + number / 1000, account=account)
        for number, (minute, account) in enumerate(made)
    ]
    third = len(events) // 3
    for number, some in enumerate((events[:third], events[third : 2 * third])):
        segment(folder, some, now=NOON + number * 60)
        Recorder(folder, lambda: NOON, keep=30 * DAY).convert(everything=True)
    segment(folder, events[2 * third :], now=NOON + 600)
    found = lately(folder, {"account": "acme"}, NOON, NOON + 150.0, limit, COLUMNS, still, 1.0)
    fit = [one for one in events if one[AT["account"]] == "acme" and one[AT["time"]] < NOON + 150.0]
    fit.sort(key=lambda one: one[AT["time"]], reverse=True)
    assert [row["exchange"] for row in found.rows] == [one[AT["exchange"]] for one in fit[:limit]]
    assert found.whole


def test_a_list_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """It says that it has not looked through all, and how far back it came."""
    for number in range(3):
        segment(tmp_path, [event(exchange=str(number), time=NOON + number)], now=NOON + number)
        Recorder(tmp_path, lambda: NOON, keep=30 * DAY).convert(everything=True)
    seconds = itertools.count()
    found = lately(tmp_path, {}, NOON, NOON + 60, 100, COLUMNS, lambda: next(seconds) * 0.6, 1.0)
    assert not found.whole
    assert [row["exchange"] for row in found.rows] == ["2"]
    assert found.back_to == NOON + 2
