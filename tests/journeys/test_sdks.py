"""The official SDKs, unchanged but for their address, through two whole gateways to an inference API."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anthropic
import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.journeys.conftest import Fleet
from tests.journeys.harness import Account, until

QUESTION: Final[Any] = [{"role": "user", "content": "When is high tide?"}]
SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place", "days"],
}
OPENAI_TOOL: Final[ChatCompletionToolParam] = {
    "type": "function",
    "function": {"name": "tides", "description": "Tides of a place.", "parameters": SCHEMA},
}
ANTHROPIC_TOOL: Final[Any] = {"name": "tides", "description": "Tides of a place.", "input_schema": SCHEMA}
CALLED: Final = {"place": "sample", "days": 1}


@dataclass
class Wire:
    """Requests as they left an SDK, retries and all."""

    sent: list[httpx2.Request] = field(default_factory=list)

    def note(self, request: httpx2.Request) -> None:
        self.sent.append(request)

    async def note_async(self, request: httpx2.Request) -> None:
        self.sent.append(request)


@contextlib.contextmanager
def openai_sdk(fleet: Fleet, key: Account | str, retries: int = 2) -> Iterator[tuple[openai.OpenAI, Wire]]:
    """A client as the README shows it, and what it sends."""
    wire = Wire()
    http = httpx2.Client(event_hooks={"request": [wire.note]})
    secret = key if isinstance(key, str) else key.key
    with openai.OpenAI(base_url=f"{fleet.url}/v1", api_key=secret, max_retries=retries, http_client=http) as client:
        yield client, wire


@contextlib.contextmanager
def anthropic_sdk(fleet: Fleet, key: Account | str, retries: int = 2) -> Iterator[tuple[anthropic.Anthropic, Wire]]:
    """As `openai_sdk`."""
    wire = Wire()
    http = httpx2.Client(event_hooks={"request": [wire.note]})
    secret = key if isinstance(key, str) else key.key
    with anthropic.Anthropic(base_url=fleet.url, api_key=secret, max_retries=retries, http_client=http) as client:
        yield client, wire


def ask_openai(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model="m-large", messages=QUESTION, **{"max_tokens": 5, **more})


def ask_anthropic(client: anthropic.Anthropic, **more: Any) -> Any:
    return client.messages.create(model="m-large", messages=QUESTION, **{"max_tokens": 5, **more})


Ask = Callable[..., Any]
BOTH = [
    pytest.param(openai_sdk, ask_openai, openai, id="openai"),
    pytest.param(anthropic_sdk, ask_anthropic, anthropic, id="anthropic"),
]


def wishes(**wanted: Any) -> dict[str, str]:
    """Fields for the stand-in."""
    return {f"x-standin-{name.replace('_', '-')}": str(value) for name, value in wanted.items()}


# --- OpenAI


def test_openai_json(fleet: Fleet) -> None:
    """A whole answer, with usage, and a request id that the SDK finds."""
    with openai_sdk(fleet, fleet.account("pro")) as (client, _):
        answer = ask_openai(client)

    assert answer.choices[0].message.content.startswith("The tide")
    assert answer.usage.completion_tokens == 5
    assert answer._request_id


@pytest.mark.parametrize("wanted", [False, True], ids=["not-asked", "asked"])
def test_openai_stream_shows_usage_only_to_who_asked(fleet: Fleet, wanted: bool) -> None:
    """The gateway asks for usage on its own account; its chunk is taken out for a caller who did not."""
    account = fleet.account("pro")
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if wanted else {}
    with openai_sdk(fleet, account) as (client, _):
        chunks = list(ask_openai(client, stream=True, max_tokens=30, extra_headers=wishes(tokens=9), **more))

    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    stated = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert len([piece for piece in said if piece]) == 9
    assert [usage.completion_tokens for usage in stated] == ([9] if wanted else [])
    assert all(chunk.choices for chunk in chunks) is not wanted


def test_openai_streamed_tool_calls(fleet: Fleet) -> None:
    """Arguments of a tool come in pieces and make JSON again."""
    with (
        openai_sdk(fleet, fleet.account("pro")) as (client, _),
        client.chat.completions.stream(model="m-large", messages=QUESTION, tools=[OPENAI_TOOL]) as stream,
    ):
        choice = stream.get_final_completion().choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == ("tides", CALLED)


def test_openai_responses(fleet: Fleet) -> None:
    """The responses API, as JSON and as events with names."""
    with openai_sdk(fleet, fleet.account("pro")) as (client, _):
        answer = client.responses.create(model="m-large", input="When is high tide?", max_output_tokens=50)
        with client.responses.stream(model="m-large", input="When is high tide?", max_output_tokens=50) as stream:
            events = [event.type for event in stream]
            streamed = stream.get_final_response()

    assert answer.output_text == streamed.output_text
    assert answer.output_text.startswith("The tide")
    assert (events[0], events[-1]) == ("response.created", "response.completed")
    assert streamed.usage is not None
    assert streamed.usage.output_tokens == 5


def test_openai_embeddings_and_models(fleet: Fleet) -> None:
    """Vectors arrive as they were packed; a list of models costs a request and no tokens."""
    account = fleet.account("pro")
    with openai_sdk(fleet, account) as (client, _):
        vectors = client.embeddings.create(model="m-embed", input=["ebb", "flow"])
        before = client.models.with_raw_response.list().headers
        after = client.models.with_raw_response.list().headers

    assert len(vectors.data) == 2
    assert vectors.data[0].embedding[0] == 1.0
    assert int(before["x-ratelimit-remaining-requests"]) - 1 == int(after["x-ratelimit-remaining-requests"])
    assert before["x-ratelimit-remaining-tokens"] == after["x-ratelimit-remaining-tokens"]


async def test_openai_async(fleet: Fleet) -> None:
    """Twenty at once, streams and not, each whole."""
    account = fleet.account("pro")
    async with openai.AsyncOpenAI(base_url=f"{fleet.url}/v1", api_key=account.key) as client:

        async def say(stream: bool) -> int:
            fields = wishes(tokens=20)
            if not stream:
                whole = await client.chat.completions.create(
                    model="m-large", messages=QUESTION, max_tokens=20, extra_headers=fields
                )
                assert whole.usage is not None
                return whole.usage.completion_tokens
            pieces = await client.chat.completions.create(
                model="m-large", messages=QUESTION, max_tokens=20, stream=True, extra_headers=fields
            )
            return len([chunk async for chunk in pieces if chunk.choices[0].delta.content])

        counts = await asyncio.gather(*(say(number % 2 == 0) for number in range(20)))

    assert counts == [20] * 20


# --- Anthropic


def test_anthropic_json(fleet: Fleet) -> None:
    """A whole message, with usage, and a request id that the SDK finds."""
    with anthropic_sdk(fleet, fleet.account("pro")) as (client, _):
        answer = ask_anthropic(client)

    assert answer.content[0].text.startswith("The tide")
    assert answer.usage.output_tokens == 5
    assert answer._request_id


def test_anthropic_streamed_tool_use(fleet: Fleet) -> None:
    """A tool's input comes in pieces and makes an object again."""
    with (
        anthropic_sdk(fleet, fleet.account("pro")) as (client, _),
        client.messages.stream(model="m-large", max_tokens=50, messages=QUESTION, tools=[ANTHROPIC_TOOL]) as stream,
    ):
        message = stream.get_final_message()

    block = message.content[0]
    assert message.stop_reason == "tool_use"
    assert isinstance(block, anthropic.types.ToolUseBlock)
    assert (block.name, block.input) == ("tides", CALLED)


