"""A reader for the stream of a message."""

from __future__ import annotations

from typing import Any

from gateway.dialects.event_stream import EventReader, json_of, text_size
from gateway.dialects.tally import anthropic_usage


class MessageReader(EventReader):
    """message_start states the input; each message_delta the cumulative output; message_stop ends it."""

    __slots__ = ()

    MARK = b'"content_block_delta"'

    def _plain(self, piece: bytes) -> bool:
        return b'"usage"' not in piece and b'"message_stop"' not in piece and b'"signature_delta"' not in piece

    def _read(self, event: bytes) -> bool:
        document = json_of(event)
        if document is None:
            return False
        kind = document.get("type")
        if kind == "message_start":
            message = document.get("message")
            if type(message) is dict:
                self.usage = anthropic_usage(message.get("usage"), self.usage)
        elif kind == "message_delta":
            self.usage = anthropic_usage(document.get("usage"), self.usage)
        elif kind == "message_stop":
            self.complete = True
        elif kind == "content_block_delta" and b'"signature_delta"' not in event:
            self._note(event)
        return False

    def _text(self, document: dict[str, Any]) -> int:
        delta = document.get("delta")
        if type(delta) is not dict:
            return 0
        return sum(text_size(delta.get(name)) for name in ("text", "thinking", "partial_json"))
