"""Two pulses of a worker -> what happened between them; and a second of all workers. Pure.

Counters only grow while a worker lives. One that was started again begins at nothing: then all that it has counted
happened since, and no rate is ever negative.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from gateway.control.live.lines import Told
from gateway.telemetry.counters import DECISION_BOUNDS, LATENCY_BOUNDS

FAILED: Final = frozenset({"upstream_failed", "upstream_unreachable", "upstream_busy", "upstream_timeout"})
"""Reasons for which nobody refused: what stands behind us did not answer."""
LEFT: Final = frozenset({"client_left", "cut"})
"""Reasons for which an answer ended early."""
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
SHORT: Final = 5.0
"""Seconds: a worker that has not lived longer when it is first seen has counted nothing that is not of now."""

Counts = dict[str, int]
Used = dict[str, list[int]]
"""Name -> requests, of them refused, tokens."""


@dataclass(slots=True)
class Second:
    """What happened in some seconds, and how it stood at their end."""

    time: float
    """Unix time of its end."""
    requests: int = 0
    allowed: int = 0
    refused: int = 0
    failed: int = 0
    left: int = 0
    malformed: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    tokens_cached: int = 0
    reasons: Counts = field(default_factory=dict)
    """Of refusals and failures."""
    entries: Counts = field(default_factory=dict)
    """Entry of the chain -> refusals."""
    countries: Used = field(default_factory=dict)
    models: Used = field(default_factory=dict)
    duration: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    decision: list[int] = field(default_factory=lambda: [0] * (len(DECISION_BOUNDS) + 1))
    active: int = 0
    connections: int = 0
    workers: int = 0
    """That answer."""
    wanted: int = 0
    store_available: int = 0
    """Workers that reach Redis; as with the directory."""
    directory_available: int = 0
    draining: int = 0
    lag: float = 0.0
    """The worst of all loops, in seconds."""
    memory: int = 0
    """Bytes of all workers."""
    dropped: int = 0
    """Events that are not in the exchange log."""
    generation: int = 0
    """The oldest that a worker serves by; as the revision."""
    revision: int = 0


FLOWS: Final = (
    "requests", "allowed", "refused", "failed", "left", "malformed", "tokens_input", "tokens_output", "tokens_cached",
    "dropped",
)  # fmt: skip
LEVELS: Final = (
    "active", "connections", "workers", "wanted", "store_available", "directory_available", "draining", "memory",
    "generation", "revision",
)  # fmt: skip
SHARES: Final = ("reasons", "entries")
TABLES: Final = ("countries", "models")


class Differ:
    """Remembers the last pulse of each place."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Any]] = {}

    def second(self, told: Sequence[Told], wanted: int, now: float) -> Second:
        """`wanted` is how many workers there should be."""
        made = Second(now, workers=len(told), wanted=wanted)
        for worker, pulse in told:
            before = self._last.get(worker)
            if before is None:
                before = {} if pulse["uptime"] <= SHORT else pulse
            elif before["life"] != pulse["life"]:
                before = {}
            self._last[worker] = pulse
            _add_flows(made, pulse, before)
            _add_levels(made, pulse)
        made.generation = min((pulse["generation"] for _, pulse in told), default=0)
        made.revision = min((pulse.get("revision", 0) for _, pulse in told), default=0)
        return made