async def test_anthropic_async_stream(fleet: Fleet) -> None:
    """Twenty streams at once, each whole, each with its usage."""
    account = fleet.account("pro")
    async with anthropic.AsyncAnthropic(base_url=fleet.url, api_key=account.key) as client:

        async def say() -> tuple[int, int]:
            async with client.messages.stream(
                model="m-large", max_tokens=20, messages=QUESTION, extra_headers=wishes(tokens=20)
            ) as stream:
                pieces = [text async for text in stream.text_stream]
                return len(pieces), (await stream.get_final_message()).usage.output_tokens

        assert await asyncio.gather(*(say() for _ in range(20))) == [(20, 20)] * 20


def test_anthropic_count_tokens_costs_a_request_and_no_tokens(fleet: Fleet) -> None:
    """Counting is not generating."""
    with anthropic_sdk(fleet, fleet.account("pro")) as (client, _):
        first = client.messages.with_raw_response.count_tokens(model="m-large", messages=QUESTION)
        second = client.messages.with_raw_response.count_tokens(model="m-large", messages=QUESTION)

    assert first.parse().input_tokens > 0
    name = "anthropic-ratelimit-{}-remaining".format
    assert int(first.headers[name("requests")]) - 1 == int(second.headers[name("requests")])
    assert first.headers[name("input-tokens")] == second.headers[name("input-tokens")]
    assert first.headers[name("output-tokens")] == second.headers[name("output-tokens")]


