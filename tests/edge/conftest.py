"""An edge on loopback in the test's own event loop, with a store in memory and an upstream that says as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvloop

from gateway.chain.chain import Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.control import pages
from gateway.edge.edge import Edge, Settings
from gateway.edge.handover import Pages
from gateway.edge.listener import bind, listen
from gateway.edge.upstream import Origin, Route, Timeouts, Upstream
from gateway.policy import ALLOW, Context, Decision
from gateway.stores.memory import MemoryStore
from gateway.telemetry.counters import Counters
from gateway.wire.forwarded import TrustedHops

Answer = Callable[["Heard", asyncio.StreamWriter], Awaitable[None]]

JSON_ANSWER = (
    b'{"id":"x","object":"chat.completion","choices":[],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}'
)
SETTINGS = Settings(sweep=0.02)
TIMEOUTS = Timeouts()


def whole(content: bytes = JSON_ANSWER, status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
    """A whole answer with its length."""
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        fields,
        len(content),
        content,
    )


@dataclass
class Heard:
    """One request as the upstream received it."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader

    def field(self, name: bytes) -> bytes | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip()
        return None


@dataclass
class ScriptedUpstream:
    """An origin server: remembers what it heard, and answers with bytes or by a coroutine."""

    answer: bytes | Answer = field(default_factory=whole)
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    lost: int = 0
    """Connections that ended."""
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heard = Heard(head, b"", reader)
                length = heard.field(b"content-length")
                if length:
                    heard.body = await reader.readexactly(int(length))
                self.heard.append(heard)
                if callable(self.answer):
                    await self.answer(heard, writer)
                else:
                    writer.write(self.answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.lost += 1
            with contextlib.suppress(Exception):
                writer.close()


class Says:
    """A policy that answers with what the test wants."""

    def __init__(self, decision: Any = ALLOW) -> None:
        self.decision = decision
        self.contexts: list[Context] = []

    def decide(self, context: Context) -> Decision:
        self.contexts.append(context)
        decision: Decision = self.decision(context) if callable(self.decision) else self.decision
        return decision


@dataclass
class Served:
    """A running edge and all that a test wants to look at."""

    edge: Edge
    port: int
    upstream: ScriptedUpstream
    policy: Says
    store: MemoryStore

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, request: bytes, timeout: float = 5.0) -> bytes:
        """Send bytes, and read until the gateway closes, or until one whole answer with a length is there."""
        reader, writer = await self.connect()
        writer.write(request)
        try:
            async with asyncio.timeout(timeout):
                return await read_answer(reader)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """One answer, whole by its own framing; b"" where the connection ended before one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as incomplete:
        return incomplete.partial
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = await reader.readuntil(b"0\r\n\r\n")
    elif b"content-length:" in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
    elif lower.startswith((b"http/1.1 204", b"http/1.1 304", b"http/1.1 101", b"http/1.1 1")):
        body = b""
    else:
        body = await reader.read()
    return head + body


def post(
    path: bytes = b"/v1/chat/completions",
    body: bytes = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}',
    fields: bytes = b"",
) -> bytes:
    """A well-formed request."""
    return b"POST %b HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b" % (
        path,
        len(body),
        fields,
        body,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Real sockets on both event loops: uvloop's transports are those that run in production."""
    uses_sockets = isinstance(item, pytest.Function) and "serve" in item.fixturenames
    if item.path.stem in {"test_streams", "test_upstream"} and uses_sockets:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve() -> Serve:
    """`async with serve(...) as served:` runs an edge."""

    @contextlib.asynccontextmanager
    async def run(
        settings: Settings = SETTINGS,
        timeouts: Timeouts = TIMEOUTS,
        entries: tuple[Entry, ...] | None = None,
        trusted: tuple[str, ...] = (),
        origins: list[Origin] | None = None,
        upstream: ScriptedUpstream | None = None,
    ) -> AsyncIterator[Served]:
        scripted = upstream or ScriptedUpstream()
        server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
        scripted.port = server.sockets[0].getsockname()[1]
        origin = Origin(
            "inference",
            "127.0.0.1",
            scripted.port,
            b"upstream.test",
            credential=b"Authorization: Bearer upstream-secret\r\n",
        )
        counters = Counters()
        loop = asyncio.get_running_loop()
        chosen = [replace(o, port=o.port or scripted.port) for o in origins] if origins else [origin]
        upstreams = [Upstream(o, timeouts, counters, loop.time) for o in chosen]
        store = MemoryStore(time.time)
        policy = Says()
        chain = Chain(entries or (Entry.of("says", "says", policy, OnFailure.DENY),), store, store, {})
        own_pages = Pages(pages.application())
        await own_pages.start()
        edge = Edge(
            settings,
            chain,
            [Route("default", (), upstreams)],
            counters,
            time.time,
            loop.time,
            TrustedHops(trusted),
            hand_over=own_pages.take_over,
        )
        bound = bind("127.0.0.1:0")
        port = bound.getsockname()[1]
        listening = await listen(edge, bound)
        edge.start()
        try:
            yield Served(edge, port, scripted, policy, store)
        finally:
            listening.close()
            edge.close()
            await own_pages.close()
            server.close()
            await asyncio.sleep(0)

    return run
