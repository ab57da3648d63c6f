"""What a request says, by every shape in which it may be said."""

from __future__ import annotations

import time
from typing import Any, Final

import anthropic
import httpx2
import openai
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import dialects
from gateway.campaigns.words import NO_WORDS, PIECE, Words
from gateway.dialects.interface import MalformedRequest

LONG: Final = "word " * 70
CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES, BATCHES = (
    f"/v1/{route}"
    for route in ("chat/completions", "responses", "completions", "embeddings", "messages", "messages/batches")
)
TOOLS: Final = [{"type": "function", "function": {"name": "f"}}]


def said(path: str, document: object) -> Words:
    dialect = dialects.of("POST", path, {})
    kept: list[dict[str, Any]] = []
    ask = dialect.read("POST", path, orjson.dumps(document), kept)
    return dialect.words(ask, kept[0])


def message(role: str, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def text(content: str, kind: str = "text") -> dict[str, str]:
    return {"type": kind, "text": content}


IMAGE: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
RESULT: Final = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42 degrees"}


@pytest.mark.parametrize(
    ("path", "members", "words"),
    [
        pytest.param(CHAT, {"messages": [message("user", "hi")]}, ("", "hi", ()), id="chat"),
        pytest.param(
            CHAT,
            {"messages": [message("system", "be kind"), message("developer", "be brief"), message("user", "hi")]},
            ("be kind\nbe brief", "hi", ()),
            id="chat: instructions",
        ),
        pytest.param(
            CHAT,
            {"messages": [message("user", "one"), message("assistant", LONG), message("user", "two")]},
            ("", "two", (LONG,)),
            id="chat: a long turn comes back",
        ),
        pytest.param(
            CHAT,
            {"messages": [message("user", "one"), message("assistant", "short"), message("user", "two")]},
            ("", "two", ()),
            id="chat: a short turn tells nothing",
        ),
        pytest.param(
            CHAT,
            {"messages": [message("assistant", f"{n} {LONG}") for n in range(4)] + [message("user", "x")]},
            ("", "x", (f"3 {LONG}", f"2 {LONG}")),
            id="chat: the last two",
        ),
        pytest.param(
            CHAT,
            {"messages": [message("user", [text("see"), IMAGE, text("this")])]},
            ("", "see\nthis", ()),
            id="chat: parts",
        ),
        pytest.param(
            CHAT,
            {"messages": [message("user", "task"), *[message("tool", "x", tool_call_id="c")] * 40]},
            ("", "task", ()),
            id="chat: a long run of tools",
        ),
        pytest.param(
            CHAT, {"messages": [message("user", [{"type": "text"}, 5, None])]}, ("", "", ()), id="chat: nonsense"
        ),
        pytest.param(CHAT, {"messages": [{"role": {}, "content": {}}, 3]}, ("", "", ()), id="chat: more nonsense"),
        pytest.param(CHAT, {"messages": "hi"}, ("", "", ()), id="chat: no messages"),
        pytest.param(
            RESPONSES, {"input": "hi", "instructions": "be kind"}, ("be kind", "hi", ()), id="responses: text"
        ),
        pytest.param(
            RESPONSES,
            {
                "input": [
                    message("system", "be kind"),
                    {"type": "message", "role": "assistant", "content": [text(LONG, "output_text")]},
                    {"type": "function_call_output", "call_id": "c", "output": "42"},
                    message("user", [text("hi", "input_text"), {"type": "input_image", "image_url": "x"}]),
                ],
                "instructions": "first",
            },
            ("first\nbe kind", "hi", (LONG,)),
            id="responses: items",
        ),
        pytest.param(RESPONSES, {"prompt": {"id": "p1"}}, ("", "", ()), id="responses: a stored prompt"),
        pytest.param(COMPLETIONS, {"prompt": "hi"}, ("", "hi", ()), id="completions"),
        pytest.param(COMPLETIONS, {"prompt": ["a", "b"]}, ("", "a\nb", ()), id="completions: several"),
        pytest.param(COMPLETIONS, {"prompt": [1, 2, 3]}, ("", "", ()), id="completions: tokens"),
        pytest.param(EMBEDDINGS, {"input": ["a", "b"]}, ("", "a\nb", ()), id="embeddings"),
        pytest.param(MESSAGES, {"system": "s", "messages": [message("user", "hi")]}, ("s", "hi", ()), id="messages"),
        pytest.param(
            MESSAGES,
            {"system": [text("one"), text("two")], "messages": [message("user", [text("hi")])]},
            ("one\ntwo", "hi", ()),
            id="messages: blocks",
        ),
        pytest.param(
            MESSAGES,
            {
                "messages": [
                    message("user", "task"),
                    message("assistant", [text(LONG), {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]),
                    message("user", [RESULT]),
                ]
            },
            ("", "task", (LONG,)),
            id="messages: what a tool said is no turn",
        ),
        pytest.param(
            MESSAGES,
            {"messages": [message("user", "task"), message("user", [RESULT, text("go on")])]},
            ("", "go on", ()),
            id="messages: beside what a tool said",
        ),
        pytest.param(
            BATCHES,
            {
                "requests": [
                    {
                        "custom_id": f"{n}",
                        "params": {"model": "m", "system": f"s{n}", "messages": [message("user", f"p{n}")]},
                    }
                    for n in range(9)
                ]
            },
            ("s0", "p0\np4\np8", ()),
            id="batch: a few",
        ),
    ],
)
def test_what_is_said(path: str, members: dict[str, Any], words: tuple[str, str, tuple[str, ...]]) -> None:
    """Instructions, the last turn of the user, and long turns of the assistant that came back."""
    found = said(path, {"model": "m", **members})
    assert found[:3] == words
    assert found.sizes == (len(words[0]), len(words[1]))


def test_ids_of_calls_come_along() -> None:
    """Where tools are used, on routes on which we mint them."""
    messages = [message("user", "x"), message("tool", "42", tool_call_id="call_1")]
    assert said(CHAT, {"model": "m", "messages": messages, "tools": TOOLS}).ids == ("call_1",)
    assert said(CHAT, {"model": "m", "messages": messages}).ids == ()
    assert said(MESSAGES, {"model": "m", "messages": [message("user", [RESULT])], "tools": TOOLS}).ids == ("toolu_1",)


def test_the_sdks_are_understood() -> None:
    """Bodies as the official clients write them."""
    bodies: list[tuple[str, bytes]] = []

    def keep(request: httpx2.Request) -> httpx2.Response:
        bodies.append((request.url.path, request.content))
        return httpx2.Response(400, json={"error": {"message": "no"}})

    http = httpx2.Client(transport=httpx2.MockTransport(keep))
    ours = openai.OpenAI(api_key="k", base_url="http://x/v1", max_retries=0, http_client=http)
    theirs = anthropic.Anthropic(api_key="k", base_url="http://x", max_retries=0, http_client=http)
    calls: list[Any] = [
        lambda: ours.chat.completions.create(
            model="m", messages=[{"role": "developer", "content": "s"}, {"role": "user", "content": "p"}]
        ),
        lambda: ours.responses.create(model="m", instructions="s", input=[{"role": "user", "content": "p"}]),
        lambda: theirs.messages.create(
            model="m", max_tokens=1, system=[{"type": "text", "text": "s"}], messages=[{"role": "user", "content": "p"}]
        ),
    ]
    for call in calls:
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)):
            call()

    assert [said(path, orjson.loads(body))[:2] for path, body in bodies] == [("s", "p")] * 3


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "text"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "messages", "system"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.sampled_from([CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES]), json, json)
def test_whatever_is_said_is_borne(path: str, one: object, other: object) -> None:
    """Nothing that can be read as a request raises here."""
    document = {"model": "m", "messages": one, "input": one, "prompt": one, "system": other, "instructions": other}
    try:
        words = said(path, document)
    except MalformedRequest:
        return
    assert type(words.system) is type(words.prompt) is str


@pytest.mark.timing
def test_a_huge_request_is_looked_at_in_bounded_time() -> None:
    """Long texts are cut, long histories and many parts are not walked."""
    huge = "word " * 1_000_000
    document = {
        "model": "m",
        "system": huge,
        "messages": [message("user", "x"), message("assistant", huge)] * 5000 + [message("user", [text(huge)] * 5000)],
    }
    began = time.process_time()
    words = dialects.ANTHROPIC.words(dialects.ANTHROPIC.read("POST", MESSAGES, b'{"model":"m"}'), document)
    took = time.process_time() - began

    assert took < 0.05
    assert all(len(one) <= 2 * PIECE + 1 for one in (words.system, words.prompt, *words.turns))
    assert words.sizes[0] == len(huge)


def test_nothing_is_kept_unless_asked() -> None:
    """A gateway without a detector reads as it did."""
    assert dialects.OPENAI.read("POST", CHAT, b'{"model":"m"}').model == "m"
    kept: list[dict[str, Any]] = []
    dialects.OPENAI.read("GET", CHAT, b"", kept)
    dialects.OPENAI.read("POST", "/v1/files", b"%PDF", kept)
    assert kept == []
    assert NO_WORDS == ("", "", (), (0, 0), ())
