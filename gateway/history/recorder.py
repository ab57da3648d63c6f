"""Closed segments -> Parquet, a folder a day, for as long as they are kept.

    <folder>/date=2026-11-22/part-….parquet

One recorder a folder, as a process of its own: a lock sees to that. It may die at any moment: a segment goes only when
each of its events is in a part that is whole and on the disk, and a part says of which segments it was made.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.history.columns import HistoryError
from gateway.history.ids import index_of, write_index
from gateway.history.parquet import by_day, day_of, meta_of, parts, table_of, write_part
from gateway.history.spool import BAD, Rows, closed_segments, read_segment, spool_of

log = logging.getLogger(__name__)

GATHER_BYTES: Final = 64 * 1024 * 1024
"""Of segments, for one part: few large files are read faster than many small ones."""
INDEX_AT_ONCE: Final = 4
"""Parts that are indexed between two looks at the spool."""
IDS: Final = ("exchange", "request_id")
GATHER_FOR: Final = 10
"""Times `rotate`: how long segments wait for company. Readers see them all the same."""
_DAY_FOLDER: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


class Recorder:
    """`clock` gives Unix time; `keep` and `rotate` are seconds."""

    def __init__(self, folder: Path, clock: Callable[[], float], *, keep: float, rotate: float = 60.0) -> None:
        self.folder = folder
        self._spool = spool_of(folder)
        self._clock = clock
        self._keep = keep
        self._gather_for = rotate * GATHER_FOR
        self._since: float | None = None
        self._contained: dict[str, set[str]] = {}
        """Day -> the segments that its parts were made of, for days that were looked at."""
        self._unreadable: set[Path] = set()
        self.torn = 0
        """Lines and events that could not be used."""

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Raises HistoryError where another recorder has the folder."""
        self._spool.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / ".recorder", os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise HistoryError(
                f"{self.folder} has a recorder already: `tidegate serve` runs one itself, and a second would double"
            ) from None
        try:
            yield
        finally:
            os.close(descriptor)

    def run(self, stopping: threading.Event, every: float = 1.0) -> None:
        """Until it is told to stop; then everything that is closed is converted, and it ends."""
        with self.alone():
            while not stopping.wait(every):
                self._try(last=False)
            self._try(last=True)

    def _try(self, *, last: bool) -> None:
        try:
            self.convert(everything=last)
            self.index()
            self.forget()
        except OSError as error:
            log.error("the exchange log is not recorded, its spool grows: %s", error)

    # -- converting -----------------------------------------------------------------------------------------------

    def convert(self, *, everything: bool) -> int:
        """Make parts of closed segments, if they have waited for long or are many; returns the events recorded."""
        closed = closed_segments(self._spool)
        if not closed:
            self._since = None
            return 0
        now = self._clock()
        self._since = now if self._since is None else self._since
        waited = now - self._since >= self._gather_for
        recorded = 0
        for group, size in _groups(closed):
            if everything or waited or size >= GATHER_BYTES:
                recorded += self._convert(group)
        if waited:
            self._since = None
        return recorded

    def _convert(self, segments: list[Path]) -> int:
        days: dict[str, list[tuple[str, pa.Table]]] = {}
        used: list[Path] = []
        for path in segments:
            rows = self._read(path)
            if rows is None:
                continue
            used.append(path)
            table, unfit = table_of(rows)
            if rows.torn or unfit:
                self.torn += rows.torn + unfit
                log.warning("%s: %d lines are no events and are left out", path.name, rows.torn + unfit)
            for day, part in by_day(table).items():
                if path.stem not in self._in_parts(day):
                    days.setdefault(day, []).append((path.stem, part))
        recorded = 0
        for day, tables in days.items():
            names = [name for name, _ in tables]
            merged = pa.concat_tables([table for _, table in tables]).unify_dictionaries().sort_by("time")
            write_part(self.folder / f"date={day}" / f"part-{names[0]}.parquet", merged, names)
            self._in_parts(day).update(names)
            recorded += merged.num_rows
        for path in used:
            path.unlink(missing_ok=True)
        return recorded

    def index(self, most: int = INDEX_AT_ONCE) -> int:
        """Make the indices of ids that are missing, of the newest parts first: a trail is found by them fast.

        Returns how many were made.
        """
        made = 0
        for path in reversed(parts(self.folder)):
            if made == most:
                break
            if path in self._unreadable or index_of(path).exists():
                continue
            try:
                write_index(path, _ids(pq.read_table(path, columns=_known_ids(path), partitioning=None)))
                made += 1
            except (pa.ArrowException, FileNotFoundError) as error:
                self._unreadable.add(path)
                log.error("%s has no index of its ids, and looking for one is slow: %s", path, error)
        return made

    def _read(self, path: Path) -> Rows | None:
        """None for what is no segment of ours: put aside, and said."""
        try:
            return read_segment(path.read_bytes(), path.name)
        except HistoryError as error:
            log.error("%s; it is put aside as %s", error, path.with_suffix(BAD).name)
            path.rename(path.with_suffix(BAD))
            return None

    def _in_parts(self, day: str) -> set[str]:
        found = self._contained.get(day)
        if found is None:
            found = self._contained[day] = set()
            for path in (self.folder / f"date={day}").glob("part-*.parquet"):
                try:
                    found |= meta_of(pq.read_schema(path), path.name)
                except (HistoryError, pa.ArrowException) as error:
                    log.error("%s", error)
        return found

    # -- forgetting -----------------------------------------------------------------------------------------------

    def forget(self) -> list[Path]:
        """Remove days that are older than what is kept, and drafts that a recorder before us left; returns them."""
        oldest = day_of(self._clock() - self._keep)
        gone = []
        for folder in self.folder.glob("date=*"):
            found = _DAY_FOLDER.fullmatch(folder.name)
            if found is None:
                continue
            if found[1] < oldest:
                self._contained.pop(found[1], None)
                gone += _empty(folder, "*part-*.parquet*")
                with contextlib.suppress(OSError):
                    folder.rmdir()
            else:
                gone += _empty(folder, ".*part-*.draft")
        return gone


def _empty(folder: Path, pattern: str) -> list[Path]:
    """Remove what matches, and nothing that others put there."""
    found = list(folder.glob(pattern))
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _known_ids(path: Path) -> list[str]:
    return [name for name in IDS if name in pq.read_schema(path).names]


def _ids(table: pa.Table) -> Iterator[str]:
    for name in table.column_names:
        if name in IDS:
            yield from table.column(name).to_pylist()


def _groups(segments: list[Path]) -> Iterator[tuple[list[Path], int]]:
    """Segments in order, as many as make a part, with their size."""
    group: list[Path] = []
    size = 0
    for path in segments:
        group.append(path)
        size += path.stat().st_size
        if size >= GATHER_BYTES:
            yield group, size
            group, size = [], 0
    if group:
        yield group, size
