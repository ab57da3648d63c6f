"""Streams of messages."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import ANTHROPIC
from gateway.policy import Ask, Usage

ASK = Ask("anthropic", "messages", "m", streaming=True)


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


def delta(text: str = "tok", kind: str = "text") -> bytes:
    return event("content_block_delta", index=0, delta={"type": f"{kind}_delta", kind: text})


START = event(
    "message_start",
    message={
        "usage": {
            "input_tokens": 12,
            "output_tokens": 1,
            "cache_read_input_tokens": 8,
            "cache_creation_input_tokens": 3,
        }
    },
)
STREAM = [
    START,
    event("content_block_start", index=0),
    event("ping"),
    delta(),
    delta('"usage"'),
    event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x" * 900}),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 15}),
    event("message_stop"),
]


@given(cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_usage_is_the_start_and_the_last_delta(cuts: list[int]) -> None:
    """At any cut; the bytes pass as they are."""
    whole = b"".join(STREAM)
    places = sorted({cut % len(whole) for cut in cuts} | {0, len(whole)})
    reader = ANTHROPIC.stream(ASK)
    out = [reader.feed(whole[a:b]) for a, b in itertools.pairwise(places)]

    assert b"".join(out) + reader.finish() == whole
    assert reader.usage == Usage(12, 15, 8, 3)
    assert reader.so_far == reader.usage
    assert reader.complete
    assert reader.delivered == 2


def test_a_broken_stream_has_its_input_and_what_was_delivered() -> None:
    """message_start says one output token: what was passed on is the truer count."""
    reader = ANTHROPIC.stream(ASK)
    for piece in [START] + [delta()] * 40:
        reader.feed(piece)

    assert reader.usage == Usage(12, 1, 8, 3)
    assert reader.so_far == Usage(12, 40, 8, 3)
    assert not reader.complete


@pytest.mark.parametrize("kind", ["text", "thinking", "partial_json"])
def test_long_deltas_count_by_their_text(kind: str) -> None:
    """Anthropic sends several tokens an event."""
    reader = ANTHROPIC.stream(ASK)
    for _ in range(50):
        reader.feed(event("content_block_delta", index=0, delta={"type": "x_delta", kind: "x" * 80}))

    assert reader.delivered == pytest.approx(1000, rel=0.05)


@given(
    st.sampled_from(["message_start", "message_delta", "message_stop", "content_block_delta", "error"]),
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["usage", "delta", "output_tokens"]), inner),
    ),
)
def test_no_event_breaks_the_reader(kind: str, document: Any) -> None:
    """Whatever an upstream says."""
    reader = ANTHROPIC.stream(ASK)
    for members in ({"message": document}, {"usage": document}, {"delta": document, "signature_delta": 1}):
        reader.feed(event(kind, **members))

    assert reader.delivered >= 0
