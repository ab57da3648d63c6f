"""Time, memory and leaving: streams both ways on real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.chain.entry import Entry, OnFailure
from gateway.edge.edge import Settings
from gateway.edge.upstream import Origin, Timeouts
from gateway.edge.upstream_connection import UpstreamConnection
from gateway.policy import ALLOW, Action, Bucket, Decision, Limit, Measure, Outcome, Take, Taken
from gateway.stores.interface import StoreUnavailable
from tests.edge.bench import Bench, FakeTransport, Plain
from tests.edge.conftest import Heard, ScriptedUpstream, Serve, Served, post, read_answer, whole

GET = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = post(body=b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}')
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
AT_MOST = 0.1
"""Seconds in which an upstream must know that the caller has left."""
QUICK = Settings(sweep=0.01)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def entries_of(policy: Plain) -> tuple[Entry, ...]:
    return (Entry.of("plain", "plain", policy, OnFailure.DENY),)


async def until(condition: Callable[[], Any], timeout: float = 5.0) -> float:
    """Wait for it; returns the seconds that it took."""
    began = time.monotonic()
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.001)
    return time.monotonic() - began


class Silent:
    """An upstream that says `first` and no more; `left` is when its connection ended."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.left = 0.0

    async def __call__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(self.first)
        with contextlib.suppress(ConnectionError):
            await heard.reader.read()
        self.left = time.monotonic()
        writer.close()


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# -- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.timing
@pytest.mark.parametrize("leave", [close, half_close, reset])
@pytest.mark.parametrize(
    "first",
    [b"", SSE + chunk(EVENT), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"],
    ids=["before-head", "stream", "json"],
)
async def test_caller_leaves_in_silence(
    serve: Serve, first: bytes, leave: Callable[[asyncio.StreamWriter], None]
) -> None:
    """Nobody says a word when the caller leaves: the upstream request is aborted within 100 ms, and settled so."""
    silent, policy = Silent(first), Plain()
    async with serve(upstream=ScriptedUpstream(silent), entries=entries_of(policy)) as served:
        reader, writer = await served.connect()
        writer.write(STREAM)
        if first:
            await reader.readuntil(b"\r\n\r\n")
        await until(lambda: served.upstream.heard)
        await asyncio.sleep(0.05)
        left = time.monotonic()
        leave(writer)
        await until(lambda: silent.left)
        assert silent.left - left < AT_MOST
        assert [outcome.aborted for outcome in policy.outcomes] == [True]
        assert policy.outcomes[0].reached
        assert not served.edge.exchanges and served.edge.counters.active == 0
        await until(lambda: not served.edge.connections)
        writer.close()


@pytest.mark.timing
async def test_caller_leaves_while_the_request_goes_upstream(serve: Serve) -> None:
    """An upstream that does not read a large request is left with it."""
    left_at = 0.0

    async def sit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left_at
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                await asyncio.sleep(0.0005)
        left_at = time.monotonic()
        writer.close()

    scripted = ScriptedUpstream()
    scripted.serve = sit  # type: ignore[method-assign]
    policy = Plain()
    async with serve(upstream=scripted, entries=entries_of(policy)) as served:
        _, writer = await served.connect()
        writer.write(post(b"/v1/x", b"a" * 8_000_000))
        await until(lambda: served.edge.exchanges and served.edge.routes[0].upstreams[0].open)
        writer.close()
        await until(lambda: policy.outcomes)
        began = time.monotonic()
        # What the kernel holds already is read out before the end is seen.
        await until(lambda: left_at)
        assert left_at - began < 1
        assert policy.outcomes == [Outcome(0, aborted=True)]
        assert served.edge.budget.held == 0


async def test_caller_leaves_while_sending(serve: Serve) -> None:
    """Half a request is no request: nobody is asked, and its memory is given back."""
    async with serve() as served:
        _, writer = await served.connect()
        writer.write(post(b"/v1/x", b"a" * 100_000)[:50_000])
        await until(lambda: served.edge.budget.held > 40_000)
        writer.close()
        await until(lambda: not served.edge.connections)
        assert served.edge.budget.held == 0
        assert not served.policy.contexts and not served.upstream.heard


async def test_caller_leaves_while_connecting(serve: Serve) -> None:
    """No byte was sent, so nothing is charged; the connection that comes after all is kept for others."""
    policy, gate = Plain(), asyncio.Event()
    async with serve(entries=entries_of(policy)) as served:
        upstream = served.edge.routes[0].upstreams[0]
        connect = upstream.connect

        async def slowly() -> UpstreamConnection:
            await gate.wait()
            return await connect()

        upstream.connect = slowly  # type: ignore[method-assign]
        _, writer = await served.connect()
        writer.write(STREAM)
        await until(lambda: served.edge.exchanges)
        writer.close()
        await until(lambda: policy.outcomes)
        assert policy.outcomes == [Outcome(0, aborted=True, reached=False)]
        gate.set()
        await until(lambda: upstream.idle)
        assert not served.upstream.heard


async def test_caller_leaves_while_a_policy_waits(serve: Serve) -> None:
    """A policy may take its time; who left meanwhile is settled as never having reached an upstream."""
    gate = asyncio.Event()

    async def slowly() -> Decision:
        await gate.wait()
        return ALLOW

    policy = Plain(lambda _: slowly())
    async with serve(entries=entries_of(policy)) as served:
        _, writer = await served.connect()
        writer.write(STREAM)
        await until(lambda: policy.contexts)
        writer.close()
        await until(lambda: not served.edge.connections)
        assert not policy.outcomes
        gate.set()
        await until(lambda: policy.outcomes)
        assert policy.outcomes == [Outcome(0, aborted=True, reached=False)]
        assert not served.upstream.heard and not served.edge.exchanges


async def test_caller_leaves_while_the_store_answers(serve: Serve) -> None:
    """What the store granted after the caller had left is given back."""
    take = Take(Bucket("t", "t", Limit("requests", Measure.REQUESTS, 10, 1)), 1)
    policy = Plain(ALLOW._replace(takes=(take,)))
    policy.refuse = lambda *_: ALLOW  # type: ignore[attr-defined]
    async with serve(entries=entries_of(policy)) as served:
        asked: list[Callable[[Taken | StoreUnavailable], None]] = []
        settled: list[tuple[float, ...]] = []

        def hold(_: str, takes: Sequence[Take], then: Callable[[Taken | StoreUnavailable], None]) -> None:
            asked.append(then)

        store: Any = served.store
        store.take = hold
        store.settle = lambda _, __, finals: settled.append(tuple(finals))
        _, writer = await served.connect()
        writer.write(STREAM)
        await until(lambda: asked)
        writer.close()
        await until(lambda: not served.edge.connections)
        asked[0](Taken(True, (9.0,)))
        assert settled == [(0.0,)]
        assert policy.outcomes == [Outcome(0, aborted=True, reached=False)]
        assert not served.upstream.heard


# -- slow readers ----------------------------------------------------------------------------------------------------

LARGE = 50_000_000


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "stream"])
async def test_slow_reader(serve: Serve, chunked: bool) -> None:
    """50 MB to a caller that does not read: the upstream is not read either, and memory stays where it is."""
    written = 0

    async def pour(heard: Heard, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(SSE if chunked else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        piece = b"x" * 50_000
        while written < LARGE:
            writer.write(chunk(piece) if chunked else piece)
            await writer.drain()
            written += len(piece)
        if chunked:
            writer.write(b"0\r\n\r\n")

    async with serve(upstream=ScriptedUpstream(pour)) as served:
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            caller.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(caller, ("127.0.0.1", served.port))
            await loop.sock_sendall(caller, STREAM)
            await until(lambda: served.edge.connections and next(iter(served.edge.connections)).write_paused)
            await asyncio.sleep(0.2)
            client = next(iter(served.edge.connections))
            connection = next(iter(served.edge.routes[0].upstreams[0].open))
            assert client.transport.get_write_buffer_size() < 1_000_000
            assert not connection.transport.is_reading()
            assert written < 20_000_000, "all but what kernels hold is still with the upstream"
            received = 0
            async with asyncio.timeout(30):
                while received < LARGE:
                    piece = await loop.sock_recv(caller, 1_000_000)
                    assert piece
                    received += len(piece)
                    assert client.transport.get_write_buffer_size() < 1_000_000
            assert LARGE < received < LARGE * 1.01
            await until(lambda: client.exchange is None)


async def test_unread_answers_stop_the_reading(serve: Serve) -> None:
    """Who pipelines without reading the answers is not read on: answers do not pile up here."""
    async with serve() as served:
        served.policy.decision = Decision(Action.DENY, "no", "No. " * 50)
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(caller, ("127.0.0.1", served.port))
            sending = asyncio.create_task(loop.sock_sendall(caller, GET * 300_000))
            await until(lambda: served.edge.connections and next(iter(served.edge.connections)).write_paused)
            client = next(iter(served.edge.connections))
            count = -1
            while count != len(served.policy.contexts):
                count = len(served.policy.contexts)
                await asyncio.sleep(0.1)
            assert not sending.done()
            assert client.transport.get_write_buffer_size() < 1_000_000
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


async def test_unread_answers_wait_their_turn() -> None:
    """While an answer is not taken no further request is read; when it is, all are answered in order."""
    bench = Bench(policy=Plain(Decision(Action.DENY, "no")))
    bench.connection.pause_writing()
    bench.feed(GET * 3)
    assert bench.statuses == [] and not bench.transport.reading
    bench.connection.resume_writing()
    assert bench.statuses == [403] * 3 and bench.transport.reading


async def test_back_pressure_reaches_the_upstream() -> None:
    """Pause and resume of the caller's transport are those of the upstream's."""
    bench = Bench(answer=None).feed(STREAM).say(SSE)
    transport = bench.last.transport
    assert isinstance(transport, FakeTransport)
    bench.connection.pause_writing()
    assert not transport.reading
    bench.connection.resume_writing()
    assert transport.reading


async def test_caller_that_never_reads_is_cut_off(serve: Serve) -> None:
    """A whole answer that is never taken holds its connection no longer than an idle one."""
    settings = Settings(sweep=0.01, keep_alive_timeout=0.1)
    async with serve(settings=settings, upstream=ScriptedUpstream(whole(b"[" + b" " * 8_000_000 + b"]"))) as served:
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(caller, ("127.0.0.1", served.port))
            await loop.sock_sendall(caller, GET)
            served.edge.routes[0].upstreams[0].timeouts = Timeouts(idle=0.1)
            await until(lambda: served.upstream.heard)
            await until(lambda: not served.edge.connections)


# -- one after the other ---------------------------------------------------------------------------------------------


async def test_pipelined_during_a_stream(serve: Serve) -> None:
    """A request that comes while a stream runs is answered after it, on the same connection."""
    gate = asyncio.Event()

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if heard.head.startswith(b"GET"):
            writer.write(whole(b'{"second":1}'))
            return
        writer.write(SSE + chunk(EVENT))
        await gate.wait()
        writer.write(chunk(EVENT) + b"0\r\n\r\n")

    async with serve(upstream=ScriptedUpstream(answer)) as served:
        reader, writer = await served.connect()
        writer.write(STREAM)
        await reader.readuntil(b"\n\n")
        writer.write(GET)
        await asyncio.sleep(0.05)
        assert len(served.upstream.heard) == 1
        gate.set()
        assert (await reader.readuntil(b"0\r\n\r\n")).count(b"data:") == 1
        assert (await read_answer(reader)).endswith(b'{"second":1}')
        writer.close()


async def test_keep_alive(serve: Serve) -> None:
    """A hundred requests on one connection are a hundred exchanges on one upstream connection."""
    async with serve() as served:
        reader, writer = await served.connect()
        for _ in range(50):
            for request in (post(), GET):
                writer.write(request)
                assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        assert served.upstream.connections == 1
        assert len(served.edge.connections) == 1
        writer.close()


async def test_expect_continue(serve: Serve) -> None:
    """100 Continue comes when the head is accepted, and not when it is refused."""
    async with serve() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        assert served.upstream.heard[0].body == b"abc"
        assert served.upstream.heard[0].field(b"expect") is None
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 413")
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_largest_body(serve: Serve, chunked: bool) -> None:
    """32 MiB pass unchanged, and their memory is given back; a byte more does not pass."""
    body = hashlib.shake_256(b"seed").digest(32 * 1024 * 1024)
    head = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
    async with serve() as served:
        reader, writer = await served.connect()
        if chunked:
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 100_000):
                writer.write(chunk(body[start : start + 100_000]))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
        async with asyncio.timeout(30):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        assert served.upstream.heard[0].body == body
        assert served.edge.budget.held == 0
        writer.write(head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1))
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 413")
        writer.close()