def test_anthropic_batches_cost_their_items(fleet: Fleet) -> None:
    """Seven messages in one batch are seven requests."""
    account = fleet.account("pro")
    one: Any = {"model": "m-large", "max_tokens": 5, "messages": QUESTION}
    requests: Any = [{"custom_id": f"n{number}", "params": one} for number in range(7)]
    with anthropic_sdk(fleet, account) as (client, _):
        before = client.messages.with_raw_response.count_tokens(model="m-large", messages=QUESTION)
        batch = client.messages.batches.with_raw_response.create(requests=requests)

    assert batch.parse().processing_status == "in_progress"
    name = "anthropic-ratelimit-requests-remaining"
    assert int(before.headers[name]) - 7 == int(batch.headers[name])


# --- both


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
def test_wrong_key_is_not_tried_again(fleet: Fleet, sdk: Any, ask: Ask, errors: Any) -> None:
    """AuthenticationError, after one request."""
    with sdk(fleet, "tg_nobody0000_secret") as (client, wire), pytest.raises(errors.AuthenticationError) as caught:
        ask(client)

    assert len(wire.sent) == 1
    assert caught.value.request_id


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
def test_short_wait_is_waited_out(fleet: Fleet, sdk: Any, ask: Ask, errors: Any) -> None:
    """The SDK's own retry waits as long as it was told, and succeeds at once."""
    with sdk(fleet, fleet.account("short")) as (client, wire):
        ask(client)
        began = time.monotonic()
        ask(client)
        took = time.monotonic() - began

    assert len(wire.sent) == 3
    assert took > 0.4


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
def test_short_wait_without_retries_is_an_error_with_its_wait(fleet: Fleet, sdk: Any, ask: Ask, errors: Any) -> None:
    """RateLimitError carries the wait to the millisecond."""
    with sdk(fleet, fleet.account("short"), retries=0) as (client, _):
        ask(client)
        with pytest.raises(errors.RateLimitError) as caught:
            ask(client)

    fields = caught.value.response.headers
    assert 0 < int(fields["retry-after-ms"]) <= 1000
    assert fields["retry-after"] == "1"
    assert fields["x-should-retry"] == "true"
    assert "short-requests" in fields["ratelimit"]
    assert "/tidegate/reasons/quota_exceeded" in str(caught.value)


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
def test_daily_quota_is_not_hammered(fleet: Fleet, sdk: Any, ask: Ask, errors: Any) -> None:
    """An SDK that is told to come back tomorrow sends exactly one request."""
    with sdk(fleet, fleet.account("daily"), retries=5) as (client, wire):
        ask(client)
        wire.sent.clear()
        with pytest.raises(errors.RateLimitError) as caught:
            ask(client)

    assert len(wire.sent) == 1
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert int(caught.value.response.headers["retry-after"]) > 80_000


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
@pytest.mark.parametrize(
    ("wish", "error", "requests"),
    [
        pytest.param({"status": 400}, "BadRequestError", 1, id="400"),
        pytest.param({"status": 500}, "InternalServerError", 2, id="500"),
        pytest.param({"status": 503}, "InternalServerError", 1, id="503"),
        pytest.param({"break_after": 0}, "InternalServerError", 1, id="breaks-before-the-head"),
        pytest.param({"silence_after": 0}, "InternalServerError", 1, id="silent"),
    ],
)
def test_upstream_errors_arrive(
    fleet: Fleet, sdk: Any, ask: Ask, errors: Any, wish: Mapping[str, Any], error: str, requests: int
) -> None:
    """Those of the upstream pass as they are, those of the gateway are worded alike; the SDK retries what may help."""
    account = fleet.account("pro")
    with sdk(fleet, account, retries=requests - 1) as (client, wire), pytest.raises(getattr(errors, error)):
        ask(client, extra_headers=wishes(**wish))

    assert len(wire.sent) == requests


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
def test_malformed_content_is_a_bad_request(fleet: Fleet, sdk: Any, ask: Ask, errors: Any) -> None:
    """Refused by the gateway, which says what is wrong, and charged to nobody."""
    with sdk(fleet, fleet.account("pro")) as (client, wire), pytest.raises(errors.BadRequestError) as caught:
        ask(client, extra_body={"max_tokens": "many"})

    assert "max_tokens" in str(caught.value)
    assert len(wire.sent) == 1


