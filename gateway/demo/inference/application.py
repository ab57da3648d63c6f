"""The stand-in as an aiohttp application: credential, wishes, routes, and the errors of either dialect."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from gateway.demo.inference import anthropic, openai_chat, openai_responses
from gateway.demo.inference.answer import Job
from gateway.demo.inference.counters import Counters, fingerprint
from gateway.demo.inference.wishes import Wishes, read_wishes
from gateway.demo.inference.words import BadRequest, Json

COUNTERS = web.AppKey("COUNTERS", Counters)
LARGEST_BODY = 64 * 1024 * 1024
"""Twice what the gateway takes, so that it is never the stand-in that refuses."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = Callable[[Job], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Settings:
    """`usual` is what holds for a request that wishes nothing."""

    secret: str = "upstream-secret"
    """The credential that it wants, as `Authorization: Bearer` or `x-api-key`."""
    usual: Wishes = field(default_factory=Wishes)
    now: Callable[[], float] = time.time


OPENAI: Mapping[tuple[str, str], Route] = {
    ("POST", "/v1/chat/completions"): openai_chat.chat,
    ("POST", "/v1/completions"): openai_chat.completions,
    ("POST", "/v1/embeddings"): openai_chat.embeddings,
    ("POST", "/v1/responses"): openai_responses.responses,
}
ANTHROPIC: Mapping[tuple[str, str], Route] = {
    ("POST", "/v1/messages"): anthropic.messages,
    ("POST", "/v1/messages/count_tokens"): anthropic.count,
    ("POST", "/v1/messages/batches"): anthropic.batches,
}


def create_app(settings: Settings) -> web.Application:
    """The application. Run it with handler_cancellation=True (as `serving` does), or it never sees a reader leave."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app[COUNTERS] = Counters()
    border = _Border(settings, app[COUNTERS])
    for (method, path), route in {**OPENAI, **ANTHROPIC}.items():
        app.router.add_route(method, path, border.around(route))
    app.router.add_get("/v1/models", border.around(_models))
    app.router.add_route("*", "/v1/echo", border.around(_echo))
    app.router.add_get("/standin/stats", border.stats)
    app.router.add_post("/standin/reset", border.reset)
    app.router.add_route("*", "/{anything:.*}", border.around(_nowhere))
    return app


@asynccontextmanager
async def serving(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[tuple[str, Counters]]:
    """Serve while the context lasts: its address as a URL, and its counters for whoever is in the same process."""
    app = create_app(settings)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=4096).start()
        yield f"http://{host}:{runner.addresses[0][1]}", app[COUNTERS]
    finally:
        await runner.cleanup()


class _Border:
    """What every route goes through."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._secret = settings.secret.encode()

    async def stats(self, _request: web.Request) -> web.Response:
        """GET /standin/stats"""
        return _json(200, self._counters.as_json())

    async def reset(self, _request: web.Request) -> web.Response:
        """POST /standin/reset"""
        self._counters.reset()
        return _json(200, {})

    def around(self, route: Route) -> Handler:
        """A handler that checks the credential, does what was wished, counts, and puts errors into words."""

        async def handle(request: web.Request) -> web.StreamResponse:
            counters = self._counters
            counters.open_requests += 1
            try:
                response = await self._answer(route, request)
            except (asyncio.CancelledError, ConnectionError):
                counters.aborted += 1
                raise
            finally:
                counters.open_requests -= 1
            counters.statuses[response.status] += 1
            return response

        return handle

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._counters.requests[f"{request.method} {request.path}"] += 1
        fields = [(name.lower(), value) for name, value in request.headers.items()]
        self._counters.note(request.method, request.path_qs, fields, body)
        if not self._may(request):
            return _error(request, 401, "Incorrect API key provided.")
        try:
            wishes = read_wishes(request.headers, self._settings.usual)
            if wishes.delay:
                await asyncio.sleep(wishes.delay)
            if wishes.status != 200:
                return _error(request, wishes.status, f"The stand-in was asked for status {wishes.status}.")
            content = orjson.loads(body) if body and route is not _echo else {}
            if not isinstance(content, dict):
                raise BadRequest("The content must be an object.")
            return await route(Job(request, content, wishes, self._counters, int(self._settings.now())))
        except orjson.JSONDecodeError as problem:
            return _error(request, 400, f"The content is not JSON: {problem}.")
        except BadRequest as problem:
            return _error(request, 400, problem.message, problem.param)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            # The stand-in reads content without a schema: what does not fit shows as one of these.
            return _error(request, 400, f"The content cannot be read: {problem!r}.")

    def _may(self, request: web.Request) -> bool:
        given = [request.headers.get("Authorization", ""), request.headers.get("x-api-key", "")]
        for credential in filter(None, given):
            self._counters.credentials[fingerprint(credential)] += 1
        allowed = [
            hmac.compare_digest(credential.removeprefix("Bearer ").encode("utf-8", "surrogateescape"), self._secret)
            for credential in given
        ]
        if not any(allowed):
            self._counters.refused_credentials += 1
        return any(allowed)


async def _models(job: Job) -> web.StreamResponse:
    if "anthropic-version" in job.request.headers:
        return await anthropic.models(job)
    return await openai_chat.models(job)


async def _echo(job: Job) -> web.StreamResponse:
    """Any method on /v1/echo: the content back, byte for byte: what a gateway does not know it must not touch."""
    return web.Response(body=await job.request.read(), content_type=job.request.content_type)


async def _nowhere(job: Job) -> web.StreamResponse:
    return _error(job.request, 404, f"Invalid URL ({job.request.method} {job.request.path})")


def _error(request: web.Request, status: int, message: str, param: str | None = None) -> web.Response:
    """An error in the words of the dialect that the request speaks."""
    if status in {204, 304}:
        return web.Response(status=status)
    fields = {"retry-after": "1"} if status in {429, 503, 529} else {}
    if request.path.startswith("/v1/messages") or "anthropic-version" in request.headers:
        return _json(status, anthropic.error(status, message), fields)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = {401: "invalid_api_key", 404: "unknown_url", 429: "rate_limit_exceeded"}.get(status)
    return _json(status, openai_chat.error(message, kind, code, param), fields)


def _json(status: int, content: Json, fields: Mapping[str, Any] | None = None) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(content), content_type="application/json", headers=fields or {}
    )
