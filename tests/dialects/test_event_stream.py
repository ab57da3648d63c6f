"""Events as they pass: bounds, ends of lines, cuts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import event_stream
from gateway.dialects.event_stream import EventReader, data_of, json_of


class Watcher(EventReader):
    """Reads each event that says `look`; takes out those that say `drop`."""

    def __init__(self, *, strip: bool = False) -> None:
        super().__init__(strip=strip)
        self.seen: list[bytes] = []

    def _plain(self, piece: bytes) -> bool:
        return b"look" not in piece and b"drop" not in piece

    def _read(self, event: bytes) -> bool:
        self.seen.append(data_of(event))
        return self._strip and b"drop" in event

    def _text(self, document: dict[str, Any]) -> int:
        return len(str(document.get("text", "")))


@pytest.mark.parametrize(
    ("event", "data"),
    [
        pytest.param(b"data: a\n\n", b"a", id="one"),
        pytest.param(b"data:a\n\n", b"a", id="no-space"),
        pytest.param(b"data:  a\n\n", b" a", id="two-spaces"),
        pytest.param(b"data: a\r\ndata: b\r\n\r\n", b"a\nb", id="crlf-two-lines"),
        pytest.param(b"data: a\rdata: b\r\r", b"a\nb", id="cr"),
        pytest.param(b"data\ndata: b\n\n", b"\nb", id="empty-line"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", b"a", id="bom"),
        pytest.param(b": data: no\nevent: x\nid: 1\ndata: a\ndatas: b\n\n", b"a", id="others"),
        pytest.param(b": ping\n\n", b"", id="comment"),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes) -> None:
    """Lines end in LF, CRLF or CR; one space after the colon is dropped; lines are joined by LF."""
    assert data_of(event) == data


@pytest.mark.parametrize("event", [b"data: [1]\n\n", b"data: {\n\n", b": x\n\n"])
def test_data_that_is_no_object_is_none(event: bytes) -> None:
    """Nothing is raised."""
    assert json_of(event) is None


STREAMS = {
    "lf": b"data: 1\n\n: hi\n\ndata: look 2\n\ndata: drop 3\n\ndata: 4\n\n",
    "crlf": b"data: 1\r\n\r\ndata: look 2\r\n\r\ndata: drop 3\r\n\r\ndata: 4\r\n\r\n",
    "cr": b"data: 1\r\rdata: look 2\r\rdata: drop 3\r\rdata: 4\r\r",
    "mixed": b"\xef\xbb\xbfdata: 1\r\n\ndata: look 2\n\r\ndata: drop 3\r\r\ndata: 4\n\n",
    "unended": b"data: 1\n\ndata: look 2\n\ndata: drop 3\n\ndata: 4\n",
    "blank": b"\n\n\ndata: look 2\n\n\n\ndata: drop 3\n\n\n",
}


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[a:b] for a, b in itertools.pairwise(places)]


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=st.lists(st.integers(0, 10_000)))
def test_any_cut_sees_the_same_and_passes_the_same(name: str, cuts: list[int]) -> None:
    """Where the bytes were cut makes no difference; what is not taken out passes byte for byte."""
    stream = STREAMS[name]
    watcher = Watcher()
    out = b"".join([watcher.feed(piece) for piece in pieces(stream, cuts)]) + watcher.finish()

    assert out == stream
    assert watcher.seen == [b"look 2", b"drop 3"]

    stripper = Watcher(strip=True)
    out = b"".join([stripper.feed(piece) for piece in pieces(stream, cuts)]) + stripper.finish()

    assert stripper.seen == [b"look 2", b"drop 3"]
    assert [line for line in out.splitlines() if line] == [
        line for line in stream.splitlines() if line and b"drop" not in line
    ]


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\n\n", b"\r\n\r\n", b"data: look", b"\r"])))
def test_any_bytes_pass(parts: list[bytes]) -> None:
    """Nothing is raised, lost, or changed, whatever comes."""
    for strip in (False, True):
        watcher = Watcher(strip=strip)
        out = b"".join([watcher.feed(part) for part in parts]) + watcher.finish()

        assert out == b"".join(parts)


def test_whole_events_pass_as_the_same_object() -> None:
    """Nothing is copied, also in strip mode, also where an event was read."""
    for piece in (b"data: 1\n\n", b"data: 1\r\n\r\n", b"data: look\n\ndata: 2\n\n"):
        assert Watcher(strip=True).feed(piece) is piece


def test_a_broken_event_passes_at_once_but_where_events_are_taken_out() -> None:
    """Holding back costs latency, so it is done only where it must be."""
    watcher = Watcher()
    assert watcher.feed(b"data: dr") == b"data: dr"
    assert not watcher.between_events
    assert watcher.feed(b"op\n\n") == b"op\n\n"
    assert watcher.between_events

    stripper = Watcher(strip=True)
    assert stripper.feed(b"data: dr") == b""
    assert stripper.between_events
    assert stripper.feed(b"op\n\ndata: 2") == b""
    assert stripper.finish() == b"data: 2"


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("size", [7, 40, 1000])
def test_an_event_beyond_the_bound_passes_unread(monkeypatch: pytest.MonkeyPatch, strip: bool, size: int) -> None:
    """It is not held, and what follows it is read again."""
    monkeypatch.setattr(event_stream, "MAX_EVENT", 100)
    stream = b"data: look 1\n\ndata: drop " + b"x" * 500 + b"\r\n\r\ndata: drop 2\n\ndata: look 3\n\n"
    watcher = Watcher(strip=strip)
    held = 0
    out = b""
    for start in range(0, len(stream), size):
        out += watcher.feed(stream[start : start + size])
        held = max(held, len(watcher._pending))
    out += watcher.finish()

    assert watcher.seen == [b"look 1", b"drop 2", b"look 3"]
    assert out == (stream.replace(b"data: drop 2\n\n", b"") if strip else stream)
    assert held <= 100


def events(count: int, text: str) -> list[bytes]:
    return [b'data: {"id":"%d","text":"%b"}\n\n' % (number % 10, text.encode()) for number in range(count)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("tok", 100, id="one-token-an-event"),
        pytest.param("twelve bytes", 100, id="a-long-token"),
        pytest.param("x" * 40, 1000, id="ten-tokens-an-event"),
        pytest.param("x" * 400, 10_000, id="a-hundred"),
    ],
)
@pytest.mark.parametrize("together", [1, 5, 100])
def test_delivered_counts_events_or_their_text(text: str, tokens: int, together: int) -> None:
    """One token an event, or its text over four where that is plainly more, however the events came together."""
    stream = events(100, text)
    watcher = Watcher()
    for start in range(0, 100, together):
        watcher.feed(b"".join(stream[start : start + together]))

    assert watcher.delivered == pytest.approx(tokens, rel=0.05)


def test_delivered_grows_only_with_content() -> None:
    """Comments count nothing."""
    watcher = Watcher()
    watcher.feed(b": ping\n\n")

    assert watcher.delivered == 0


@given(cuts=st.lists(st.integers(0, 100)))
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_the_lines_of_an_event_stay_together(end: bytes, cuts: list[int]) -> None:
    """A line that ends in CRLF is no blank line: an event is read, and taken out, with all its lines."""
    kept = end.join([b"event: a", b"data: 1", b"", b""])
    stream = kept + end.join([b"event: u", b"data: drop", b"data: x", b"", b""])
    watcher = Watcher(strip=True)
    out = b"".join([watcher.feed(piece) for piece in pieces(stream, cuts)]) + watcher.finish()

    assert watcher.seen == [b"drop\nx"]
    assert out.rstrip(b"\r\n") == kept.rstrip(b"\r\n")