@pytest.mark.parametrize(("sdk", "ask", "errors"), BOTH)
@pytest.mark.parametrize("wish", [{"error_after": 5}, {"break_after": 5}], ids=["error-event", "breaks"])
def test_streams_that_fail_raise(fleet: Fleet, sdk: Any, ask: Ask, errors: Any, wish: Mapping[str, Any]) -> None:
    """An error event of the upstream, or a connection that broke, is no end like any other."""
    seen: list[Any] = []
    with sdk(fleet, fleet.account("pro")) as (client, _):
        stream = ask(client, stream=True, max_tokens=30, extra_headers=wishes(tokens=20, **wish))
        with pytest.raises(errors.APIError):
            seen.extend(stream)

    assert len(seen) >= 2


def test_openai_reads_limits(fleet: Fleet) -> None:
    """The fields that OpenAI's own API sends, with numbers of ours."""
    with openai_sdk(fleet, fleet.account("pro")) as (client, _):
        fields = client.chat.completions.with_raw_response.create(
            model="m-large", messages=QUESTION, max_tokens=5
        ).headers

    assert fields["x-ratelimit-limit-requests"] == "10000"
    assert fields["x-ratelimit-remaining-requests"] == "9999"
    assert fields["x-ratelimit-reset-requests"] == "9s"
    assert fields["x-request-id"]


def test_anthropic_reads_limits(fleet: Fleet) -> None:
    """The fields that Anthropic's own API sends, with numbers of ours."""
    with anthropic_sdk(fleet, fleet.account("pro")) as (client, _):
        fields = client.messages.with_raw_response.create(model="m-large", messages=QUESTION, max_tokens=5).headers

    assert fields["anthropic-ratelimit-requests-limit"] == "10000"
    assert fields["anthropic-ratelimit-requests-remaining"] == "9999"
    assert fields["anthropic-ratelimit-output-tokens-remaining"] == "999995"
    assert fields["anthropic-ratelimit-output-tokens-reset"].endswith("Z")
    assert fields["request-id"]


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
async def test_large_images_pass(fleet: Fleet, sdk: str) -> None:
    """Five megabytes of an image reach the upstream, and are not charged as text."""
    account = fleet.account("pro")
    picture = base64.b64encode(bytes(5_000_000)).decode()
    if sdk == "openai":
        content: Any = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}]
        with openai_sdk(fleet, account) as (client, _):
            fields = client.chat.completions.with_raw_response.create(
                model="m-large", max_tokens=5, messages=[{"role": "user", "content": content}]
            ).headers
    else:
        source = {"type": "base64", "media_type": "image/png", "data": picture}
        content = [{"type": "image", "source": source}]
        with anthropic_sdk(fleet, account) as (other, _):
            fields = other.messages.with_raw_response.create(
                model="m-large", max_tokens=5, messages=[{"role": "user", "content": content}]
            ).headers

    assert (await fleet.standin.stats())["last"]["size"] > len(picture)
    left = re.search(r'"pro-input";r=(\d+)', fields["ratelimit"])
    assert left is not None
    assert 0 < 10_000_000 - int(left[1]) < 10_000


async def test_concurrency_is_bounded_and_a_slot_comes_back_at_once(fleet: Fleet) -> None:
    """A second answer at once is refused, with a short wait; when the first has ended there is room."""
    account = fleet.account("single")
    async with openai.AsyncOpenAI(base_url=f"{fleet.url}/v1", api_key=account.key, max_retries=0) as client:

        async def ask(**more: Any) -> Any:
            return await client.chat.completions.create(model="m-large", messages=QUESTION, max_tokens=5, **more)

        running = await ask(stream=True, extra_headers=wishes(tokens=5, tokens_per_second=10))
        with pytest.raises(openai.RateLimitError) as caught:
            await ask()
        async for _ in running:
            pass
        await ask()

    assert caught.value.code == "concurrency_exceeded"
    assert int(caught.value.response.headers["retry-after"]) <= 2


async def test_leaving_frees_the_slot(fleet: Fleet) -> None:
    """A caller that leaves a running stream can begin the next within a second, and the upstream is told to stop."""
    account = fleet.account("single")
    async with anthropic.AsyncAnthropic(base_url=fleet.url, api_key=account.key, max_retries=0) as client:
        running = await client.messages.create(
            model="m-large", max_tokens=500, messages=QUESTION, stream=True,
            extra_headers=wishes(tokens=500, tokens_per_second=20),
        )  # fmt: skip
        await anext(running.__aiter__())
        await running.close()

        async def room() -> bool:
            with contextlib.suppress(anthropic.RateLimitError):
                await client.messages.create(model="m-large", max_tokens=5, messages=QUESTION)
                return True
            return False

        assert await until(room) < 1.0
    assert (await fleet.standin.stats())["open_streams"] == 0
