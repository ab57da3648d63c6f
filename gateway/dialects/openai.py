"""OpenAI's dialect: chat completions, responses, completions, embeddings; the rest of its API by a safe default.

Source: the types of the openai SDK 3.54 (`openai.types`), and the habits of servers that speak the dialect (vLLM).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from gateway.campaigns.words import Words
from gateway.dialects.content import flag, kind_of, load_object, members, model_name, needles, whole_number
from gateway.dialects.errors import encode, sentence
from gateway.dialects.interface import MalformedRequest, Refusal, StreamReader
from gateway.dialects.limit_plan import OPENAI_SLOTS, LimitPlans
from gateway.dialects.media import estimate
from gateway.dialects.openai_stream import ChatReader, ResponsesReader
from gateway.dialects.paths import canonical
from gateway.dialects.said import said_in_chat, said_in_prompt, said_in_response
from gateway.dialects.tally import openai_usage
from gateway.dialects.unknown_route import read_unknown
from gateway.policy import Ask, Limit, Usage

ROUTES: Final = {
    "/v1/chat/completions": "chat.completions",
    "/v1/responses": "responses",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}
BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})

_CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_OWN_CAPS = {
    "chat.completions": frozenset({"max_tokens", "max_completion_tokens"}),
    "completions": frozenset({"max_tokens"}),
    "responses": frozenset({"max_output_tokens"}),
}
"""The caps that an upstream heeds on a route: another one alone caps nothing."""
_FEATURE_NAMES = (
    "tools",
    "functions",
    "web_search_options",
    "response_format",
    "text",
    "reasoning_effort",
    "reasoning",
    "modalities",
    "audio",
)
_COMMON = ("model", "stream", "n", *_CAPS, *_FEATURE_NAMES)
_NAMES = {
    "chat.completions": needles(*_COMMON, "messages", "stream_options"),
    "completions": needles(*_COMMON, "prompt", "best_of", "stream_options"),
    "responses": needles(*_COMMON, "input", "instructions"),
    "embeddings": needles("model", "input"),
}
_FEATURES = frozenset(_FEATURE_NAMES)
MOST_CHOICES = 10_000
"""More answers to one request than any server gives: a bound, so that a product of fields stays a sane number."""

_ASK_FOR_USAGE = b'"stream_options":{"include_usage":true},'
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


class OpenAI:
    """Stateless but for a bounded cache of formats for limits."""

    name = "openai"

    def __init__(self) -> None:
        self._plans = LimitPlans(OPENAI_SLOTS)

    def read(self, method: str, path: str, body: bytes, kept: list[dict[str, Any]] | None = None) -> Ask:
        """What is asked. Raises MalformedRequest. The document of the body is put into `kept`, for `words`."""
        route = ROUTES.get(path) or ROUTES.get(canonical(path), "other")
        if method in BODILESS:
            # A realtime session begins with a GET, and generates.
            realtime = "/realtime" in path
            return Ask(self.name, route, streaming=realtime, generates=realtime)
        if route == "other":
            return read_unknown(self.name, path, body)
        document = load_object(body, _NAMES[route])
        if kept is not None:
            kept.append(document)
        model = model_name(document)
        tokens, features = estimate(body, document)
        if route == "embeddings":
            return Ask(self.name, route, model, False, features, tokens, 0)
        if not _FEATURES.isdisjoint(document):
            features |= _features(document)
        streaming = flag(document, "stream")
        inject = streaming and route != "responses" and not _states_usage(document)
        return Ask(self.name, route, model, streaming, features, tokens, _output_cap(route, document), 1, True, inject)

    def words(self, ask: Ask, document: dict[str, Any]) -> Words:
        """What a document that `read` has kept says."""
        route = ask.route
        if route == "chat.completions":
            return said_in_chat(document, route)
        if route == "responses":
            return said_in_response(document)
        return said_in_prompt(document, "input" if route == "embeddings" else "prompt")

    def prepare(self, ask: Ask, body: bytes) -> bytes:
        """The same object, or a copy in which nothing but `stream_options` differs."""
        if not ask.inject_usage:
            return body
        if b'"stream_options"' in body:
            text, top = members(body)
            for member in top:
                if member.name == "stream_options":
                    options = orjson.loads(text[member.start : member.end]) or {}
                    value = orjson.dumps({**options, "include_usage": True})
                    return text[: member.start].encode() + value + text[member.end :].encode()
        start = body.index(b"{") + 1
        return body[:start] + _ASK_FOR_USAGE + body[start:]

    def usage(self, ask: Ask, body: bytes) -> Usage | None:
        """From a whole JSON answer; None if it states none, or none that makes sense."""
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if type(document) is not dict:
            return None
        return openai_usage(document.get("usage"), embeds=ask.route == "embeddings")

    def stream(self, ask: Ask) -> StreamReader:
        """A reader for an answer of type text/event-stream."""
        if ask.route == "responses":
            return ResponsesReader()
        return ChatReader(strip=ask.inject_usage)

    def refusal(self, refusal: Refusal) -> bytes:
        """JSON body of an error answer."""
        return encode({"error": _error(refusal)})

    def refusal_event(self, refusal: Refusal, ask: Ask | None = None) -> bytes:
        """The SDKs raise on any event whose data has `error`; for the responses API it is of type `error`, too."""
        error = _error(refusal)
        if ask is None or ask.route != "responses":
            return b"data: %b\n\n" % encode({"error": error})
        # ResponseErrorEvent, whose members lie on top, and with `error` what the SDKs look for.
        event = {
            "type": "error",
            "code": error["code"],
            "message": error["message"],
            "param": None,
            "sequence_number": 0,
            "error": error,
        }
        return b"event: error\ndata: %b\n\n" % encode(event)

    def request_id_field(self) -> bytes:
        """What `openai.APIStatusError.request_id` is read from."""
        return b"x-request-id"

    def limit_fields(self, limits: tuple[Limit, ...], remaining: Sequence[float], now: float) -> bytes:
        """`x-ratelimit-*` and the IETF draft's fields, each line ended by CRLF."""
        return self._plans.lines(limits, remaining, now)


