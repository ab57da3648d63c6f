"""Streams of chat completions and of responses."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import OPENAI
from gateway.dialects.interface import StreamReader
from gateway.policy import Ask, Usage

CHAT = Ask("openai", "chat.completions", "m", streaming=True)
STRIP = CHAT._replace(inject_usage=True)
RESPONSES = Ask("openai", "responses", "m", streaming=True)
STATED = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "total_tokens": 25,
    "prompt_tokens_details": {"cached_tokens": 8},
}
USAGE = Usage(12, 5, 8)


def data(document: Any) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(document)


def chunk(content: str = "tok", **members: Any) -> bytes:
    return data({"id": "c1", "choices": [{"index": 0, "delta": {"content": content}}], **members})


DONE = b"data: [DONE]\n\n"
END = data({"id": "c1", "choices": [], "usage": STATED})
FAKE = chunk('"usage": {"prompt_tokens": 1} [DONE]')


def run(reader: StreamReader, stream: list[bytes]) -> bytes:
    return b"".join([reader.feed(piece) for piece in stream]) + reader.finish()


@pytest.mark.parametrize(
    ("stream", "passed"),
    [
        pytest.param([chunk(), END, DONE], [chunk(), DONE], id="usage-at-the-end"),
        pytest.param(
            [chunk(usage=None), chunk(usage=None), END, DONE],
            [chunk(usage=None), chunk(usage=None), DONE],
            id="null-in-each",
        ),
        pytest.param(
            [chunk(usage={"prompt_tokens": 20, "completion_tokens": 1}), chunk(usage=STATED), DONE],
            [chunk(usage={"prompt_tokens": 20, "completion_tokens": 1}), chunk(usage=STATED), DONE],
            id="continuous-passes",
        ),
        pytest.param([chunk(), chunk(usage=STATED), DONE], [chunk(), chunk(usage=STATED), DONE], id="with-choices"),
        pytest.param(
            [chunk(), data({"usage": STATED}), DONE],
            [chunk(), data({"usage": STATED}), DONE],
            id="without-choices-it-is-not-the-chunk",
        ),
        pytest.param([FAKE, END, DONE], [FAKE, DONE], id="fake-in-the-text"),
        pytest.param(
            [data({"choices": [], "prompt_filter_results": []}), chunk(), END, DONE],
            [data({"choices": [], "prompt_filter_results": []}), chunk(), DONE],
            id="empty-choices-without-usage",
        ),
    ],
)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_only_the_usage_chunk_is_taken_out(stream: list[bytes], passed: list[bytes], cuts: list[int]) -> None:
    """At any cut: the same usage, and every other byte."""
    whole = b"".join(stream)
    places = sorted({cut % len(whole) for cut in cuts} | {0, len(whole)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]

    for ask, out in ((CHAT, whole), (STRIP, b"".join(passed))):
        reader = OPENAI.stream(ask)
        assert run(reader, pieces) == out
        assert reader.usage == USAGE
        assert reader.so_far == USAGE
        assert reader.complete


def test_plain_chunks_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk without usage, or with null, passes by a few substring tests."""
    reader = OPENAI.stream(STRIP)
    for _ in range(2):
        reader.feed(chunk())
    monkeypatch.setattr(type(reader), "_feed_slowly", None)
    for piece in (chunk(), chunk(usage=None), chunk() + chunk(), b'data: {"usage": null}\n\n'):
        assert reader.feed(piece) is piece


@pytest.mark.parametrize("garbage", ["x", -1, [], {"prompt_tokens": "5"}, {"prompt_tokens": -5}])
def test_garbage_is_no_usage(garbage: Any) -> None:
    """And the chunk that we asked for is taken out all the same."""
    reader = OPENAI.stream(STRIP)

    assert run(reader, [chunk(), data({"choices": [], "usage": garbage}), DONE]) == chunk() + DONE
    assert reader.usage is None


def test_a_stream_that_breaks_is_not_complete() -> None:
    """What was delivered is counted; an event without its end passes unread."""
    reader = OPENAI.stream(STRIP)

    assert run(reader, [chunk()] * 7 + [END[:-1]]) == chunk() * 7 + END[:-1]
    assert not reader.complete
    assert reader.usage is None
    assert reader.delivered == 7


def test_an_error_event_is_no_good_end() -> None:
    """The stream ended, but not well."""
    reader = OPENAI.stream(CHAT)
    run(reader, [chunk(), data({"error": {"message": "boom"}})])

    assert not reader.complete


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(chunk, id="content"),
        pytest.param(lambda text: data({"choices": [{"text": text}]}), id="completions"),
        pytest.param(lambda text: data({"choices": [{"delta": {"reasoning_content": text}}]}), id="reasoning"),
        pytest.param(
            lambda text: data({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": text}}]}}]}),
            id="arguments",
        ),
    ],
)
def test_long_deltas_count_by_their_text(event: Any) -> None:
    """An upstream that sends many tokens an event does not get them counted as one."""
    reader = OPENAI.stream(CHAT)
    for _ in range(50):
        reader.feed(event("x" * 80))

    assert reader.delivered == pytest.approx(1000, rel=0.05)


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=3),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "usage", "tool_calls", "function", "text", "type", "response"]), x
            )
        ),
    )
)
def test_no_event_breaks_a_reader(document: Any) -> None:
    """Whatever an upstream says."""
    for ask in (CHAT, STRIP, RESPONSES):
        reader = OPENAI.stream(ask)
        run(reader, [data(document), data(document), data({"usage": 1, "type": "response.x.delta", "x": document})])
        assert reader.delivered >= 0


# ── Responses ──


def typed(kind: str, **members: Any) -> bytes:
    return b"event: %b\n%b" % (kind.encode(), data({"type": kind, **members}))


def delta(text: str = "tok") -> bytes:
    return typed("response.output_text.delta", item_id="m1", delta=text, sequence_number=4)


ANSWERED = {"usage": {"input_tokens": 20, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 8}}}


@pytest.mark.parametrize(
    ("kind", "complete"),
    [("response.completed", True), ("response.incomplete", True), ("response.failed", False)],
)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_responses_state_usage_at_the_end(kind: str, complete: bool, cuts: list[int]) -> None:
    """At any cut; nothing is taken out."""
    whole = (
        typed("response.created", response={"usage": None})
        + delta()
        + delta('"usage"')
        + typed("response.output_text.done", text="tok" * 1000)
        + typed(kind, response={"output": [{"usage": {"input_tokens": 1}}], **ANSWERED})
    )
    places = sorted({cut % len(whole) for cut in cuts} | {0, len(whole)})
    reader = OPENAI.stream(RESPONSES)

    assert run(reader, [whole[a:b] for a, b in itertools.pairwise(places)]) == whole
    assert reader.usage == USAGE
    assert reader.complete is complete
    assert reader.delivered == 2


def test_an_end_without_usage_is_an_end() -> None:
    """Then there is nothing but the estimate."""
    reader = OPENAI.stream(RESPONSES)
    run(reader, [delta()] * 3 + [typed("response.completed", response={})])

    assert reader.complete
    assert reader.usage is None
    assert reader.delivered == 3
