"""The data plane without sockets: a client connection and its upstream on transports that only remember.

Every byte is delivered as the test says, and what was forwarded is seen byte by byte.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from gateway.chain.chain import Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.edge.connection import ClientConnection, Phase
from gateway.edge.edge import Edge, Settings
from gateway.edge.upstream import Origin, Route, Timeouts, Upstream
from gateway.edge.upstream_connection import UpstreamConnection
from gateway.policy import ALLOW, Context, Decision, Outcome, Take
from gateway.stores.memory import MemoryStore
from gateway.telemetry.counters import Counters
from gateway.wire.forwarded import TrustedHops

PEER = "192.0.2.7"
SETTINGS = Settings()
TIMEOUTS = Timeouts()
OWN_ID = re.compile(rb"X-Request-Id: [0-9a-f]{20,}\r\n")
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


class FakeTransport(asyncio.Transport):
    """Remembers what was written; `buffered` is what it says of its buffer."""

    def __init__(self, peer: tuple[str, int] = (PEER, 4711)) -> None:
        super().__init__({"peername": peer})
        self.sent = bytearray()
        self.writes: list[bytes] = []
        self.buffered = 0
        self.closing = False
        self.aborted = False
        self.ended = False
        self.reading = True
        self.protocol: Any = None

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        assert not self.ended, "written after the end"
        self.sent += data
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class InstantUpstream(Upstream):
    """Has a connection for everyone, at once."""

    made: list[UpstreamConnection]

    def take_idle(self) -> UpstreamConnection | None:
        kept = super().take_idle()
        if kept is not None:
            return kept
        connection = UpstreamConnection(self)
        connection.connection_made(FakeTransport())
        self.made.append(connection)
        return connection


class Plain:
    """A policy that answers as it is told and remembers what it was asked and how it ended."""

    def __init__(self, decision: Decision | Callable[[Context], Any] = ALLOW) -> None:
        self.decision = decision
        self.contexts: list[Context] = []
        self.outcomes: list[Outcome] = []

    def decide(self, context: Context) -> Decision:
        self.contexts.append(context)
        return self.decision if isinstance(self.decision, Decision) else cast("Decision", self.decision(context))

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        self.outcomes.append(outcome)
        return ()


class Bench:
    """One client connection. `feed` delivers bytes; each request that went upstream is answered with `answer`."""

    def __init__(
        self,
        answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        settings: Settings = SETTINGS,
        policy: Plain | None = None,
        trusted: tuple[str, ...] = (),
        timeouts: Timeouts = TIMEOUTS,
        prefix: bytes = b"",
    ) -> None:
        loop = asyncio.get_running_loop()
        counters = Counters()
        self.answer = answer
        origin = Origin(
            "fake", "127.0.0.1", 1, b"upstream.test", prefix=prefix, credential=b"Authorization: Bearer own\r\n"
        )
        self.upstream = InstantUpstream(origin, timeouts, counters, loop.time)
        self.upstream.made = []
        store = MemoryStore(time.time)
        self.policy = policy or Plain()
        chain = Chain((Entry.of("plain", "plain", self.policy, OnFailure.DENY),), store, store, {})
        self.handed_over: list[bytes] = []
        self.edge = Edge(
            settings,
            chain,
            [Route("default", (), [self.upstream])],
            counters,
            time.time,
            loop.time,
            TrustedHops(trusted),
            hand_over=lambda _, data: self.handed_over.append(data),
        )
        self.transport = FakeTransport()
        self.connection = ClientConnection(self.edge)
        self.connection.connection_made(self.transport)

    def feed(self, *pieces: bytes) -> Bench:
        for piece in pieces:
            if self.closed:
                break
            self.connection.data_received(piece)
            self.pump()
        return self

    def drip(self, data: bytes) -> Bench:
        return self.feed(*[data[i : i + 1] for i in range(len(data))])

    def pump(self) -> None:
        """Answer what waits for an answer."""
        waiting = True
        while waiting and self.answer is not None:
            waiting = False
            for connection in self.upstream.made:
                if connection.sink is not None and not connection.transport.is_closing():
                    waiting = True
                    connection.data_received(self.answer)

    def say(self, *pieces: bytes) -> Bench:
        """The upstream that was asked last says something."""
        for piece in pieces:
            if not self.last.transport.is_closing():
                self.last.data_received(piece)
        return self

    def leave(self, error: Exception | None = None) -> Bench:
        """The upstream that was asked last closes its connection."""
        if not self.last.transport.is_closing():
            self.last.connection_lost(error)
            self.last.transport.close()
        return self

    @property
    def last(self) -> UpstreamConnection:
        return self.upstream.made[-1]

    @property
    def sent(self) -> bytes:
        return bytes(self.transport.sent)

    @property
    def outcome(self) -> Outcome:
        """How the one exchange was settled: once."""
        assert len(self.policy.outcomes) == 1
        return self.policy.outcomes[0]

    @property
    def closed(self) -> bool:
        """Nothing more is read as a request."""
        return self.transport.closing or self.connection.phase in (Phase.GONE, Phase.LINGER)

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in STATUS.findall(bytes(self.transport.sent))]

    @property
    def forwarded(self) -> list[bytes]:
        """Each request as it went upstream, with our own request ids replaced by ID."""
        return [
            OWN_ID.sub(b"X-Request-Id: ID\r\n", write)
            for connection in self.upstream.made
            for write in cast("FakeTransport", connection.transport).writes
        ]


def upstream_request(line: bytes, *fields: bytes, body: bytes | None = None, forwarded_for: str = PEER) -> bytes:
    """What must go upstream for a request with this line and these fields (those that pass), byte for byte."""
    parts = [
        line + b" HTTP/1.1",
        b"Host: upstream.test",
        *fields,
        b"Authorization: Bearer own",
        b"X-Forwarded-For: " + forwarded_for.encode(),
        b"X-Forwarded-Proto: http",
        b"Forwarded: for=" + forwarded_for.encode() + b";proto=http",
        b"Via: 1.1 tidegate",
        b"X-Request-Id: ID",
    ]
    if body is not None:
        parts.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(parts) + b"\r\n\r\n" + (body or b"")


class Answer(NamedTuple):
    """One answer as a client reads it. `whole`: its framing was ended; `fields` have lower-case names."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes
    whole: bool


