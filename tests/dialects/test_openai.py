"""What OpenAI's dialect reads, writes and asks for."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import OPENAI
from gateway.dialects.interface import MalformedRequest, Refusal
from gateway.policy import Ask, Usage

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
HELLO = [{"role": "user", "content": "Hello"}]


def read(path: str, **members: Any) -> Ask:
    return OPENAI.read("POST", path, orjson.dumps({"model": "m", **members}))


@pytest.mark.parametrize(
    ("path", "members", "cap"),
    [
        pytest.param(CHAT, {}, None, id="none"),
        pytest.param(CHAT, {"max_tokens": None}, None, id="null"),
        pytest.param(CHAT, {"max_tokens": 0}, 0, id="zero"),
        pytest.param(CHAT, {"max_tokens": 5}, 5, id="old-name"),
        pytest.param(CHAT, {"max_completion_tokens": 5}, 5, id="new-name"),
        pytest.param(CHAT, {"max_tokens": 1, "max_completion_tokens": 10_000}, 10_000, id="both-largest-counts"),
        pytest.param(CHAT, {"max_tokens": 10_000, "max_completion_tokens": 1}, 10_000, id="both-other-way"),
        pytest.param(CHAT, {"max_tokens": 5, "n": 3}, 15, id="times-n"),
        pytest.param(CHAT, {"n": 3}, None, id="n-alone"),
        pytest.param(CHAT, {"max_output_tokens": 5}, None, id="a-cap-of-another-route"),
        pytest.param(RESPONSES, {"max_output_tokens": 7}, 7, id="responses"),
        pytest.param(RESPONSES, {"max_tokens": 7}, None, id="responses-ignores-max-tokens"),
        pytest.param(COMPLETIONS, {"max_tokens": 5, "prompt": "a"}, 5, id="completions"),
        pytest.param(COMPLETIONS, {"max_tokens": 5, "prompt": ["a", "b"]}, 10, id="two-prompts"),
        pytest.param(COMPLETIONS, {"max_tokens": 5, "prompt": [1, 2, 3]}, 5, id="tokens"),
        pytest.param(COMPLETIONS, {"max_tokens": 5, "prompt": [[1], [2]], "n": 2, "best_of": 4}, 40, id="product"),
        pytest.param(COMPLETIONS, {"max_tokens": 5, "prompt": []}, 5, id="no-prompt"),
        pytest.param(EMBEDDINGS, {"input": "a"}, 0, id="embeddings"),
    ],
)
def test_output_cap_is_the_most_that_can_come(path: str, members: dict[str, Any], cap: int | None) -> None:
    """The largest cap that is stated, times the answers asked for; None where nothing that is heeded caps."""
    assert read(path, **members).output_cap == cap


@pytest.mark.parametrize(
    ("path", "members", "features"),
    [
        pytest.param(CHAT, {}, set(), id="none"),
        pytest.param(CHAT, {"tools": [{"type": "function"}]}, {"tools"}, id="tools"),
        pytest.param(CHAT, {"tools": []}, set(), id="no-tools"),
        pytest.param(CHAT, {"functions": [{"name": "f"}]}, {"tools"}, id="functions"),
        pytest.param(CHAT, {"web_search_options": {}}, {"web_search"}, id="web-search"),
        pytest.param(RESPONSES, {"tools": [{"type": "web_search_preview"}]}, {"tools", "web_search"}, id="search-tool"),
        pytest.param(CHAT, {"response_format": {"type": "json_schema"}}, {"structured_output"}, id="schema"),
        pytest.param(CHAT, {"response_format": {"type": "text"}}, set(), id="text-format"),
        pytest.param(RESPONSES, {"text": {"format": {"type": "json_schema"}}}, {"structured_output"}, id="text.format"),
        pytest.param(CHAT, {"reasoning_effort": "high"}, {"reasoning"}, id="effort"),
        pytest.param(CHAT, {"reasoning_effort": "none"}, set(), id="no-effort"),
        pytest.param(RESPONSES, {"reasoning": {"effort": "low"}}, {"reasoning"}, id="reasoning"),
        pytest.param(RESPONSES, {"reasoning": {"effort": "none"}}, set(), id="no-reasoning"),
        pytest.param(RESPONSES, {"reasoning": {}}, {"reasoning"}, id="reasoning-by-default"),
        pytest.param(CHAT, {"modalities": ["text", "audio"], "audio": {"voice": "x"}}, {"audio"}, id="audio"),
        pytest.param(
            CHAT,
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "tools": [1]},
            {"vision", "tools"},
            id="vision-and-tools",
        ),
        pytest.param(CHAT, {"tools": "x", "text": 1, "reasoning": 2, "modalities": 3}, {"tools"}, id="nonsense"),
    ],
)
def test_features_are_what_the_request_uses(path: str, members: dict[str, Any], features: set[str]) -> None:
    """What a key can be scoped to."""
    assert read(path, **members).features == features


@pytest.mark.parametrize(
    ("path", "members", "says"),
    [
        pytest.param(CHAT, {"n": "a"}, "“n”", id="n-text"),
        pytest.param(CHAT, {"n": 0}, "“n”", id="n-zero"),
        pytest.param(CHAT, {"n": True}, "“n”", id="n-true"),
        pytest.param(CHAT, {"n": 2.0}, "“n”", id="n-fraction"),
        pytest.param(CHAT, {"n": 10**6}, "“n”", id="n-huge"),
        pytest.param(CHAT, {"max_tokens": -1}, "“max_tokens”", id="negative"),
        pytest.param(RESPONSES, {"max_tokens": -1}, "“max_tokens”", id="negative-where-unheeded"),
        pytest.param(CHAT, {"max_completion_tokens": 2**40}, "“max_completion_tokens”", id="huge"),
        pytest.param(COMPLETIONS, {"best_of": "2"}, "“best_of”", id="best-of"),
        pytest.param(CHAT, {"stream": "true"}, "“stream”", id="stream-text"),
        pytest.param(CHAT, {"stream": 1}, "“stream”", id="stream-one"),
        pytest.param(CHAT, {"model": 5}, "“model”", id="model"),
        pytest.param(CHAT, {"stream": True, "stream_options": []}, "“stream_options”", id="options"),
        pytest.param(CHAT, {"stream": True, "stream_options": {"include_usage": 1}}, "“include_usage”", id="usage"),
    ],
)
def test_wrong_types_are_refused(path: str, members: dict[str, Any], says: str) -> None:
    """The caller is told which member to mend."""
    with pytest.raises(MalformedRequest, match=says) as caught:
        read(path, **members)

    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["stream_options", "messages", "max_tokens", "n", "tools"])
def test_what_counts_stands_once(name: str) -> None:
    """A second member of any name that we read is refused."""
    with pytest.raises(MalformedRequest, match=f"“{name}” can be read in two ways"):
        OPENAI.read("POST", CHAT, b'{"model":"m","%b":null,"%b":null}' % (name.encode(), name.encode()))


@pytest.mark.parametrize(
    "path", [CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, "/v1/chat%2Fcompletions", "//v1/embeddings"]
)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_known_route_takes_an_object(path: str, body: bytes) -> None:
    """However its path is spelled."""
    with pytest.raises(MalformedRequest):
        OPENAI.read("POST", path, body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_reading_is_free(method: str) -> None:
    """No tokens are made by what has no body; the body is not looked at."""
    assert OPENAI.read(method, CHAT, b"\xff") == Ask("openai", "chat.completions", generates=False)


def test_a_realtime_session_is_not_free() -> None:
    """It begins with a GET, and generates."""
    assert OPENAI.read("GET", "/v1/realtime", b"").generates


def test_an_ask_has_all_that_was_asked() -> None:
    """Model, stream and estimate stand in the Ask."""
    ask = read(CHAT, messages=[{"role": "user", "content": "x" * 4000}], stream=True, max_tokens=9)

    assert ask._replace(input_tokens=0) == Ask(
        "openai", "chat.completions", "m", streaming=True, output_cap=9, inject_usage=True
    )
    assert 1000 <= ask.input_tokens <= 1030


def test_a_model_may_be_left_out() -> None:
    """An upstream with one model needs no name."""
    assert OPENAI.read("POST", CHAT, b"{}").model == ""


# ── Asking for usage ──


@pytest.mark.parametrize(
    ("path", "body", "sent"),
    [
        pytest.param(
            CHAT,
            b' {"model": "m", "stream": true, "x": "\xc3\xa9"}\n',
            b' {"stream_options":{"include_usage":true},"model": "m", "stream": true, "x": "\xc3\xa9"}\n',
            id="absent",
        ),
        pytest.param(
            COMPLETIONS,
            b'{"stream":true}',
            b'{"stream_options":{"include_usage":true},"stream":true}',
            id="completions",
        ),
        pytest.param(
            CHAT,
            b'{"stream":true, "\xc3\xa9": 1e5, "stream_options" : { "include_usage": false, "a": 1 } ,"n":1}',
            b'{"stream":true, "\xc3\xa9": 1e5, "stream_options" : {"include_usage":true,"a":1} ,"n":1}',
            id="false",
        ),
        pytest.param(
            CHAT,
            b'{"stream":true,"stream_options":null}',
            b'{"stream":true,"stream_options":{"include_usage":true}}',
            id="null",
        ),
        pytest.param(
            CHAT,
            b'{"stream":true,"stream_options":{"continuous_usage_stats":true}}',
            b'{"stream":true,"stream_options":{"continuous_usage_stats":true,"include_usage":true}}',
            id="other-options",
        ),
        pytest.param(
            CHAT,
            b'{"stream":true,"metadata":{"stream_options":1}}',
            b'{"stream_options":{"include_usage":true},"stream":true,"metadata":{"stream_options":1}}',
            id="nested-name",
        ),
    ],
)
def test_usage_is_asked_for_and_nothing_else_changes(path: str, body: bytes, sent: bytes) -> None:
    """Every other byte stays."""
    ask = OPENAI.read("POST", path, body)

    assert ask.inject_usage
    assert OPENAI.prepare(ask, body) == sent
    assert OPENAI.read("POST", path, sent).inject_usage is False


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(CHAT, b'{"stream":true,"stream_options":{"include_usage":true}}', id="asked"),
        pytest.param(CHAT, b'{"stream":false}', id="no-stream"),
        pytest.param(CHAT, b'{"stream":false,"stream_options":{"include_usage":false}}', id="no-stream-with-options"),
        pytest.param(RESPONSES, b'{"stream":true}', id="responses-always-state-it"),
        pytest.param("/v1/other", b'{"stream":true}', id="unknown-route"),
    ],
)
def test_otherwise_the_body_is_the_same_object(path: str, body: bytes) -> None:
    """No copy where nothing changes."""
    assert OPENAI.prepare(OPENAI.read("POST", path, body), body) is body


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["x", "stream_options", "é", "n"]), _JSON, max_size=3), st.booleans())
def test_a_prepared_body_says_the_same_but_for_usage(document: dict[str, Any], indented: bool) -> None:
    """Whatever else stands in the request."""
    document["stream"] = True
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 if indented else None)
    try:
        ask = OPENAI.read("POST", CHAT, body)
    except MalformedRequest:
        return

    sent = orjson.loads(OPENAI.prepare(ask, body))

    assert sent["stream_options"]["include_usage"] is True
    options = sent.pop("stream_options")
    before = document.pop("stream_options", None) or {}
    assert sent == document
    assert options == {**before, "include_usage": True}


# ── Usage of a whole answer ──


@pytest.mark.parametrize(
    ("path", "body", "usage"),
    [
        pytest.param(
            CHAT,
            {
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 50,
                    "prompt_tokens_details": {"cached_tokens": 30},
                    "completion_tokens_details": {"reasoning_tokens": 7},
                },
            },
            Usage(70, 50, 30, 0, 7),
            id="chat",
        ),
        pytest.param(
            RESPONSES,
            {"usage": {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}},
            Usage(5, 5, 4),
            id="responses",
        ),
        pytest.param(EMBEDDINGS, {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8), id="embeddings"),
        pytest.param(
            CHAT,
            {
                "choices": [{"message": {"tool_calls": [{"function": {"usage": {"prompt_tokens": 1}}}]}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4},
            },
            Usage(3, 4),
            id="a-fake-one-deeper",
        ),
        pytest.param(CHAT, {}, None, id="none"),
        pytest.param(CHAT, {"usage": None}, None, id="null"),
        pytest.param(CHAT, [], None, id="no-object"),
    ],
)
def test_usage_is_read_from_the_whole_answer(path: str, body: Any, usage: Usage | None) -> None:
    """From its top level alone."""
    ask = OPENAI.read("POST", path, b"{}")

    assert OPENAI.usage(ask, orjson.dumps(body)) == usage


def test_an_answer_that_is_no_json_states_no_usage() -> None:
    """Nothing is raised."""
    assert OPENAI.usage(Ask("openai", "other"), b"\x00\xff") is None


# ── Words ──


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
        (504, "timeout_error"),
    ],
)
def test_a_refusal_has_the_shape_of_the_api(status: int, kind: str) -> None:
    """The reason is the code; the link ends the message."""
    body = OPENAI.refusal(Refusal(status, "quota_exhausted", "No.", "r1", None, "https://example.org/q"))

    assert orjson.loads(body) == {
        "error": {"message": "No. See https://example.org/q", "type": kind, "param": None, "code": "quota_exhausted"}
    }


def test_any_words_can_be_said() -> None:
    """Line ends and lone surrogates are escaped; without a link nothing is said of one."""
    refusal = Refusal(400, "x", 'a\n"\ud800', "r1", None, "")

    assert b"\n" not in OPENAI.refusal(refusal)
    assert OPENAI.refusal_event(refusal).count(b"\n") == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", CHAT), ("POST", RESPONSES), ("POST", "/v1/x"), ("PUT", EMBEDDINGS), ("", "")],
)
@given(body=st.binary(max_size=80))
def test_reading_any_bytes_raises_nothing_else(method: str, path: str, body: bytes) -> None:
    """Nothing but MalformedRequest."""
    with contextlib.suppress(MalformedRequest):
        OPENAI.read(method, path, body)
