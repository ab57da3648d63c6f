"""A request's content on its way in: how much of it is still to come, and the memory that it holds."""

from __future__ import annotations

from gateway.edge.budget import BodyBudget
from gateway.wire.chunked import BadChunk, ChunkedDecoder
from gateway.wire.request_head import BadHead


class Body:
    """One connection's content, one request after the other. What came is held in the worker's budget until `release`.

    Nothing is held for what is only announced: else a few who never send what they promised would lock everyone out.
    """

    __slots__ = ("_budget", "_content", "_decoder", "_left", "_most", "held")

    def __init__(self, budget: BodyBudget, most: int) -> None:
        self._budget = budget
        self._most = most
        self._content = bytearray()
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self.held = 0
        """Bytes of the budget."""

    @property
    def under_way(self) -> bool:
        """Whether some of it is still to come."""
        return self._left > 0 or self._decoder is not None

    @property
    def size_in_memory(self) -> int:
        """Bytes that what came really takes: not much more than it holds."""
        content = self._content if self._decoder is None else self._decoder.content
        return content.__sizeof__()

    @property
    def chunked(self) -> bool:
        """Whether the content under way is chunked."""
        return self._decoder is not None

    def whole(self, data: bytes, start: int, size: int) -> bytes | None:
        """The content, where all `size` bytes of it came with the head; else None, and the rest goes to `feed`.

        Raises BadHead where it is too large, or where there is no room.
        """
        self._check_room(size)
        content = data[start : start + size]
        self._hold(len(content))
        if len(content) == size:
            return content
        self._content += content
        self._left = size - len(content)
        return None

    def begin_chunks(self) -> None:
        """Content of a length that nobody knows yet comes."""
        self._decoder = ChunkedDecoder()

    def feed(self, data: bytes) -> tuple[int, bytes | None]:
        """More came. Returns how many bytes of `data` belong to the content, and the content once it is whole.

        Raises BadHead where the coding is broken, where it is too large, or where there is no room.
        """
        decoder = self._decoder
        if decoder is None:
            piece = data[: self._left]
            self._hold(len(piece))
            self._content += piece
            self._left -= len(piece)
            return len(piece), None if self._left else self._finish(bytes(self._content))
        before = len(decoder.content)
        try:
            rest = decoder.feed(data)
        except BadChunk as bad:
            raise BadHead(f"the chunked content is broken: {bad}") from None
        gained = len(decoder.content) - before
        self._check_room(gained)
        self._hold(gained)
        if decoder.done:
            return len(data) - len(rest), self._finish(bytes(decoder.content))
        return len(data), None

    def release(self) -> None:
        """Whoever wanted the content has it, or nobody does any more."""
        if self.held:
            self._budget.release(self.held)
            self.held = 0
        if self._content or self._decoder is not None:
            self._finish(b"")

    def _finish(self, content: bytes) -> bytes:
        self._content = bytearray()
        self._left = 0
        self._decoder = None
        return content

    def _check_room(self, size: int) -> None:
        if self.held + size > self._most:
            raise BadHead(f"the content is larger than {self._most} bytes", 413, "content_too_large")
        if not self._budget.has_room(size):
            raise BadHead("too many large requests at once", 503, "out_of_memory_budget")

    def _hold(self, size: int) -> None:
        if not self._budget.reserve(size):
            raise BadHead("too many large requests at once", 503, "out_of_memory_budget")
        self.held += size