# -- the budget ------------------------------------------------------------------------------------------------------


async def test_a_flood_of_bodies_is_turned_away(serve: Serve) -> None:
    """503 with Retry-After where the budget is used up; it is whole again when they have gone."""
    settings = Settings(sweep=0.01, body_budget=300_000)
    async with serve(settings=settings) as served:
        held = []
        for _ in range(3):
            _, writer = await served.connect()
            writer.write(post(b"/v1/x", b"a" * 90_001)[:-1])
            held.append(writer)
        await until(lambda: served.edge.budget.held >= 270_000)
        for request in (
            post(b"/v1/x", b"a" * 90_000),
            b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n",
            b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"a" * 90_000),
        ):
            answer = await served.exchange(request)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"Retry-After: 1\r\n" in answer and b'"code":"out_of_memory_budget"' in answer
        assert (await served.exchange(post())).startswith(b"HTTP/1.1 200"), "small ones still fit"
        for writer in held:
            writer.write(b"a")
        await until(lambda: len(served.upstream.heard) == 4)
        await until(lambda: not served.edge.exchanges)
        await until(lambda: served.edge.budget.held == 0)
        assert (await served.exchange(post(b"/v1/x", b"a" * 90_000))).startswith(b"HTTP/1.1 200")
        for writer in held:
            writer.close()


