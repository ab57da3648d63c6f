"""From a request to the spans that a collector gets, through a gateway that serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests import servers
from tests.journeys import harness
from tests.journeys.harness import CHAT, World

QUOTA = "limits:\n  - {name: requests, measure: requests, per: [account], capacity: 3, every: 1h}\n"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ANSWER = {
    "id": "c", "object": "chat.completion", "model": "m-large",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "soon"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}  # fmt: skip


class Beside:
    """An inference API and a collector, that remember what they were sent."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.spans: list[Any] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/traces", self._collect)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append({name.lower(): value for name, value in request.headers.items()})
        return web.json_response(ANSWER)

    async def _collect(self, request: web.Request) -> web.Response:
        asked = ExportTraceServiceRequest.FromString(await request.read())
        self.spans += [span for group in asked.resource_spans for scope in group.scope_spans for span in scope.spans]
        said = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=said, content_type="application/x-protobuf")

    def trace(self, trace: str) -> dict[str, Any]:
        """Name -> span."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}


@contextlib.asynccontextmanager
async def beside() -> AsyncIterator[tuple[Beside, str]]:
    there = Beside()
    runner = web.AppRunner(there.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    yield there, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def said(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def test_a_request_is_told_step_by_step(tmp_path: Path) -> None:
    """Every policy that was asked is a span under the exchange's, which is under the one of the hop before us; the
    upstream is told of it; a refusal has its trace as well; and a slow bucket of the metrics names one of them.
    """
    async with servers.server("valkey", port=0) as redis, beside() as (there, url), harness.caller() as caller:
        world = World(tmp_path, redis.tcp_url, url)
        world.write({"quota": QUOTA}, {"pro": 1})
        account = world.account("pro")
        traces = {"endpoint": url, "sample": "100%", "service": "edge-1"}
        settings: dict[str, Any] = {"trusted_hops": ["127.0.0.1/32"], "timeouts": {"store": "2s"}, "traces": traces}
        async with harness.gateway(world, **settings) as gateway:
            fields = account.bearer | {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}
            chat = f"{gateway.url}/v1/chat/completions"
            async with caller.http.post(chat, json=CHAT, headers=fields) as answer:
                assert answer.status == 200
            replies = [await caller.chat(gateway.url, account) for _ in range(3)]
            assert [reply.status for reply in replies] == [200, 200, 429]
            fields = {"Accept": "application/openmetrics-text"}
            async with aiohttp.ClientSession() as http, http.get(f"{gateway.admin}/metrics", headers=fields) as metrics:
                assert '# {trace_id="' in await metrics.text()
            await harness.until(lambda: len({span.trace_id for span in there.spans}) == 4)
            await asyncio.sleep(0)

        joined = there.trace(TRACE)
        assert list(joined) == ["POST chat.completions", "policy auth", "policy quota", "redis take", "upstream"]
        root = joined["POST chat.completions"]
        assert root.parent_span_id.hex() == SPAN
        assert {span.parent_span_id for span in joined.values() if span is not root} == {root.span_id}
        told = there.asked[0]
        assert told["traceparent"] == f"00-{TRACE}-{joined['upstream'].span_id.hex()}-01"
        assert told["tracestate"] == "a=1"
        assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in there.spans)
        assert said(root)["tidegate.account"] == account.name
        assert said(root)["gen_ai.usage.output_tokens"] == 2

        (refused,) = [span for span in there.spans if said(span).get("tidegate.reason") == "quota_exceeded"]
        assert said(refused)["http.response.status_code"] == 429
        assert "upstream" not in there.trace(refused.trace_id.hex())
        text = "".join(str(span) for span in there.spans)
        assert "high tide" not in text
        assert account.key not in text
