"""How a segment is known to be whole, and whose it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.history.columns import EVENT, SCHEMA, HistoryError
from gateway.history.spool import (
    CLOSED,
    NEW,
    OPEN,
    OpenSegment,
    closed_segments,
    read_segment,
    serialise,
    spool_of,
)
from tests.history.logs import NOON, event, segment


def test_a_segment_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Head and events, in order."""
    path = segment(tmp_path, [event(exchange="a"), event(exchange="b")], worker="host-1-0")

    rows = read_segment(path.read_bytes(), path.name)

    assert (rows.head.schema, rows.head.worker, rows.head.columns) == (SCHEMA, "host-1-0", EVENT)
    assert [row[0] for row in rows.events] == ["a", "b"]
    assert rows.torn == 0


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_torn_line_costs_one_event(tmp_path: Path, cut: int) -> None:
    """A worker that is killed in the midst of a write leaves the others readable."""
    path = segment(tmp_path, [event(exchange="a"), event(exchange="b"), event(exchange="c")])
    content = path.read_bytes()[: -1 - cut]

    rows = read_segment(content, path.name)

    assert [row[0] for row in rows.events] == ["a", "b"]
    assert rows.torn == 1


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"", "is no segment"),
        (b"[1, 2]", "is no segment"),
        (b'{"format": "something else"}', "is no segment"),
        (b'{"format": "tidegate exchange log", "schema": 99, "worker": "w", "columns": []}', "reads up to"),
    ],
)
def test_what_is_no_segment_is_said(first: bytes, said: str) -> None:
    """The words name the file, and what to do."""
    with pytest.raises(HistoryError, match=said):
        read_segment(first + b"\n", "x.jsonl")


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """Its writer's lock holds."""
    spool = spool_of(tmp_path)
    spool.mkdir()
    written = OpenSegment(spool, "w1", NOON)

    assert closed_segments(spool) == []
    written.close()
    assert [path.suffix for path in closed_segments(spool)] == [CLOSED]


def test_a_clock_put_back_writes_over_nothing(tmp_path: Path) -> None:
    """Two segments of one microsecond are two files."""
    spool = spool_of(tmp_path)
    spool.mkdir()
    for name in ("a", "b"):
        written = OpenSegment(spool, "w1", NOON)
        written.write(serialise([event(exchange=name)])[0])
        written.close()

    assert len(closed_segments(spool)) == 2


WRITER = """
import sys, time
from pathlib import Path
from gateway.history.spool import OpenSegment, serialise
from tests.history.logs import event
segment = OpenSegment(Path(sys.argv[1]), "w1", 1.0)
segment.write(serialise([event(exchange="a")])[0] + b'["half')
print("written", flush=True)
time.sleep(60)
"""


def test_a_dead_writer_s_segment_is_closed_for_it(tmp_path: Path) -> None:
    """The kernel gives the lock back with the process, however it ended."""
    spool = spool_of(tmp_path)
    spool.mkdir()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(spool)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert closed_segments(spool) == []
        assert [path.suffix for path in spool.iterdir()] == [OPEN]
        process.send_signal(signal.SIGKILL)

    (path,) = closed_segments(spool)
    rows = read_segment(path.read_bytes(), path.name)
    assert ([row[0] for row in rows.events], rows.torn) == (["a"], 1)


def test_a_draft_that_nobody_holds_is_removed(tmp_path: Path) -> None:
    """It has no events yet."""
    spool = spool_of(tmp_path)
    spool.mkdir()
    os.close(os.open(spool / f"0-w{NEW}", os.O_CREAT | os.O_WRONLY))

    assert closed_segments(spool) == []
    assert list(spool.iterdir()) == []