async def test_promises_hold_no_memory(serve: Serve) -> None:
    """Bodies that are announced and not sent lock nobody out."""
    async with serve(settings=Settings(sweep=0.01, body_budget=300_000)) as served:
        writers = []
        for _ in range(20):
            _, writer = await served.connect()
            writer.write(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 250000\r\n\r\n")
            writers.append(writer)
        await until(lambda: len(served.edge.connections) == 20)
        assert (await served.exchange(post(b"/v1/x", b"a" * 250_000))).startswith(b"HTTP/1.1 200")
        for writer in writers:
            writer.close()


async def test_memory_of_a_sent_body_is_given_back_while_its_answer_streams(serve: Serve) -> None:
    """A large request that has gone upstream makes room for others, however long its answer takes."""
    silent = Silent(SSE + chunk(EVENT))
    async with serve(upstream=ScriptedUpstream(silent)) as served:
        reader, writer = await served.connect()
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"%b"}]}' % (b"a" * 500_000)
        writer.write(post(body=body))
        await reader.readuntil(b"\n\n")
        assert served.edge.exchanges and served.edge.budget.held == 0
        writer.close()


async def test_tiny_chunks_cost_what_they_hold() -> None:
    """A body in chunks of two bytes is held as one piece of memory, not as a list of crumbs."""
    bench = Bench().feed(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        bench.feed(b"2\r\nab\r\n" * 100)
    assert bench.connection.body.held == 20_000 == bench.edge.budget.held
    assert bench.connection.body.size_in_memory < 30_000


# -- too slow --------------------------------------------------------------------------------------------------------

SLOW = Settings(sweep=0.01, head_timeout=0.1, body_timeout=0.1, keep_alive_timeout=0.1)


@pytest.mark.parametrize(
    "begin",
    [
        b"G",
        b"GET /v1/models HTTP/1.1\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r",
        b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 33000000\r\n\r\na",
        b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
    ],
    ids=["one-byte", "request-line", "but-for-one-byte", "body", "large-body", "chunks"],
)
async def test_too_slow(serve: Serve, begin: bytes) -> None:
    """A request that does not come in time is 408, and nobody was asked."""
    async with serve(settings=SLOW) as served:
        answer = await served.exchange(begin, timeout=3)
        assert answer.startswith(b"HTTP/1.1 408") and b"Connection: close\r\n" in answer
        assert not served.policy.contexts and served.edge.budget.held == 0


@pytest.mark.parametrize(
    "start", [b"", b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n"], ids=["head", "body"]
)
async def test_a_drip_does_not_help(serve: Serve, start: bytes) -> None:
    """A byte now and then moves no deadline worth the name."""
    async with serve(settings=SLOW) as served:
        reader, writer = await served.connect()
        writer.write(start)
        drip = asyncio.create_task(_drip(writer))
        began = time.monotonic()
        async with asyncio.timeout(3):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 1
        drip.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await drip
        writer.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("begin", [b"", b"\r\n\r\n", GET], ids=["fresh", "empty-lines", "after-an-exchange"])
async def test_idle_connections_are_closed(serve: Serve, begin: bytes) -> None:
    """Without a word: there is nothing to answer."""
    async with serve(settings=SLOW) as served:
        reader, writer = await served.connect()
        writer.write(begin)
        if begin == GET:
            await read_answer(reader)
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        writer.close()


async def test_cut_off_request(serve: Serve) -> None:
    """A caller that stops sending in mid-request is told so, where it still listens."""
    async with serve() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        writer.write_eof()
        assert b'"code":"incomplete_request"' in await reader.read()
        assert not served.policy.contexts
        writer.close()


async def test_refused_caller_still_sees_the_answer(serve: Serve) -> None:
    """Bytes that still come after a refusal are thrown away, so that the answer is not lost in a reset."""
    async with serve() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                writer.write(b"a" * 100_000)
                await asyncio.sleep(0)
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 413")
        writer.close()


# -- draining --------------------------------------------------------------------------------------------------------


async def test_drain(serve: Serve) -> None:
    """What runs ends well, what is idle is closed, who comes new is not served."""
    gate = asyncio.Event()

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE + chunk(EVENT))
        await gate.wait()
        writer.write(chunk(EVENT) + b"0\r\n\r\n")

    async with serve(upstream=ScriptedUpstream(answer)) as served:
        idle_reader, idle_writer = await served.connect()
        reader, writer = await served.connect()
        writer.write(STREAM)
        await reader.readuntil(b"\n\n")
        draining = asyncio.create_task(served.edge.drain())
        async with asyncio.timeout(3):
            assert await idle_reader.read() == b""
            late_reader, late_writer = await served.connect()
            with contextlib.suppress(ConnectionError):
                assert await late_reader.read() == b""
            assert not draining.done()
            gate.set()
            assert (await reader.read()).endswith(b"0\r\n\r\n")
            await draining
        assert not served.edge.connections
        for each in (idle_writer, writer, late_writer):
            each.close()


async def test_drain_waits_for_slow_readers(serve: Serve) -> None:
    """An answer that is written and not yet read is not cut off."""
    content = b"[" + b" " * 5_000_000 + b"]"
    async with serve(upstream=ScriptedUpstream(whole(content, fields=b"X: y\r\n"))) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        draining = asyncio.create_task(served.edge.drain())
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert len(await reader.readexactly(len(content))) == len(content)
            await draining
        writer.close()


async def test_drain_waits_for_what_is_written() -> None:
    """The last exchange has ended, its answer is still on its way: the connection is closed, and not aborted."""
    bench = Bench(answer=None).feed(GET)
    draining = asyncio.create_task(bench.edge.drain())
    await asyncio.sleep(0)
    bench.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert bench.transport.closing and b"Connection: close\r\n" in bench.sent
    await asyncio.sleep(0.05)
    assert not draining.done() and not bench.transport.aborted
    bench.connection.connection_lost(None)
    async with asyncio.timeout(1):
        await draining


async def test_drain_has_an_end(serve: Serve) -> None:
    """What does not end in time is ended."""
    silent, policy = Silent(SSE + chunk(EVENT)), Plain()
    settings = Settings(sweep=0.01, drain_timeout=0.05)
    async with serve(upstream=ScriptedUpstream(silent), settings=settings, entries=entries_of(policy)) as served:
        reader, writer = await served.connect()
        writer.write(STREAM)
        await reader.readuntil(b"\n\n")
        async with asyncio.timeout(3):
            await served.edge.drain()
            await until(lambda: silent.left)
        assert policy.outcomes[0].aborted
        writer.close()


async def test_connections_are_bounded(serve: Serve) -> None:
    """One more than allowed is closed at once; the others live on."""
    async with serve(settings=Settings(sweep=0.02, max_connections=2)) as served:
        first, second = await served.connect(), await served.connect()
        await until(lambda: len(served.edge.connections) == 2)
        reader, writer = await served.connect()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        first[1].write(GET)
        assert (await read_answer(first[0])).startswith(b"HTTP/1.1 200")
        for each in (first[1], second[1], writer):
            each.close()


# -- WebSocket -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def websocket_upstream() -> AsyncIterator[tuple[int, list[web.Request]]]:
    asked: list[web.Request] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        if request.query.get("refuse"):
            return web.json_response({"no": 1}, status=400)
        socket_ = web.WebSocketResponse(max_msg_size=0)
        await socket_.prepare(request)
        async for message in socket_:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket_.send_str("echo " + message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket_.send_bytes(message.data)
        return socket_

    app = web.Application()
    app.router.add_get("/v1/realtime", echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1], asked  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def realtime(
    serve: Serve, policy: Plain
) -> AsyncIterator[tuple[Served, list[web.Request], aiohttp.ClientSession]]:
    async with websocket_upstream() as (port, asked):
        origin = Origin(
            "ws", "127.0.0.1", port, b"upstream.test", credential=b"Authorization: Bearer upstream-secret\r\n"
        )
        async with serve(origins=[origin], entries=entries_of(policy)) as served, aiohttp.ClientSession() as session:
            yield served, asked, session


async def test_websocket(serve: Serve) -> None:
    """It passes once the chain has allowed it, with the upstream's credential; large frames, both ways, and its end."""
    policy = Plain()
    async with realtime(serve, policy) as (served, asked, session):
        url = f"http://127.0.0.1:{served.port}/v1/realtime?model=m"
        async with (
            asyncio.timeout(10),
            session.ws_connect(url, headers={"Authorization": "Bearer caller"}, max_msg_size=0) as ws,
        ):
            await ws.send_str("hello")
            assert await ws.receive_str() == "echo hello"
            large = b"x" * 4_000_000
            await ws.send_bytes(large)
            assert await ws.receive_bytes() == large
            assert policy.contexts[0].path == "/v1/realtime"
            assert policy.contexts[0].ask.generates
            assert asked[0].headers["Authorization"] == "Bearer upstream-secret"
            assert not policy.outcomes, "it still runs"
        await until(lambda: policy.outcomes)
        assert policy.outcomes == [Outcome(101)]
        await until(lambda: not served.edge.connections)


async def test_websocket_is_refused_by_policy(serve: Serve) -> None:
    """A refusal is a plain answer; the upstream hears nothing."""
    policy = Plain(Decision(Action.DENY, "no"))
    async with realtime(serve, policy) as (served, asked, session):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"http://127.0.0.1:{served.port}/v1/realtime")
        assert refused.value.status == 403
        assert not asked


async def test_websocket_is_refused_by_the_upstream(serve: Serve) -> None:
    """Its answer passes as any other."""
    policy = Plain()
    async with realtime(serve, policy) as (served, _, session):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"http://127.0.0.1:{served.port}/v1/realtime?refuse=1")
        assert refused.value.status == 400
        assert [outcome.status for outcome in policy.outcomes] == [400]


UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"
)


async def test_tunnel_bytes() -> None:
    """Head both ways, what follows it in the same read, frames that came too early, back-pressure both ways."""
    bench = Bench(answer=None).feed(UPGRADE)
    upstream = bench.last.transport
    assert isinstance(upstream, FakeTransport)
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in upstream.writes[0]
    assert b"Sec-WebSocket-Key: x\r\n" in upstream.writes[0]
    early = b"e" * 70_000
    bench.feed(early)
    assert not bench.transport.reading, "not without bound"
    bench.say(SWITCH + b"rest")
    assert bench.sent.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert bench.sent.endswith(b"\r\n\r\nrest")
    assert b"Sec-WebSocket-Accept: y\r\n" in bench.sent and b"chunked" not in bench.sent
    assert upstream.writes[1] == early
    assert bench.transport.reading
    bench.feed(b"more")
    assert upstream.writes[2] == b"more"
    bench.last.pause_writing()
    assert not bench.transport.reading
    bench.last.resume_writing()
    assert bench.transport.reading
    bench.connection.pause_writing()
    assert not upstream.reading
    bench.connection.resume_writing()
    assert upstream.reading
    bench.connection.connection_lost(None)
    assert upstream.aborted
    assert bench.outcome == Outcome(101)


async def test_tunnel_may_be_silent_after_back_pressure() -> None:
    """Its caller has a deadline only while it reads nothing: no refusal is ever written into a tunnel."""
    bench = Bench(answer=None).feed(UPGRADE).say(SWITCH)
    exchange = bench.connection.exchange
    assert exchange is not None
    bench.connection.pause_writing()
    assert exchange.deadline > 0
    bench.connection.resume_writing()
    assert exchange.deadline == 0
    bench.connection.connection_lost(None)


