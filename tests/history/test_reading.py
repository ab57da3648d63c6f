"""The log in the order of time, each event once; and clear words where there is nothing to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.history import reading
from gateway.history.columns import COLUMNS, EVENT, HistoryError, Kind
from gateway.history.decode import column
from gateway.history.parquet import parts, table_of
from gateway.history.reading import open_log, read
from gateway.history.recorder import Recorder
from gateway.history.spool import OPEN, Head, Rows, read_segment, serialise, spool_of
from gateway.testing import Clock
from tests.history.logs import NOON, event, log, segment


def _times(tables: list[pa.Table]) -> list[float]:
    return [time for table in tables for time in column(table, "time")]


def test_batches_are_in_the_order_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and segments that overlap are merged, also where a long exchange was noted hours after it came."""
    monkeypatch.setattr(reading, "BATCH", 10)
    recorder = Recorder(tmp_path, Clock(), keep=1e9)
    for part in range(4):
        times = [NOON + part * 20 + n for n in range(30)] + [NOON + part]
        segment(tmp_path, [event(exchange=f"{part}-{n}", time=time) for n, time in enumerate(times)], now=NOON + part)
        if part < 3:
            recorder.convert(everything=True)

    tables = list(read(tmp_path))

    times = _times(tables)
    assert times == sorted(times)
    assert len({row for table in tables for row in column(table, "exchange")}) == len(times) == 4 * 31
    assert len(tables) > 1


@pytest.mark.parametrize("recorded", [True, False])
def test_a_range_holds_its_begin_and_not_its_end(tmp_path: Path, recorded: bool) -> None:
    """since <= time < until, to the microsecond, wherever the event is."""
    segment(tmp_path, [event(exchange=f"{n}", time=NOON + n / 2) for n in range(10)])
    if recorded:
        Recorder(tmp_path, Clock(), keep=1e9).convert(everything=True)

    tables = list(read(tmp_path, NOON + 1, NOON + 3, ("exchange",)))

    assert [row for table in tables for row in column(table, "exchange")] == ["2", "3", "4", "5"]
    assert all(table.column_names == ["exchange"] for table in tables)


def test_what_is_being_written_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    """A reader does not wait for a rotation, and does not fall over half a line."""
    path = segment(tmp_path, [event(exchange="a"), event(exchange="b")])
    path.write_bytes(path.read_bytes()[:-5])
    path.rename(path.with_suffix(OPEN))

    assert [row for table in read(tmp_path) for row in column(table, "exchange")] == ["a"]


