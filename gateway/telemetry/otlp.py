"""What was traced, as OpenTelemetry spans, sent to a collector by OTLP over HTTP: in a thread beside the event loop.

One span an exchange, one a policy that was asked, one for the buckets, one for the upstream. A collector that is away
or slow costs nothing but spans: what does not fit into the queue is dropped and counted. Needs `tidegate[traces]`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from gateway.telemetry.traces import Step, Traced

log = logging.getLogger(__name__)

WAITING: Final = 2048
"""Exchanges that may wait to be sent."""
BATCH: Final = 256
EVERY: Final = 1.0
"""Seconds between two looks at what waits."""
WITHIN: Final = 5.0
"""Seconds that the collector may take."""
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
SCOPE: Final = InstrumentationScope("tidegate")


def exporter(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    """`endpoint` is the collector's, such as http://127.0.0.1:4318; /v1/traces is put behind it."""
    return OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers=headers, timeout=WITHIN)


class Spans:
    """A queue, and the thread that empties it."""

    def __init__(self, exporter: SpanExporter, service: Mapping[str, str]) -> None:
        """`service` describes us: attributes of the resource, such as service.name."""
        self.dropped = 0
        self._exporter = exporter
        self._resource = Resource(dict(service))
        self._waiting: deque[Traced] = deque()
        self._ending = threading.Event()
        self._said = False
        # Never in the way of a worker that ends: what a collector does not take in time is lost.
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def take(self, traced: Traced) -> None:
        """From the event loop."""
        if len(self._waiting) >= WAITING:
            self.dropped += 1
        else:
            self._waiting.append(traced)

    def close(self, limit: float = WITHIN) -> None:
        """Send what waits; at most so many seconds."""
        self._ending.set()
        self._thread.join(limit)

    def _run(self) -> None:
        while not self._ending.wait(EVERY):
            self._send()
        self._send()
        self._exporter.shutdown()

    def _send(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            spans = [span for traced in batch for span in spans_of(traced, self._resource)]
            sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
            if not sent:
                self.dropped += len(batch)
            if sent is self._said:
                self._said = not sent
                (log.info if sent else log.warning)(
                    "traces are taken again" if sent else "traces are not taken by their collector: they are dropped"
                )


def spans_of(traced: Traced, resource: Resource) -> Iterator[ReadableSpan]:
    """The exchange first."""
    trace = traced.trace

    def at(clock: float) -> int:
        """Unix time in nanoseconds, as exact as a float is: to the microsecond."""
        return round((traced.wall + clock - traced.began) * 1e6) * 1000

    def span(
        name: str, number: int, parent: int, began: float, ended: float, kind: SpanKind, said: Mapping[str, object]
    ) -> ReadableSpan:
        above = SpanContext(trace.trace, parent, is_remote=parent == trace.parent, trace_flags=SAMPLED)
        return ReadableSpan(
            name=name,
            context=SpanContext(trace.trace, number, is_remote=False, trace_flags=SAMPLED),
            parent=above if parent else None,
            resource=resource,
            attributes=dict(said),  # type: ignore[arg-type]  # plain values only
            kind=kind,
            status=Status(StatusCode.ERROR if said.get("error.type") else StatusCode.UNSET),
            start_time=at(began),
            end_time=at(max(began, ended)),
            instrumentation_scope=SCOPE,
        )

    attributes = dict(traced.attributes)
    if traced.failed:
        attributes["error.type"] = str(attributes.get("http.response.status_code", "failed"))
    name = f"{attributes.get('http.request.method', '')} {attributes.get('tidegate.route', '')}".strip()
    yield span(name, trace.span, trace.parent, traced.began, traced.ended, SpanKind.SERVER, attributes)
    for index, step in enumerate(traced.steps, 1):
        number = (trace.span + index) % 2**64 or 1
        yield span(_name(step), number, trace.span, step.began, step.ended, SpanKind.INTERNAL, _said(step))
    if trace.connecting:
        ended = traced.ended
        waited = {"tidegate.connect_seconds": trace.sent - trace.connecting} if trace.sent else {}
        if trace.headed:
            waited["tidegate.first_byte_seconds"] = trace.headed - trace.connecting
        yield span("upstream", trace.upstream, trace.span, trace.connecting, ended, SpanKind.CLIENT, waited)


def _name(step: Step) -> str:
    return "redis take" if step.kind == "store" else f"policy {step.name}"


def _said(step: Step) -> dict[str, object]:
    said: dict[str, object] = {"tidegate.kind": step.kind, "tidegate.said": step.said}
    if step.reason:
        said["tidegate.reason"] = step.reason
    if step.said == "failed":
        said["error.type"] = "failed"
    return said
