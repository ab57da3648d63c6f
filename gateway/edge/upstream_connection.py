"""One connection to an origin: requests out, answers in, strictly framed.

What it reads goes to a sink by plain calls. An answer that cannot be passed on without guessing is none.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.wire.fields import RESPONSE_DROPPED, RESPONSE_DROPPED_PREFIXES, FieldTable, nominated, options_of, without

if TYPE_CHECKING:
    from gateway.edge.upstream import Upstream

FIELDS: Final = FieldTable(RESPONSE_DROPPED, RESPONSE_DROPPED_PREFIXES)
_known: Final = FIELDS.known.get
LONGEST_HEAD: Final = 64 * 1024

_NONE: Final[dict[bytes, bytes]] = {}
"""One for all connections between two answers; nobody writes into it."""

log = logging.getLogger(__name__)


class BadAnswer(Exception):
    """The upstream's answer cannot be passed on without guessing."""


class AnswerSink(Protocol):
    """Who receives an answer: the exchange."""

    method: bytes

    def answer_head(self, connection: UpstreamConnection) -> None: ...
    def answer_piece(self, piece: bytes) -> None: ...
    def answer_complete(self, *, reusable: bool) -> None: ...
    def answer_failed(self, reason: str) -> None: ...
    def answer_interim(self, status: int, lines: list[bytes]) -> None: ...
    def answer_upgraded(self, connection: UpstreamConnection, rest: bytes) -> None: ...
    def flush(self) -> None: ...
    def tunnel_data(self, data: bytes) -> None: ...
    def upstream_writable(self, *, writable: bool) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to an origin. Serves one exchange at a time."""

    __slots__ = (
        "begun",
        "complete",
        "fields",
        "head_size",
        "headed",
        "idle_since",
        "keep_alive",
        "lines",
        "parser",
        "sink",
        "status",
        "transport",
        "tunnel",
        "until_close",
        "upstream",
        "used",
    )

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.parser = HttpResponseParser(self)
        self.sink: AnswerSink | None = None
        self.used = 0
        self.idle_since = 0.0
        self.tunnel = False
        self._clear()

    def _clear(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.lines: list[bytes] = []
        self.headed = False
        self.complete = False
        self.keep_alive = False
        self.until_close = False
        """The content of this answer ends with its connection (RFC 9112 section 6.3)."""
        self.begun = False
        self.head_size = 0

    # -- asyncio --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.upstream.open.add(self)

    def send(self, sink: AnswerSink, head: bytes, body: bytes) -> None:
        """Ask: the answer goes to the sink."""
        self._clear()
        self.sink = sink
        self.used += 1
        if len(body) > LONGEST_HEAD:
            self.transport.writelines([head, body])
        else:
            self.transport.write(head + body if body else head)

    def data_received(self, data: bytes) -> None:
        sink = self.sink
        if sink is None:
            # An idle origin has nothing to say. Whatever it is, it must not become the answer to the next request.
            self.abort()
            return
        if self.tunnel:
            sink.tunnel_data(data)
            return
        self.begun = True
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self.tunnel = True
            sink.answer_upgraded(self, data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            self._fail("bad_answer", error)
            return
        if not self.headed:
            self.head_size += len(data)
            if self.head_size > LONGEST_HEAD:
                self._fail("bad_answer", None)
                return
        if self.complete:
            self._finish(sink)
        else:
            sink.flush()

    def _finish(self, sink: AnswerSink) -> None:
        self.sink = None
        reusable = self.keep_alive and not self.transport.is_closing() and self.transport.get_write_buffer_size() == 0
        if sink.method == b"HEAD":
            # The parser expects the content that the head announces and that never comes: begin anew.
            self.parser = HttpResponseParser(self)
        if reusable:
            self.upstream.keep(self)
        elif self.transport.get_write_buffer_size():
            # An early answer: the origin may never read the rest of the request, so there is no waiting for it.
            self.transport.abort()
        else:
            self.transport.close()
        sink.answer_complete(reusable=reusable)

    def _fail(self, reason: str, error: BaseException | None) -> None:
        sink, self.sink = self.sink, None
        self.abort()
        if sink is None:
            return
        if self.complete:
            # What came after a whole answer is not the caller's concern; the connection is gone with it.
            sink.answer_complete(reusable=False)
            return
        log.info("upstream %s: %s: %s", self.upstream.origin.name, reason, error)
        sink.answer_failed(reason)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.upstream.forget(self)
        sink, self.sink = self.sink, None
        if sink is None:
            return
        if (self.until_close and exc is None) or self.tunnel:
            sink.answer_complete(reusable=False)
        else:
            sink.answer_failed("broken" if self.begun else "closed")

    def abandon(self) -> None:
        """Nobody wants the answer any more."""
        self.sink = None
        self.abort()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        if self.sink is not None:
            self.sink.upstream_writable(writable=False)

    def resume_writing(self) -> None:
        if self.sink is not None:
            self.sink.upstream_writable(writable=True)

    # -- httptools ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise BadAnswer("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.headed:
            return  # Trailer fields: dropped, as RFC 9110 section 6.5.1 allows.
        lower, start = _known(name) or FIELDS.learn(name)
        fields = self.fields
        if lower in fields:
            fields[lower] += b", " + value
        else:
            fields[lower] = value
        if start is not None:
            self.lines.append(start + value)

    def on_headers_complete(self) -> None:
        status = self.status = self.parser.get_status_code()
        sink = self.sink
        if sink is None:
            return
        if 100 <= status < 200 and status != 101:
            lines, self.lines = self.lines, []
            self.fields = {}
            sink.answer_interim(status, lines)
            return
        fields = self.fields
        if b"transfer-encoding" in fields and (
            b"content-length" in fields or fields[b"transfer-encoding"].lower() != b"chunked"
        ):
            raise BadAnswer("the framing of the answer is ambiguous")
        if status == 101:
            return  # No answer: the parser ends here, by HttpParserUpgrade or, where nothing was agreed on, an error.
        connection = fields.get(b"connection")
        if connection is not None and connection.lower() not in (b"keep-alive", b"close"):
            self.lines = without(self.lines, nominated(options_of(connection)))
        self.headed = True
        self.keep_alive = self.parser.should_keep_alive()
        self.until_close = b"content-length" not in fields and b"transfer-encoding" not in fields
        sink.answer_head(self)
        # Nobody reads them again, and an answer may run for long.
        self.fields, self.lines = _NONE, []
        if sink.method == b"HEAD":
            self.complete = True

    def on_body(self, piece: bytes) -> None:
        if self.complete:
            raise BadAnswer("content after an answer to HEAD")
        if self.sink is not None:
            self.sink.answer_piece(piece)

    def on_message_complete(self) -> None:
        if self.headed:
            self.complete = True