def test_a_segment_that_is_recorded_meanwhile_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look at the spool and a look at the parts the recorder may do all of its work."""
    segment(tmp_path, [event(exchange="a")])

    def recorded_first(folder: Path) -> list[Path]:
        Recorder(tmp_path, Clock(), keep=1e9).convert(everything=True)
        return parts(folder)

    monkeypatch.setattr(reading, "parts", recorded_first)

    assert [row for table in read(tmp_path) for row in column(table, "exchange")] == ["a"]


@pytest.mark.parametrize(
    ("prepare", "since", "said"),
    [
        pytest.param(lambda folder: folder / "none", 0.0, "there is no exchange log in .*none: set", id="no folder"),
        pytest.param(lambda folder: folder, 0.0, "has no events in this time$", id="empty"),
        pytest.param(lambda folder: log(folder, [event()]), NOON + 9, "days from 2023-11-15 to 2023-11-15", id="range"),
    ],
)
def test_nothing_to_read_is_said(tmp_path: Path, prepare: Any, since: float, said: str) -> None:
    """One error, with what there is or what to do."""
    with pytest.raises(HistoryError, match=said):
        open_log(prepare(tmp_path), since)


def test_a_schema_from_the_future_is_said(tmp_path: Path) -> None:
    """An older Tidegate does not guess what a newer one meant."""
    log(tmp_path, [event()])
    (part,) = parts(tmp_path)
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata({"tidegate": json.dumps({"schema": 99, "segments": []})}), part)

    with pytest.raises(HistoryError, match=r"schema 99 .* reads up to \d+: use the version"):
        open_log(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"), [(b"nothing", "cannot be read, put it aside"), (None, "no part of an exchange log")]
)
def test_a_part_that_is_none_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """The operator learns which file it is."""
    log(tmp_path, [event()])
    (part,) = parts(tmp_path)
    if content is None:
        pq.write_table(pa.table({"time": [1]}), part)
    else:
        part.write_bytes(content)

    with pytest.raises(HistoryError, match=said):
        open_log(tmp_path)


def test_an_older_schema_is_read(tmp_path: Path) -> None:
    """A column that was not there yet is unknown: null, 0 or empty. So a column can be added."""
    log(tmp_path, [event(exchange="a", tags=["t"])])
    (part,) = parts(tmp_path)
    table = pq.read_table(part)
    meta = table.schema.metadata
    pq.write_table(table.drop_columns(["tags", "ja4", "latitude", "weight"]).replace_schema_metadata(meta), part)

    (found,) = read(tmp_path)
    (row,) = found.to_pylist()

    assert (row["exchange"], row["tags"], row["ja4"], row["latitude"], row["weight"]) == ("a", [], "", None, 0)
    assert set(row) == {column.name for column in COLUMNS}


def test_a_day_of_the_first_schema_is_read(tmp_path: Path) -> None:
    """What an account had shown was not kept then: it has shown nothing, and so is judged by its tier alone."""
    log(tmp_path, [event(exchange="a", tier="pro", evidence=["document@1"], identity="i1")])
    (part,) = parts(tmp_path)
    table = pq.read_table(part).drop_columns(["assigned", "evidence", "falls", "identity", "signup_burst"])
    pq.write_table(
        table.replace_schema_metadata({"tidegate": json.dumps({"schema": 1, "segments": []})}),
        part,
    )

    (found,) = read(tmp_path)
    (row,) = found.to_pylist()

    assert (row["tier"], row["assigned"], row["evidence"], row["falls"]) == ("pro", "", [], [])
    assert (row["identity"], row["signup_burst"]) == ("", 0)


def test_an_older_segment_is_read() -> None:
    """Columns go by name, not by place."""
    names = ("time", "exchange")

    table, unfit = table_of(Rows(Head(1, "w", names), [[NOON, "a"]], 0))

    assert unfit == 0
    assert table.select(["exchange", "worker", "tier", "usage_input"]).to_pylist() == [
        {"exchange": "a", "worker": "w", "tier": "", "usage_input": None}
    ]


_text = st.text(st.characters(codec="utf-8"), max_size=8)
_count = st.integers(-(2**60), 2**60)
_values: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.ID: _text,
    Kind.WORD: _text,
    Kind.WORDS: st.lists(_text, max_size=3),
    Kind.COUNT: _count,
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.FLAG: st.booleans(),
    Kind.MOMENT: st.integers(0, 4_000_000_000).map(float),
    Kind.RULES: st.lists(st.tuples(_text, _text, _text, _text, st.booleans()), max_size=3),
}
_events = st.lists(
    st.tuples(
        *[
            st.none() | _values[column.kind] if column.optional else _values[column.kind]
            for column in COLUMNS
            if column.name in EVENT
        ]
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_events)
def test_an_event_comes_back_as_it_was(tmp_path: Path, events: list[tuple[Any, ...]]) -> None:
    """Tuple -> line -> Arrow -> values: nothing is changed on the way, whatever stands in it."""
    path = segment(tmp_path, events)
    rows = read_segment(path.read_bytes(), path.name)
    path.unlink()
    table, unfit = table_of(rows)

    back = list(zip(*[column(table, name) for name in EVENT], strict=True))

    assert (rows.torn, unfit) == (0, 0)
    expected = [
        tuple(tuple(value) if isinstance(value, list) else value for value in event)
        for event in sorted(events, key=lambda event: event[EVENT.index("time")])
    ]
    assert sorted(map(repr, back)) == sorted(map(repr, expected))


def test_numbers_beyond_64_bits_are_bounded() -> None:
    """What a caller may write as a cap is more than a column holds."""
    table, unfit = table_of(Rows(Head(1, "w", EVENT), [list(event(output_cap=2**63 + 5))], 0))

    assert unfit == 0
    assert column(table, "output_cap") == [2**63 - 1]


def test_a_spool_is_not_needed(tmp_path: Path) -> None:
    """A copy of the parts alone is a log."""
    log(tmp_path, [event(exchange="a")])
    spool_of(tmp_path).rmdir()

    assert [row for table in read(tmp_path) for row in column(table, "exchange")] == ["a"]
    assert serialise([]) == (b"", 0)
