"""The upstream's answer on its way to the caller: its framing, and what it says of usage.

Nothing is changed but the framing, the fields that a proxy writes, the one usage chunk that only we asked for, and ids
of tool calls (`gateway.edge.minting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.dialects.interface import Dialect, StreamReader
    from gateway.edge.minting import Minting
    from gateway.policy import Ask, Usage

BYTES_PER_TOKEN: Final = 4
READ_AT_MOST: Final = 8 * 1024 * 1024
"""Bytes of a JSON answer kept to read its usage; a larger one is charged as reserved."""


class Answer:
    """One answer. `frame` gives the bytes for the caller, `usage` what was used, once it is whole."""

    __slots__ = (
        "ask",
        "chunked",
        "content_length",
        "delimited_by_close",
        "dialect",
        "minting",
        "parts",
        "reader",
        "size",
        "status",
        "whole",
    )

    def __init__(
        self,
        dialect: Dialect,
        ask: Ask,
        status: int,
        fields: Mapping[bytes, bytes],
        method: bytes,
        version: bytes,
        minting: Callable[[bool], Minting] | None = None,
    ) -> None:
        """`minting` makes what replaces ids (`True` for a stream); None where none are."""
        self.dialect = dialect
        self.ask = ask
        self.status = status
        self.reader: StreamReader | None = None
        self.parts: list[bytes] | None = None
        self.size = 0
        self.whole = False
        kind = fields.get(b"content-type", b"")
        if ask.generates and status < 400:
            if kind.startswith(b"text/event-stream"):
                self.reader = dialect.stream(ask)
            elif b"json" in kind:
                self.parts = []
        read = self.reader is not None or self.parts is not None
        self.minting = minting(self.reader is not None) if minting is not None and read else None
        length = fields.get(b"content-length")
        self.content_length: bytes | None = None
        self.chunked = False
        self.delimited_by_close = False
        if status in (204, 304) or method == b"HEAD":
            # A 304 and an answer to HEAD may state the length of what they do not hold; a 204 has none.
            self.content_length = length if status != 204 else None
        elif length is not None and self.reader is None:
            self.content_length = length
        elif version == b"1.1":
            self.chunked = True
        else:
            self.delimited_by_close = True

    def framing(self) -> bytes:
        """The field line that frames the content."""
        if self.chunked:
            return b"Transfer-Encoding: chunked\r\n"
        if self.content_length is not None:
            return b"Content-Length: %b\r\n" % self.content_length
        return b""

    def frame(self, piece: bytes, out: list[bytes]) -> None:
        """A piece of content as it came; what is to be sent goes to `out`."""
        if self.reader is not None:
            piece = self.reader.feed(piece)
        elif self.parts is not None:
            self.size += len(piece)
            if self.size > READ_AT_MOST:
                self.parts = None
            else:
                self.parts.append(piece)
        self._put(piece if self.minting is None else self.minting.feed(piece), out)

    def _put(self, piece: bytes, out: list[bytes]) -> None:
        if not piece:
            return
        if self.chunked:
            out += (b"%x\r\n" % len(piece), piece, b"\r\n")
        else:
            out.append(piece)

    def end(self, out: list[bytes]) -> None:
        """The content is whole."""
        self.whole = True
        rest = self.reader.finish() if self.reader is not None else b""
        if self.minting is not None:
            rest = self.minting.feed(rest) + self.minting.finish()
        self._put(rest, out)
        if self.chunked:
            out.append(b"0\r\n\r\n")

    def end_with_event(self, event: bytes, out: list[bytes]) -> None:
        """End a running stream with an error event of the dialect. Half an event that was held back is dropped."""
        if self.reader is not None and not self.reader.between_events:
            event = b"\n\n" + event
        self._put(event, out)
        if self.chunked:
            out.append(b"0\r\n\r\n")

    @property
    def delivered(self) -> int:
        """Output tokens passed on, estimated; 0 where the answer is no stream."""
        return self.reader.delivered if self.reader is not None else 0

    @property
    def made(self) -> int:
        """Output tokens of a JSON answer whose caller left in its midst, estimated by its bytes: such an answer is made
        before it is sent. On a route that nobody knows bytes may be a picture, and say nothing.
        """
        tokens = 0 if self.ask.route == "other" else self.size // BYTES_PER_TOKEN
        return tokens if self.ask.output_cap is None else min(tokens, self.ask.output_cap)

    def usage(self) -> Usage | None:
        """What was used, as stated; for a stream that broke, the larger of stated and delivered output."""
        if self.reader is not None:
            return self.reader.so_far
        if self.parts is not None and self.whole:
            return self.dialect.usage(self.ask, b"".join(self.parts))
        return None

    @property
    def complete(self) -> bool:
        """The answer came whole: by its framing, and for a stream by its own word or its usage."""
        return self.whole and (self.reader is None or self.reader.complete)
