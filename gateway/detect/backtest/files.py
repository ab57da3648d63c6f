"""Rows of files, in columns: Parquet by row groups, JSON lines plain or gzipped, or a folder of such parts.

What is read is held for one batch alone: a file may be larger than memory.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

BATCH: Final = 4096
"""Rows that are read and sketched at once."""
PARQUET: Final = (".parquet", ".pq")
LINES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")

Column = Sequence[Any]
"""A cell a row; None where the row does not state it."""


class RowError(ValueError):
    """A row that says nothing usable, or a file that cannot be read."""

    def __init__(self, path: Path, row: int, said: str) -> None:
        """`row` counts from 1; 0 where the file as a whole is meant."""
        super().__init__(f"{path}:{row}: {said}" if row else f"{path}: {said}")


Refuse = Callable[[Path, int, str], None]
"""What is done about a bad row: it raises RowError, or counts."""


def refuse_all(path: Path, row: int, said: str) -> NoReturn:
    """For who wants every row to make sense."""
    raise RowError(path, row, said)


class Batch(NamedTuple):
    path: Path
    numbers: Sequence[int]
    """Of its rows in the file, from 1."""
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, index: int) -> dict[str, Any]:
        """What the row states."""
        cells = ((name, column[index]) for name, column in self.columns.items())
        return {name: cell for name, cell in cells if cell is not None}


def parts(path: Path) -> list[Path]:
    """The file; or of a folder its parts, by name. Raises RowError where there is nothing to read."""
    if path.is_dir():
        found = sorted(part for part in path.rglob("*") if part.is_file() and _is_known(part))
        if not found:
            raise RowError(path, 0, f"no file in it ends in one of {', '.join(PARQUET + LINES)}")
        return found
    if not path.is_file():
        raise RowError(path, 0, "no such file or folder")
    if not _is_known(path):
        raise RowError(path, 0, f"must end in one of {', '.join(PARQUET + LINES)}")
    return [path]


def rows_of(path: Path) -> int:
    """How many rows the Parquet parts have; 0 where that is not known without reading all."""
    found = parts(path)
    if not all(part.name.endswith(PARQUET) for part in found):
        return 0
    try:
        return sum(pq.read_metadata(part).num_rows for part in found)
    except (pa.ArrowException, OSError):
        return 0  # Who reads it says what is wrong with it.


def batches(path: Path, refuse: Refuse, wanted: frozenset[str] | None, size: int = BATCH) -> Iterator[Batch]:
    """Of all parts, in the order of their names; of columns those that are `wanted`, or all. Raises RowError."""
    for part in parts(path):
        read = _parquet if part.name.endswith(PARQUET) else _lines
        try:
            yield from read(part, refuse, wanted, size)
        except (OSError, EOFError, pa.ArrowException) as error:
            raise RowError(part, 0, f"cannot be read: {error}") from error


def _is_known(path: Path) -> bool:
    return path.name.endswith(PARQUET + LINES)


# -- JSON lines -------------------------------------------------------------------------------------------------------


def _lines(path: Path, refuse: Refuse, wanted: frozenset[str] | None, size: int) -> Iterator[Batch]:
    with path.open("rb") as plain, gzip.open(plain) if path.suffix == ".gz" else plain as file:
        lines = enumerate(file, 1)
        while chunk := list(itertools.islice(lines, size)):
            numbers, rows = _parsed(path, chunk, refuse)
            if rows:
                names = set[str]().union(*rows)
                names = names if wanted is None else names & wanted
                columns = {name: _column(rows, name) for name in sorted(names)}
                yield Batch(path, numbers, columns)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Column:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]


def _parsed(path: Path, chunk: Sequence[tuple[int, bytes]], refuse: Refuse) -> tuple[list[int], list[dict[str, Any]]]:
    numbers, rows = [], []
    loads = orjson.loads
    for number, line in chunk:
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            if line.strip():
                refuse(path, number, f"no JSON: {error}")
            continue
        if isinstance(row, dict):
            numbers.append(number)
            rows.append(row)
        else:
            refuse(path, number, "must be a JSON object")
    return numbers, rows


# -- Parquet ----------------------------------------------------------------------------------------------------------


def _parquet(path: Path, refuse: Refuse, wanted: frozenset[str] | None, size: int) -> Iterator[Batch]:  # noqa: ARG001 - as _lines
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
        first = 1
        for found in file.iter_batches(size, columns=names, use_threads=False):
            columns = {name: _cells(found.column(at)) for at, name in enumerate(found.schema.names)}
            yield Batch(path, range(first, first + found.num_rows), columns)
            first += found.num_rows


def _cells(column: pa.Array) -> Column:
    """As Python values; whole numbers in lists as arrays, times as Unix seconds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind):
        utc = column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
        return [None if at is None else at / 1e6 for at in utc.to_pylist()]
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not column.null_count:
        plain: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return plain
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_integer(kind.value_type):
        return _arrays(column)
    cells: list[Any] = column.to_pylist()
    return cells


def _arrays(column: pa.ListArray) -> Column:
    """Views of one array: nothing is copied."""
    values = column.values.to_numpy(zero_copy_only=False)
    ends = column.offsets.to_numpy().tolist()
    arrays = [values[one:other] for one, other in itertools.pairwise(ends)]
    if column.null_count:
        return [array if stated else None for array, stated in zip(arrays, column.is_valid().to_pylist(), strict=True)]
    return arrays
