"""OpenAI's responses API: one object, or the events from `response.created` to `response.completed`."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from gateway.demo.inference.answer import Event, Job, named, send_events, send_json
from gateway.demo.inference.openai_chat import require
from gateway.demo.inference.words import BadRequest, Json, Said, Tool, count_tokens, say

FAILURE = named({
    "type": "error", "code": "server_error", "message": "The server had an error.", "param": None, "sequence_number": 0,
})  # fmt: skip


async def responses(job: Job) -> web.StreamResponse:
    """POST /v1/responses"""
    body = job.body
    require(body, "model", "input")
    wanted = (body.get("text") or {}).get("format") or {}
    schema = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    said = say(job.wishes, body.get("max_output_tokens"), _tool_asked_for(body), schema)
    answer = _Answer(job, said)
    if body.get("stream"):
        return await send_events(job, answer.events(), FAILURE)
    return await send_json(job, answer.ended, said.count)


def _tool_asked_for(body: Json) -> Tool | None:
    tools = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    choice = body.get("tool_choice", "auto")
    items = body["input"] if isinstance(body["input"], list) else []
    if not tools or choice == "none" or (items and items[-1].get("type") == "function_call_output"):
        return None
    if isinstance(choice, dict) and choice.get("type") == "function":
        tools = [tool for tool in tools if tool["name"] == choice.get("name")]
        if not tools:
            raise BadRequest(f"Tool choice {choice.get('name')!r} is not among the tools.", "tool_choice")
    return Tool(tools[0]["name"], tools[0].get("parameters") or {})


class _Answer:
    """One response, begun and ended."""

    def __init__(self, job: Job, said: Said) -> None:
        self._said = said
        self._status = "completed" if said.complete else "incomplete"
        self._begun = _begun(job)
        self._item_id = job.counters.new_id("fc_" if said.tool else "msg_")
        self._call_id = job.counters.new_id("call_")
        self.ended = self._begun | {"output": [self._item(said.text, self._status)], "status": self._status}
        if not said.complete:
            self.ended["incomplete_details"] = {"reason": "max_output_tokens"}
        written = count_tokens(job.body["input"], job.body.get("instructions"), job.body.get("tools"))
        self.ended |= _usage(job, written, said)

    def events(self) -> Iterator[Event]:
        """Every event that an SDK needs to build the response from its parts."""
        for number, (content, tokens) in enumerate(self._contents()):
            yield named(content | {"sequence_number": number}, tokens)

    def _contents(self) -> Iterator[tuple[Json, int]]:
        yield {"type": "response.created", "response": self._begun}, 0
        yield {"type": "response.in_progress", "response": self._begun}, self._said.reasoning
        begun = self._item("", "in_progress")
        if not self._said.tool:
            begun["content"] = []
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}, 0
        yield from self._tool_parts() if self._said.tool else self._text_parts()
        ended = self.ended["output"][0]
        yield {"type": "response.output_item.done", "output_index": 0, "item": ended}, 0
        yield {"type": f"response.{self._status}", "response": self.ended}, 0

    def _text_parts(self) -> Iterator[tuple[Json, int]]:
        at = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        text = self._said.text
        yield {"type": "response.content_part.added", **at, "part": _part("")}, 0
        for token in self._said.tokens:
            yield {"type": "response.output_text.delta", **at, "delta": token, "logprobs": []}, 1
        yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}, 0
        yield {"type": "response.content_part.done", **at, "part": _part(text)}, 0

    def _tool_parts(self) -> Iterator[tuple[Json, int]]:
        at = {"item_id": self._item_id, "output_index": 0}
        for token in self._said.tokens:
            yield {"type": "response.function_call_arguments.delta", **at, "delta": token}, 1
        done = {"type": "response.function_call_arguments.done", **at, "name": self._said.tool}
        yield done | {"arguments": self._said.text}, 0

    def _item(self, text: str, status: str) -> Json:
        item: Json = {"id": self._item_id, "status": status}
        if self._said.tool:
            call = {"type": "function_call", "call_id": self._call_id, "name": self._said.tool, "arguments": text}
            return item | call
        return item | {"type": "message", "role": "assistant", "content": [_part(text)]}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _begun(job: Job) -> Json:
    body = job.body
    return {
        "id": job.counters.new_id("resp_"),
        "object": "response",
        "created_at": job.now,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def _usage(job: Job, written: int, said: Said) -> Json:
    prompt = written + job.wishes.cached
    job.counters.input_tokens += prompt
    if not job.wishes.usage:
        return {}
    return {
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": job.wishes.cached, "cache_write_tokens": 0},
            "output_tokens": said.count,
            "output_tokens_details": {"reasoning_tokens": said.reasoning},
            "total_tokens": prompt + said.count,
        }
    }
