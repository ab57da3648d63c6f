"""Readers for the streams of chat completions (and completions, and unknown routes) and of responses."""

from __future__ import annotations

from typing import Any

from gateway.dialects.event_stream import EventReader, data_of, json_of, text_size
from gateway.dialects.tally import openai_usage

_DONE = b"[DONE]"
_ENDS_WELL = frozenset({"response.completed", "response.incomplete"})


class ChatReader(EventReader):
    """`data: {"choices":[…],"usage":…}` until `data: [DONE]`.

    Usage stands in a chunk of its own at the end, whose choices are empty (that one alone is taken out), is null in the
    others, or (vLLM's continuous_usage_stats) grows from chunk to chunk: the last one counts.
    """

    __slots__ = ()

    def _plain(self, piece: bytes) -> bool:
        if _DONE in piece:
            return False
        return b'"usage"' not in piece or piece.count(b'"usage"') == piece.count(b'"usage":null') + piece.count(
            b'"usage": null'
        )

    def _read(self, event: bytes) -> bool:
        document = json_of(event)
        if document is None:
            if data_of(event).startswith(_DONE):
                self.complete = True
            return False
        usage = openai_usage(document.get("usage"))
        if usage is not None:
            self.usage = usage
        choices = document.get("choices")
        if choices:
            self._note(event)
        # Garbage in a chunk that is usage alone is still the chunk that we asked for.
        return self._strip and choices == [] and document.get("usage") is not None

    def _text(self, document: dict[str, Any]) -> int:
        choices = document.get("choices")
        size = 0
        for choice in choices if type(choices) is list else ():
            if type(choice) is not dict:
                continue
            size += text_size(choice.get("text"))
            delta = choice.get("delta")
            if type(delta) is dict:
                size += sum(
                    text_size(delta.get(name)) for name in ("content", "reasoning_content", "reasoning", "refusal")
                )
                size += _arguments(delta.get("tool_calls"))
        return size


def _arguments(calls: object) -> int:
    size = 0
    for call in calls if type(calls) is list else ():
        function = call.get("function") if type(call) is dict else None
        if type(function) is dict:
            size += text_size(function.get("arguments"))
    return size


class ResponsesReader(EventReader):
    """`event: response.…` with its type in the data, until response.completed, which holds the answer and its usage.

    The `.done` events repeat what the deltas said, so they are not counted.
    """

    __slots__ = ()

    MARK = b'.delta"'

    def _plain(self, piece: bytes) -> bool:
        return (
            b'"usage"' not in piece
            and b'.done"' not in piece
            and b'"response.completed"' not in piece
            and b'"response.incomplete"' not in piece
        )

    def _read(self, event: bytes) -> bool:
        if b'"response.' not in event:
            return False
        document = json_of(event)
        if document is None:
            return False
        kind = document.get("type")
        if type(kind) is str and kind.endswith(".delta"):
            self._note(event)
            return False
        answer = document.get("response")
        usage = openai_usage(answer.get("usage")) if type(answer) is dict else None
        if usage is not None:
            self.usage = usage
        if kind in _ENDS_WELL:
            self.complete = True
        return False

    def _text(self, document: dict[str, Any]) -> int:
        return text_size(document.get("delta"))
