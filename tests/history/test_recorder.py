"""A recorder may die at any moment: no event is lost, and none is there twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.history import recorder as module
from gateway.history.columns import HistoryError
from gateway.history.parquet import parts
from gateway.history.reading import read
from gateway.history.recorder import GATHER_FOR, Recorder
from gateway.history.spool import BAD, spool_of
from gateway.testing import Clock
from tests.history.logs import NOON, event, segment

MONTH = 30 * 86_400.0


class Killed(BaseException):
    """What no code catches, as SIGKILL."""


def _ids(folder: Path) -> list[str]:
    return sorted(row["exchange"] for table in read(folder, columns=("exchange",)) for row in table.to_pylist())


def _recorder(folder: Path, clock: Clock | None = None) -> Recorder:
    return Recorder(folder, clock or Clock(), keep=MONTH)


def _midnight(folder: Path) -> list[str]:
    """Two segments, one of which has events of two days; returns all ids."""
    midnight = 1_700_006_400.0
    segment(folder, [event(exchange=f"a{n}", time=midnight - 2 + n) for n in range(4)], "w1", NOON)
    segment(folder, [event(exchange=f"b{n}", time=midnight + n) for n in range(3)], "w2", NOON + 1)
    return sorted([f"a{n}" for n in range(4)] + [f"b{n}" for n in range(3)])


def test_segments_become_parts_by_day(tmp_path: Path) -> None:
    """Each event stands in the folder of its day, sorted by time, and the spool is empty."""
    ids = _midnight(tmp_path)

    assert _recorder(tmp_path).convert(everything=True) == 7

    assert sorted(path.parent.name for path in parts(tmp_path)) == ["date=2023-11-14", "date=2023-11-15"]
    assert list(spool_of(tmp_path).iterdir()) == []
    assert _ids(tmp_path) == ids


def test_a_part_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that loses power leaves no half part: content is synced, then named, then the name is."""
    segment(tmp_path, [event()])
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def syncing(descriptor: int) -> None:
        done.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def renaming(self: Path, target: Path) -> Path:
        done.append(f"rename {self.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "rename", renaming)
    _recorder(tmp_path).convert(everything=True)

    (part,) = parts(tmp_path)
    draft = f".{part.name}.draft"
    assert done == [f"fsync {draft}", f"rename {draft}", f"fsync {part.parent.name}", f"fsync {tmp_path.name}"]


def _die_at_call(name: str, number: int, monkeypatch: pytest.MonkeyPatch, of: object) -> None:
    real: Callable[..., object] = getattr(of, name)
    calls = 0

    def dying(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            raise Killed
        return real(*arguments, **named)

    monkeypatch.setattr(of, name, dying)


@pytest.mark.parametrize(
    ("what", "number"),
    [("fsync", 1), ("fsync", 2), ("fsync", 4), ("rename", 1), ("rename", 2), ("unlink", 1), ("unlink", 2)],
)
def test_a_recorder_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: int
) -> None:
    """Wherever it dies: a reader sees each event once at once, and again after the next recorder has been there."""
    ids = _midnight(tmp_path)
    with monkeypatch.context() as patch:
        _die_at_call(what, number, patch, os if what == "fsync" else Path)
        with pytest.raises(Killed):
            _recorder(tmp_path).convert(everything=True)

    assert _ids(tmp_path) == ids
    after = _recorder(tmp_path)
    after.convert(everything=True)
    after.forget()

    assert _ids(tmp_path) == ids
    assert list(spool_of(tmp_path).iterdir()) == []
    assert not list(tmp_path.glob("date=*/.*"))


def test_segments_wait_for_company_but_not_for_ever(tmp_path: Path) -> None:
    """Few files, and none that waits longer than ten rotations."""
    clock = Clock()
    recorder = Recorder(tmp_path, clock, keep=MONTH, rotate=60.0)
    segment(tmp_path, [event(exchange="a")])

    assert recorder.convert(everything=False) == 0
    clock.turn(60.0 * GATHER_FOR)
    assert recorder.convert(everything=False) == 1


def test_a_part_is_made_early_of_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load a part is as large as it is useful."""
    monkeypatch.setattr(module, "GATHER_BYTES", 100)
    segment(tmp_path, [event()])

    assert _recorder(tmp_path).convert(everything=False) == 1


def test_what_is_no_segment_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read does not stand in the way of the others, and is not thrown away."""
    segment(tmp_path, [event(exchange="a")])
    (spool_of(tmp_path) / "0-x.jsonl").write_text("what is this\n")

    assert _recorder(tmp_path).convert(everything=True) == 1

    assert [path.name for path in spool_of(tmp_path).iterdir()] == [f"0-x{BAD}"]
    assert "put aside" in caplog.text


def test_lines_that_are_no_events_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A status of text, a line that is torn: out, and said; the rest stays."""
    path = segment(tmp_path, [event(exchange="a"), event(exchange="b", status="fine"), event(exchange="c")])
    path.write_bytes(path.read_bytes() + b'["half')
    recorder = _recorder(tmp_path)

    assert recorder.convert(everything=True) == 2

    assert recorder.torn == 2
    assert "2 lines are no events" in caplog.text
    assert _ids(tmp_path) == ["a", "c"]


def test_days_are_forgotten_when_they_are_old(tmp_path: Path) -> None:
    """Whole days, by their name; what others put there stays."""
    clock = Clock(NOON)
    for days in (0, 29, 31, 60):
        segment(tmp_path, [event(exchange=f"d{days}", time=NOON - days * 86_400)], now=NOON - days * 86_400)
    recorder = _recorder(tmp_path, clock)
    recorder.convert(everything=True)
    kept = tmp_path / "date=2001-01-01"
    kept.mkdir()
    (kept / "notes.txt").write_text("mine")

    recorder.forget()

    assert _ids(tmp_path) == ["d0", "d29"]
    assert (kept / "notes.txt").exists()


def test_there_is_one_recorder_a_folder(tmp_path: Path) -> None:
    """The second says what is the matter, and the first's end lets another begin."""
    with _recorder(tmp_path).alone(), pytest.raises(HistoryError, match="has a recorder already"):
        _recorder(tmp_path).run(threading.Event())

    stopping = threading.Event()
    stopping.set()
    segment(tmp_path, [event(exchange="a")])
    _recorder(tmp_path).run(stopping)
    assert len(parts(tmp_path)) == 1


def test_a_disk_that_refuses_keeps_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is removed that was not recorded, and the recorder lives."""
    segment(tmp_path, [event(exchange="a")])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    stopping = threading.Event()
    stopping.set()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        _recorder(tmp_path).run(stopping)

    assert "its spool grows" in caplog.text
    assert _ids(tmp_path) == ["a"]
