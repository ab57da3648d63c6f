"""One client connection: heads, bodies, and what is refused before any policy is asked.

Fields and bodies are read strictly; whatever two readers could read differently is refused and the connection closed,
since nobody knows where the next request would begin. A body is read whole before the decision, under one budget of
memory.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.edge import reply
from gateway.edge.body import Body
from gateway.edge.exchange import Exchange
from gateway.wire.fields import REQUEST_DROPPED, SINGLETONS, FieldTable, without
from gateway.wire.forwarded import normal_address
from gateway.wire.request_head import (
    METHODS,
    BadHead,
    check_fields,
    check_target,
    find_bare_line_feed,
    oversize,
    persistence,
    without_leading_lines,
)

if TYPE_CHECKING:
    from gateway.edge.edge import Edge

FIELDS: Final = FieldTable(REQUEST_DROPPED)
_known: Final = FIELDS.known.get

PENDING_AT_MOST: Final = 64 * 1024
"""Bytes of pipelined requests that wait for the running exchange; then reading pauses."""
LINGER: Final = 2.0
"""Seconds in which a refused client's bytes are read and thrown away, so that it sees the answer and not a reset."""
SLOWEST_BODY: Final = 16 * 1024
"""Bytes a second below which a body is too slow, after a grace of `body_timeout`."""


class Phase(enum.Enum):
    """What the next bytes from the client are."""

    HEAD = 1
    BODY = 2
    BUSY = 3
    """An exchange runs; what comes is the next request, or the client's leaving."""
    TUNNEL = 4
    LINGER = 5
    GONE = 6


