"""Anthropic's messages, count_tokens, batches and models (docs.anthropic.com/en/api)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
from aiohttp import web

from gateway.demo.inference.answer import Event, Job, named, send_events, send_json
from gateway.demo.inference.openai_chat import MODELS
from gateway.demo.inference.words import BadRequest, Json, Said, Tool, count_tokens, say

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> Json:
    """The shape of an error that Anthropic's SDK reads."""
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}}


FAILURE = named(error(529, "Overloaded"))


async def messages(job: Job) -> web.StreamResponse:
    """POST /v1/messages"""
    body = job.body
    _require(body, "model", "max_tokens", "messages")
    said = say(job.wishes, body["max_tokens"], _tool_asked_for(body))
    usage = _usage(job, said)
    message = {
        "id": job.counters.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    block = _block(job, said)
    if body.get("stream"):
        return await send_events(job, _events(message, block, said, usage), FAILURE)
    whole = block | ({"input": _arguments(said)} if said.tool else {"text": said.text})
    return await send_json(job, message | {"content": [whole], "stop_reason": _stop(said)} | usage, said.count)


def _tool_asked_for(body: Json) -> Tool | None:
    tools = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    choice = body.get("tool_choice") or {"type": "auto"}
    content = body["messages"][-1].get("content")
    answered = isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)
    if not tools or choice["type"] == "none" or answered:
        return None
    if choice["type"] == "tool":
        tools = [tool for tool in tools if tool["name"] == choice.get("name")]
        if not tools:
            raise BadRequest(f"tool_choice: tool {choice.get('name')!r} is not among the tools")
    return Tool(tools[0]["name"], tools[0]["input_schema"])


def _block(job: Job, said: Said) -> Json:
    if said.tool:
        return {"type": "tool_use", "id": job.counters.new_id("toolu_"), "name": said.tool, "input": {}}
    return {"type": "text", "text": "", "citations": None}


def _arguments(said: Said) -> Json:
    """A tool's input. What a cap cut short is no JSON any more; the API then shows what it has: nothing."""
    return dict(orjson.loads(said.text)) if said.complete else {}


def _stop(said: Said) -> str:
    if not said.complete:
        return "max_tokens"
    return "tool_use" if said.tool else "end_turn"


def _usage(job: Job, said: Said) -> Json:
    """`usage`: unlike OpenAI's, `input_tokens` excludes what was read from or written to a cache."""
    wishes, body = job.wishes, job.body
    written = count_tokens(body["messages"], body.get("system"), body.get("tools"))
    job.counters.input_tokens += written + wishes.cached + wishes.cache_creation
    if not wishes.usage:
        return {}
    return {
        "usage": {
            "input_tokens": written,
            "cache_creation_input_tokens": wishes.cache_creation,
            "cache_read_input_tokens": wishes.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": wishes.cache_creation, "ephemeral_1h_input_tokens": 0},
            "output_tokens": said.count,
            "service_tier": "standard",
        }
    }


def _events(message: Json, block: Json, said: Said, usage: Json) -> Iterator[Event]:
    """The events of one message. As the real API: output stands at 1 in message_start and is whole in message_delta."""
    begun = {"usage": usage["usage"] | {"output_tokens": 1}} if usage else {}
    yield named({"type": "message_start", "message": message | begun}, said.reasoning)
    yield named({"type": "content_block_start", "index": 0, "content_block": block})
    yield named({"type": "ping"})
    for token in said.tokens:
        delta = (
            {"type": "input_json_delta", "partial_json": token} if said.tool else {"type": "text_delta", "text": token}
        )
        yield named({"type": "content_block_delta", "index": 0, "delta": delta}, 1)
    yield named({"type": "content_block_stop", "index": 0})
    ended: Json = {"type": "message_delta", "delta": {"stop_reason": _stop(said), "stop_sequence": None}}
    if usage:
        ended["usage"] = {"output_tokens": said.count}
    yield named(ended)
    yield named({"type": "message_stop"})


async def count(job: Job) -> web.StreamResponse:
    """POST /v1/messages/count_tokens"""
    body = job.body
    _require(body, "model", "messages")
    return await send_json(job, {"input_tokens": count_tokens(body["messages"], body.get("system"), body.get("tools"))})


async def batches(job: Job) -> web.StreamResponse:
    """POST /v1/messages/batches: accepted, and never worked on."""
    _require(job.body, "requests")
    created = datetime.fromtimestamp(job.now, UTC)
    batch = {
        "id": job.counters.new_id("msgbatch_"),
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {
            "processing": len(job.body["requests"]), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0,
        },
        "created_at": created.isoformat(),
        "expires_at": (created + timedelta(days=1)).isoformat(),
        "ended_at": None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }  # fmt: skip
    return await send_json(job, batch)


async def models(job: Job) -> web.StreamResponse:
    """GET /v1/models, asked with an `anthropic-version`."""
    data = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
        for name in MODELS
    ]
    return await send_json(job, {"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def _require(body: Json, *names: str) -> None:
    for name in names:
        if body.get(name) is None:
            raise BadRequest(f"{name}: Field required")
