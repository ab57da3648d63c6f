"""Shapes of answers, and what becomes of an exchange when its upstream does not behave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from gateway.chain.entry import Entry, OnFailure
from gateway.edge import upstream as upstream_module
from gateway.edge.edge import Settings
from gateway.edge.upstream import Origin, Route, Timeouts, Unreachable, Upstream
from gateway.policy import Outcome, Usage
from gateway.telemetry.counters import Counters
from tests.edge.bench import Bench, Plain, answers
from tests.edge.conftest import JSON_ANSWER, Heard, ScriptedUpstream, Serve, free_port, post, read_answer, whole

GET = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
GET_10 = b"GET /v1/models HTTP/1.0\r\nHost: a\r\n\r\n"
HEAD = b"HEAD /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
CHAT = post()
STREAM = post(
    body=b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]}'
)
ANTHROPIC = post(
    b"/v1/messages", b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hello"}]}'
)
RESPONSES = post(b"/v1/responses", b'{"model":"m","stream":true,"input":"hello"}')
OK = b"HTTP/1.1 200 OK\r\n"
SSE = OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Shape(NamedTuple):
    """An answer; what the caller must read; whether both connections may be used on."""

    name: str
    said: bytes
    body: bytes
    asked: bytes = GET
    statuses: tuple[int, ...] = (200,)
    ends: bool = False
    """The upstream closes after it."""
    kept: bool = True
    """The upstream connection goes back to its pool."""
    stays: bool = True
    """The caller's connection is kept."""
    framing: Mapping[bytes, bytes] = MappingProxyType({})


