"""One request and its answer: ask the chain, ask the upstream, pass the answer on, settle.

Plain callbacks from one end to the other. Whatever ends an exchange, it is settled once: `_end` is the only way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway import dialects
from gateway.dialects.declared import check_declared
from gateway.dialects.interface import MalformedRequest, Refusal
from gateway.edge import reply
from gateway.edge.allowance import Allowance, allowance_of
from gateway.edge.challenged import shown
from gateway.edge.observed import read_observed
from gateway.edge.traced import begin_traced
from gateway.edge.upstream import Unreachable
from gateway.edge.upstream_connection import UpstreamConnection
from gateway.edge.websocket import wants_websocket
from gateway.policy import ALLOW, Ask, Context, Limit, Outcome
from gateway.wire.status import status_line

if TYPE_CHECKING:
    from gateway.chain.chain import Asked
    from gateway.edge.answer import Answer
    from gateway.edge.connection import ClientConnection
    from gateway.edge.edge import Edge
    from gateway.edge.observed import Said
    from gateway.telemetry.traces import Trace

SAFE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
UNKNOWN: Final = Ask(dialect="openai", route="other")

LARGE: Final = 64 * 1024
"""Bytes of a body beyond which its memory is given back once it is sent, and not when the answer has ended."""


class Exchange:
    """Also what an UpstreamConnection reports to (`upstream.AnswerSink`)."""

    __slots__ = (
        "allowance",
        "answer",
        "asked",
        "began",
        "body",
        "client",
        "context",
        "deadline",
        "decided",
        "dialect",
        "edge",
        "ended",
        "headed",
        "id",
        "method",
        "out",
        "request_id",
        "retyped",
        "route",
        "said",
        "trace",
        "tunnelled",
        "upstream",
        "websocket",
    )

    def __init__(self, edge: Edge, client: ClientConnection, body: bytes) -> None:
        self.edge = edge
        self.client = client
        self.body = body
        self.id = edge.new_id()
        self.method = client.method
        self.began = edge.clock()
        self.decided = 0.0
        self.context: Context | None = None
        self.asked: Asked | None = None
        self.upstream: UpstreamConnection | None = None
        self.answer: Answer | None = None
        self.out: list[bytes] = []
        self.ended = False
        self.headed = False
        """True once a byte of the answer has gone to the caller."""
        self.tunnelled = False
        self.retyped = False
        """The content is JSON and called something else: it goes on by its real name."""
        self.deadline = 0.0
        """Loop time after which the sweep calls `overdue`; 0 while nothing is waited for."""
        self.allowance: Allowance | None = None
        self.trace: Trace | None = None
        self.said: Said | None = None

    # -- asking the chain -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        edge, client = self.edge, self.client
        edge.counters.active += 1
        edge.exchanges.add(self)
        fields, method, path = client.fields, self.method.decode("latin-1"), client.path.decode("latin-1")
        self.dialect = dialects.of(method, path, fields)
        self.request_id = edge.request_id(fields.get(b"x-request-id"), self.id)
        self.websocket = client.upgrade and wants_websocket(client, self.body)
        self.route = edge.route(client.path)
        try:
            ask = read_observed(self, method, path) if edge.observer else self.dialect.read(method, path, self.body)
            if self.body:
                self.retyped = check_declared(ask, fields, client.target, self.body)
        except MalformedRequest as malformed:
            edge.counters.note_malformed(malformed.reason)
            link = edge.link(malformed.reason, fields, client.scheme)
            self._refuse(Refusal(malformed.status, malformed.reason, malformed.detail, self.request_id, None, link), ())
            return
        if self.websocket:
            ask = ask._replace(generates=True)
        address = edge.trusted.client(client.peer, fields) if edge.trusts_anyone else client.peer
        ja4 = edge.ja4(client.peer, fields) if edge.ja4_field else ""
        context = self.context = Context(self.id, edge.wall(), method, path, fields, address, ask, ja4)
        if edge.traces is None or not begin_traced(self, edge, context, self._decided):
            edge.chain.begin(context, self._decided)

    def _decided(self, asked: Asked) -> None:
        """The chain has spoken, maybe while the client was leaving."""
        self.asked, edge = asked, self.edge
        now = self.decided = edge.clock()
        edge.counters.decision.observe(now - self.began)
        if self.ended:
            asked.settle(Outcome(status=0, aborted=True, reached=False))
            return
        decision = asked.decision
        if decision is not ALLOW:
            client = self.client
            refusal = reply.refusal_of(decision, self.request_id, edge.linked(client.fields, client.scheme))
            self._refuse(shown(refusal, self.method, client.target, client.fields), self._limits())
            return
        if asked.context.ask.streaming:
            self.allowance = allowance_of(asked)
        if self.trace is not None:
            self.trace.connecting = now
        self._connect()

    def _limits(self) -> tuple[Limit, ...]:
        """The limits whose state the answer tells; none where nobody was asked for takes, or the store was away."""
        asked = self.asked
        return () if asked is None or not asked.remaining else tuple([take[0].limit for take in asked.takes])

    # -- asking the upstream --------------------------------------------------------------------------------------

    def _connect(self) -> None:
        connection = self.route.connect(self._connected)
        if connection is not None:
            self._connected(connection)

    def _connected(self, connection: UpstreamConnection | Unreachable) -> None:
        if isinstance(connection, Unreachable):
            if not self.ended:
                self.edge.note_unreachable(connection)
                self._fail(connection.reason, Outcome(status=0, reached=False))
            return
        if self.ended:
            connection.upstream.keep(connection)
            return
        self.upstream = connection
        self.deadline = self.edge.clock() + connection.upstream.timeouts.first_byte
        ask = self.context.ask if self.context is not None else UNKNOWN
        body = self.dialect.prepare(ask, self.body) if ask.inject_usage else self.body
        if self.trace is not None:
            self.trace.sent = self.edge.clock()
        connection.send(self, self.edge.request_head(self, connection.upstream.origin, len(body)), body)

    # -- the answer (AnswerSink) ----------------------------------------------------------------------------------

    def answer_interim(self, status: int, lines: list[bytes]) -> None:
        """1xx: passed on, but for the 100 that we answered ourselves (RFC 9110 section 15.2)."""
        if status != 100 and self.client.version == b"1.1":
            self.out += (status_line(status), b"".join([line + b"\r\n" for line in lines]), b"\r\n")

    def answer_head(self, connection: UpstreamConnection) -> None:
        client = self.client
        if self.trace is not None:
            self.trace.headed = self.edge.clock()
        ask = self.context.ask if self.context is not None else UNKNOWN
        status = connection.status
        answer = self.answer = self.edge.answer(self, ask, connection)
        if answer.delimited_by_close or self.edge.draining:
            client.keep_alive = False
        streams = answer.reader is not None
        if (streams or client.body.held > LARGE) and connection.transport.get_write_buffer_size() == 0:
            # The body has gone: while the answer streams, others may have its memory.
            self.body = b""
            client.body.release()
        connection.upstream.note_success()
        limits, out = self._limits(), self.out
        out.append(status_line(status))
        if connection.lines:
            out += (b"\r\n".join(connection.lines), b"\r\n")
        if streams:
            # A stream may be silent for long, and there may be many.
            client.lines = []
        out.append(b"%b: %b\r\nVia: 1.1 tidegate\r\n" % (self.dialect.request_id_field(), self.request_id.encode()))
        if self.edge.tells_ruleset:
            out.append(reply.ruleset_field(self.asked))
        if limits and self.asked is not None:
            out.append(self.dialect.limit_fields(limits, self.asked.remaining, self.edge.wall()))
        out.append(answer.framing())
        if not client.keep_alive:
            out.append(reply.CLOSE)
        elif client.version == b"1.0":
            out.append(b"Connection: keep-alive\r\n")
        out.append(b"\r\n")

    def answer_piece(self, piece: bytes) -> None:
        if self.answer is not None:
            self.answer.frame(piece, self.out)

    def flush(self) -> None:
        """What one read from the upstream gave is one write to the caller."""
        out = self.out
        if self.ended or not out:
            return
        self.headed = self.headed or self.answer is not None
        if self.upstream is not None and self.headed:
            self.deadline = self.edge.now + self.upstream.upstream.timeouts.idle
        self.client.transport.write(b"".join(out))
        out.clear()
        if self.allowance is not None and self.answer is not None:
            self.allowance.look(self.answer.delivered, self._cut)

    def answer_complete(self, *, reusable: bool) -> None:  # noqa: ARG002 - the pool's matter
        self.upstream = None
        if self.ended:
            return
        answer = self.answer
        if self.tunnelled or answer is None:
            self._end(Outcome(status=101))
            self.client.close()
            return
        answer.end(self.out)
        # A stream that ended without its own closing word was broken off, though its framing is whole.
        self._settle_and_write(Outcome(answer.status, answer.usage(), answer.delivered, aborted=not answer.complete))
        self.client.next()

    def answer_failed(self, reason: str) -> None:
        connection, self.upstream = self.upstream, None
        if self.ended or connection is None:
            return
        connection.upstream.note(reason)
        if reason == "closed" and connection.used > 1 and self.method in SAFE:
            self.out.clear()
            self._connect()
            return
        if reason == "closed" and connection.used == 1:
            connection.upstream.note_failure("closed_early")
        self._broken(reason)

    def _broken(self, reason: str) -> None:
        """The upstream failed: before a byte has gone out we answer, after it we end the stream with an event."""
        answer = self.answer
        if answer is None or not self.headed:
            self.out.clear()
            self._fail(reason, Outcome(status=0))
            return
        outcome = Outcome(answer.status, answer.usage(), answer.delivered, aborted=True)
        client = self.client
        if answer.reader is not None:
            answer.end_with_event(self.dialect.refusal_event(self._failure(reason), answer.ask), self.out)
            self._settle_and_write(outcome, reason="upstream_failed")
            client.close()
        else:
            self._end(outcome, reason="upstream_failed")
            client.transport.abort()

    # -- WebSocket ------------------------------------------------------------------------------------------------

    def answer_upgraded(self, connection: UpstreamConnection, rest: bytes) -> None:
        """The upstream has switched protocols: from here on bytes pass as they are, with back-pressure both ways."""
        client = self.client
        if not self.websocket:
            connection.abandon()
            self.answer_failed("bad_answer")
            return
        self.tunnelled = True
        self.deadline = 0.0
        client.tunnel()
        lines = b"".join([line + b"\r\n" for line in connection.lines])
        client.transport.write(
            b"%bConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n%b" % (status_line(101), lines, rest)
        )
        if client.pending:
            pending, client.pending = client.pending, b""
            client.transport.resume_reading()
            self.client_data(pending)

    def tunnel_data(self, data: bytes) -> None:
        self.client.transport.write(data)

    def client_data(self, data: bytes) -> None:
        if self.upstream is not None:
            self.upstream.transport.write(data)

    def upstream_writable(self, *, writable: bool) -> None:
        if self.tunnelled and not self.ended:
            (self.client.transport.resume_reading if writable else self.client.transport.pause_reading)()

    # -- back-pressure, leaving, waiting too long -----------------------------------------------------------------

    def client_writable(self, *, writable: bool) -> None:
        """The caller reads slowly: then we read the upstream slowly, and memory does not grow."""
        if self.upstream is not None and not self.upstream.transport.is_closing():
            (self.upstream.transport.resume_reading if writable else self.upstream.transport.pause_reading)()
            # A tunnel may be silent, so it has a deadline only while its caller reads nothing.
            idle = self.upstream.upstream.timeouts.idle
            self.deadline = 0.0 if self.tunnelled and writable else self.edge.clock() + idle

    def client_left(self) -> None:
        """The caller is gone: nobody pays an upstream to talk to nobody."""
        if self.ended:
            return
        connection, self.upstream = self.upstream, None
        if connection is not None:
            connection.abandon()
        self.edge.counters.aborted += 1
        answer = self.answer
        if answer is not None:
            outcome = Outcome(answer.status, answer.usage(), answer.delivered or answer.made, aborted=True)
        else:
            # A tunnel always ends by somebody's leaving: that is its normal end, and it pays what was reserved.
            status = 101 if self.tunnelled else 0
            outcome = Outcome(status, aborted=not self.tunnelled, reached=connection is not None)
        self._end(outcome, reason="client_left")

    def overdue(self) -> None:
        """The sweep found the deadline passed: the upstream says nothing, or the caller reads nothing."""
        if self.client.write_paused:
            self.client.transport.abort()
            return
        connection, self.upstream = self.upstream, None
        if connection is not None:
            connection.abandon()
            connection.upstream.note_failure("timeout")
        self._broken("timeout")

    def _cut(self) -> None:
        """The quota of a running stream is used up: it ends with the dialect's own error."""
        answer = self.answer
        if self.ended or answer is None:
            return
        connection, self.upstream = self.upstream, None
        if connection is not None:
            connection.abandon()
        self.edge.counters.cut += 1
        refusal = reply.cut(self.request_id, self.edge.link(reply.CUT_REASON, self.client.fields, self.client.scheme))
        answer.end_with_event(self.dialect.refusal_event(refusal, answer.ask), self.out)
        self._settle_and_write(Outcome(answer.status, answer.usage(), answer.delivered, aborted=True), reason="cut")
        self.client.next()

    # -- ending ---------------------------------------------------------------------------------------------------

    def _failure(self, reason: str) -> Refusal:
        client = self.client
        return reply.failure(reason, self.request_id, lambda code: self.edge.link(code, client.fields, client.scheme))

    def _fail(self, reason: str, outcome: Outcome) -> None:
        refusal = self._failure(reason)
        if self.asked is not None:
            self.asked.settle(outcome)
        self._refuse(refusal, self._limits())

    def _refuse(self, refusal: Refusal, limits: tuple[Limit, ...]) -> None:
        client = self.client
        close = not client.keep_alive or self.edge.draining
        client.transport.write(
            reply.refuse(
                self.dialect,
                refusal,
                limits=limits,
                remaining=self.asked.remaining if self.asked is not None else (),
                now=self.edge.wall(),
                close=close,
                head_only=self.method == b"HEAD",
                ruleset=reply.ruleset_field(self.asked) if self.edge.tells_ruleset else b"",
            )
        )
        self._end(Outcome(refusal.status, reached=False), reason=refusal.reason, status=refusal.status)
        client.next()

    def _settle_and_write(self, outcome: Outcome, reason: str = "") -> None:
        """The last of an answer. What it took goes back first: whoever has the answer may ask again at once."""
        if self.asked is not None:
            self.asked.settle(outcome)
        self.client.transport.write(b"".join(self.out))
        self.out.clear()
        self._end(outcome, reason)

    def _end(self, outcome: Outcome, reason: str = "", status: int = 0) -> None:
        """Settle, if that is still to do; count, and log."""
        self.ended = True
        if self.asked is not None:
            self.asked.settle(outcome)
        self.edge.ended(self, outcome, reason, status or outcome.status)
