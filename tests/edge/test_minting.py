"""Ids of tool calls, replaced as an answer passes."""

from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.minting import HELD_AT_MOST, Minting

CALL = "call_abcdefghijklmnopqrstuvwx"
TOOL = "toolu_01A09q90qw90lq917835lq9"
SERVER = "srvtoolu_01A09q90qw90lq917835"


def _event(document: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + orjson.dumps(document) + b"\n\n"


CHAT = b"".join([
    _event({"id": "chatcmpl-0123456789abcdefghij", "choices": [{"delta": {"role": "assistant"}}]}),
    _event({
        "id": "chatcmpl-0123456789abcdefghij",
        "choices": [{"delta": {"tool_calls": [{"index": 0, "id": CALL, "function": {"name": "f", "arguments": ""}}]}}],
    }),
    _event({
        "id": "chatcmpl-0123456789abcdefghij",
        "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"id": "' + CALL + '"}'}}]}}],
    }),
    b"data: [DONE]\n\n",
])  # fmt: skip
MESSAGES = b"".join([
    _event({"type": "message_start", "message": {"id": "msg_0123456789abcdefghij", "content": []}}, "message_start"),
    _event({"type": "content_block_start", "content_block": {"type": "tool_use", "id": TOOL, "name": "f"}}, "b"),
    _event({"type": "content_block_start", "content_block": {"type": "server_tool_use", "id": SERVER}}, "b"),
    _event({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, "message_delta"),
])  # fmt: skip
WHOLE_CHAT = orjson.dumps(
    {
        "id": "chatcmpl-0123456789abcdefghij",
        "choices": [
            {"message": {"content": f'"id":"{TOOL}"', "tool_calls": [{"id": CALL, "function": {}}, {"id": "x"}]}}
        ],
    }
)
WHOLE_MESSAGE = orjson.dumps(
    {
        "id": "msg_0123456789abcdefghij",
        "content": [
            {"type": "text", "text": "tool_use"},
            {
                "type": "tool_use",
                "id": TOOL,
                "input": {"id": "order_0123456789abcdefghij", "tool_calls": [{"id": CALL}]},
            },
        ],
    }
)


def _mint(given_id: str) -> str:
    return given_id[::-1]


def _passed(content: bytes, cuts: list[int], *, lines: bool) -> bytes:
    minting = Minting(_mint, lines=lines)
    places = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    pieces = [content[start:end] for start, end in itertools.pairwise(places)]
    return b"".join([*map(minting.feed, pieces), minting.finish()])


@pytest.mark.parametrize(
    ("content", "lines", "replaced"),
    [
        pytest.param(CHAT, True, [CALL], id="chat-stream"),
        pytest.param(CHAT.replace(b"\n", b"\r\n"), True, [CALL], id="chat-stream-crlf"),
        pytest.param(MESSAGES, True, [TOOL], id="messages-stream"),
        pytest.param(WHOLE_CHAT, False, [CALL], id="chat"),
        pytest.param(WHOLE_MESSAGE, False, [TOOL], id="messages"),
        pytest.param(b'{"tool_calls": "id" "id"', False, [], id="no-json"),
        pytest.param(b'data: {"tool_calls": "id" "id"\n\n', True, [], id="no-json-in-a-stream"),
        pytest.param(b'[{"tool_use": {"id": "id"}}]', False, [], id="no-object"),
        pytest.param(b'{"choices": [{"delta": {"tool_calls": [{"id": 7}, 8], "id": []}}]}', False, [], id="no-ids"),
        pytest.param(b"", False, [], id="nothing"),
    ],
)
@given(cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_only_the_ids_of_calls(content: bytes, lines: bool, replaced: list[str], cuts: list[int]) -> None:
    """However it is cut: what stands in texts and arguments, ids of answers and of a server's own tools stay."""
    expected = content
    for one in replaced:
        expected = expected.replace(f'"{one}"'.encode(), f'"{one[::-1]}"'.encode())
    assert _passed(content, cuts, lines=lines) == expected


def test_a_stream_is_not_held_back() -> None:
    """Whole lines go on at once: a caller sees tokens as they are made."""
    minting = Minting(_mint, lines=True)
    assert minting.feed(b"data: {}\n\ndata: {") == b"data: {}\n\n"
    assert minting.feed(b"}\n\n") == b"data: {}\n\n"


def test_what_is_too_long_passes() -> None:
    """With its own ids, whole, and without our holding more than that."""
    content = b'{"tool_calls": "' + b"x" * HELD_AT_MOST + b'"}'
    assert _passed(content, [100, HELD_AT_MOST // 2], lines=False) == content
