"""The chunked coding: one reading, whatever the cut; and nothing but BadChunk for what is wrong."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.chunked import BadChunk, ChunkedDecoder

SIZES = st.integers(1, 40)


@st.composite
def coded(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A valid coding and what it holds: sizes in either case, with zeros before them."""
    parts, content = [], b""
    for piece in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=6)):
        size = f"{len(piece):x}"
        size = (size.upper() if draw(st.booleans()) else size).rjust(draw(st.integers(1, 8)), "0")
        parts.append(size.encode() + b"\r\n" + piece + b"\r\n")
        content += piece
    parts.append(b"0" * draw(st.integers(1, 8)) + b"\r\n\r\n")
    return b"".join(parts), content


def decode(pieces: list[bytes]) -> tuple[bytes, bool, bytes]:
    decoder = ChunkedDecoder()
    rest = b""
    for piece in pieces:
        rest = rest + piece if decoder.done else decoder.feed(piece)
    return bytes(decoder.content), decoder.done, rest


@given(coded(), st.binary(max_size=20), st.lists(st.integers(0, 400), max_size=8))
def test_any_cut(body: tuple[bytes, bytes], after: bytes, cuts: list[int]) -> None:
    """Cut anywhere, a body decodes to the same, is done at the same byte, and hands back what follows."""
    data, content = body
    data += after
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert decode([data[a:b] for a, b in itertools.pairwise(edges)]) == (content, True, after)


@given(coded())
def test_byte_by_byte(body: tuple[bytes, bytes]) -> None:
    """It is done with its last byte, not before."""
    data, content = body
    assert decode([data[i : i + 1] for i in range(len(data))]) == (content, True, b"")
    assert decode([data[:-1]])[1] is False


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12), st.sampled_from([b"\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0", b"f", b"\r", b"\n"])
        ),
        max_size=8,
    )
)
@settings(max_examples=500)
def test_arbitrary_bytes(pieces: list[bytes]) -> None:
    """Any bytes are read, waited for, or BadChunk; and however they are cut it is the same of the three."""

    def outcome(parts: list[bytes]) -> object:
        try:
            return decode(parts)
        except BadChunk:
            return BadChunk

    data = b"".join(pieces)
    assert outcome(pieces) == outcome([data]) == outcome([data[i : i + 1] for i in range(len(data))])


@given(coded(), st.data())
def test_one_byte_changed(body: tuple[bytes, bytes], data: st.DataObject) -> None:
    """A coding with one byte of its framing changed is never read as the same content with something left over."""
    coding, content = body
    at = data.draw(st.integers(0, len(coding) - 1))
    changed = coding[:at] + bytes([coding[at] ^ data.draw(st.integers(1, 255))]) + coding[at + 1 :]
    try:
        decoded, done, rest = decode([changed])
    except BadChunk:
        return
    assert not done or not rest or decoded != content


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g",
        b"3;",
        b"3 ",
        b" 3",
        b"+3",
        b"-3",
        b"0x",
        b"3\n",
        b"3\rx",
        b"3\r\r",
        b"123456789",
        b"3\r\nabcd",
        b"3\r\nabc\n",
        b"3\r\nabc\rx",
        b"0\r\nX",
        b"0\r\n\n",
        b"0\r\n\rX",
        b"0\n",
        b"\x00",
        b"3\t",
        b"_",
    ],
    ids=repr,
)
def test_refused_at_once(data: bytes) -> None:
    """What can never become right is refused as soon as it is seen."""
    with pytest.raises(BadChunk):
        ChunkedDecoder().feed(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"3", b"3\r", b"3\r\n", b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r", b"0\r\n", b"0\r\n\r", b"00000000"],
    ids=repr,
)
def test_waited_for(data: bytes) -> None:
    """What may still become right is waited for."""
    decoder = ChunkedDecoder()
    assert decoder.feed(data) == b""
    assert not decoder.done
