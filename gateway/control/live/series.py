"""Rings of what happened: seconds for 5 minutes, tens of seconds for an hour, minutes for a day. Bounded memory: with
every country of the world in each second some 40 MB, with the usual few some 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from gateway.control.live.second import (
    FLOWS,
    LEVELS,
    OTHER,
    Second,
    Used,
    add_tables,
    largest,
    largest_used,
    merged,
    quantile,
)
from gateway.telemetry.counters import DECISION_BOUNDS, LATENCY_BOUNDS

REASONS: Final = 12
COUNTRIES: Final = 250
MODELS: Final = 40


class Size(NamedTuple):
    """Of a ring."""

    step: int
    """Seconds."""
    length: int
    countries: int


SIZES: Final = (Size(1, 300, COUNTRIES), Size(10, 360, COUNTRIES), Size(60, 1440, 60))
STEPS: Final = tuple(size.step for size in SIZES)
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


class Series:
    """`add` a second, in order of time; `told` any ring."""

    def __init__(self) -> None:
        self._rings: dict[int, deque[Second]] = {size.step: deque(maxlen=size.length) for size in SIZES}
        self._open: dict[int, list[Second]] = {size.step: [] for size in SIZES[1:]}

    def add(self, second: Second) -> None:
        """A slot is closed when the first second of the next one comes."""
        self._rings[1].append(merged([second], countries=COUNTRIES, models=MODELS, reasons=64))
        for size in SIZES[1:]:
            held = self._open[size.step]
            if held and int(held[-1].time // size.step) != int(second.time // size.step):
                made = merged(held, countries=size.countries, models=MODELS, reasons=REASONS * 2)
                self._rings[size.step].append(made)
                held.clear()
            held.append(second)

    def last(self) -> Second | None:
        ring = self._rings[1]
        return ring[-1] if ring else None

    def told(self, step: int) -> dict[str, Any]:
        """Times are ends of slots; a rate is a flow divided by its step. Null where nothing was observed."""
        seconds = list(self._rings[step])
        if step > 1 and self._open[step]:
            # What is not full yet is told as well: nobody waits a minute for the last one.
            held = self._open[step]
            seconds.append(merged(held, countries=COUNTRIES, models=MODELS, reasons=REASONS * 2))
        lengths = _lengths(seconds, step)
        return {
            "step": step,
            "times": [one.time for one in seconds],
            "series": _plain(seconds, lengths),
            "reasons": _by_name(seconds, lengths, lambda one: one.reasons.items(), REASONS),
            "entries": _by_name(seconds, lengths, lambda one: one.entries.items(), REASONS),
            "by_country": _by_name(seconds, lengths, lambda one: _requests(one.countries), REASONS),
            "by_model": _by_name(seconds, lengths, lambda one: _requests(one.models), REASONS),
            "countries": _table((one.countries for one in seconds), COUNTRIES),
            "models": _table((one.models for one in seconds), MODELS),
        }


def told_second(second: Second) -> dict[str, Any]:
    """One `event: second`."""
    told: dict[str, Any] = {"time": second.time}
    for name, values in _plain([second], [1.0]).items():
        told[name] = values[0]
    told["reasons"] = largest(second.reasons, REASONS)
    told["entries"] = second.entries
    told["countries"] = _table([second.countries], COUNTRIES)
    told["models"] = _table([second.models], MODELS)
    return told


def _lengths(seconds: Sequence[Second], step: int) -> list[float]:
    """Seconds of each slot; the last may be shorter than the step, and one after a pause longer."""
    if not seconds:
        return []
    if step == 1:
        return [1.0] * len(seconds)
    lengths = [float(step)] * len(seconds)
    lengths[-1] = min(float(step), max(1.0, seconds[-1].time % step or float(step)))
    return lengths


def _plain(seconds: Sequence[Second], lengths: Sequence[float]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in FLOWS:
        found[name] = [_rate(getattr(one, name), length) for one, length in zip(seconds, lengths, strict=True)]
    for name in LEVELS:
        found[name] = [getattr(one, name) for one in seconds]
    found["lag"] = [one.lag for one in seconds]
    for name, share in QUANTILES:
        found[name] = [quantile(LATENCY_BOUNDS, one.duration, share) for one in seconds]
        found[f"decision_{name}"] = [quantile(DECISION_BOUNDS, one.decision, share) for one in seconds]
    return found


def _rate(count: int, length: float) -> float:
    return round(count / length, 3)


def _requests(used: Used) -> Iterable[tuple[str, int]]:
    return ((name, values[0]) for name, values in used.items())


def _by_name(
    seconds: Sequence[Second],
    lengths: Sequence[float],
    counted: Callable[[Second], Iterable[tuple[str, int]]],
    most: int,
) -> dict[str, list[float]]:
    """A series for each of the largest names, and `other`, all of one length."""
    counts = [dict(counted(one)) for one in seconds]
    sums: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            sums[name] = sums.get(name, 0) + count
    kept = [name for name in largest(sums, most) if name != OTHER]
    found = {
        name: [_rate(one.get(name, 0), length) for one, length in zip(counts, lengths, strict=True)] for name in kept
    }
    rest = [sum(one.values()) - sum(one.get(name, 0) for name in kept) for one in counts]
    if any(rest):
        found[OTHER] = [_rate(count, length) for count, length in zip(rest, lengths, strict=True)]
    return found


def _table(tables: Iterable[Used], most: int) -> dict[str, dict[str, int]]:
    """Sums over the whole time, the largest first."""
    sums: Used = {}
    for one in tables:
        add_tables(sums, one)
    ranked = sorted(largest_used(sums, most).items(), key=lambda item: (item[0] == OTHER, -item[1][0], item[0]))
    return {name: {"requests": used[0], "refused": used[1], "tokens": used[2]} for name, used in ranked}