CHUNKED = {b"transfer-encoding": b"chunked"}
SHAPES = [
    Shape("length", OK + b"Content-Length: 3\r\n\r\nabc", b"abc", framing={b"content-length": b"3"}),
    Shape("length-0", OK + b"Content-Length: 0\r\n\r\n", b"", framing={b"content-length": b"0"}),
    Shape(
        "length-to-1.0",
        OK + b"Content-Length: 3\r\n\r\nabc",
        b"abc",
        GET_10,
        stays=False,
        framing={b"content-length": b"3"},
    ),
    Shape(
        "chunked", OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", framing=CHUNKED
    ),
    Shape(
        "chunked-extensions",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0;c\r\n\r\n",
        b"abc",
        framing=CHUNKED,
    ),
    Shape(
        "chunked-trailers",
        OK + b"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\nX-B: z\r\n\r\n",
        b"abc",
        framing=CHUNKED,
    ),
    Shape(
        "chunked-to-1.0", OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc", GET_10, stays=False
    ),
    Shape("close-delimited", OK + b"\r\nabc", b"abc", ends=True, kept=False, framing=CHUNKED),
    Shape("close-delimited-to-1.0", OK + b"\r\nabc", b"abc", GET_10, ends=True, kept=False, stays=False),
    Shape("close-delimited-and-empty", OK + b"Connection: close\r\n\r\n", b"", ends=True, kept=False, framing=CHUNKED),
    Shape(
        "1.0-answer",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"abc",
        kept=False,
        framing={b"content-length": b"3"},
    ),
    Shape(
        "close",
        OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc",
        b"abc",
        kept=False,
        framing={b"content-length": b"3"},
    ),
    Shape("204", b"HTTP/1.1 204 No Content\r\n\r\n", b"", statuses=(204,)),
    Shape("204-with-length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", statuses=(204,)),
    Shape(
        "304-with-length",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
        b"",
        statuses=(304,),
        framing={b"content-length": b"5"},
    ),
    Shape("304-to-1.0", b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", GET_10, statuses=(304,), stays=False),
    Shape("head-with-length", OK + b"Content-Length: 5\r\n\r\n", b"", HEAD, framing={b"content-length": b"5"}),
    Shape("head-chunked", OK + b"Transfer-Encoding: chunked\r\n\r\n", b"", HEAD),
    Shape("head-without-framing", OK + b"\r\n", b"", HEAD, kept=False),
    Shape("100-is-ours", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    Shape(
        "103-passes",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc",
        b"abc",
        statuses=(103, 200),
    ),
    Shape(
        "102-and-103-pass",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc",
        b"abc",
        statuses=(102, 103, 200),
    ),
    Shape(
        "103-not-to-1.0",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc",
        b"abc",
        GET_10,
        stays=False,
    ),
    Shape("error-passes", b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 3\r\n\r\nabc", b"abc", statuses=(429,)),
    Shape("unknown-status-passes", b"HTTP/1.1 599 What\r\nContent-Length: 3\r\n\r\nabc", b"abc", statuses=(599,)),
    Shape("no-phrase", b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    Shape(
        "offer-of-an-upgrade",
        OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc",
        b"abc",
        framing={b"content-length": b"3"},
    ),
    Shape("json-with-usage", whole(), JSON_ANSWER, CHAT),
    Shape(
        "stream-with-length",
        OK + b"Content-Type: text/event-stream\r\nContent-Length: 14\r\n\r\ndata: [DONE]\n\n",
        b"data: [DONE]\n\n",
        STREAM,
        framing=CHUNKED,
    ),
]


def shapes(table: list[Shape]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shape", table, ids=[shape.name for shape in table])


def answered(shape: Shape, pieces: list[bytes]) -> None:
    bench = Bench(answer=None).feed(shape.asked).say(*pieces)
    if shape.ends:
        bench.leave()
    found = answers(bench.sent, (shape.asked.split(b" ")[0],))
    assert tuple(answer.status for answer in found) == shape.statuses, pieces
    last = found[-1]
    assert last.whole and last.body == shape.body, pieces
    for name in (b"content-length", b"transfer-encoding"):
        assert not shape.framing or last.fields.get(name) == shape.framing.get(name), pieces
    assert last.status != 204 or b"content-length" not in last.fields
    assert b"upgrade" not in last.fields and b"trailer" not in last.fields
    assert list(bench.upstream.idle) == ([bench.last] if shape.kept else []), pieces
    assert bench.last.transport.is_closing() is not shape.kept, pieces
    assert bench.closed is not shape.stays, pieces
    assert bench.outcome.status == last.status
    if bench.closed:
        return
    # The next request is answered as if nothing had been, on the same connection upstream if that was kept.
    before = len(bench.sent)
    bench.answer = OK + b"Content-Length: 2\r\n\r\n{}"
    bench.feed(GET)
    assert answers(bench.sent[before:])[0].body == b"{}"
    assert len(bench.upstream.made) == (1 if shape.kept else 2)


@shapes(SHAPES)
async def test_shapes_at_every_cut(shape: Shape) -> None:
    """An answer is the same answer whole, byte by byte, and cut in two at every place."""
    said = shape.said
    answered(shape, [said])
    answered(shape, [said[i : i + 1] for i in range(len(said))])
    for cut in range(1, len(said)):
        answered(shape, [said[:cut], said[cut:]])


BAD = {
    "length-and-coding": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding-and-length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two-lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length-list": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "length-minus": OK + b"Content-Length: -3\r\n\r\nabc",
    "length-overflow": OK + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "coding-gzip-chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding-in-two-fields": OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding-unknown": OK + b"Transfer-Encoding: x\r\n\r\nabc",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an-error-page-of-0.9": b"<html>no</html>\r\n\r\n",
    "a-request": GET,
    "lines-end-in-lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "nul-in-a-field": OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "folded-field": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space-before-colon": OK + b"Content-Length : 0\r\n\r\n",
    "upgrade-unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "upgrade-to-nothing": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "upgrade-to-nothing-and-more": b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "bad-chunk-size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "head-too-large": OK + b"X: " + b"a" * 80_000 + b"\r\n\r\n",
    "hints-without-end": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2000,
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
async def test_what_cannot_be_passed_on(said: bytes) -> None:
    """An answer that could be read in two ways is a 502; its connection is closed, the caller's stays."""
    bench = Bench(answer=None).feed(CHAT).say(*[said[i : i + 8192] for i in range(0, len(said), 8192)])
    found = answers(bench.sent)
    assert found[-1].status == 502
    assert b'"code":"upstream_failed"' in found[-1].body
    assert bench.last.transport.is_closing() and not bench.upstream.idle
    assert not bench.closed
    assert bench.outcome == Outcome(status=0)


@pytest.mark.parametrize("name", [name for name, said in BAD.items() if len(said) < 200 and name != "bad-chunk-size"])
async def test_what_cannot_be_passed_on_in_pieces(name: str) -> None:
    """Nor does any cut make it an answer."""
    said = BAD[name]
    for cut in range(1, len(said)):
        bench = Bench(answer=None).feed(CHAT).say(said[:cut], said[cut:])
        assert [answer.status for answer in answers(bench.sent)] == [502], said[:cut]


async def test_closed_without_an_answer() -> None:
    """Nothing came, and the request is not safe to send again: 502, and the reservation stays with who took it."""
    bench = Bench(answer=None).feed(CHAT).leave()
    assert answers(bench.sent)[0].status == 502
    assert bench.outcome == Outcome(status=0)
    assert len(bench.forwarded) == 1


async def test_half_a_head() -> None:
    """A part of a head is no answer; nothing of it is passed on."""
    bench = Bench(answer=None).feed(GET).say(OK + b"X: y\r\n").leave()
    assert [answer.status for answer in answers(bench.sent)] == [502]
    assert len(bench.forwarded) == 1, "a byte of the answer had come: not asked again"


FIELDS_DROPPED = (
    b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: x\r\nVia: 1.1 other\r\n"
    b"X-RateLimit-Limit-Requests: 9\r\n"
    b"anthropic-ratelimit-requests-limit: 9\r\nRateLimit: x\r\nx-request-id: theirs\r\nrequest-id: theirs\r\n"
    b"Tidegate-Ruleset: 9-theirs\r\n"
)


async def test_fields_of_an_answer() -> None:
    """What belongs to the connection or to the operator's own limits stays; the rest passes as it was spelled."""
    bench = (
        Bench(answer=None)
        .feed(GET)
        .say(OK + FIELDS_DROPPED + b"X-Own: 1\r\nset-Cookie: a\r\nContent-Length: 0\r\n\r\n")
    )
    fields = answers(bench.sent)[0].fields
    assert fields.pop(b"x-request-id") != b"theirs"
    assert fields == {b"x-own": b"1", b"set-cookie": b"a", b"via": b"1.1 tidegate", b"content-length": b"0"}
    assert b"set-Cookie: a\r\n" in bench.sent


# -- more than one answer, answers nobody asked for ------------------------------------------------------------------


@pytest.mark.parametrize("asked", [GET, CHAT], ids=["get", "post"])
@pytest.mark.parametrize("more", [whole(), b"x", b"HTTP/1.1 200 OK\r\n"], ids=["whole", "a-byte", "half"])
async def test_two_answers_at_once(asked: bytes, more: bytes) -> None:
    """What follows an answer is never the answer to the next request: the connection is gone."""
    bench = Bench(answer=None).feed(asked).say(whole() + more)
    assert [answer.status for answer in answers(bench.sent)] == [200]
    assert bench.last.transport.is_closing()
    bench.answer = OK + b"Content-Length: 2\r\n\r\n{}"
    bench.feed(GET)
    assert answers(bench.sent)[1].body == b"{}"
    assert len(bench.upstream.made) == 2


async def test_an_idle_upstream_that_talks() -> None:
    """Bytes on an idle connection close it before it can be used again."""
    bench = Bench(answer=None).feed(GET).say(whole())
    kept = bench.last
    kept.data_received(whole(b'{"poisoned":true}'))
    assert kept.transport.is_closing()
    bench.answer = OK + b"Content-Length: 2\r\n\r\n{}"
    bench.feed(GET)
    assert answers(bench.sent)[1].body == b"{}"


@pytest.mark.parametrize("at_once", [True, False], ids=["in-one-read", "later"])
async def test_content_after_an_answer_to_head(at_once: bool) -> None:
    """It is not passed on, and its connection is not used again."""
    head = OK + b"Content-Length: 3\r\n\r\n"
    bench = Bench(answer=None).feed(HEAD).say(*([head + b"abc"] if at_once else [head, b"abc"]))
    assert bench.sent.endswith(b"\r\n\r\n") and b"abc" not in bench.sent
    assert bench.last.transport.is_closing()


async def test_early_answer() -> None:
    """An answer while the request is still being sent: it passes, and the rest of the request is not waited for."""
    bench = Bench(answer=None).feed(CHAT)
    transport = bench.last.transport
    transport.buffered = 1_000_000  # type: ignore[attr-defined]
    bench.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
    assert answers(bench.sent)[0][::2] == (413, b"big")
    assert transport.aborted  # type: ignore[attr-defined]
    assert not bench.upstream.idle


# -- answers that break off ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"Content-Length: 100\r\n\r\n{", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"zz\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"0\r\n"),
    ],
    ids=["length", "chunked", "bad-chunk", "no-last-line"],
)
async def test_json_breaks_off(head: bytes, more: bytes) -> None:
    """The caller must not take a part for the whole: the connection is aborted, and so it is settled."""
    bench = Bench(answer=None).feed(CHAT).say(OK + b"Content-Type: application/json\r\n" + head)
    bench.say(more) if more else None
    bench.leave()
    assert bench.transport.aborted
    assert not answers(bench.sent)[0].whole
    assert bench.outcome == Outcome(200, aborted=True)


async def test_reset_is_no_end_of_a_close_delimited_answer() -> None:
    """A reset connection is a broken answer, even where the end of the connection would have been its end."""
    bench = Bench(answer=None).feed(CHAT).say(OK + b"\r\nabc").leave(ConnectionResetError())
    assert bench.transport.aborted
    assert bench.outcome.aborted


DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
ERRORS = {
    "openai": (STREAM, DELTA, b'data: {"error":{'),
    "responses": (
        RESPONSES,
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n',
        b'event: error\ndata: {"type":"error"',
    ),
    "anthropic": (
        ANTHROPIC,
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}\n\n',
        b'event: error\ndata: {"type":"error"',
    ),
}


@pytest.mark.parametrize("inside", [False, True], ids=["between-events", "inside-an-event"])
@pytest.mark.parametrize("tongue", ERRORS)
async def test_stream_breaks_off(tongue: str, inside: bool) -> None:
    """A stream ends with the dialect's own error event, alone between blank lines, and its framing ends, too."""
    asked, event, error = ERRORS[tongue]
    bench = Bench(answer=None).feed(asked).say(SSE + chunk(event))
    if inside:
        bench.say(chunk(event[:20]))
    bench.leave()
    answer = answers(bench.sent)[0]
    assert answer.whole
    events = answer.body.replace(b"\n\n\n\n", b"\n\n").split(b"\n\n")
    assert events[-1] == b""
    assert events[-2].startswith(error)
    assert events[0] + b"\n\n" == event
    assert len(events) == (4 if inside else 3)
    assert bench.transport.closing and not bench.transport.aborted
    outcome = bench.outcome
    assert (outcome.status, outcome.aborted, outcome.delivered >= 1) == (200, True, True)


async def test_stripped_stream_breaks_inside_an_event() -> None:
    """Where we hold events back (we asked for the usage chunk), half an event never reaches the caller."""
    asked = post(body=b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}')
    bench = Bench(answer=None).feed(asked).say(SSE + chunk(DELTA), chunk(DELTA[:30])).leave()
    events = answers(bench.sent)[0].body.split(b"\n\n")
    assert [event[:12] for event in events] == [b'data: {"choi', b'data: {"erro', b""]


async def test_stream_that_ends_well() -> None:
    """Usage as stated, not aborted; nothing of the stream is changed."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\n'
    events = DELTA + usage + b"data: [DONE]\n\n"
    bench = Bench(answer=None).feed(STREAM).say(SSE + chunk(events) + b"0\r\n\r\n")
    answer = answers(bench.sent)[0]
    assert answer.body == events
    assert bench.outcome[:2] == (200, Usage(3, 5))
    assert not bench.outcome.aborted
    assert not bench.closed


async def test_stream_without_its_closing_word() -> None:
    """Framing that is whole does not make a stream whole."""
    bench = Bench(answer=None).feed(STREAM).say(SSE + chunk(DELTA) + b"0\r\n\r\n")
    assert answers(bench.sent)[0].whole
    assert bench.outcome.aborted and bench.outcome.delivered >= 1


async def test_json_is_settled_by_its_usage() -> None:
    """What the answer states is what is settled."""
    bench = Bench(answer=None).feed(CHAT).say(whole())
    assert bench.outcome == Outcome(200, Usage(3, 5))


# -- reuse, on real sockets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "status", "connections"), [(GET, b"200", 2), (CHAT, b"502", 1)], ids=["get", "post"])
async def test_closed_at_reuse(serve: Serve, asked: bytes, status: bytes, connections: int) -> None:
    """A kept connection that closes as it is used again: what is safe is asked again, what is not is told."""

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if len(scripted.heard) == 2:
            writer.close()
            return
        writer.write(whole())

    scripted = ScriptedUpstream(answer)
    async with serve(upstream=scripted) as served:
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200")
        assert (await served.exchange(asked)).startswith(b"HTTP/1.1 " + status)
        assert scripted.connections == connections


async def test_closed_before_reuse(serve: Serve) -> None:
    """A kept connection that the upstream has closed is not used again, so nothing is lost."""

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(whole())
        writer.close()

    scripted = ScriptedUpstream(answer)
    async with serve(upstream=scripted) as served:
        upstream = served.edge.routes[0].upstreams[0]
        for _ in range(3):
            assert (await served.exchange(CHAT)).startswith(b"HTTP/1.1 200")
            async with asyncio.timeout(5):
                while upstream.open:
                    await asyncio.sleep(0.001)
        assert scripted.connections == 3


async def test_idle_upstream_connections_are_closed(serve: Serve) -> None:
    """We are the one who closes what is idle."""
    async with serve(timeouts=Timeouts(kept_alive=0.03)) as served:
        await served.exchange(CHAT)
        async with asyncio.timeout(5):
            while not served.upstream.lost:
                await asyncio.sleep(0.005)
        assert not served.edge.routes[0].upstreams[0].open


# -- several origins -------------------------------------------------------------------------------------------------


def origin(name: str, port: int, weight: int = 1) -> Origin:
    return Origin(name, "127.0.0.1", port, b"upstream.test", weight=weight)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def upstreams(*weights: int, clock: Clock) -> list[Upstream]:
    counters = Counters()
    return [Upstream(origin(str(i), 1, weight), Timeouts(), counters, clock) for i, weight in enumerate(weights)]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (5, 2, 1), (1, 10)], ids=str)
async def test_weights(weights: tuple[int, ...]) -> None:
    """Over one round each origin is picked exactly as often as its weight says, and the rounds are mixed."""
    route = Route("r", (), upstreams(*weights, clock=Clock()))
    picked = [upstream.origin.name for _ in range(sum(weights)) if (upstream := route.pick()) is not None]
    assert Counter(picked) == {str(i): weight for i, weight in enumerate(weights)}
    assert picked != sorted(picked) or 1 in weights


async def test_ejection() -> None:
    """Three failures in a row leave an origin alone, longer each time; a success makes it well again."""
    clock = Clock()
    first, second = upstreams(1, 1, clock=clock)
    route = Route("r", (), [first, second])
    first.note_failure("x")
    first.note_failure("x")
    assert first.usable
    first.note_failure("x")
    assert not first.usable
    assert {route.pick() for _ in range(8)} == {second}
    clock.now += 1.01
    assert first.usable
    first.note_failure("x")
    clock.now += 1.01
    assert not first.usable
    clock.now += 1.0
    assert first.usable
    first.note_success()
    assert first.failures == 0
    assert {route.pick() for _ in range(8)} == {first, second}


async def test_none_is_well() -> None:
    """Where every origin is ejected they are all asked: one that may answer is better than none."""
    clock = Clock()
    both = upstreams(1, 1, clock=clock)
    route = Route("r", (), both)
    for upstream in both:
        upstream.healthy = False
    assert {route.pick() for _ in range(4)} == set(both)
    assert route.pick({"0"}) is both[1]
    assert route.pick({"0", "1"}) is None


async def test_next_origin_where_one_refuses(serve: Serve) -> None:
    """No byte was sent to an origin that refuses the connection, so the next one is asked, and the first ejected."""
    dead = free_port()
    async with serve(origins=[origin("dead", dead, weight=9), origin("alive", 0)]) as served:
        for _ in range(4):
            assert (await served.exchange(CHAT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))).startswith(
                b"HTTP/1.1 200"
            )
        first = served.edge.routes[0].upstreams[0]
        assert first.failures == 3 and not first.usable


async def test_no_origin_answers(serve: Serve) -> None:
    """503 with Retry-After; nothing was sent, so nothing is charged."""
    policy = Plain()
    entries = (Entry.of("plain", "plain", policy, OnFailure.DENY),)
    async with serve(origins=[origin("a", free_port()), origin("b", free_port())], entries=entries) as served:
        answer = await served.exchange(CHAT)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1\r\n" in answer
        assert b'"code":"upstream_unreachable"' in answer
        assert policy.outcomes == [Outcome(0, reached=False)]


async def test_origin_is_full(serve: Serve) -> None:
    """Connections to an origin are bounded; beyond that it is told at once."""
    async with serve() as served:
        served.edge.routes[0].upstreams[0].most = 0
        answer = await served.exchange(CHAT)
        assert answer.startswith(b"HTTP/1.1 503") and b'"code":"upstream_busy"' in answer


async def test_connect_timeout(serve: Serve) -> None:
    """Connecting has its own deadline, with the TLS handshake in it."""
    scripted = ScriptedUpstream()
    silent = Origin("silent", "127.0.0.1", 0, b"upstream.test", tls=ssl.create_default_context())
    async with serve(origins=[silent], timeouts=Timeouts(connect=0.05), upstream=scripted) as served:
        answer = await served.exchange(CHAT)
        assert answer.startswith(b"HTTP/1.1 503")
        assert served.edge.routes[0].upstreams[0].failures == 1


async def test_active_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """An origin whose health path fails is left alone until it answers well again."""
    monkeypatch.setattr(upstream_module, "PROBE_EVERY", 0.01)
    status = b"200 OK"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"GET /base/health HTTP/1.1\r\n")
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    probed = Origin("o", "127.0.0.1", port, b"127.0.0.1:%d" % port, prefix=b"/base", health_path="/health")
    upstream = Upstream(probed, Timeouts(), Counters(), asyncio.get_running_loop().time)
    probe = asyncio.create_task(upstream.probe())
    try:
        async with asyncio.timeout(5):
            for status, well in (  # noqa: B007 - `answer` says it
                (b"500 No", False),
                (b"200 OK", True),
                (b"302 Found", False),
                (b"204 No Content", True),
            ):
                while upstream.healthy is not well:
                    await asyncio.sleep(0.005)
                assert upstream.usable is well
    finally:
        probe.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probe
        server.close()


# -- waiting too long ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def stalling(
    serve: Serve, said: bytes, timeouts: Timeouts, policy: Plain
) -> AsyncIterator[tuple[asyncio.StreamReader, ScriptedUpstream]]:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await heard.reader.read()
        writer.close()

    scripted = ScriptedUpstream(answer)
    entries = (Entry.of("plain", "plain", policy, OnFailure.DENY),)
    async with serve(upstream=scripted, timeouts=timeouts, entries=entries, settings=Settings(sweep=0.01)) as served:
        reader, writer = await served.connect()
        writer.write(STREAM)
        async with asyncio.timeout(5):
            yield reader, scripted
        writer.close()


async def test_first_byte_timeout(serve: Serve) -> None:
    """No answer in time: 504, the upstream connection is ended, and what was reserved stays charged."""
    policy = Plain()
    async with stalling(serve, b"", Timeouts(first_byte=0.05), policy) as (reader, scripted):
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 504")
        while not scripted.lost:
            await asyncio.sleep(0.005)
        assert policy.outcomes == [Outcome(0)]


async def test_hints_do_not_shorten_the_wait(serve: Serve) -> None:
    """After an interim answer the wait is still that for the answer."""
    async with stalling(serve, b"HTTP/1.1 103 Early Hints\r\n\r\n", Timeouts(first_byte=0.4, idle=0.01), Plain()) as (
        reader,
        _,
    ):
        began = asyncio.get_running_loop().time()
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 103")
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 504")
        assert asyncio.get_running_loop().time() - began > 0.3


async def test_idle_timeout_of_a_stream(serve: Serve) -> None:
    """A stream that falls silent ends with the dialect's error event."""
    policy = Plain()
    async with stalling(serve, SSE + chunk(DELTA), Timeouts(idle=0.05), policy) as (reader, scripted):
        answer = await reader.read()
        assert answer.endswith(b"0\r\n\r\n") and b'data: {"error":{' in answer
        while not scripted.lost:
            await asyncio.sleep(0.005)
        assert policy.outcomes[0].aborted and policy.outcomes[0].delivered == 1


async def test_idle_timeout_of_json(serve: Serve) -> None:
    """An answer that is no stream is cut off: a part must not look whole."""
    policy = Plain()
    async with stalling(
        serve, OK + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{", Timeouts(idle=0.05), policy
    ) as (reader, _):
        with contextlib.suppress(ConnectionResetError):
            assert (await reader.read()).endswith(b"{")
        assert policy.outcomes == [Outcome(200, aborted=True)]


async def test_unreachable_says_why() -> None:
    """A refused connection is Unreachable with a stable word, and leaves nothing behind."""
    clock = Clock()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        upstream = Upstream(origin("x", taken.getsockname()[1]), Timeouts(), Counters(), clock)
        with pytest.raises(Unreachable) as refused:
            await upstream.connect()
    assert refused.value.reason == "upstream_unreachable"
    assert upstream.connecting == 0 and not upstream.open


@pytest.mark.parametrize(
    ("path", "cap", "delivered"),
    [
        pytest.param(b"/v1/chat/completions", b"", 100, id="by-its-bytes"),
        pytest.param(b"/v1/chat/completions", b',"max_tokens":7', 7, id="at-most-its-cap"),
        pytest.param(b"/v1/embeddings", b"", 0, id="embeddings-make-nothing"),
        pytest.param(b"/v1/images/generations", b"", 0, id="a-picture-says-nothing"),
    ],
)
async def test_leaving_a_json_answer_is_not_free(path: bytes, cap: bytes, delivered: int) -> None:
    """Such an answer is made before it is sent: who reads all of it but its end pays for what came."""
    body = b'{"model":"m"%b}' % cap
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
    bench = Bench(answer=None).feed(head + body)
    bench.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" + b"x" * 400)
    bench.connection.connection_lost(None)
    assert bench.outcome == Outcome(200, delivered=delivered, aborted=True)
