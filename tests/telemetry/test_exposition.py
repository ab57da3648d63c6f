"""What Prometheus reads: exemplars in OpenMetrics alone, and labels that do not grow without end."""

from __future__ import annotations

import random
from typing import Any

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as new_parser
from prometheus_client.parser import text_string_to_metric_families as classic

from gateway.stores.redis.store import Counts
from gateway.telemetry.counters import Counters
from gateway.telemetry.exposition import render
from gateway.telemetry.traces import Traces


def openmetrics(text: str) -> list[Metric]:
    return list(new_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def snapshot(counters: Counters, matched: list[list[Any]]) -> dict[str, Any]:
    counts = Counts()
    return counters.snapshot() | {
        "connections": 0, "body_bytes": 0, "store_available": 1, "policy_failures": [], "matched": matched,
        "store": {name: getattr(counts, name) for name in counts.__slots__}, "sightings": {}, "networks": {},
        "refusals": {}, "challenges": [], "challenge_answers": [], "challenge_events": {}, "feeds": [], "directory": {},
        "directory_available": 1, "directory_accounts": 0, "webhooks": [], "draining": 0, "digest": "d",
        "generation": 1,
        "overrides": {"revision": 0, "count": 0, "at": 0.0, "kinds": {"freeze": 1}}, "traces_dropped": 0,
    }  # fmt: skip


def traced(value: float, trace: int, at: float) -> Counters:
    counters = Counters()
    counters.duration.observe(value)
    counters.duration.exemplify(value, trace, at)
    return counters


def test_a_bucket_names_the_last_trace_of_all_workers() -> None:
    """From a slow bucket of the histogram one gets to an exchange that was slow."""
    shots = [snapshot(traced(0.3, 7, 1000.0), []), snapshot(traced(0.4, 8, 2000.0), [])]
    (family,) = [
        f for f in openmetrics(render(shots, openmetrics=True).decode()) if f.name == "tidegate_exchange_seconds"
    ]
    named = {sample.labels["le"]: sample.exemplar for sample in family.samples if sample.exemplar is not None}
    assert list(named) == ["0.5"]
    assert named["0.5"].labels == {"trace_id": f"{8:032x}"}
    assert (named["0.5"].value, float(named["0.5"].timestamp or 0)) == (0.4, 2000.0)


def test_the_usual_text_is_as_it_was() -> None:
    """The classic format has no exemplars, and says the same otherwise."""
    shots = [snapshot(traced(0.3, 7, 1000.0), [])]
    text = render(shots).decode()
    assert "trace_id" not in text
    old = {sample.name: sample.value for family in classic(text) for sample in family.samples if not sample.labels}
    new = {
        sample.name: sample.value
        for family in openmetrics(render(shots, openmetrics=True).decode())
        for sample in family.samples
        if not sample.labels
    }
    assert old == new


def test_all_overrides_are_one_label() -> None:
    """Each has a number of its own: a label a number would grow for ever."""
    matched = [["quota", f"override {n}", "throttle", "quota_frozen", True, 1] for n in range(50)]
    (family,) = [f for f in classic(render([snapshot(Counters(), matched)]).decode()) if "rule_matches" in f.name]
    assert [(s.labels["rule"], s.value) for s in family.samples] == [("override", 50.0)]


def test_which_exchanges_are_traced() -> None:
    """A share of them; a trusted hop decides for its own, and nobody else decides anything."""
    field = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-%b"
    traces = Traces(0.1, random.Random(1), lambda _: None)
    begun = [traces.begin({}, trusted=False) for _ in range(5000)]
    assert 400 < sum(trace is not None for trace in begun) < 600
    assert len({trace.trace for trace in begun if trace is not None}) == sum(trace is not None for trace in begun)

    none = Traces(0.0, random.Random(1), lambda _: None)
    joined = none.begin({b"traceparent": field % b"01"}, trusted=True)
    assert joined is not None
    assert (f"{joined.trace:032x}", f"{joined.parent:016x}") == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert joined.line().startswith(b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert joined.dropped == (b"traceparent",), "its tracestate goes on with it"
    assert none.begin({b"traceparent": field % b"01"}, trusted=False) is None, "a caller cannot make us trace"

    every = Traces(1.0, random.Random(1), lambda _: None)
    assert every.begin({b"traceparent": field % b"00"}, trusted=True) is None, "nor a hop that does not sample"
    own = every.begin({b"traceparent": field % b"01"}, trusted=False)
    assert own is not None
    assert (own.parent, f"{own.trace:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736") == (0, False)
    assert own.dropped == (b"traceparent", b"tracestate")