class ClientConnection(asyncio.Protocol):
    """Reads requests, one at a time; answers are written by the Exchange."""

    __slots__ = (
        "body",
        "consuming",
        "deadline",
        "edge",
        "exchange",
        "fields",
        "head_begun",
        "keep_alive",
        "lines",
        "method",
        "parser",
        "path",
        "peer",
        "pending",
        "phase",
        "scheme",
        "target",
        "transport",
        "twice",
        "upgrade",
        "version",
        "write_paused",
    )

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.parser = HttpRequestParser(self)
        self.phase = Phase.HEAD
        self.pending = b""
        self.exchange: Exchange | None = None
        self.deadline = 0.0
        """Loop time after which the sweep calls `overdue`."""
        self.body = Body(edge.budget, edge.settings.max_body)
        self.consuming = False
        self.write_paused = False
        self.head_begun = False
        """A part of a head has come: its deadline runs from the first byte, and no byte moves it."""
        self.peer = ""
        self.scheme = "http"
        self.keep_alive = True
        self._clear()

    def _clear(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.lines: list[bytes] = []
        self.target = b""
        self.path = b""
        self.method = b""
        self.version = b"1.1"
        self.twice = b""
        self.upgrade = False

    # -- asyncio --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        edge = self.edge
        peer = transport.get_extra_info("peername")
        self.peer = (normal_address(str(peer[0])) or "") if isinstance(peer, tuple) else ""
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = "https"
        edge.connections.add(self)
        self.deadline = edge.clock() + edge.settings.head_timeout
        if edge.draining or len(edge.connections) > edge.settings.max_connections:
            self.phase = Phase.GONE
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase is Phase.HEAD or phase is Phase.BODY:
            self._consume(data)
        elif phase is Phase.BUSY:
            self.pending += data
            if len(self.pending) > PENDING_AT_MOST:
                self.transport.pause_reading()
        elif phase is Phase.TUNNEL and self.exchange is not None:
            self.exchange.client_data(data)

    def eof_received(self) -> bool:
        """A client that stops sending has left, also where only half of the connection is closed (as nginx sees it)."""
        if self.phase is Phase.BODY or (self.phase is Phase.HEAD and self.pending):
            self.refuse_head(BadHead("the request ended before it was whole", 400, "incomplete_request"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended does not matter
        self.phase = Phase.GONE
        self.edge.connections.discard(self)
        self.body.release()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_left()

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.exchange is not None:
            self.exchange.client_writable(writable=False)

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.exchange is not None:
            self.exchange.client_writable(writable=True)
        elif self.phase is Phase.HEAD:
            self.transport.resume_reading()
            if self.pending and not self.consuming:
                self._consume(b"")

    # -- httptools ------------------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower, start = _known(name) or FIELDS.learn(name)
        fields = self.fields
        if lower in fields:
            if lower in SINGLETONS:
                self.twice = lower
            fields[lower] += b", " + value
        else:
            fields[lower] = value
        if start is not None:
            self.lines.append(start + value)

    # -- reading --------------------------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        """Read requests out of the bytes until an exchange runs, or there are no more."""
        if self.pending:
            data = self.pending + data
            self.pending = b""
        self.consuming = True
        while data:
            if self.phase is Phase.HEAD:
                if self.write_paused:
                    # Who does not read answers gets no more of them.
                    self.pending = data
                    self.transport.pause_reading()
                    break
                data = self._read_head(data)
            elif self.phase is Phase.BODY:
                data = self._read_body(data)
            else:
                if self.phase is Phase.BUSY:
                    self.pending = data
                break
        self.consuming = False

    def _read_head(self, data: bytes) -> bytes:
        """One head, and its body if that is here too. Returns what follows; keeps what is not whole yet."""
        if data.startswith(b"\r\n"):
            data = without_leading_lines(data)
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._wait_for_head(data)
            return b""
        self._clear()
        if end > self.edge.settings.max_head:
            self.refuse_head(oversize())
            return b""
        head = data[:end]
        try:
            try:
                self.parser.feed_data(head)
            except HttpParserUpgrade:
                self.upgrade = True
            path = self._check_head(head)
            if path.startswith(b"/tidegate/"):
                self._hand_over(data)
                return b""
            return self._begin_body(data, end)
        except HttpParserError as error:
            self.refuse_head(BadHead(f"the request is not well-formed HTTP/1.1: {error}"))
        except BadHead as bad:
            self.refuse_head(bad)
        return b""

    def _wait_for_head(self, data: bytes) -> None:
        if not self.head_begun:
            self._clear()
        if len(data) > self.edge.settings.max_head:
            self.refuse_head(oversize())
        elif find_bare_line_feed(data) or b"\0" in data:
            self.refuse_head(BadHead("a line of the head ends in LF alone, or holds NUL"))
        else:
            if data and not self.head_begun:
                self.head_begun = True
                self.deadline = self.edge.clock() + self.edge.settings.head_timeout
            self.pending = data

    def _check_head(self, head: bytes) -> bytes:
        """All that the parser leaves open. Returns the path. Raises BadHead."""
        method = self.method = self.parser.get_method()
        version = self.version = self.parser.get_http_version().encode()
        if self.upgrade:
            # This parser would read no further request.
            self.parser = HttpRequestParser(self)
        if not head.startswith(b"%b %b HTTP/%b\r\n" % (method, self.target, version)):
            raise BadHead("the request line must be a method, one space, a target, one space, and the version")
        if method not in METHODS:
            raise BadHead("this method is not supported", 405, "method_not_allowed")
        if version not in (b"1.1", b"1.0"):
            raise BadHead("only HTTP/1.1 and HTTP/1.0 are spoken here", 505, "version_not_supported")
        path = self.edge.paths.get(self.target) or self.edge.learn_path(self.target, check_target(self.target))
        self.path = path
        if self.twice:
            raise BadHead(f"the field {self.twice.decode('latin-1')} came twice")
        fields = self.fields
        check_fields(fields, version)
        connection = fields.get(b"connection")
        self.keep_alive, names = persistence(connection, version)
        if names:
            self.lines = without(self.lines, names)
        return path

    def _begin_body(self, data: bytes, end: int) -> bytes:
        """The head is whole: read the body, or begin to."""
        fields = self.fields
        expect = fields.get(b"expect")
        stated = fields.get(b"content-length")
        if stated is not None:
            size = int(stated) if len(stated) < 16 else self.edge.settings.max_body + 1
            body = self.body.whole(data, end, size)
            if body is not None:
                self._tell_parser(body)
                self._begin_exchange(body)
                return data[end + size :]
            self._tell_parser(data[end:])
            self._await_body(expect)
            return b""
        if b"transfer-encoding" in fields:
            self.body.begin_chunks()
            # The parser is left in the midst of a body that it will not see.
            self.parser = HttpRequestParser(self)
            self._await_body(expect)
            return data[end:]
        self._begin_exchange(b"")
        return data[end:]

    def _await_body(self, expect: bytes | None) -> None:
        self.phase = Phase.BODY
        self.deadline = self.edge.clock() + self.edge.settings.body_timeout
        if expect is not None and self.version == b"1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _tell_parser(self, content: bytes) -> None:
        """The parser knows the length, and waits for it to pass. After a request that asks for an upgrade it would read
        the content as another request, so there it was made anew.
        """
        if content and not self.upgrade:
            self.parser.feed_data(content)

    def _read_body(self, data: bytes) -> bytes:
        chunked = self.body.chunked
        try:
            size, content = self.body.feed(data)
            if not chunked:
                self._tell_parser(data[:size])
        except HttpParserError as error:
            self.refuse_head(BadHead(f"the content is not well-formed: {error}"))
            return b""
        except BadHead as bad:
            self.refuse_head(bad)
            return b""
        if content is None:
            # So much more time for the rest, but never more silence than `body_timeout`.
            longest = self.edge.clock() + self.edge.settings.body_timeout
            self.deadline = min(self.deadline + size / SLOWEST_BODY, longest)
        else:
            self._begin_exchange(content)
        return data[size:]

    def _begin_exchange(self, body: bytes) -> None:
        self.phase = Phase.BUSY
        exchange = self.exchange = Exchange(self.edge, self, body)
        exchange.begin()

    def _hand_over(self, data: bytes) -> None:
        """The gateway's own pages: aiohttp serves them on this socket, with the bytes as they came."""
        self.edge.connections.discard(self)
        self.phase = Phase.GONE
        self.edge.hand_over(self.transport, data)

    # -- ending ---------------------------------------------------------------------------------------------------

    def next(self) -> None:
        """The exchange has ended and its answer is written: on to the next request, or close."""
        self.exchange = None
        self.body.release()
        if self.phase is not Phase.BUSY:
            return
        if not self.keep_alive or self.edge.draining:
            self.close()
            return
        self.phase = Phase.HEAD
        self.head_begun = False
        self.deadline = self.edge.clock() + self.edge.settings.keep_alive_timeout
        if self.pending and not self.consuming and not self.transport.is_closing():
            self.transport.resume_reading()
            self._consume(b"")

    def close(self) -> None:
        """Close when all is written; a client that does not read it is cut off by the sweep."""
        self.exchange = None
        self.body.release()
        self.phase = Phase.GONE
        self.deadline = self.edge.clock() + self.edge.settings.keep_alive_timeout
        self.transport.close()

    def tunnel(self) -> None:
        """Bytes pass as they are from now on."""
        self.phase = Phase.TUNNEL

    def refuse_head(self, bad: BadHead) -> None:
        """Answer and close: what follows on this connection cannot be trusted, or is not wanted."""
        number, link = self.edge.new_id(), self.edge.link(bad.reason, self.fields, self.scheme)
        self.transport.write(reply.refuse_head(bad, self.method, self.path, self.fields, number, link))
        self.edge.refused_head(self, bad, number)
        self.linger()

    def linger(self) -> None:
        """Close once the client has had time to read what was written."""
        self.body.release()
        self.phase = Phase.LINGER
        self.pending = b""
        self.deadline = self.edge.clock() + LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def overdue(self) -> None:
        """The sweep found the deadline passed."""
        if self.phase is Phase.HEAD and not self.pending:
            self.close()
        elif self.phase in (Phase.HEAD, Phase.BODY):
            self.refuse_head(BadHead("the request did not come in time", 408, "request_timeout"))
        else:
            self.transport.abort()