def _add_flows(made: Second, pulse: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    exchanges = {tuple(labels): count for *labels, count in before.get("exchanges", ())}
    for *labels, count in pulse["exchanges"]:
        reason = labels[3]
        if more := count - exchanges.get(tuple(labels), 0):
            made.requests += more
            if not reason:
                made.allowed += more
                continue
            made.reasons[reason] = made.reasons.get(reason, 0) + more
            if reason in FAILED:
                made.failed += more
            elif reason in LEFT:
                made.left += more
            else:
                made.refused += more
    made.malformed += sum(pulse["malformed"].values()) - sum(before.get("malformed", {}).values())
    tokens, had = pulse["tokens"], before.get("tokens", {})
    made.tokens_input += tokens["input"] - had.get("input", 0)
    made.tokens_output += tokens["output"] - had.get("output", 0)
    made.tokens_cached += tokens["cached"] - had.get("cached", 0)
    made.dropped += pulse["events_dropped"] - before.get("events_dropped", 0)
    _add_counts(made.duration, pulse["duration"], before.get("duration"))
    _add_counts(made.decision, pulse["decision"][0], before["decision"][0] if before else None)
    entries = before.get("entries", {})
    for entry, count in pulse.get("entries", {}).items():
        if more := max(0, count - entries.get(entry, 0)):
            made.entries[entry] = made.entries.get(entry, 0) + more


def _add_counts(into: list[int], counts: Sequence[int], before: Sequence[int] | None) -> None:
    for index, count in enumerate(counts):
        into[index] += count - (before[index] if before is not None else 0)


def _add_levels(made: Second, pulse: Mapping[str, Any]) -> None:
    made.active += pulse["active"]
    made.connections += pulse["connections"]
    made.store_available += pulse["store_available"]
    made.directory_available += pulse["directory_available"]
    made.draining += pulse["draining"]
    made.lag = max(made.lag, pulse["lag"])
    made.memory += pulse["memory"]


def add_used(made: Second, rows: Iterable[Sequence[Any]], name_of: Callable[[str], str]) -> None:
    """Sums of workers (`gateway.telemetry.sums`) by country, and by models that deserve their name."""
    for _, country, model, requests, refused, input_, output, cached, creation in rows:
        tokens = input_ + output + cached + creation
        for table, name in ((made.countries, country or UNKNOWN), (made.models, name_of(model))):
            used = table.get(name)
            if used is None:
                table[name] = [requests, refused, tokens]
            else:
                used[0] += requests
                used[1] += refused
                used[2] += tokens


def merged(seconds: Sequence[Second], *, countries: int, models: int, reasons: int) -> Second:
    """One for all of them, in order: flows are added, of levels the last holds. Names are the largest; others one."""
    last = seconds[-1]
    made = Second(last.time, lag=max(one.lag for one in seconds))
    for name in FLOWS:
        setattr(made, name, sum(getattr(one, name) for one in seconds))
    for name in LEVELS:
        setattr(made, name, getattr(last, name))
    for one in seconds:
        _add_counts(made.duration, one.duration, None)
        _add_counts(made.decision, one.decision, None)
        for share in SHARES:
            into = getattr(made, share)
            for key, count in getattr(one, share).items():
                into[key] = into.get(key, 0) + count
        for table in TABLES:
            add_tables(getattr(made, table), getattr(one, table))
    made.reasons, made.entries = largest(made.reasons, reasons), largest(made.entries, reasons)
    made.countries, made.models = largest_used(made.countries, countries), largest_used(made.models, models)
    return made


def add_tables(into: Used, more: Mapping[str, Sequence[int]]) -> None:
    for name, values in more.items():
        used = into.get(name)
        if used is None:
            into[name] = list(values)
        else:
            for index, value in enumerate(values):
                used[index] += value


def largest(counts: Counts, most: int) -> Counts:
    """And `other` for the rest."""
    if len(counts) <= most:
        return counts
    ranked = sorted(counts.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    kept = dict(ranked[:most])
    kept[OTHER] = sum(count for _, count in ranked[most:])
    return kept


def largest_used(used: Used, most: int) -> Used:
    """By requests."""
    if len(used) <= most:
        return used
    ranked = sorted(used.items(), key=lambda item: (item[0] == OTHER, -item[1][0], item[0]))
    kept = dict(ranked[:most])
    kept[OTHER] = [sum(values[index] for _, values in ranked[most:]) for index in range(3)]
    return kept


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Seconds below which that share lies, by a straight line within a bucket, as Prometheus' histogram_quantile; the
    last bound where it is beyond. None where nothing was observed.
    """
    total = sum(counts)
    if not total:
        return None
    sums = list(accumulate(counts))
    wanted = share * total
    index = bisect_left(sums, wanted)
    if index >= len(bounds):
        return bounds[-1]
    low = bounds[index - 1] if index else 0.0
    before = sums[index - 1] if index else 0
    return low + (bounds[index] - low) * (wanted - before) / counts[index] if counts[index] else bounds[index]
