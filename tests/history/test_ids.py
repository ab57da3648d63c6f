"""Which parts may hold an id."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.history.ids import index_of, may_hold, write_index
from gateway.history.parquet import parts
from gateway.history.recorder import Recorder
from tests.history.logs import NOON, event, log


@settings(max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=200))
def test_no_id_that_is_there_is_missed(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    """Whatever it is made of."""
    part = tmp_path_factory.mktemp("ids") / "part-1.parquet"
    write_index(part, ids)
    assert all(may_hold(part, one) for one in ids)


def test_few_looks_are_in_vain(tmp_path: Path) -> None:
    """Below one of a hundred."""
    part = tmp_path / "part-1.parquet"
    write_index(part, [f"id-{number}" for number in range(10_000)])
    assert sum(may_hold(part, f"other-{number}") for number in range(10_000)) < 100
    assert index_of(part).stat().st_size < 10_000 * 2


@pytest.mark.parametrize(
    "content", [b"", b"tg-ids-1", b"something else that is long enough", b"tg-ids-1" + b"\xff" * 8]
)
def test_what_cannot_be_read_excludes_nothing(tmp_path: Path, content: bytes) -> None:
    """A torn index costs time, and hides no exchange."""
    part = tmp_path / "part-1.parquet"
    assert may_hold(part, "x")
    index_of(part).write_bytes(content)
    assert may_hold(part, "x")


def test_a_recorder_makes_what_is_missing_and_takes_it_away(tmp_path: Path) -> None:
    """Also for parts from before; an index goes with its part."""
    log(tmp_path, [event(exchange="ours", request_id="theirs")])
    (part,) = parts(tmp_path)
    recorder = Recorder(tmp_path, lambda: NOON, keep=86_400.0)
    assert (recorder.index(), recorder.index()) == (1, 0)
    assert may_hold(part, "ours")
    assert may_hold(part, "theirs")
    assert not may_hold(part, "nobody's")
    Recorder(tmp_path, lambda: NOON + 9 * 86_400.0, keep=86_400.0).forget()
    assert not part.parent.exists()
