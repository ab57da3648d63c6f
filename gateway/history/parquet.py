"""Events as Arrow tables, and Parquet files that are whole or not there. Nothing on the hot path imports this: pyarrow
is large.

A part states in its metadata the segments that it was made of. So a recorder that dies between the rename and the
removal of a segment neither loses nor doubles an event: whoever comes next sees that the segment is in the part.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.history.columns import BY_NAME, COLUMNS, RULE, SCHEMA, Column, HistoryError, Kind
from gateway.history.spool import Rows, check_schema

ROW_GROUP: Final = 65_536
_META: Final = b"tidegate"
_INT64: Final = 2**63 - 1
_DAY: Final = 86_400_000_000
"""Microseconds."""

_WORD: Final = pa.dictionary(pa.int32(), pa.string())
_RULES: Final = pa.list_(
    pa.struct([pa.field(name, pa.bool_() if name == "enforced" else pa.string(), nullable=False) for name in RULE])
)
_TYPES: Final = {
    Kind.ID: pa.string(),
    Kind.WORD: _WORD,
    Kind.WORDS: pa.list_(pa.string()),
    Kind.COUNT: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
    Kind.RULES: _RULES,
}
_UNKNOWN: Final[dict[Kind, Any]] = {
    Kind.ID: "",
    Kind.WORD: "",
    Kind.WORDS: [],
    Kind.COUNT: 0,
    Kind.NUMBER: 0.0,
    Kind.FLAG: False,
    Kind.MOMENT: 0,
    Kind.RULES: [],
}


def arrow_schema(columns: Sequence[str] | None = None) -> pa.Schema:
    """Of these columns, or of all."""
    wanted = COLUMNS if columns is None else [BY_NAME[name] for name in columns]
    return pa.schema([pa.field(column.name, _TYPES[column.kind], column.optional) for column in wanted])


def table_of(rows: Rows) -> tuple[pa.Table, int]:
    """The events as a table of the newest schema, sorted by time; and how many are not what the schema says."""
    events = rows.events
    try:
        return _table(rows, events), 0
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        good = [event for event in events if _fits(rows, event)]
        return _table(rows, good), len(events) - len(good)


def _fits(rows: Rows, event: list[Any]) -> bool:
    try:
        _table(rows, [event])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _table(rows: Rows, events: list[list[Any]]) -> pa.Table:
    """Raises pyarrow's errors, TypeError, ValueError or OverflowError where a value is not of its column."""
    head = rows.head
    values: dict[str, Sequence[Any]] = dict(zip(head.columns, zip(*events, strict=True), strict=False))
    values["schema"] = [head.schema] * len(events)
    values["worker"] = [head.worker] * len(events)
    table = pa.table([_array(column, values.get(column.name), len(events)) for column in COLUMNS], arrow_schema())
    return table.sort_by("time")


def _array(column: Column, values: Sequence[Any] | None, length: int) -> pa.Array:
    kind = column.kind
    if values is None:
        # Of a schema before the column, or of no event at all.
        values = [None if column.optional else _UNKNOWN[kind]] * length
    elif kind is Kind.MOMENT:
        values = [None if value is None else round(value * 1_000_000) for value in values]
    elif kind is Kind.COUNT:
        values = [value if value is None or -_INT64 <= value <= _INT64 else _INT64 for value in values]
    elif kind is Kind.RULES:
        values = [[dict(zip(RULE, rule, strict=True)) for rule in rules] for rules in values]
    if not column.optional and None in values:
        raise ValueError(f"{column.name} is null")
    if kind is Kind.WORD:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, _TYPES[kind])


def day_of(time: float) -> str:
    """The day in UTC, as folders are named by it."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d")


def times_of(table: pa.Table) -> memoryview:
    """Microseconds of Unix time, one a row."""
    array = table.column("time").combine_chunks().cast(pa.int64())
    return memoryview(array.buffers()[1]).cast("q")[array.offset : array.offset + len(array)]


def by_day(table: pa.Table) -> dict[str, pa.Table]:
    """Tables of one day each. The table is sorted by time."""
    found: dict[str, pa.Table] = {}
    times = times_of(table) if table.num_rows else ()
    start = 0
    while start < table.num_rows:
        day = times[start] // _DAY
        end = bisect_left(times, (day + 1) * _DAY, start)
        found[day_of(day * _DAY / 1_000_000)] = table.slice(start, end - start)
        start = end
    return found


def write_part(path: Path, table: pa.Table, segments: Iterable[str]) -> None:
    """The file is there as a whole and on the disk when this returns. Raises OSError."""
    meta = {_META: json.dumps({"schema": SCHEMA, "segments": sorted(segments)}).encode()}
    draft = path.with_name(f".{path.name}.draft")
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with draft.open("wb") as file:
        pq.write_table(
            table.replace_schema_metadata(meta),
            file,
            compression="zstd",
            row_group_size=ROW_GROUP,
            write_statistics=True,
        )
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    for folder in (path.parent, path.parent.parent):
        sync(folder)


def sync(folder: Path) -> None:
    """Names in a folder are on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def meta_of(schema: pa.Schema, name: str) -> frozenset[str]:
    """The segments that a part was made of. Raises HistoryError where it is none of ours, or from the future."""
    try:
        stated = json.loads((schema.metadata or {})[_META])
        version, segments = int(stated["schema"]), frozenset(str(segment) for segment in stated["segments"])
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryError(f"{name} is no part of an exchange log: it states no schema") from error
    check_schema(version, name)
    return segments


def parts(folder: Path) -> list[Path]:
    """All parts, by day and name. Drafts are not parts."""
    return sorted(folder.glob("date=*/part-*.parquet"))
