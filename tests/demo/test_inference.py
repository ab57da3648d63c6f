"""gateway.demo.inference: the official SDKs cannot tell the stand-in from the real thing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from gateway.demo.inference import Settings, serving
from gateway.demo.inference.counters import Counters, fingerprint
from gateway.demo.inference.wishes import Wishes, read_wishes
from gateway.demo.inference.words import sample, say

SECRET = "upstream-secret"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "When is high tide?"}]
WEATHER: dict[str, object] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place", "days"],
}
TOOLS: list[ChatCompletionToolParam] = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
ARGUMENTS = {"place": "sample", "days": 1}


@pytest.fixture
def oai(standin: str) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=f"{standin}/v1", api_key=SECRET, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_oai(standin: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, asynchronous."""
    async with openai.AsyncOpenAI(base_url=f"{standin}/v1", api_key=SECRET, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(standin: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client."""
    with anthropic.Anthropic(base_url=standin, api_key=SECRET, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_claude(standin: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The same, asynchronous."""
    async with anthropic.AsyncAnthropic(base_url=standin, api_key=SECRET, max_retries=0) as client:
        yield client


class TestOpenAI:
    """Chat completions, completions, responses, embeddings, models."""

    def test_chat(self, oai: openai.OpenAI) -> None:
        """A whole answer, cut at the cap, with a usage that adds up."""
        answer = oai.chat.completions.create(model="m-large", messages=HELLO, max_completion_tokens=5, n=2)

        assert [choice.message.content for choice in answer.choices] == ["The tide comes in twice"] * 2
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 10
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + 10

    def test_usage_details(self, oai: openai.OpenAI) -> None:
        """Cached tokens are within prompt tokens, reasoning within completion tokens."""
        fields = {"x-standin-cached": "100", "x-standin-reasoning": "7", "x-standin-tokens": "3"}
        usage = oai.chat.completions.create(model="m", messages=HELLO, extra_headers=fields).usage

        assert usage is not None
        assert usage.prompt_tokens_details is not None
        assert usage.completion_tokens_details is not None
        assert usage.prompt_tokens_details.cached_tokens == 100
        assert usage.prompt_tokens > 100
        assert usage.completion_tokens_details.reasoning_tokens == 7
        assert usage.completion_tokens == 10

    @pytest.mark.parametrize("asked", [True, False], ids=["usage asked for", "usage not asked for"])
    async def test_chat_stream(self, async_oai: openai.AsyncOpenAI, asked: bool) -> None:
        """A stream's usage comes as one last chunk without choices, and only if it was asked for."""
        options: Any = {"include_usage": True} if asked else openai.omit
        stream = await async_oai.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options=options, max_tokens=4
        )
        chunks = [chunk async for chunk in stream]

        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        usages = [chunk.usage for chunk in chunks if chunk.usage]
        assert text == "The tide comes in"
        assert [usage.completion_tokens for usage in usages] == ([4] if asked else [])
        assert [bool(chunk.choices) for chunk in chunks].count(False) == len(usages)

    def test_tools(self, oai: openai.OpenAI) -> None:
        """A tool that is offered is called with arguments that fit; its result is answered in words."""
        answer = oai.chat.completions.create(model="m", messages=HELLO, tools=TOOLS)
        message = answer.choices[0].message
        assert message.tool_calls is not None
        [call] = message.tool_calls
        assert call.type == "function"
        assert answer.choices[0].finish_reason == "tool_calls"
        assert json.loads(call.function.arguments) == ARGUMENTS

        history = [*HELLO, message, {"role": "tool", "tool_call_id": call.id, "content": "fair"}]
        after = oai.chat.completions.create(model="m", messages=history, tools=TOOLS)  # type: ignore[arg-type]
        assert after.choices[0].finish_reason == "stop"

    def test_tools_streamed(self, oai: openai.OpenAI) -> None:
        """The SDK builds the call from its deltas."""
        with oai.chat.completions.stream(model="m", messages=HELLO, tools=TOOLS) as stream:
            final = stream.get_final_completion()

        calls = final.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].function.name == "weather"
        assert json.loads(calls[0].function.arguments) == ARGUMENTS

    def test_structured_output(self, oai: openai.OpenAI) -> None:
        """An answer that was asked for by schema parses."""

        class Tide(BaseModel):
            place: str
            metres: float

        parsed = oai.chat.completions.parse(model="m", messages=HELLO, response_format=Tide).choices[0].message.parsed
        assert parsed == Tide(place="sample", metres=1.5)

    def test_completions(self, oai: openai.OpenAI) -> None:
        """One choice a prompt; a stream says the same as a whole answer."""
        whole = oai.completions.create(model="m", prompt=["a", "b"], max_tokens=3)
        assert [choice.text for choice in whole.choices] == ["The tide comes"] * 2
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 6
        stream = oai.completions.create(model="m", prompt="a", max_tokens=3, stream=True)
        assert "".join(chunk.choices[0].text for chunk in stream) == "The tide comes"

    def test_responses(self, oai: openai.OpenAI) -> None:
        """A response states its usage, and that it is incomplete where the cap cut it."""
        answer = oai.responses.create(model="m", input="When?", max_output_tokens=4)

        assert answer.output_text == "The tide comes in"
        assert answer.status == "incomplete"
        assert answer.usage is not None
        assert answer.usage.output_tokens == 4

    async def test_responses_streamed(self, async_oai: openai.AsyncOpenAI) -> None:
        """From response.created to response.completed, in numbered order, text in the middle."""
        fields = {"x-standin-tokens": "3"}
        stream = await async_oai.responses.create(model="m", input="When?", stream=True, extra_headers=fields)
        events = [event async for event in stream]

        assert events[0].type == "response.created"
        last = events[-1]
        assert last.type == "response.completed"
        assert last.response.output_text == "The tide comes"
        assert last.response.usage is not None
        assert last.response.usage.output_tokens == 3
        assert [getattr(event, "sequence_number", -1) for event in events] == list(range(len(events)))

    def test_responses_tool_streamed(self, oai: openai.OpenAI) -> None:
        """The SDK builds a function call from its events."""
        tools: Any = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
        with oai.responses.stream(model="m", input="When?", tools=tools) as stream:
            final = stream.get_final_response()

        [item] = final.output
        assert item.type == "function_call"
        assert json.loads(item.arguments) == ARGUMENTS

    def test_embeddings_and_models(self, oai: openai.OpenAI) -> None:
        """Packed and plain vectors are the same, one for each input; models are listed."""
        packed = oai.embeddings.create(model="m-embed", input=["a", "b"], dimensions=4)
        plain = oai.embeddings.create(model="m-embed", input="a", dimensions=4, encoding_format="float")

        assert len(packed.data) == 2
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
        assert "m-large" in [model.id for model in oai.models.list()]

    @pytest.mark.parametrize(
        ("status", "raised"),
        [
            pytest.param("400", openai.BadRequestError, id="400"),
            pytest.param("429", openai.RateLimitError, id="429"),
            pytest.param("500", openai.InternalServerError, id="500"),
        ],
    )
    def test_errors(self, oai: openai.OpenAI, status: str, raised: type[openai.APIStatusError]) -> None:
        """A status that is wished for comes with a body that the SDK reads."""
        with pytest.raises(raised, match="asked for status") as caught:
            oai.chat.completions.create(model="m", messages=HELLO, extra_headers={"x-standin-status": status})
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["type"] in {"invalid_request_error", "server_error"}

    def test_a_strange_credential_is_refused(self, standin: str) -> None:
        """A caller's credential that leaked through a gateway does not work here."""
        with (
            openai.OpenAI(base_url=f"{standin}/v1", api_key="tg_leaked", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()

    def test_a_missing_parameter_is_a_bad_request(self, oai: openai.OpenAI) -> None:
        """The caller's mistakes are answered, not crashed on."""
        with pytest.raises(openai.BadRequestError, match="messages"):
            oai.chat.completions.create(model="m", messages=[])


class TestAnthropic:
    """Messages, count_tokens, batches, models."""

    def test_message(self, claude: anthropic.Anthropic) -> None:
        """A whole answer; cached tokens stand beside the input tokens, not within them."""
        fields = {"x-standin-cached": "100", "x-standin-cache-creation": "20"}
        answer = claude.messages.create(
            model="m", max_tokens=4, messages=[{"role": "user", "content": "When?"}], extra_headers=fields
        )

        [block] = answer.content
        assert block.type == "text"
        assert block.text == "The tide comes in"
        assert answer.stop_reason == "max_tokens"
        assert answer.usage.input_tokens == 1
        assert answer.usage.cache_read_input_tokens == 100
        assert answer.usage.cache_creation_input_tokens == 20
        assert answer.usage.output_tokens == 4

    async def test_stream(self, async_claude: anthropic.AsyncAnthropic) -> None:
        """The SDK builds the message from its events; usage is final in message_delta."""
        kinds: list[str] = []
        async with async_claude.messages.stream(
            model="m",
            max_tokens=100,
            messages=[{"role": "user", "content": "When?"}],
            extra_headers={"x-standin-tokens": "3"},
        ) as stream:
            kinds.extend([event.type async for event in stream if event.type != "text"])
            final = await stream.get_final_message()

        assert kinds[:2] == ["message_start", "content_block_start"]
        assert kinds[-2:] == ["message_delta", "message_stop"]
        assert final.usage.output_tokens == 3
        assert final.stop_reason == "end_turn"

    @pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
    def test_tools(self, claude: anthropic.Anthropic, streaming: bool) -> None:
        """A tool that is offered is used with an input that fits."""
        asked: Any = {
            "model": "m",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "When?"}],
            "tools": [{"name": "weather", "input_schema": WEATHER}],
        }
        if streaming:
            with claude.messages.stream(**asked) as stream:
                answer: Any = stream.get_final_message()
        else:
            answer = claude.messages.create(**asked)

        assert answer.stop_reason == "tool_use"
        assert answer.content[0].input == ARGUMENTS

    def test_count_batches_models(self, claude: anthropic.Anthropic) -> None:
        """Counting makes no tokens; a batch counts its items; models are listed in this dialect's shape."""
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}
        assert claude.messages.count_tokens(**asked).input_tokens == 100
        items: Any = [{"custom_id": str(at), "params": asked | {"max_tokens": 5}} for at in range(3)]
        assert claude.messages.batches.create(requests=items).request_counts.processing == 3
        assert "m-large" in [model.id for model in claude.models.list()]

    @pytest.mark.parametrize(
        ("status", "raised"),
        [
            pytest.param("403", anthropic.PermissionDeniedError, id="403"),
            pytest.param("429", anthropic.RateLimitError, id="429"),
            pytest.param("529", anthropic.APIStatusError, id="529"),
        ],
    )
    def test_errors(self, claude: anthropic.Anthropic, status: str, raised: type[anthropic.APIStatusError]) -> None:
        """A status that is wished for comes with a body that the SDK reads."""
        with pytest.raises(raised, match="asked for status"):
            claude.messages.create(
                model="m",
                max_tokens=5,
                messages=[{"role": "user", "content": "x"}],
                extra_headers={"x-standin-status": status},
            )

    def test_an_error_in_a_stream(self, claude: anthropic.Anthropic) -> None:
        """A stream that fails says so in an event of its own."""
        stream = claude.messages.create(
            model="m",
            max_tokens=50,
            messages=[{"role": "user", "content": "x"}],
            stream=True,
            extra_headers={"x-standin-error-after": "5"},
        )
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            list(stream)


