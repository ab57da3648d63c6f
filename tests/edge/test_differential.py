"""Two readers of the same bytes: whatever the edge forwards, aiohttp's parsers (in C and in Python) must read alike.

TIDEGATE_FUZZ=N multiplies the number of examples.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from typing import Any, NamedTuple

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.bench import Bench
from tests.edge.test_strict import TABLE

TIMES = int(os.environ.get("TIDEGATE_FUZZ", "1"))
PARSERS: dict[str, Any] = {"c": HttpRequestParser, "python": HttpRequestParserPy}


class Read(NamedTuple):
    """One request as a reader understood it."""

    method: bytes
    target: bytes
    version: tuple[int, int]
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool
    upgrades: bool


class Reading(NamedTuple):
    requests: list[Read]
    error: str


def read(parser: Any, data: bytes) -> Reading:
    """What aiohttp makes of the bytes: at once, or byte by byte up to its error, since that loses what came before."""
    reading = _read(parser, [data])
    return _read(parser, [data[i : i + 1] for i in range(len(data))]) if reading.error else reading


def _read(parser: Any, pieces: list[bytes]) -> Reading:
    loop = asyncio.get_running_loop()
    reader = parser(
        BaseProtocol(loop),
        loop,
        2**26,
        max_line_size=2**16,
        max_field_size=2**16,
        max_headers=2**12,
        auto_decompress=False,
    )
    found: list[tuple[Any, Any]] = []
    error = ""
    for piece in pieces:
        try:
            messages, upgraded, _ = reader.feed_data(piece)
        except HttpProcessingError as wrong:
            error = repr(wrong)
            break
        found += messages
        if upgraded:
            break
    requests = []
    for message, payload in found:
        if getattr(payload, "_exception", None) is not None:
            error = error or repr(payload._exception)
        requests.append(
            Read(
                message.method.encode(),
                message.path.encode("utf-8", "surrogateescape"),
                tuple(message.version),
                tuple((name.lower(), value) for name, value in message.raw_headers),
                b"".join(getattr(payload, "_buffer", ())),
                payload.is_eof(),
                message.upgrade,
            )
        )
    return Reading(requests, error)


def passed(request: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]:
    """Method, target, the caller's fields, content of a request as it went upstream."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, host, *lines = head.split(b"\r\n")
    assert host == b"Host: upstream.test"
    method, target, version = line.split(b" ")
    assert version == b"HTTP/1.1"
    own = lines.index(b"Authorization: Bearer own")
    fields = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (field.partition(b": ") for field in lines[:own])
    ]
    return method, target, fields, body