def answers(sent: bytes, methods: tuple[bytes, ...] = ()) -> list[Answer]:
    """All answers in what a client received; `methods` are those of the requests (GET if not stated)."""
    found: list[Answer] = []
    asked = list(methods)
    while sent:
        head, end, sent = sent.partition(b"\r\n\r\n")
        assert end, f"not a whole head: {head!r}"
        line, *lines = head.split(b"\r\n")
        status = int(line.split(b" ")[1])
        fields = {name.lower(): value for name, _, value in (field.partition(b": ") for field in lines)}
        assert len(fields) == len(lines), f"a field stands twice: {lines!r}"
        if status < 200:
            found.append(Answer(status, fields, b"", True))
            continue
        method = asked.pop(0) if asked else b"GET"
        body, sent, whole = _content(status, fields, method, sent)
        found.append(Answer(status, fields, body, whole))
    return found


def _content(status: int, fields: dict[bytes, bytes], method: bytes, sent: bytes) -> tuple[bytes, bytes, bool]:
    if status in (204, 304) or method == b"HEAD":
        return b"", sent, True
    if b"transfer-encoding" in fields:
        body = b""
        while sent:
            size, _, sent = sent.partition(b"\r\n")
            length = int(size, 16)
            body += sent[:length]
            assert sent[length : length + 2] == b"\r\n"
            sent = sent[length + 2 :]
            if not length:
                return body, sent, True
        return body, b"", False
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return sent[:length], sent[length:], len(sent) >= length
    return sent, b"", True
