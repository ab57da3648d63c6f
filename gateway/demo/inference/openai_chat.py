"""OpenAI's chat completions, completions, embeddings and models (platform.openai.com/docs/api-reference)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from aiohttp import web

from gateway.demo.inference.answer import Event, Job, send_events, send_json, unnamed
from gateway.demo.inference.words import BadRequest, Json, Said, Tool, count_tokens, say

MODELS = ("m-large", "m-small", "m-embed")
DONE = Event(b"data: [DONE]\n\n")


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> Json:
    """The shape of an error that OpenAI's SDK reads."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


FAILURE = unnamed(error("The server had an error while processing your request.", "server_error"))


async def chat(job: Job) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    body = job.body
    require(body, "model", "messages")
    tool = _tool_asked_for(body)
    wanted = body.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    said = say(job.wishes, cap, tool, schema)
    answers = body.get("n") or 1
    usage = _usage(job, count_tokens(body["messages"], body.get("tools")), said, answers)
    head = {"id": job.counters.new_id("chatcmpl-"), "created": job.now, "model": body["model"]}
    if body.get("stream"):
        return await send_events(job, _chat_events(job, head, said, answers, usage), FAILURE)
    message: Json = {"role": "assistant", "content": None if said.tool else said.text, "refusal": None}
    if said.tool:
        message["tool_calls"] = [_call(job, said.tool, said.text)]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(said)}
        for index in range(answers)
    ]
    content = head | {"object": "chat.completion", "choices": choices, "system_fingerprint": "fp_standin"}
    return await send_json(job, content | usage, said.count * answers)


def _tool_asked_for(body: Json) -> Tool | None:
    """The tool that an obliging model would call: the one demanded, else the first; none after a tool's result."""
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none" or body["messages"][-1].get("role") == "tool":
        return None
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name")
        tools = [tool for tool in tools if tool["name"] == name]
        if not tools:
            raise BadRequest(f"Tool choice {name!r} is not among the tools.", "tool_choice")
    return Tool(tools[0]["name"], tools[0].get("parameters") or {})


def _call(job: Job, name: str, arguments: str) -> Json:
    return {
        "id": job.counters.new_id("call_"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _finish(said: Said) -> str:
    if not said.complete:
        return "length"
    return "tool_calls" if said.tool else "stop"


def _usage(job: Job, written: int, said: Said, answers: int) -> Json:
    """`usage`, cached within prompt tokens and reasoning within completion tokens; nothing where that was wished."""
    wishes = job.wishes
    prompt, completion = written + wishes.cached, said.count * answers
    job.counters.input_tokens += prompt
    if not wishes.usage:
        return {}
    return {
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": wishes.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": said.reasoning * answers,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }
    }


def _chat_events(job: Job, head: Json, said: Said, answers: int, usage: Json) -> Iterator[Event]:
    head = head | {"object": "chat.completion.chunk", "system_fingerprint": "fp_standin"}
    asked_for_usage = (job.body.get("stream_options") or {}).get("include_usage") and bool(usage)
    if asked_for_usage:
        head["usage"] = None

    def chunk(index: int, delta: Json, finish: str | None = None, tokens: int = 0) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return unnamed(head | {"choices": [choice]}, tokens)

    for index in range(answers):
        first: Json = {"role": "assistant", "content": None if said.tool else "", "refusal": None}
        if said.tool:
            first["tool_calls"] = [{"index": 0} | _call(job, said.tool, "")]
        yield chunk(index, first, tokens=said.reasoning)
    for token in said.tokens:
        for index in range(answers):
            arguments = {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
            yield chunk(index, arguments if said.tool else {"content": token}, tokens=1)
    for index in range(answers):
        yield chunk(index, {}, _finish(said))
    if asked_for_usage:
        yield unnamed(head | {"choices": []} | usage)
    yield DONE


async def completions(job: Job) -> web.StreamResponse:
    """POST /v1/completions"""
    body = job.body
    require(body, "model", "prompt")
    said = say(job.wishes, body.get("max_tokens", 16))
    prompts = body["prompt"] if isinstance(body["prompt"], list) and isinstance(body["prompt"][0], str) else [None]
    answers = len(prompts) * (body.get("n") or 1)
    usage = _usage(job, count_tokens(body["prompt"]), said, answers)
    head = {"id": job.counters.new_id("cmpl-"), "object": "text_completion", "created": job.now, "model": body["model"]}

    def choice(index: int, text: str, finish: str | None) -> Json:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}

    def events() -> Iterator[Event]:
        for token in said.tokens:
            for index in range(answers):
                yield unnamed(head | {"choices": [choice(index, token, None)]}, 1)
        for index in range(answers):
            yield unnamed(head | {"choices": [choice(index, "", _finish(said))]})
        if (body.get("stream_options") or {}).get("include_usage") and usage:
            yield unnamed(head | {"choices": []} | usage)
        yield DONE

    if body.get("stream"):
        return await send_events(job, events(), FAILURE)
    choices = [choice(index, said.text, _finish(said)) for index in range(answers)]
    return await send_json(job, head | {"choices": choices} | usage, said.count * answers)


async def embeddings(job: Job) -> web.StreamResponse:
    """POST /v1/embeddings"""
    body = job.body
    require(body, "model", "input")
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if inputs and isinstance(inputs[0], int):
        inputs = [inputs]
    size = body.get("dimensions") or 8
    vector = [round(1 / (at + 1), 6) for at in range(size)]
    packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    shown = packed if body.get("encoding_format") == "base64" else vector
    prompt = count_tokens(*inputs)
    job.counters.input_tokens += prompt
    data = [{"object": "embedding", "index": index, "embedding": shown} for index in range(len(inputs))]
    usage = {"usage": {"prompt_tokens": prompt, "total_tokens": prompt}} if job.wishes.usage else {}
    return await send_json(job, {"object": "list", "data": data, "model": body["model"]} | usage)


async def models(job: Job) -> web.StreamResponse:
    """GET /v1/models"""
    data = [{"id": name, "object": "model", "created": job.now, "owned_by": "standin"} for name in MODELS]
    return await send_json(job, {"object": "list", "data": data})


def require(body: Json, *names: str) -> None:
    """Raise BadRequest for the first of these that is not there."""
    for name in names:
        if not body.get(name):
            raise BadRequest(f"Missing required parameter: '{name}'.", name)
