"""What a worker counts, as plain numbers: they are formatted when scraped, not when counted.

Labels are bounded by construction: routes and reasons are those that the code spells, statuses those of HTTP.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

LATENCY_BOUNDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
DECISION_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0)


class Histogram:
    """Counts by upper bound, as Prometheus has it. Seconds."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[int, float, float]] = {}
        """Bucket -> trace, value, Unix time: the last that was traced."""

    def exemplify(self, value: float, trace: int, at: float) -> None:
        """Name a trace that took so long."""
        self.exemplars[bisect_left(self.bounds, value)] = (trace, value, at)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counters:
    """One worker's numbers."""

    def __init__(self) -> None:
        self.exchanges: dict[tuple[str, str, int, str], int] = {}
        """(dialect, route, status, reason) -> how many; reason is empty for what was passed on."""
        self.duration = Histogram(LATENCY_BOUNDS)
        self.decision = Histogram(DECISION_BOUNDS)
        self.tokens = {"input": 0, "output": 0, "cached": 0, "cache_creation": 0, "reasoning": 0}
        self.malformed: dict[str, int] = {}
        """Reason -> requests refused before any policy was asked."""
        self.upstream: dict[tuple[str, str], int] = {}
        """(upstream, what happened) -> how often."""
        self.aborted = 0
        self.usage_missing = 0
        self.cut = 0
        self.active = 0
        self.log_lines_dropped = 0
        self.events_dropped = 0
        self.observations_noted = 0
        self.observations_dropped = 0

    def note_upstream(self, name: str, what: str) -> None:
        self.upstream[name, what] = self.upstream.get((name, what), 0) + 1

    def note_malformed(self, reason: str) -> None:
        self.malformed[reason] = self.malformed.get(reason, 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """Plain data, for another process to add up."""
        return {
            "exchanges": [[*labels, count] for labels, count in self.exchanges.items()],
            "duration": [self.duration.counts, self.duration.total],
            "decision": [self.decision.counts, self.decision.total],
            "exemplars": [
                [bucket, f"{trace:032x}", *rest] for bucket, (trace, *rest) in self.duration.exemplars.items()
            ],
            "tokens": dict(self.tokens),
            "malformed": dict(self.malformed),
            "upstream": [[*labels, count] for labels, count in self.upstream.items()],
            "aborted": self.aborted,
            "usage_missing": self.usage_missing,
            "cut": self.cut,
            "active": self.active,
            "log_lines_dropped": self.log_lines_dropped,
            "events_dropped": self.events_dropped,
            "observations_noted": self.observations_noted,
            "observations_dropped": self.observations_dropped,
        }
