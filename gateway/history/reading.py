"""The log in the order of time: parts and what still waits in the spool, each event once, in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gateway.history.columns import BY_NAME, COLUMNS, HistoryError, Kind
from gateway.history.parquet import arrow_schema, by_day, day_of, meta_of, parts, table_of, times_of
from gateway.history.spool import CLOSED, OPEN, read_segment, spool_of

BATCH: Final = 65_536
"""Rows that are given at least, but at the end."""
MICRO: Final = 1_000_000


class Piece(NamedTuple):
    """A row group of a part, or a segment: what is read at once."""

    first: int
    """Microseconds of its first event."""
    rows: int
    read: Callable[[], pa.Table]


@dataclass(frozen=True, slots=True)
class Log:
    """What there is to read. Opened once: what is recorded meanwhile is neither lost nor doubled."""

    pieces: tuple[Piece, ...]
    columns: tuple[str, ...]
    since: float
    until: float

    @property
    def rows(self) -> int:
        """Not less than what will be read: the ends of the range are cut while reading."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def first(self) -> float:
        """Unix time of the first event, or a little before it."""
        return max(self.since, self.pieces[0].first / MICRO)

    def batches(self) -> Iterator[pa.Table]:
        """Tables of BATCH rows or more, each later than the one before. Raises HistoryError."""
        held: list[pa.Table] = []
        rows = 0
        for index, piece in enumerate(self.pieces):
            table = _between(piece.read(), self.since, self.until)
            held.append(table)
            rows += table.num_rows
            following = self.pieces[index + 1].first if index + 1 < len(self.pieces) else None
            if rows < BATCH and following is not None:
                continue
            merged = pa.concat_tables(held).unify_dictionaries().sort_by("time")
            ready = merged.num_rows if following is None else _before(merged, following)
            if ready:
                yield merged.slice(0, ready).select(list(self.columns))
            held = [merged.slice(ready)]
            rows = merged.num_rows - ready


def open_log(
    folder: Path, since: float = 0.0, until: float = float("inf"), columns: Sequence[str] | None = None
) -> Log:
    """Look for events with since <= time < until. Raises HistoryError with what to do where there are none."""
    if not folder.is_dir():
        raise HistoryError(
            f"there is no exchange log in {folder}: set `exchange_log: {{folder: …}}` in tidegate.yaml and let the"
            " gateway serve, or name another folder with --log"
        )
    wanted = tuple(column.name for column in COLUMNS) if columns is None else tuple(columns)
    with_time = wanted if "time" in wanted else (*wanted, "time")
    # Segments first: one that is recorded from now on is in our hands already, and one that was is in a part.
    segments = list(_segments(spool_of(folder)))
    contained: dict[str, set[str]] = {}
    pieces: list[Piece] = []
    every = parts(folder)
    for path in every:
        day = path.parent.name.removeprefix("date=")
        if day_of(since) <= day and (until == float("inf") or day <= day_of(until)):
            contained.setdefault(day, set()).update(_look(path, since, until, with_time, pieces))
    for name, table in segments:
        for day, rows in by_day(table).items():
            cut = _between(rows, since, until)
            if cut.num_rows and name not in contained.get(day, ()):
                pieces.append(_held(conform(cut, with_time)))
    if not pieces:
        days = sorted({path.parent.name.removeprefix("date=") for path in every})
        there = f": it has days from {days[0]} to {days[-1]}" if days else ""
        raise HistoryError(f"the exchange log in {folder} has no events in this time{there}")
    return Log(tuple(sorted(pieces, key=lambda piece: piece.first)), wanted, since, until)


def read(
    folder: Path, since: float = 0.0, until: float = float("inf"), columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """`open_log`, read."""
    return open_log(folder, since, until, columns).batches()


def days(folder: Path) -> dict[str, tuple[int, int]]:
    """Day -> files and bytes of its parts; `spool` for what is not recorded yet."""
    found: dict[str, tuple[int, int]] = {}
    waiting = sorted(spool_of(folder).glob(f"*{CLOSED}")) + sorted(spool_of(folder).glob(f"*{OPEN}"))
    for day, path in [*((path.parent.name, path) for path in parts(folder)), *(("spool", path) for path in waiting)]:
        files, size = found.get(day.removeprefix("date="), (0, 0))
        try:
            found[day.removeprefix("date=")] = (files + 1, size + path.stat().st_size)
        except FileNotFoundError:
            continue
    return found


def _before(table: pa.Table, time: int) -> int:
    """How many rows of a sorted table are before that microsecond."""
    return int(pc.sum(pc.less(table.column("time").cast(pa.int64()), time)).as_py() or 0)


def _between(table: pa.Table, since: float, until: float) -> pa.Table:
    times = table.column("time").cast(pa.int64())
    first = pc.greater_equal(times, int(since * MICRO))
    return table.filter(first if until == float("inf") else pc.and_(first, pc.less(times, int(until * MICRO))))


def conform(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """As the newest schema has it: what an older one did not know is unknown."""
    schema = arrow_schema(columns)
    arrays = []
    for name, field in zip(columns, schema, strict=True):
        if name in table.column_names:
            arrays.append(table.column(name).cast(field.type))
        else:
            arrays.append(_unknown(name, field.type, table.num_rows))
    return pa.table(arrays, schema)


def _unknown(name: str, of: pa.DataType, rows: int) -> pa.Array:
    column = BY_NAME[name]
    if column.optional:
        return pa.nulls(rows, of)
    plain = {Kind.COUNT: 0, Kind.MOMENT: 0, Kind.NUMBER: 0.0, Kind.FLAG: False, Kind.ID: "", Kind.WORD: ""}
    return pa.array([plain.get(column.kind, [])] * rows, of)


# -- parts and segments -----------------------------------------------------------------------------------------------


def _look(path: Path, since: float, until: float, columns: tuple[str, ...], pieces: list[Piece]) -> frozenset[str]:
    """Add the row groups of a part that hold such times; returns the segments that it was made of."""
    with _opened(path) as file:
        segments = meta_of(file.schema_arrow, str(path))
        for index in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(index)
            chunks = (group.column(number) for number in range(group.num_columns))
            statistics = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == "time")
            if statistics.max_raw >= since * MICRO and statistics.min_raw < until * MICRO:
                pieces.append(Piece(statistics.min_raw, group.num_rows, partial(_row_group, path, index, columns)))
    return segments


def _row_group(path: Path, index: int, columns: tuple[str, ...]) -> pa.Table:
    with _opened(path) as file:
        known = set(file.schema_arrow.names)
        return conform(file.read_row_group(index, [name for name in columns if name in known]), columns)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Raises HistoryError where it is no Parquet, or gone."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError as error:
        raise HistoryError(f"{path} is not kept any more: begin later with --since") from error
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(f"{path} cannot be read, put it aside: {error}") from error


def _segments(spool: Path) -> Iterator[tuple[str, pa.Table]]:
    """Segments that wait, and what has been written so far of those that are being written."""
    if not spool.is_dir():
        return
    for path in sorted(spool.iterdir()):
        if path.suffix not in (OPEN, CLOSED):
            continue
        content = _content(path)
        if content is not None:
            table, _ = table_of(read_segment(content, str(path)))
            if table.num_rows:
                yield path.stem, table


def _content(path: Path) -> bytes | None:
    """None where it has been recorded meanwhile."""
    for name in (path, path.with_suffix(CLOSED)):
        try:
            return name.read_bytes()
        except FileNotFoundError:
            continue
    return None


def _held(table: pa.Table) -> Piece:
    return Piece(int(times_of(table)[0]), table.num_rows, lambda: table)
