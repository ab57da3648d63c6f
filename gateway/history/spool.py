"""Segments of the spool: files of JSON lines, each written by one worker and then by nobody.

    <folder>/spool/<16 digits: microseconds>-<worker>.open     being written; its writer holds a lock (flock) on it
    <folder>/spool/<16 digits: microseconds>-<worker>.jsonl    closed

The first line is the head: schema, worker, names of the columns. Each other line is an event, a JSON array. The last
line of a writer that died may be torn: then it is left out. One that died leaves its lock, too, which is how a segment
that nobody will close is told from one that is being written. So a spool is of one machine: flock does not reach
farther.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from gateway.history.columns import EVENT, SCHEMA, Event, HistoryError

SPOOL: Final = "spool"
OPEN, CLOSED, NEW, BAD = ".open", ".jsonl", ".new", ".bad"
_INT64: Final = 2**63 - 1
_FORMAT: Final = "tidegate exchange log"


def spool_of(folder: Path) -> Path:
    return folder / SPOOL


class Head(NamedTuple):
    """What holds for all events of a segment."""

    schema: int
    worker: str
    columns: tuple[str, ...]


class Rows(NamedTuple):
    """A segment, read."""

    head: Head
    events: list[list[Any]]
    torn: int
    """Lines that are no events."""


def serialise(events: list[Event]) -> tuple[bytes, int]:
    """Lines of events, and how many could not be made one: that must not cost others their events."""
    lines, failed = [], 0
    for event in events:
        try:
            lines.append(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        except TypeError:
            try:
                lines.append(orjson.dumps(mended(event), option=orjson.OPT_APPEND_NEWLINE))
            except TypeError:
                failed += 1
    return b"".join(lines), failed


def mended(event: Event) -> Event:
    """As JSON can hold it: a caller who asks for 10^30 tokens, or whose token names half a character, leaves a trail
    as all others do.
    """
    return tuple(_mended(value) for value in event)


def _mended(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_INT64, min(_INT64, value))
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_mended(one) for one in value] if isinstance(value, list | tuple) else value


class OpenSegment:
    """One that is being written. Raises OSError wherever the disk does."""

    def __init__(self, spool: Path, worker: str, now: float) -> None:
        self.began = now
        self.size = 0
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", worker)
        moment = int(now * 1_000_000)
        # A clock that was put back must not write over what is there.
        while any((spool / f"{moment:016d}-{plain}{kind}").exists() for kind in (OPEN, CLOSED)):
            moment += 1
        name = f"{moment:016d}-{plain}"
        self._open = spool / f"{name}{OPEN}"
        self._closed = spool / f"{name}{CLOSED}"
        draft = spool / f"{name}{NEW}"
        self._descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            # Locked and headed before it has a name by which others find it.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            head = {"format": _FORMAT, "schema": SCHEMA, "worker": worker, "columns": EVENT}
            self.write(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))
            draft.rename(self._open)
        except OSError:
            os.close(self._descriptor)
            draft.unlink(missing_ok=True)
            raise

    def write(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            written = os.write(self._descriptor, view)
            self.size += written
            view = view[written:]

    def close(self) -> None:
        try:
            self._open.rename(self._closed)
        finally:
            os.close(self._descriptor)


def closed_segments(spool: Path) -> list[Path]:
    """Oldest first. Those whose writer has died are closed on the way."""
    if not spool.is_dir():
        return []
    for path in spool.iterdir():
        if path.suffix == OPEN and not is_written(path):
            # If it has been closed meanwhile there is nothing left to rename.
            try:
                path.rename(path.with_suffix(CLOSED))
            except FileNotFoundError:
                continue
        elif path.suffix == NEW and not is_written(path):
            path.unlink(missing_ok=True)
    return sorted(path for path in spool.iterdir() if path.suffix == CLOSED)


def is_written(path: Path) -> bool:
    """Whether somebody writes it now, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_segment(content: bytes, name: str) -> Rows:
    """Raises HistoryError where it is no segment, or one from the future."""
    first, _, rest = content.partition(b"\n")
    head = _head(first, name)
    events, torn = [], 0
    width = len(head.columns)
    for line in rest.split(b"\n"):
        if not line:
            continue
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            torn += 1
            continue
        if isinstance(event, list) and len(event) == width:
            events.append(event)
        else:
            torn += 1
    return Rows(head, events, torn)


def _head(line: bytes, name: str) -> Head:
    try:
        head = orjson.loads(line)
        if head["format"] != _FORMAT:
            raise KeyError("format")
        found = Head(int(head["schema"]), str(head["worker"]), tuple(str(column) for column in head["columns"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise HistoryError(f"{name} is no segment of an exchange log: its first line is not the head") from error
    check_schema(found.schema, name)
    return found


def check_schema(schema: int, name: str) -> None:
    """Raises HistoryError for one from the future."""
    if schema > SCHEMA:
        raise HistoryError(
            f"{name} has schema {schema} of the exchange log, and this Tidegate reads up to {SCHEMA}: use the version"
            " of Tidegate that wrote it, or a newer one"
        )
