"""What the official SDKs make of our refusals."""

from __future__ import annotations

import anthropic
import httpx2
import openai
import pytest

from gateway.dialects import ANTHROPIC, OPENAI
from gateway.dialects.interface import Refusal
from gateway.policy import Ask, Limit, Measure

LINK = "https://example.org/reasons#quota_exhausted"


def refusal(status: int) -> Refusal:
    return Refusal(status, "quota_exhausted", "No more today.", "req_1", 2.0, LINK)


def answers(status: int, field: bytes, content: bytes, kind: str = "application/json") -> httpx2.MockTransport:
    fields = {"content-type": kind, field.decode(): "req_1"}
    return httpx2.MockTransport(lambda _: httpx2.Response(status, headers=fields, content=content))


def openai_client(status: int, content: bytes, kind: str = "application/json") -> openai.OpenAI:
    transport = answers(status, OPENAI.request_id_field(), content, kind)
    return openai.OpenAI(
        api_key="k", base_url="http://x/v1", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def anthropic_client(status: int, content: bytes, kind: str = "application/json") -> anthropic.Anthropic:
    transport = answers(status, ANTHROPIC.request_id_field(), content, kind)
    return anthropic.Anthropic(
        api_key="k", base_url="http://x", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (413, openai.APIStatusError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (504, openai.InternalServerError),
    ],
)
def test_openai_raises_what_the_status_means(status: int, error: type[openai.APIStatusError]) -> None:
    """With our code, our message, our link and the id of the request."""
    with openai_client(status, OPENAI.refusal(refusal(status))) as client, pytest.raises(error) as caught:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])

    assert caught.value.code == "quota_exhausted"
    assert caught.value.request_id == "req_1"
    assert caught.value.message.endswith(f"No more today. See {LINK}")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "overloaded_error"),
        (504, anthropic.InternalServerError, "timeout_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_anthropic_raises_what_the_status_means(status: int, error: type[anthropic.APIStatusError], kind: str) -> None:
    """With our type, our message, our link and the id of the request."""
    with anthropic_client(status, ANTHROPIC.refusal(refusal(status))) as client, pytest.raises(error) as caught:
        client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "Hello"}])

    assert caught.value.type == kind
    assert caught.value.request_id == "req_1"
    assert caught.value.api_message == f"No more today. See {LINK}"


CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


def test_openai_chat_streams_raise_on_our_event() -> None:
    """After what was delivered, an APIError with our code."""
    content = CHUNK + OPENAI.refusal_event(refusal(429), Ask("openai", "chat.completions"))
    seen: list[str | None] = []

    def listen(client: openai.OpenAI) -> None:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}], stream=True)
        seen.extend(chunk.choices[0].delta.content for chunk in stream)

    with openai_client(200, content, "text/event-stream") as client, pytest.raises(openai.APIError) as caught:
        listen(client)

    assert seen == ["a"]
    assert caught.value.code == "quota_exhausted"
    assert caught.value.message.endswith(LINK)


def test_openai_response_streams_raise_on_our_event() -> None:
    """The same for the responses API."""
    content = OPENAI.refusal_event(refusal(429), Ask("openai", "responses"))
    with openai_client(200, content, "text/event-stream") as client, pytest.raises(openai.APIError) as caught:
        list(client.responses.create(model="m", input="Hello", stream=True))

    assert caught.value.code == "quota_exhausted"
    assert caught.value.message.endswith(LINK)


def test_anthropic_streams_raise_on_our_event() -> None:
    """The SDK makes a status error of it, with our type."""
    content = ANTHROPIC.refusal_event(refusal(429))
    with (
        anthropic_client(200, content, "text/event-stream") as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        list(
            client.messages.create(
                model="m", max_tokens=5, messages=[{"role": "user", "content": "Hello"}], stream=True
            )
        )

    assert caught.value.type == "rate_limit_error"
    assert caught.value.api_message == f"No more today. See {LINK}"


def test_fields_of_limits_are_fields_of_http() -> None:
    """A client reads each line as one field."""
    limits = (Limit("requests", Measure.REQUESTS, 10, 10, 60), Limit("tokens", Measure.TOTAL_TOKENS, 1000, 1000, 60))
    for dialect in (OPENAI, ANTHROPIC):
        lines = dialect.limit_fields(limits, (5, 5), 1_750_000_000.0)
        fields = httpx2.Headers(
            [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]
        )

        assert fields["ratelimit"].startswith('"requests";r=5;t=30')
