"""The detectors of the fleet as metrics: what each has said of itself (`gateway.feeds.verdicts.STATE`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

GAUGES: Final[Mapping[str, tuple[str, str]]] = {
    "lag_seconds": ("lag", "How far behind what is observed it is."),
    "accounts": ("accounts", "Accounts that it remembers."),
    "memory_bytes": ("bytes", "What it remembers, without the interpreter."),
    "look_seconds": ("look_seconds", "How long its last look took."),
    "leads": ("leader", "1 where it is the one that tells."),
}
COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "events": ("events", "Exchanges that it heard of."),
    "unreadable": ("unreadable", "Entries of the stream that it could not read."),
    "missed_seconds": ("missed_seconds", "Observations that Redis no longer had when it came to them."),
    "told": ("told", "Verdicts that it told workers."),
}


def detection(states: Sequence[Mapping[str, Any]], snapshots: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """`snapshots` are those of workers: what they heard of verdicts."""
    for name, (key, text) in GAUGES.items():
        gauge = GaugeMetricFamily(f"tidegate_detector_{name}", text, labels=["detector"])
        for state in states:
            gauge.add_metric([state["name"]], float(state[key]))
        yield gauge
    for name, (key, text) in COUNTERS.items():
        counter = CounterMetricFamily(f"tidegate_detector_{name}", text, labels=["detector"])
        for state in states:
            counter.add_metric([state["name"]], float(state[key]))
        yield counter
    clusters = GaugeMetricFamily(
        "tidegate_clusters", "Clusters of accounts that act as one, by what the rules make of them.", labels=["level"]
    )
    for level, count in sorted(next((state["levels"] for state in states if state["leader"]), {}).items()):
        clusters.add_metric([level], float(count))
    yield clusters
    total: Counter[str] = Counter()
    for snapshot in snapshots:
        total.update(snapshot.get("verdicts") or {})
    heard = CounterMetricFamily("tidegate_verdicts", "What workers heard of verdicts.", labels=["event"])
    for event, count in sorted(total.items()):
        heard.add_metric([event], float(count))
    yield heard