async def test_tunnel_ends_upstream() -> None:
    """The upstream's end is the caller's."""
    bench = Bench(answer=None).feed(UPGRADE).say(SWITCH).leave()
    assert bench.transport.closing
    assert bench.outcome == Outcome(101)


# -- on the same socket: pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 7], ids=["whole", "two", "seven"])
async def test_own_pages(serve: Serve, pieces: int) -> None:
    """The page of a reason comes on the callers' port, however its request is cut, and closes its connection."""
    request = b"GET /tidegate/reasons/quota_exceeded HTTP/1.1\r\nHost: a\r\n\r\n"
    async with serve() as served:
        reader, writer = await served.connect()
        size = -(-len(request) // pieces)
        for start in range(0, len(request), size):
            writer.write(request[start : start + size])
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200") and b"<code>quota_exceeded</code>" in answer
        assert b"Connection: close\r\n" in answer
        assert not served.policy.contexts and not served.upstream.heard and not served.edge.connections
        writer.close()


async def test_own_pages_after_an_exchange(serve: Serve) -> None:
    """On a kept connection, and pipelined with what went before; what follows them is not read."""
    async with serve() as served:
        reader, writer = await served.connect()
        writer.write(post() + b"GET /tidegate/reasons/nothing HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(5):
            page = await reader.read()
        assert page.startswith(b"HTTP/1.1 404") and page.count(b"HTTP/1.1") == 1
        assert len(served.upstream.heard) == 1
        writer.close()


async def test_pages_need_a_good_head(serve: Serve) -> None:
    """aiohttp never sees what the edge refuses."""
    async with serve() as served:
        answer = await served.exchange(
            b"GET /tidegate/reasons HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 400") and b"malformed_request" in answer
