"""Where ids of tool calls stand in answers, and where requests bring them back. Pure; of documents as parsed.

Only calls that the caller's own tools are for: what a server ran for itself (`srvtoolu_`, `mcptoolu_`) it may know
again by its id. The Responses API keeps calls upstream, so there they stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

MINTED: Final = frozenset({"chat.completions", "messages"})
"""Routes on which an upstream keeps nothing: what a caller brings back is all that it knows of a call."""
MARKS: Final = (b'"tool_calls"', b'"tool_use"')
"""One of them stands in every event, or whole answer, that makes a call."""
LAST: Final = 8
"""Messages of a request that are looked at, from the end."""


def made(document: object) -> list[str]:
    """Ids of the calls that an answer, or an event of one, makes."""
    found: list[str] = []
    if type(document) is not dict:
        return found
    # Plain loops: this stands in every answer that makes a call.
    for choice in _list(document.get("choices")):
        if type(choice) is not dict:
            continue
        for said in (choice.get("message"), choice.get("delta")):
            if type(said) is not dict:
                continue
            for call in _list(said.get("tool_calls")):
                if type(call) is dict and type(given := call.get("id")) is str:
                    found.append(given)  # noqa: PERF401 - a comprehension takes half as long again
    for block in (*_list(document.get("content")), document.get("content_block")):
        if type(block) is dict and block.get("type") == "tool_use" and type(given := block.get("id")) is str:
            found.append(given)  # noqa: PERF401 - likewise
    return found


def brought(document: dict[str, Any]) -> Iterator[str]:
    """Ids of the calls that a request answers, in its last messages."""
    messages = document.get("messages")
    for message in _dicts(messages[-LAST:] if type(messages) is list else None):
        if message.get("role") == "tool":
            yield from _words([message.get("tool_call_id")])
        elif message.get("role") == "user":
            results = (part for part in _dicts(message.get("content")) if part.get("type") == "tool_result")
            yield from _words(part.get("tool_use_id") for part in results)


def _list(value: object) -> list[Any]:
    return value if type(value) is list else []


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if type(value) is list:
        yield from (item for item in value if type(item) is dict)


def _words(values: Any) -> Iterator[str]:
    yield from (value for value in values if type(value) is str)
