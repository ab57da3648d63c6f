"""What goes over the wire: one request, one answer, one stream, the same bytes for everybody."""

from __future__ import annotations

import json
from typing import Final

PATH: Final = "/v1/chat/completions"
BODY_SIZE: Final = 829
"""Bytes of a request's content."""
CHUNKS: Final = 50
"""Chunks of one stream, its usage and its end included."""
CHUNK_EVERY: Final = 0.005
"""Seconds between two chunks."""
IDLE_MODEL: Final = "m-idle"
"""The upstream sends one chunk of a stream of this model, and then nothing."""


def body(*, model: str = "m-small", stream: bool = False) -> bytes:
    """A chat completion request of exactly BODY_SIZE bytes."""
    asked: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a terse assistant. Answer with facts and no filler."},
            {"role": "user", "content": ""},
        ],
        "max_tokens": 64,
        "temperature": 0.2,
    }
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    words = "why does a tide turn twice a day when the moon goes round but once; "
    room = BODY_SIZE - len(json.dumps(asked))
    asked["messages"][1]["content"] = (words * (room // len(words) + 1))[:room]  # type: ignore[index]
    return json.dumps(asked).encode()


def answer() -> str:
    """A JSON answer of 1 KB with its usage. It holds no quote ' and no $, so it fits into nginx's configuration."""
    content = "Because the earth turns under two bulges of water, one below the moon and one on the far side of it. "
    answer = {
        "id": "chatcmpl-loadtest",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m-small",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content * 7}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 180, "completion_tokens": 52, "total_tokens": 232},
    }
    return json.dumps(answer)


def events() -> list[bytes]:
    """The CHUNKS events of one stream, about 120 bytes each, with the usage before the end."""
    head = '{"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-small",'
    piece = f'data: {head}"choices":[{{"index":0,"delta":{{"content":" tide"}}}}]}}\n\n'.encode()
    usage = f'data: {head}"choices":[],"usage":{{"prompt_tokens":180,"completion_tokens":48,"total_tokens":228}}}}\n\n'
    return [*[piece] * (CHUNKS - 2), usage.encode(), b"data: [DONE]\n\n"]


def request(content: bytes, authority: str, key: str, fields: tuple[tuple[str, str], ...] = ()) -> bytes:
    """One whole request with the nine fields of the load."""
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: {authority}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        "Accept: application/json",
        "Accept-Language: en",
        "User-Agent: loadtest/1.0",
        "X-Stainless-Lang: python",
        "X-Stainless-Runtime: CPython",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
