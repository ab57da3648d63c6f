"""What Anthropic's dialect reads and writes."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import ANTHROPIC
from gateway.dialects.interface import MalformedRequest, Refusal
from gateway.policy import Ask, Usage

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
BATCHES = "/v1/messages/batches"


def read(path: str = MESSAGES, **members: Any) -> Ask:
    return ANTHROPIC.read("POST", path, orjson.dumps({"model": "m", **members}))


def batch(*params: Any, indent: bool = False) -> Ask:
    body = {"requests": [{"custom_id": str(number), "params": one} for number, one in enumerate(params)]}
    return ANTHROPIC.read("POST", BATCHES, orjson.dumps(body, option=orjson.OPT_INDENT_2 if indent else None))


@pytest.mark.parametrize(
    ("members", "features"),
    [
        pytest.param({}, set(), id="none"),
        pytest.param({"tools": [{"name": "f", "input_schema": {}}]}, {"tools"}, id="tools"),
        pytest.param({"tools": [{"type": "web_search_20250305"}]}, {"tools", "web_search"}, id="web-search"),
        pytest.param({"tools": [{"type": "web_fetch_20250910"}]}, {"tools", "web_search"}, id="web-fetch"),
        pytest.param({"mcp_servers": [{"url": "x"}]}, {"tools"}, id="mcp"),
        pytest.param({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning"}, id="thinking"),
        pytest.param({"thinking": {"type": "adaptive"}}, {"reasoning"}, id="adaptive"),
        pytest.param({"thinking": {"type": "disabled"}}, set(), id="no-thinking"),
        pytest.param({"output_config": {"format": {"type": "json_schema"}}}, {"structured_output"}, id="format"),
        pytest.param({"output_config": {"effort": "low"}}, set(), id="effort"),
        pytest.param({"output_format": {"type": "json_schema"}}, {"structured_output"}, id="older-format"),
        pytest.param({"tools": 1, "thinking": "x", "output_config": []}, {"tools"}, id="nonsense"),
    ],
)
def test_features_are_what_the_request_uses(members: dict[str, Any], features: set[str]) -> None:
    """What a key can be scoped to."""
    assert read(**members).features == features


def test_a_message_is_read_whole() -> None:
    """Thinking is inside max_tokens; the stream states its usage unasked."""
    ask = read(max_tokens=4000, stream=True, thinking={"type": "enabled", "budget_tokens": 3000})

    assert ask._replace(input_tokens=0) == Ask(
        "anthropic", "messages", "m", streaming=True, features=frozenset({"reasoning"}), output_cap=4000
    )


def test_counting_takes_a_request_and_no_tokens() -> None:
    """count_tokens generates nothing."""
    ask = read(COUNT, messages=[{"role": "user", "content": "x" * 400}])

    assert (ask.route, ask.generates, ask.input_tokens, ask.output_cap) == ("messages.count_tokens", False, 0, 0)
    assert ask.model == "m"


@pytest.mark.parametrize("indent", [False, True])
def test_a_batch_counts_by_its_items(indent: bool) -> None:
    """Items, the sum of the caps, the features of any."""
    ask = batch(
        {"model": "m", "max_tokens": 10},
        {"model": "m", "max_tokens": 20, "tools": [{"name": "model", "input_schema": {"model": {}, "Model": {}}}]},
        indent=indent,
    )

    assert (ask.route, ask.model, ask.items, ask.output_cap) == ("messages.batches", "m", 2, 30)
    assert ask.features == {"batch", "tools"}
    assert ask.generates


def test_a_batch_with_an_uncapped_item_is_not_capped() -> None:
    """One item without max_tokens could make any number."""
    assert batch({"model": "m", "max_tokens": 10}, {"model": "m"}).output_cap is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"{}", "“requests” must be a list", id="none"),
        pytest.param(b'{"requests":[]}', "“requests” must be a list", id="empty"),
        pytest.param(b'{"requests":{"a":1}}', "“requests” must be a list", id="object"),
        pytest.param(b'{"requests":[1]}', "params” must be an object", id="no-request"),
        pytest.param(b'{"requests":[{"params":[]}]}', "params” must be an object", id="no-params"),
        pytest.param(b'{"requests":[{"params":{"model":"a"}},{"params":{"model":"b"}}]}', "same model", id="mixed"),
        pytest.param(b'{"requests":[{"params":{"model":"a"}},{"params":{}}]}', "same model", id="one-unnamed"),
        pytest.param(b'{"requests":[{"params":{"model":"a","model":"b"}}]}', "two ways", id="twice-in-params"),
        pytest.param(b'{"requests":[{"params":{"model":"a","Model":"b"}}]}', "two ways", id="case-in-params"),
        pytest.param(b'{"requests":[{"params":{"model":"a"},"Params":{"model":"b"}}]}', "two ways", id="case"),
        pytest.param(b'{"requests":[{"params":{"model":"a"},"params":{"model":"b"}}]}', "two ways", id="params-twice"),
        pytest.param(b'{"requests":[],"requests":[{"params":{}}]}', "two ways", id="requests-twice"),
        pytest.param(
            b'{"requests":[{"params":{"model":"a"}},{"params":{"mod\\u0065l":"b","model":"a"}}]}',
            "two ways",
            id="escaped-in-params",
        ),
        pytest.param(b'{"requests":[{"params":{"model":"a","max_tokens":-1}}]}', "max_tokens", id="cap"),
    ],
)
def test_a_batch_of_two_meanings_is_refused(body: bytes, says: str) -> None:
    """At each level that is read; a batch names one model."""
    with pytest.raises(MalformedRequest, match=says):
        ANTHROPIC.read("POST", BATCHES, body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"max_tokens":true}', b'{"stream":1}', b'{"model":null}'])
@pytest.mark.parametrize("path", [MESSAGES, "/v1/Messages", "/v1/messages/"])
def test_a_message_of_wrong_types_is_refused(path: str, body: bytes) -> None:
    """However its path is spelled."""
    with pytest.raises(MalformedRequest):
        ANTHROPIC.read("POST", path, body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_reading_is_free(method: str) -> None:
    """No tokens are made by what has no body."""
    assert ANTHROPIC.read(method, BATCHES, b"") == Ask("anthropic", "messages.batches", generates=False)


def test_the_body_is_never_changed() -> None:
    """The same object goes upstream."""
    body = b'{"model":"m","stream":true}'

    assert ANTHROPIC.prepare(ANTHROPIC.read("POST", MESSAGES, body), body) is body


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        pytest.param(
            {
                "content": [{"type": "tool_use", "input": {"usage": {"input_tokens": 0, "output_tokens": 0}}}],
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 20,
                    "cache_creation_input_tokens": 30,
                    "cache_read_input_tokens": 40,
                    "output_tokens_details": {"thinking_tokens": 5},
                },
            },
            Usage(10, 20, 40, 30, 5),
            id="all",
        ),
        pytest.param({"usage": {"input_tokens": 1, "output_tokens": 2}}, Usage(1, 2), id="plain"),
        pytest.param({"usage": {"input_tokens": 1}}, None, id="half"),
        pytest.param({"input_tokens": 12}, None, id="a-count"),
        pytest.param([], None, id="no-object"),
    ],
)
def test_usage_is_read_from_the_whole_answer(body: Any, usage: Usage | None) -> None:
    """From its top level alone."""
    assert ANTHROPIC.usage(Ask("anthropic", "messages"), orjson.dumps(body)) == usage


def test_an_answer_that_is_no_json_states_no_usage() -> None:
    """Nothing is raised."""
    assert ANTHROPIC.usage(Ask("anthropic", "messages"), b"<html>") is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_refusal_has_the_shape_of_the_api(status: int, kind: str) -> None:
    """The type follows the status; the link ends the message."""
    refusal = Refusal(status, "quota_exhausted", "No.", "r1", None, "https://example.org/q")

    assert orjson.loads(ANTHROPIC.refusal(refusal)) == {
        "type": "error",
        "error": {"type": kind, "message": "No. See https://example.org/q", "reason": "quota_exhausted"},
        "request_id": "r1",
    }


@pytest.mark.parametrize("path", [MESSAGES, COUNT, BATCHES, "/v1/x"])
@given(body=st.binary(max_size=80) | st.from_regex(rb'\{"requests":\[(\{("params":(\{\}|1|\[\]))?\},?)*\]\}'))
def test_reading_any_bytes_raises_nothing_else(path: str, body: bytes) -> None:
    """Nothing but MalformedRequest."""
    with contextlib.suppress(MalformedRequest):
        ANTHROPIC.read("POST", path, body)
