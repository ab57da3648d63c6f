"""Spans, as a collector gets them over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.telemetry import otlp
from gateway.telemetry.traces import Trace, Traced


class Step(NamedTuple):
    name: str
    kind: str
    began: float
    ended: float
    said: str
    reason: str = ""


class Collector:
    """What it was sent, by a real server."""

    def __init__(self) -> None:
        self.status = 200
        self.fields: dict[str, str] = {}
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                asked = ExportTraceServiceRequest.FromString(content)
                collector.fields = {name.lower(): value for name, value in self.headers.items()}
                if collector.status == 200:
                    for group in asked.resource_spans:
                        collector.resources.append(group.resource)
                        collector.spans += [span for scope in group.scope_spans for span in scope.spans]
                said = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def traced(*, failed: bool = False) -> Traced:
    trace = Trace(trace=0xABC, parent=0x7, span=0x10, upstream=0x99)
    trace.connecting, trace.sent, trace.headed = 101.0, 101.25, 101.5
    steps = [
        Step("auth", "auth", 100.0, 100.25, "allow"),
        Step("rules", "rules", 100.25, 100.5, "failed"),
        Step("take", "store", 100.5, 100.75, "granted"),
    ]
    said: dict[str, Any] = {"http.request.method": "POST", "tidegate.route": "chat.completions"}
    said |= {"http.response.status_code": 502 if failed else 200, "tidegate.account": "acme"}
    return Traced(trace, 1_700_000_000.0, 100.0, 102.0, steps, said, failed)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_what_a_collector_gets(collector: Collector) -> None:
    """One span for the exchange below the hop before us, one for each step and the upstream, with their own times."""
    spans = otlp.Spans(otlp.exporter(collector.url, {"authorization": "Bearer x"}), {"service.name": "edge-1"})
    spans.take(traced())
    spans.close()
    assert collector.fields["authorization"] == "Bearer x"
    assert [(a.key, a.value.string_value) for a in collector.resources[0].attributes] == [("service.name", "edge-1")]
    named = {span.name: span for span in collector.spans}
    assert list(named) == ["POST chat.completions", "policy auth", "policy rules", "redis take", "upstream"]
    root = named["POST chat.completions"]
    assert {span.trace_id.hex() for span in collector.spans} == {f"{0xABC:032x}"}
    assert (root.span_id.hex(), root.parent_span_id.hex()) == (f"{0x10:016x}", f"{7:016x}")
    assert {span.parent_span_id for span in collector.spans if span is not root} == {root.span_id}
    assert len({span.span_id for span in collector.spans}) == 5
    assert named["upstream"].span_id.hex() == f"{0x99:016x}", "the inference API is told of it"
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1_700_000_000 * 10**9, 1_700_000_002 * 10**9)
    assert named["policy rules"].start_time_unix_nano == 1_700_000_000_250_000_000
    assert attributes(root)["tidegate.account"] == "acme"
    assert attributes(named["upstream"]) == {"tidegate.connect_seconds": 0.25, "tidegate.first_byte_seconds": 0.5}
    errors = {name for name, span in named.items() if span.status.code == 2}
    assert errors == {"policy rules"}


def test_what_failed_is_an_error(collector: Collector) -> None:
    """5xx, and nothing else: a refusal is an answer."""
    spans = otlp.Spans(otlp.exporter(collector.url, {}), {})
    spans.take(traced(failed=True))
    spans.close()
    root = collector.spans[0]
    assert (root.status.code, attributes(root)["error.type"]) == (2, "502")


def test_a_collector_that_says_no(collector: Collector) -> None:
    """What it does not take is dropped, counted, and holds up nobody."""
    collector.status = 400
    spans = otlp.Spans(otlp.exporter(collector.url, {}), {})
    spans.take(traced())
    spans.close()
    assert (spans.dropped, collector.spans) == (1, [])


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    """A collector that is slow costs spans, and no memory."""
    monkeypatch.setattr(otlp, "WAITING", 3)
    monkeypatch.setattr(otlp, "EVERY", 60.0)
    spans = otlp.Spans(otlp.exporter(collector.url, {}), {})
    for _ in range(10):
        spans.take(traced())
    assert spans.dropped == 7
    spans.close()
    assert len(collector.spans) == 15