def _error(refusal: Refusal) -> dict[str, Any]:
    usual = _TYPES.get(refusal.status) or ("server_error" if refusal.status >= 500 else "invalid_request_error")
    own = {"message": sentence(refusal), "type": refusal.type or usual, "param": None, "code": refusal.reason}
    return {**refusal.members, **own}


def _output_cap(route: str, document: dict[str, Any]) -> int | None:
    """The largest of the caps that are stated (which of two an upstream heeds differs), times the answers asked for."""
    largest: int | None = None
    own = _OWN_CAPS[route]
    heeded = False
    for name in _CAPS:
        if name in document and (cap := whole_number(document, name)) is not None:
            largest = cap if largest is None else max(largest, cap)
            heeded = heeded or name in own
    choices = whole_number(document, "n", least=1, most=MOST_CHOICES) or 1 if "n" in document else 1
    if route == "completions":
        best_of = whole_number(document, "best_of", least=1, most=MOST_CHOICES) or 1
        choices = max(choices, best_of) * _prompts(document.get("prompt"))
    return largest * choices if heeded and largest is not None else None


def _prompts(prompt: object) -> int:
    """Each of several prompts is answered. A list of integers is one prompt, as tokens."""
    if type(prompt) is list and prompt and type(prompt[0]) is not int:
        return len(prompt)
    return 1


def _states_usage(document: dict[str, Any]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict:
        raise MalformedRequest('“stream_options” must be an object, such as {"include_usage": true}.')
    return flag(options, "include_usage")


def _features(document: dict[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    tools = document.get("tools")
    if tools or document.get("functions"):
        found.add("tools")
    if document.get("web_search_options") is not None or (
        type(tools) is list and any(kind_of(tool).startswith("web_search") for tool in tools)
    ):
        found.add("web_search")
    text = document.get("text")
    output = text.get("format") if type(text) is dict else None
    if kind_of(document.get("response_format")).startswith("json") or kind_of(output).startswith("json"):
        found.add("structured_output")
    reasoning = document.get("reasoning")
    effort = reasoning.get("effort", "medium") if type(reasoning) is dict else document.get("reasoning_effort")
    if effort is not None and effort != "none":
        found.add("reasoning")
    modalities = document.get("modalities")
    if document.get("audio") is not None or (type(modalities) is list and "audio" in modalities):
        found.add("audio")
    return frozenset(found)
