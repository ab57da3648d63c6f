"""How an answer leaves: at its own pace, whole or broken as was wished, and noticing a reader who left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import orjson
from aiohttp import web

from gateway.demo.inference.counters import Counters
from gateway.demo.inference.wishes import Wishes
from gateway.demo.inference.words import Json


class Event(NamedTuple):
    """One server-sent event as bytes, and whether it carries a token: those are paced and counted."""

    data: bytes
    tokens: int = 0


class Job(NamedTuple):
    """One request on its way through: what a route is given."""

    request: web.Request
    body: Json
    wishes: Wishes
    counters: Counters
    now: int
    """Unix time in whole seconds."""


def unnamed(content: Json, tokens: int = 0) -> Event:
    """`data:` alone, as the chat completions API sends."""
    return Event(b"data: " + orjson.dumps(content) + b"\n\n", tokens)


def named(content: Json, tokens: int = 0) -> Event:
    """`event:` with the content's own type, as the responses API and Anthropic send."""
    return Event(b"event: %b\ndata: %b\n\n" % (content["type"].encode(), orjson.dumps(content)), tokens)


async def send_json(job: Job, content: Json, tokens: int = 0) -> web.StreamResponse:
    """A whole answer, after the time that its tokens take."""
    wishes = job.wishes
    if wishes.silence_after is not None:
        await _be_silent()
    if wishes.tokens_per_second:
        await asyncio.sleep(tokens / wishes.tokens_per_second)
    body = orjson.dumps(content)
    if wishes.break_after is not None:
        return await _break_in_the_middle(job, body)
    job.counters.output_tokens += tokens
    return web.Response(body=body, content_type="application/json")


async def send_events(job: Job, events: Iterable[Event], failure: Event) -> web.StreamResponse:
    """An event stream, a token at a time. `failure` is the dialect's error event, if one was wished for."""
    wishes = job.wishes
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    async with _counted(job.counters):
        if wishes.break_after == 0:
            return _drop(job, response)
        if wishes.silence_after == 0:
            await _be_silent()
        await response.prepare(job.request)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for sent, event in enumerate(events):
            if sent == wishes.error_after:
                await response.write(failure.data)
                break
            if sent == wishes.break_after:
                return _drop(job, response)
            if sent == wishes.silence_after:
                await _be_silent()
            if event.tokens and wishes.tokens_per_second:
                due += event.tokens / wishes.tokens_per_second
                await asyncio.sleep(max(0.0, due - loop.time()))
            await response.write(event.data)
            job.counters.output_tokens += event.tokens
        await response.write_eof()
    return response


@asynccontextmanager
async def _counted(counters: Counters) -> AsyncIterator[None]:
    counters.open_streams += 1
    try:
        yield
    finally:
        counters.open_streams -= 1


async def _be_silent() -> None:
    await asyncio.get_running_loop().create_future()


def _drop(job: Job, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection under the answer, as a crash does."""
    job.counters.broken += 1
    if job.request.transport is not None:
        job.request.transport.abort()
    return response


async def _break_in_the_middle(job: Job, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    if job.wishes.break_after:
        await response.prepare(job.request)
        await response.write(body[: len(body) // 2])
    return _drop(job, response)