class Served:
    """A stand-in in the test's own loop, for what only its counters tell."""

    def __init__(self, url: str, counters: Counters, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.counters = counters
        self.http = http

    def chat(self, *, stream: bool = False, **wishes: str) -> Any:
        """One chat request with its wishes: `break_after="3"` for `x-standin-break-after: 3`."""
        fields = {f"x-standin-{name.replace('_', '-')}": wish for name, wish in wishes.items()}
        return self.http.post(
            f"{self.url}/v1/chat/completions",
            json={"model": "m", "messages": HELLO, "stream": stream},
            headers={"Authorization": f"Bearer {SECRET}"} | fields,
        )

    async def until(self, holds: Callable[[Counters], bool], seconds: float = 2.0) -> None:
        """Wait until something holds of the counters."""
        end = time.monotonic() + seconds
        while not holds(self.counters):
            assert time.monotonic() < end, self.counters
            await asyncio.sleep(0.005)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """See Served."""
    async with serving(Settings()) as (url, counters), aiohttp.ClientSession() as http:
        yield Served(url, counters, http)


class TestBadDays:
    """What a real API does on a bad day, on demand."""

    async def test_a_stream_breaks_after_so_many_events(self, served: Served) -> None:
        """The connection drops, with no last chunk, and it is counted as broken, not as left."""
        async with served.chat(stream=True, break_after="3") as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert (served.counters.broken, served.counters.aborted) == (1, 0)

    async def test_a_whole_answer_breaks_in_its_middle(self, served: Served) -> None:
        """The head promises more than comes."""
        async with served.chat(break_after="1") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    @pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
    async def test_an_answer_breaks_before_its_head(self, served: Served, stream: bool) -> None:
        """Not a byte of an answer."""
        with pytest.raises(aiohttp.ServerDisconnectedError):
            async with served.chat(stream=stream, break_after="0"):
                pass

    async def test_a_reader_who_leaves_a_silent_stream_is_noticed(self, served: Served) -> None:
        """A silent stream is counted as open, and as aborted once its reader left."""
        async with served.chat(stream=True, silence_after="2") as response:
            await response.content.readuntil(b"\n\n")
            await served.until(lambda counters: counters.open_streams == 1)
            response.close()

        await served.until(
            lambda counters: (counters.open_streams, counters.aborted, counters.open_requests) == (0, 1, 0)
        )

    async def test_tokens_take_their_time(self, served: Served) -> None:
        """Ten tokens at a hundred a second take a tenth of a second, streamed or not."""
        for stream in (True, False):
            begun = time.monotonic()
            async with served.chat(stream=stream, tokens="10", tokens_per_second="100") as response:
                await response.read()
            assert time.monotonic() - begun >= 0.1

    async def test_usage_can_be_kept_back(self, served: Served) -> None:
        """An answer without usage: what a gateway must not take for free."""
        async with served.chat(usage="none") as response:
            assert "usage" not in await response.json()

    async def test_output_is_counted_as_written(self, served: Served) -> None:
        """The counter of output tokens is what a settlement is to be compared with, also for a stream that broke."""
        async with served.chat(tokens="12") as response:
            await response.read()
        async with served.chat(stream=True, tokens="12", break_after="5") as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

        assert served.counters.output_tokens == 12 + 4, "the first event carries the role"

    async def test_stats_show_the_last_request_without_its_credential(self, served: Served) -> None:
        """Tests see what came through a gateway; credentials show as fingerprints."""
        async with served.chat(tokens="1") as response:
            await response.read()
        async with served.http.get(f"{served.url}/standin/stats") as response:
            stats = await response.json()

        assert stats["requests"] == {"POST /v1/chat/completions": 1}
        assert stats["credentials"] == {fingerprint(SECRET): 1}
        assert ["authorization", fingerprint(SECRET)] in stats["last"]["fields"]
        assert SECRET not in json.dumps(stats)
        assert stats["last"]["body"]["messages"] == HELLO

        async with served.http.post(f"{served.url}/standin/reset") as response:
            assert response.status == 200
        assert served.counters.requests == {}

    async def test_an_unknown_route_is_404_and_echo_is_an_echo(self, served: Served) -> None:
        """Errors have a shape on every route; /v1/echo gives bytes back untouched."""
        fields = {"x-api-key": SECRET, "content-type": "application/octet-stream"}
        async with served.http.get(f"{served.url}/v1/nowhere", headers=fields) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, "unknown_url")
        async with served.http.put(f"{served.url}/v1/echo", data=b"\x00\xff", headers=fields) as response:
            assert await response.read() == b"\x00\xff"

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"model":"m","messages":"x","n":"two"}'])
    async def test_what_cannot_be_read_is_400(self, served: Served, content: bytes) -> None:
        """Never a 500 of its own making."""
        fields = {"x-api-key": SECRET}
        async with served.http.post(f"{served.url}/v1/chat/completions", data=content, headers=fields) as response:
            assert response.status == 400


