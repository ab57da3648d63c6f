"""One exchange by its id, and the last ones that fit. For a thread: it reads files, and Arrow lets others work.

What is in the spool still is looked at first: then nothing that is recorded meanwhile is missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gateway.history.columns import COLUMNS, RULE, HistoryError
from gateway.history.ids import may_hold
from gateway.history.parquet import day_of, parts, table_of
from gateway.history.reading import MICRO, conform
from gateway.history.spool import CLOSED, OPEN, Rows, read_segment, spool_of

ALL: Final = tuple(column.name for column in COLUMNS)
IDS: Final = ("exchange", "request_id")
OURS: Final = re.compile(r"[0-9a-f]{20,}")
"""As `gateway.edge.edge.Edge.new_id`."""
AHEAD: Final = 120.0
"""Seconds that a part may hold events from before the one that is named later: answers take their time."""

Row = dict[str, Any]
"""By column; times are Unix time."""


def find(folder: Path, wanted: str) -> Row | None:
    """The exchange with that id of ours, else the newest whose caller stated it; None where the log has none. Raises
    HistoryError.

    Our ids can be guessed, and anybody may state one: that must not hide the exchange that has it.
    """
    stated = None
    for row in _with(folder, wanted):
        if row["exchange"] == wanted or not is_ours(wanted):
            return row
        stated = stated or row
    return stated


def is_ours(wanted: str) -> bool:
    """Whether it looks like an id that we give."""
    return OURS.fullmatch(wanted) is not None


def _with(folder: Path, wanted: str) -> Iterator[Row]:
    """The newest first."""
    for table in _in_spool(folder, wanted.encode()):
        if (row := _with_id(table, wanted)) is not None:
            yield row
    for path in reversed(parts(folder)):
        if may_hold(path, wanted) and (row := _in_part(path, wanted)) is not None:
            yield row


def _with_id(table: pa.Table, wanted: str) -> Row | None:
    for name in IDS:
        if name in table.column_names and len(found := pc.indices_nonzero(pc.equal(table.column(name), wanted))):
            return rows_of(conform(table.slice(found[-1].as_py(), 1), ALL))[0]
    return None


def _in_part(path: Path, wanted: str) -> Row | None:
    try:
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            stated = None
            for index in range(file.metadata.num_row_groups - 1, -1, -1):
                ids = file.read_row_group(index, [name for name in IDS if name in known])
                if any(pc.any(pc.equal(column, wanted)).as_py() for column in ids.columns):
                    row = _with_id(file.read_row_group(index), wanted)
                    if row is None or row["exchange"] == wanted or not is_ours(wanted):
                        return row
                    stated = stated or row
            return stated
    except FileNotFoundError:
        return None  # Its day is not kept any more.
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(f"{path} cannot be read, put it aside: {error}") from error
    return None


def _in_spool(folder: Path, wanted: bytes) -> Iterator[pa.Table]:
    """Tables of the segments that hold such bytes somewhere, of those lines alone; the newest first."""
    for content, name in segments(folder):
        if wanted not in content:
            continue
        head, _, lines = content.partition(b"\n")
        fit = [line for line in lines.split(b"\n") if wanted in line]
        table, _ = table_of(read_segment(b"\n".join([head, *fit]), name))
        if table.num_rows:
            yield table


def segments(folder: Path) -> Iterator[tuple[bytes, str]]:
    spool = spool_of(folder)
    if not spool.is_dir():
        return
    for path in sorted(spool.iterdir(), reverse=True):
        if path.suffix not in (OPEN, CLOSED):
            continue
        for name in (path, path.with_suffix(CLOSED)):
            try:
                content = name.read_bytes()
            except FileNotFoundError:
                continue  # It was closed meanwhile, or recorded: then a part has it.
            if content:
                yield content, str(path)
            break


def rows_of(table: pa.Table) -> list[Row]:
    rows: list[Row] = table.set_column(
        table.schema.get_field_index("time"), "time", table.column("time").cast(pa.int64())
    ).to_pylist()
    for row in rows:
        row["time"] /= MICRO
        if row.get("created") is not None:
            row["created"] = row["created"].timestamp()
        if "rules" in row:
            # As in an event.
            row["rules"] = [[rule[name] for name in RULE] for rule in row["rules"]]
    return rows


# -- the last that fit ------------------------------------------------------------------------------------------------


class Lately(NamedTuple):
    """What was found."""

    rows: list[Row]
    """Newest first."""
    whole: bool
    """All of the time that was asked for was looked through, or as many were found as were wanted."""
    back_to: float
    """Unix time up to which was looked."""


def lately(
    folder: Path,
    wanted: Mapping[str, str],
    since: float,
    until: float,
    limit: int,
    columns: Sequence[str],
    clock: Callable[[], float],
    within: float,
) -> Lately:
    """The last exchanges of which each column in `wanted` has that value. Raises HistoryError.

    `clock` gives seconds; it looks back for `within` of them.
    """
    began = clock()
    found: list[Row] = []
    seen: set[str] = set()
    back_to = until
    for table in _newest(folder, wanted, since, until, columns):
        if len(found) >= limit and (table.latest + AHEAD < found[limit - 1]["time"]):
            return Lately(found[:limit], True, found[limit - 1]["time"])
        if clock() - began > within:
            return Lately(found[:limit], len(found) >= limit, back_to)
        back_to = min(back_to, table.earliest)
        fit = table.read()
        for row in rows_of(fit.slice(max(0, fit.num_rows - limit))):
            if row["exchange"] not in seen:
                seen.add(row["exchange"])
                found.append(row)
        found.sort(key=_time, reverse=True)
        if len(found) > limit * 4:
            del found[limit * 2 :]
    return Lately(found[:limit], True, since)


class _Group(NamedTuple):
    """A row group, or a segment."""

    earliest: float
    latest: float
    read: Callable[[], pa.Table]


def _newest(
    folder: Path, wanted: Mapping[str, str], since: float, until: float, columns: Sequence[str]
) -> Iterator[_Group]:
    names = tuple(dict.fromkeys(("exchange", "time", *wanted, *columns)))
    for content, name in segments(folder):
        rows = read_segment(content, name)
        table = conform(table_of(Rows(rows.head, _that_fit(rows, wanted), 0))[0], names)
        yield _Group(since, until, lambda table=table: between(table, since, until))  # type: ignore[misc]
    for path in reversed(parts(folder)):
        day = path.parent.name.removeprefix("date=")
        if day_of(since) <= day <= day_of(until):
            yield from _groups(path, wanted, since, until, names)


def _that_fit(rows: Rows, wanted: Mapping[str, str]) -> list[list[Any]]:
    """Before they are made a table, which costs."""
    places = [(rows.head.columns.index(name), value) for name, value in wanted.items() if name in rows.head.columns]
    return [event for event in rows.events if all(event[at] == value for at, value in places)]


def _groups(
    path: Path, wanted: Mapping[str, str], since: float, until: float, names: Sequence[str]
) -> Iterator[_Group]:
    """Of a part, those that hold such times, the newest first."""
    try:
        with pq.ParquetFile(path) as file:
            known = [name for name in names if name in file.schema_arrow.names]
            for index in range(file.metadata.num_row_groups - 1, -1, -1):
                earliest, latest = times_in(file, index)
                if latest >= since and earliest < until:

                    def read(index: int = index) -> pa.Table:
                        return between(conform(fitting(file, index, wanted, known), names), since, until)

                    yield _Group(earliest, latest, read)
    except FileNotFoundError:
        return
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(f"{path} cannot be read, put it aside: {error}") from error


def times_in(file: pq.ParquetFile, index: int) -> tuple[float, float]:
    """The first and the last of a row group."""
    group = file.metadata.row_group(index)
    chunks = (group.column(number) for number in range(group.num_columns))
    statistics = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == "time")
    return statistics.min_raw / MICRO, statistics.max_raw / MICRO


def fitting(file: pq.ParquetFile, index: int, wanted: Mapping[str, str], columns: Sequence[str]) -> pa.Table:
    """The rows of a group that fit; other columns are read only where there are some."""
    mask = None
    for name, value in wanted.items():
        column = file.read_row_group(index, [name], use_threads=False).column(name)
        fits = pc.equal(column, value)
        mask = fits if mask is None else pc.and_(mask, fits)
        if not pc.any(mask).as_py():
            return file.schema_arrow.empty_table().select(list(columns))
    table = file.read_row_group(index, list(columns), use_threads=False)
    return table if mask is None else table.filter(mask)


def between(table: pa.Table, since: float, until: float) -> pa.Table:
    times = table.column("time").cast(pa.int64())
    return table.filter(
        pc.and_(pc.greater_equal(times, int(since * MICRO)), pc.less(times, int(min(until, 9e12) * MICRO)))
    )


def _time(row: Row) -> float:
    time: float = row["time"]
    return time
