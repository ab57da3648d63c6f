"""The chunked transfer coding of requests (RFC 9112 section 7.1), decoded strictly.

Chunk extensions are refused: no client of an inference API sends any, and readers differ about them. Trailer
fields are refused likewise: they could only be dropped.
"""

from __future__ import annotations

from typing import Final

LONGEST_SIZE: Final = 8
"""Hex digits of a chunk size: 4 GiB, far beyond any body that is accepted."""

_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class BadChunk(Exception):
    """The coding is broken or ambiguous; the connection cannot be read on."""


class ChunkedDecoder:
    """Feed bytes; `content` is what was decoded, `done` is set at the end of the last chunk.

    One bytearray, and not a list of pieces: chunks of a byte or two would cost fifty times their size.
    """

    def __init__(self) -> None:
        self.content = bytearray()
        self.done = False
        self._pending = b""
        self._left = 0
        self._after_data = False

    def feed(self, data: bytes) -> bytes:
        """Decode. Returns what follows the end of the body, else nothing. Raises BadChunk."""
        data = self._pending + data if self._pending else data
        position = 0
        while not self.done:
            if self._left:
                piece = data[position : position + self._left]
                if not piece:
                    break
                self.content += piece
                position += len(piece)
                self._left -= len(piece)
                self._after_data = not self._left
                continue
            if self._after_data:
                if len(data) - position < 2:
                    self._check_start(data, position)
                    break
                if data[position : position + 2] != b"\r\n":
                    raise BadChunk("no line end after a chunk")
                position += 2
                self._after_data = False
                continue
            end = data.find(b"\r\n", position, position + LONGEST_SIZE + 2)
            if end < 0:
                begun = data[position : position + LONGEST_SIZE + 2].removesuffix(b"\r")
                if len(begun) > LONGEST_SIZE or not _HEX.issuperset(begun):
                    raise BadChunk("a chunk size is not hex digits and a line end")
                break
            digits = data[position:end]
            if not digits or not _HEX.issuperset(digits):
                raise BadChunk("a chunk size is not hex digits")
            size = int(digits, 16)
            if size:
                position = end + 2
                self._left = size
                continue
            last = data[end + 2 : end + 4]
            if last != b"\r\n":
                if last in (b"", b"\r"):
                    break
                raise BadChunk("trailer fields are not accepted")
            position = end + 4
            self.done = True
        self._pending = b"" if self.done else data[position:]
        return data[position:] if self.done else b""

    @staticmethod
    def _check_start(data: bytes, position: int) -> None:
        if data[position : position + 1] not in (b"", b"\r"):
            raise BadChunk("no line end after a chunk")
