"""A worker's side: nothing stalls, nothing grows, and what is lost is counted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.history import exchange_log
from gateway.history.columns import SCHEMA
from gateway.history.exchange_log import ExchangeLog, network_of
from gateway.history.reading import read
from gateway.history.spool import closed_segments, spool_of
from gateway.testing import Clock
from tests.history.logs import event


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for table in read(folder) for row in table.to_pylist()]


async def test_what_is_noted_is_read(tmp_path: Path) -> None:
    """Every event that was noted before the end is in a closed segment."""
    log = ExchangeLog(tmp_path, "w1", Clock())
    for number in range(1000):
        log.note(event(exchange=f"x{number}"))
    log.close()

    rows = _rows(tmp_path)

    assert [row["exchange"] for row in rows] == [f"x{number}" for number in range(1000)]
    assert {(row["schema"], row["worker"]) for row in rows} == {(SCHEMA, "w1")}
    assert len(closed_segments(spool_of(tmp_path))) == 1
    assert log.dropped == 0


async def test_a_segment_is_closed_when_it_is_large(tmp_path: Path) -> None:
    """What a reader holds at once is bounded."""
    log = ExchangeLog(tmp_path, "w1", clock := Clock(), segment_bytes=5_000)
    for number in range(6):
        log._write([event(exchange=f"{number}-{n}") for n in range(30)])
        if log._segment is not None and log._is_full(log._segment):
            log._close(log._segment)
        clock.turn(1)
    log.close()

    assert len(closed_segments(spool_of(tmp_path))) == 6
    assert len(_rows(tmp_path)) == 180


def test_a_segment_is_closed_when_it_is_old(tmp_path: Path) -> None:
    """A quiet worker's events do not wait for company."""
    log = ExchangeLog(tmp_path, "w1", clock := Clock(), rotate=60.0)
    log._write([event()])
    assert log._segment is not None

    assert not log._is_full(log._segment)
    clock.turn(60)
    assert log._is_full(log._segment)
    log.close()


def test_a_full_spool_takes_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a recorder the disk does not fill: events are dropped, counted, and the log says why."""
    log = ExchangeLog(tmp_path, "w1", clock := Clock(), spool_bytes=100)
    log._write([event()])
    assert log._segment is not None
    log._close(log._segment)
    clock.turn(10)

    log._write([event(), event()])
    log.close()

    assert log.dropped == 2
    assert "is a recorder running" in caplog.text
    assert len(_rows(tmp_path)) == 1


def test_a_disk_that_refuses_is_asked_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error costs the events of a moment, and a new segment begins when the disk takes some again."""
    log = ExchangeLog(tmp_path, "w1", clock := Clock())
    log._write([event(exchange="before")])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log._write([event(exchange="lost")])
    log._write([event(exchange="too early")])
    clock.turn(exchange_log.TRY_AGAIN_AFTER)
    log._write([event(exchange="after")])
    log.close()

    assert log.dropped == 2
    assert [row["exchange"] for row in _rows(tmp_path)] == ["before", "after"]


def test_no_caller_keeps_itself_out_of_the_log(tmp_path: Path) -> None:
    """Who asks for 10^30 tokens, or names half a character, leaves an event as all others do."""
    log = ExchangeLog(tmp_path, "w1", Clock())
    log._write([event(exchange="a"), event(output_cap=10**30, model="m\ud800"), event(exchange="b")])
    log.close()

    assert [row["exchange"] for row in _rows(tmp_path)] == ["a", "x", "b"]
    assert [(row["output_cap"], row["model"]) for row in _rows(tmp_path)][1] == (2**63 - 1, "m\\ud800")
    assert log.dropped == 0


@pytest.mark.parametrize(
    ("addresses", "address", "kept", "latitude"),
    [
        ("full", "192.0.2.77", "192.0.2.77", 59.9),
        ("network", "192.0.2.77", "192.0.2.0", 59.9),
        ("network", "2001:db8:1:2ff::1", "2001:db8:1:200::", 59.9),
        ("none", "192.0.2.77", "", None),
    ],
)
def test_addresses_are_kept_as_the_operator_says(
    tmp_path: Path, addresses: Any, address: str, kept: str, latitude: float | None
) -> None:
    """What is not to be kept reaches no disk."""
    log = ExchangeLog(tmp_path, "w1", Clock(), addresses=addresses)
    log._write([event(client_address=address, latitude=59.9, longitude=10.7)])
    log.close()

    (row,) = _rows(tmp_path)
    assert (row["client_address"], row["latitude"]) == (kept, latitude)
    if addresses != "full":
        assert address.encode() not in b"".join(path.read_bytes() for path in spool_of(tmp_path).iterdir())


def test_what_is_no_address_has_no_network() -> None:
    """A unix socket's peer has none."""
    assert network_of("unix") == ""


async def test_a_disk_that_stands_still_stalls_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More batches than wait are dropped, and counted."""
    log = ExchangeLog(tmp_path, "w1", Clock())
    log.close()
    for _ in range(exchange_log.BATCHES_AT_MOST + 3):
        log._events.append(event())
        log._flush()

    assert log.dropped == 3
