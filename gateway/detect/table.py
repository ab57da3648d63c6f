"""Columns that grow: what is known of many things of one kind, a numpy array a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

FIRST: Final = 1024
"""Rows for which there is room at the beginning."""


class Table:
    """Rows 0 … `size`-1 are in use; a new one is all zeros."""

    def __init__(self, columns: Mapping[str, str | tuple[str, int]]) -> None:
        """`columns`: name -> dtype, or (dtype, width) for several of one kind a row."""
        self._columns: dict[str, Column] = {}
        for name, kind in columns.items():
            dtype, width = (kind, 0) if isinstance(kind, str) else kind
            self._columns[name] = np.zeros((FIRST, width) if width else FIRST, dtype)
        self.size = 0

    def __getitem__(self, name: str) -> Column:
        """The rows in use, to read and to write; not to be kept: the next `add` may move it."""
        return self._columns[name][: self.size]

    def add(self, count: int) -> Column:
        """Indices of `count` new rows."""
        at = self.size
        room = len(next(iter(self._columns.values())))
        if at + count > room:
            wanted = max(at + count, room + room // 2)
            for name, column in self._columns.items():
                grown = np.zeros((wanted, *column.shape[1:]), column.dtype)
                grown[:at] = column[:at]
                self._columns[name] = grown
        self.size = at + count
        return np.arange(at, at + count, dtype=np.int32)

    def clear(self, rows: Column) -> None:
        """All zeros again."""
        for column in self._columns.values():
            column[rows] = 0

    def keep(self, rows: Column) -> None:
        """These alone (a mask or indices), moved together."""
        for name, column in self._columns.items():
            kept = column[: self.size][rows]
            self._columns[name] = (
                kept
                if len(kept) >= FIRST
                else np.concatenate([kept, np.zeros((FIRST - len(kept), *column.shape[1:]), column.dtype)])
            )
        self.size = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)

    @property
    def bytes(self) -> int:
        return sum(column.nbytes for column in self._columns.values())

    def save(self, prefix: str) -> dict[str, Column]:
        return {f"{prefix}{name}": column[: self.size] for name, column in self._columns.items()}

    def load(self, prefix: str, saved: Mapping[str, Column]) -> None:
        """Raises KeyError or ValueError where a column is missing or of another shape."""
        columns = {}
        sizes = set()
        for name, column in self._columns.items():
            read = saved[f"{prefix}{name}"]
            if read.dtype != column.dtype or read.shape[1:] != column.shape[1:]:
                raise ValueError(f"column {name} is of another kind")
            sizes.add(len(read))
            room = np.zeros((max(FIRST, len(read)), *column.shape[1:]), column.dtype)
            room[: len(read)] = read
            columns[name] = room
        if len(sizes) != 1:
            raise ValueError("columns of different length")
        self._columns = columns
        self.size = sizes.pop()