@pytest.mark.parametrize(
    ("cap", "reasoning", "spoken", "counted"),
    [
        pytest.param(None, 0, 5, 5, id="no cap"),
        pytest.param(3, 0, 3, 3, id="cut"),
        pytest.param(5, 0, 5, 5, id="just fits"),
        pytest.param(4, 3, 1, 4, id="reasoning counts"),
        pytest.param(2, 3, 0, 2, id="reasoning alone fills the cap"),
    ],
)
def test_a_cap_is_never_exceeded(cap: int | None, reasoning: int, spoken: int, counted: int) -> None:
    """Reasoning and words together stay within the cap, and the answer says when it was cut."""
    said = say(Wishes(tokens=5, reasoning=reasoning), cap)

    assert (len(said.tokens), said.count, said.complete) == (spoken, counted, spoken == 5)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"enum": ["a", "b"]}, "a", id="enum"),
        pytest.param({"type": ["null", "string"]}, None, id="several types"),
        pytest.param({"anyOf": [{"type": "boolean"}]}, True, id="any of"),
        pytest.param({"properties": {"x": {"type": "array"}}}, {"x": []}, id="object by its properties"),
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, Any], value: object) -> None:
    """Arguments of tools are made to fit."""
    assert sample(schema) == value


def test_what_is_not_wished_stays_usual() -> None:
    """Wishes win over settings; a wish that is no number is the caller's mistake."""
    usual = Wishes(delay=0.5, tokens=9)
    assert read_wishes({"x-standin-tokens": "3"}, usual) == usual._replace(tokens=3)
    with pytest.raises(ValueError, match="many"):
        read_wishes({"x-standin-tokens": "many"}, usual)


def test_the_process_says_where_it_serves_and_ends_cleanly() -> None:
    """Its first line is its address; SIGTERM ends it with 0 and no traceback."""
    command = [sys.executable, "-m", "gateway.demo.inference", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert (process.returncode, told) == (0, "")
