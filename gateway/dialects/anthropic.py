"""Anthropic's dialect: messages, count_tokens, batches; the rest of its API by a safe default.

Source: the types of the anthropic SDK 2.12 (`anthropic.types`) and its table of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from gateway.campaigns.words import Words
from gateway.dialects.anthropic_stream import MessageReader
from gateway.dialects.content import (
    check_requests,
    flag,
    is_plain,
    kind_of,
    load_object,
    model_name,
    needles,
    whole_number,
)
from gateway.dialects.errors import encode, sentence
from gateway.dialects.interface import MalformedRequest, Refusal, StreamReader
from gateway.dialects.limit_plan import ANTHROPIC_SLOTS, LimitPlans
from gateway.dialects.media import estimate
from gateway.dialects.paths import canonical
from gateway.dialects.said import said_in_batch, said_in_chat
from gateway.dialects.tally import anthropic_usage
from gateway.dialects.unknown_route import read_unknown
from gateway.policy import Ask, Limit, Usage

ROUTES: Final = {
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "messages.count_tokens",
    "/v1/messages/batches": "messages.batches",
}
BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
MOST_ITEMS = 100_000
"""Requests in one batch: Anthropic's own bound."""

_NAMES = needles(
    "model",
    "stream",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "thinking",
    "output_config",
    "output_format",
    "mcp_servers",
)
_BATCH_NAMES = needles("requests", "params", *_NAMES)
_FEATURES = frozenset({"tools", "thinking", "output_config", "output_format", "mcp_servers"})
_BATCH = frozenset({"batch"})
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic:
    """Stateless but for a bounded cache of formats for limits."""

    name = "anthropic"

    def __init__(self) -> None:
        self._plans = LimitPlans(ANTHROPIC_SLOTS)

    def read(self, method: str, path: str, body: bytes, kept: list[dict[str, Any]] | None = None) -> Ask:
        """What is asked. Raises MalformedRequest. The document of the body is put into `kept`, for `words`."""
        route = ROUTES.get(path) or ROUTES.get(canonical(path), "other")
        if method in BODILESS:
            return Ask(self.name, route, generates=False)
        if route == "messages.batches":
            return _read_batch(body, kept)
        if route == "other":
            return read_unknown(self.name, path, body)
        document = load_object(body, _NAMES)
        if kept is not None:
            kept.append(document)
        model = model_name(document)
        tokens, features = estimate(body, document)
        if not _FEATURES.isdisjoint(document):
            features |= _features(document)
        if route == "messages.count_tokens":
            return Ask(self.name, route, model, False, features, 0, 0, 1, False)
        # What thinking may use is a part of max_tokens.
        cap = whole_number(document, "max_tokens")
        return Ask(self.name, route, model, flag(document, "stream"), features, tokens, cap)

    def words(self, ask: Ask, document: dict[str, Any]) -> Words:
        """What a document that `read` has kept says."""
        if ask.route == "messages.batches":
            return said_in_batch(document["requests"])
        return said_in_chat(document, ask.route)

    def prepare(self, ask: Ask, body: bytes) -> bytes:
        """The same object: Anthropic's streams always state their usage."""
        del ask
        return body

    def usage(self, ask: Ask, body: bytes) -> Usage | None:
        """From a whole JSON answer; None if it states none, or none that makes sense."""
        del ask
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        return anthropic_usage(document.get("usage")) if type(document) is dict else None

    def stream(self, ask: Ask) -> StreamReader:
        """A reader for an answer of type text/event-stream."""
        del ask
        return MessageReader()

    def refusal(self, refusal: Refusal) -> bytes:
        """JSON body of an error answer."""
        return encode(_error(refusal))

    def refusal_event(self, refusal: Refusal, ask: Ask | None = None) -> bytes:
        """The event of type `error`, on which the SDKs raise."""
        del ask
        return b"event: error\ndata: %b\n\n" % encode(_error(refusal))

    def request_id_field(self) -> bytes:
        """What `anthropic.APIStatusError.request_id` is read from."""
        return b"request-id"

    def limit_fields(self, limits: tuple[Limit, ...], remaining: Sequence[float], now: float) -> bytes:
        """`anthropic-ratelimit-*` and the IETF draft's fields, each line ended by CRLF."""
        return self._plans.lines(limits, remaining, now)


def _error(refusal: Refusal) -> dict[str, Any]:
    usual = _TYPES.get(refusal.status) or ("api_error" if refusal.status >= 500 else "invalid_request_error")
    error = {**refusal.members, "type": refusal.type or usual, "message": sentence(refusal), "reason": refusal.reason}
    return {"type": "error", "error": error, "request_id": refusal.request_id}


def _read_batch(body: bytes, kept: list[dict[str, Any]] | None) -> Ask:
    """A batch of messages, as one ask: its caps are summed, and all its requests must name one model.

    An Ask has one model, by which policies scope, price and count. A batch of several could carry a model that the key
    may not use behind one that it may, so it is refused; a batch for each model says the same.
    """
    document = load_object(body, _BATCH_NAMES)
    requests = document.get("requests")
    if type(requests) is not list or not 1 <= len(requests) <= MOST_ITEMS:
        raise MalformedRequest(f"“requests” must be a list of 1 to {MOST_ITEMS} requests.")
    model = ""
    cap: int | None = 0
    features = _BATCH
    names: set[str] = set()
    for number, request in enumerate(requests):
        one = request.get("params") if type(request) is dict else None
        if type(one) is not dict:
            raise MalformedRequest(f"“requests[{number}].params” must be an object: the body of one message.")
        named = model_name(one)
        if number and named != model:
            raise MalformedRequest("All requests of a batch must name the same model: send one batch for each model.")
        model = named
        most = whole_number(one, "max_tokens")
        cap = None if cap is None or most is None else cap + most
        if not _FEATURES.isdisjoint(one):
            features |= _features(one)
        names.update(request, one)
    # Deeper than the top level only the exact check will do, but for what is plain, and read alike whatever its case.
    if not is_plain(body, document) or any(
        name not in _BATCH_NAMES and name.casefold() in _BATCH_NAMES for name in names
    ):
        check_requests(body, _BATCH_NAMES)
    if kept is not None:
        kept.append(document)
    tokens, media = estimate(body, document)
    return Ask("anthropic", "messages.batches", model, False, features | media, tokens, cap, len(requests))


def _features(document: dict[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    tools = document.get("tools")
    if tools or document.get("mcp_servers"):
        found.add("tools")
    if type(tools) is list and any(kind_of(tool).startswith(("web_search", "web_fetch")) for tool in tools):
        found.add("web_search")
    if kind_of(document.get("thinking")) not in {"", "disabled"}:
        found.add("reasoning")
    output = document.get("output_config")
    if document.get("output_format") is not None or (type(output) is dict and output.get("format") is not None):
        found.add("structured_output")
    return frozenset(found)