def compare(data: bytes, cuts: tuple[int, ...] = ()) -> int:
    """Hold the edge against both readers. Returns how many requests it forwarded."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    bench = Bench().feed(*[data[a:b] for a, b in itertools.pairwise(edges) if a < b])
    forwarded = [passed(request) for request in bench.forwarded]
    for name, parser in PARSERS.items():
        reading = read(parser, data)
        told = f"{name}: {data!r} -> {bench.forwarded!r} but {reading!r}"
        if any(request.upgrades for request in reading.requests[: len(forwarded)]):
            continue  # What follows is another protocol to this reader; test_strict has these.
        assert len(reading.requests) >= len(forwarded), told
        for (method, target, fields, body), other in zip(forwarded, reading.requests, strict=False):
            assert (method, target, body) == (other.method, other.target, other.body), told
            assert other.whole, told
            assert not [field for field in fields if field not in [(n, v.strip(b" \t")) for n, v in other.fields]], told
        if not bench.closed and not bench.connection.pending and not bench.connection.body.under_way:
            assert len(reading.requests) == len(forwarded), told
            assert not reading.error, told
        for request, (method, target, _, body) in zip(bench.forwarded, forwarded, strict=True):
            onward = read(parser, request)
            assert not onward.error, told
            assert [(r.method, r.target, r.body, r.whole) for r in onward.requests] == [(method, target, body, True)], (
                told
            )
            assert [r.version for r in onward.requests] == [(1, 1)]
    return len(forwarded)


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
async def test_the_table(row: Any) -> None:
    """All rows of the table, and each doubled, so that a request follows what was read."""
    compare(row.sent)
    compare(row.sent + row.sent)


# -- requests from a grammar of what is right and what is nearly right -------------------------------------------------

NAMES = st.sampled_from(
    [
        b"Content-Length",
        b"content-length",
        b"Transfer-Encoding",
        b"transfer-encoding",
        b"Connection",
        b"Host",
        b"Expect",
        b"X-A",
        b"Upgrade",
        b"Authorization",
        b"TE",
        b"Trailer",
        b"Content-Encoding",
        b"X_A",
        b"Content-Length ",
        b" Host",
        b"X\tA",
        b"",
    ]
)
VALUES = st.sampled_from(
    [
        b"0",
        b"3",
        b"5",
        b"10",
        b"03",
        b"+3",
        b"-1",
        b"0x5",
        b"3, 3",
        b"3,5",
        b"99999999999999999999",
        b"chunked",
        b"Chunked",
        b"identity",
        b"chunked, identity",
        b"gzip, chunked",
        b"chunked,",
        b" chunked",
        b"chunked ",
        b"\tchunked",
        b"\x0bchunked",
        b"close",
        b"keep-alive",
        b"Upgrade",
        b"close, X-A",
        b"content-length",
        b"a",
        b"a:80",
        b"a b",
        b"",
        b"100-continue",
        b"h2c",
        b"a\r\n b",
        b"a\nb",
        b"a\rb",
        b"a\x00b",
        b"\xff",
        b"gzip",
        b"trailers",
    ]
)
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b""])
COLONS = st.sampled_from([b": "] * 8 + [b":", b" : ", b":\t", b" ", b""])
FIELD = st.tuples(NAMES, COLONS, VALUES, ENDS).map(b"".join)
PLAIN_FIELD = st.sampled_from(
    [
        b"Content-Length: 3\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X-A: b\r\n",
        b"Connection: close\r\n",
    ]
)
LINE = st.tuples(
    st.sampled_from(
        [b"POST", b"POST", b"GET", b"PUT", b"DELETE", b"OPTIONS", b"post", b"PRI", b"CONNECT", b"\r\nPOST", b"M-SEARCH"]
    ),
    st.sampled_from([b" "] * 8 + [b"  ", b"\t", b""]),
    st.sampled_from(
        [b"/v1/x", b"/v1/x?a=b", b"/", b"*", b"http://a/x", b"a:80", b"/v1/x#f", b"/\xff", b"/v1/%2e", b"/v1/x y"]
    ),
    st.sampled_from(
        [b" HTTP/1.1"] * 8 + [b" HTTP/1.0", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/1.1 ", b"", b" HTTP/1.2", b" http/1.1"]
    ),
    ENDS,
).map(b"".join)
CHUNK = st.sampled_from(
    [
        b"3\r\nabc\r\n",
        b"5\r\nabcde\r\n",
        b"a\r\n0123456789\r\n",
        b"0\r\n\r\n",
        b"0\r\n\r\n",
        b"0\r\n\r\n",
        b"03\r\nabc\r\n",
        b"3\nabc\n",
        b"3;x=y\r\nabc\r\n",
        b"+3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"\r\n",
        b"-1\r\n",
        b"ffffffffffffffff1\r\n",
        b"100000003\r\nabc\r\n",
        b"3\r\r\nabc\r\n",
        b"0\r\n",
        b"0\n\n",
        b"3\r\nabc",
        b"abc",
        b"abcde",
        b"_3\r\nabc\r\n",
    ]
)
REQUEST = st.tuples(
    LINE,
    st.sampled_from([b"Host: a\r\n"] * 8 + [b"Host: a\r\nHost: b\r\n", b"", b"Host: a/b\r\n"]),
    st.lists(PLAIN_FIELD, max_size=2).map(b"".join),
    st.lists(FIELD, max_size=2).map(b"".join),
    st.sampled_from([b"\r\n"] * 10 + [b"\n", b"\r\n\r\n", b""]),
    st.lists(CHUNK, max_size=3).map(b"".join),
).map(b"".join)
LIKELY = st.one_of(REQUEST, st.sampled_from([row.sent for row in TABLE if row.forwarded and len(row.sent) < 300]))


@given(st.lists(LIKELY, min_size=1, max_size=3).map(b"".join), st.tuples(*[st.integers(0, 400)] * 2))
@settings(max_examples=1200 * TIMES, deadline=None, suppress_health_check=list(HealthCheck))
async def test_the_grammar(data: bytes, cuts: tuple[int, ...]) -> None:
    """Requests put together from right and wrong parts."""
    compare(data, cuts)


# -- mutations of what is known ---------------------------------------------------------------------------------------

BITS = [
    bytes([value])
    for value in (0, 1, 9, 10, 11, 12, 13, 32, 34, 37, 43, 44, 45, 47, 48, 49, 58, 59, 92, 95, 127, 128, 160, 255)
]
WORDS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"GET /v1/y HTTP/1.1\r\n",
]
WORDS += [
    b"Host: a\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"chunked",
    b", ",
    b"HTTP/1.1",
]


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            del data[at : at + 1]
        elif kind == 1:
            data[at:at] = chance.choice(BITS)
        elif kind == 2:
            data[at : at + 1] = chance.choice(BITS)
        elif kind == 3:
            data[at:at] = chance.choice(WORDS)
        elif kind == 4:
            data[at:at] = data[at : at + chance.randrange(1, 40)]
        elif kind == 5:
            other = chance.choice(corpus)
            data[at:] = other[chance.randrange(len(other)) :]
        else:
            data += chance.choice(corpus)
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
async def test_mutations(seed: int) -> None:
    """Known requests, good and bad, with a few bytes changed. The same each time, unless more is asked for."""
    chance = random.Random(seed if TIMES == 1 else None)
    small = [row for row in TABLE if len(row.sent) < 400]
    corpus = [row.sent for row in small] + [row.sent for row in small if row.forwarded] * 6
    forwarded = sum(compare(mutated(chance, corpus), (chance.randrange(400),)) for _ in range(500 * TIMES))
    assert forwarded > 100 * TIMES, "the mutations must leave enough that is forwarded"
