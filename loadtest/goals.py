"""What the product promises of itself, and whether this run shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from loadtest.results import Results, divided

Read = Callable[[Results, bool], float | None]
"""Of the medians, or (True) of the quietest rounds alone, which noise has touched least."""


class Goal(NamedTuple):
    """Smaller is better, for all of them."""

    name: str
    must: float
    aim: float
    unit: str
    """`x` for a ratio, or what stands after the number."""
    read: Read

    def verdict(self, results: Results) -> str:
        """By the medians: met, met and the aim, NOT met, or not measured."""
        value = self.read(results, False)
        if value is None:
            return "not measured"
        if value <= self.aim:
            return "met, and the aim"
        return "met" if value <= self.must else "NOT met"


def _ratio(scenario: str, other: str, name: str = "cpu_us") -> Read:
    return lambda results, quiet: results.ratio(scenario, "tidegate", other, name, quiet=quiet)


def _figure(scenario: str, target: str, name: str) -> Read:
    return lambda results, quiet: results.figure(scenario, target, name, quiet=quiet)


def added_p99(results: Results, target: str, *, quiet: bool = False) -> float | None:
    """Milliseconds that a target adds to the upstream's own 99th percentile at half load."""
    through, direct = (results.figure("half-load", name, "p99_ms", quiet=quiet) for name in (target, "direct"))
    return None if through is None or direct is None else through - direct


def _added(results: Results, quiet: bool) -> float | None:
    return divided(added_p99(results, "tidegate", quiet=quiet), added_p99(results, "envoy", quiet=quiet))


def _refused(results: Results, quiet: bool) -> float | None:
    figures = (results.figure(name, "tidegate", "cpu_us", quiet=quiet) for name in ("refused-64", "json-64"))
    return divided(*figures)


GOALS: Final = (
    Goal("CPU a request, against nginx as a plain proxy", 3.5, 2.5, "x", _ratio("json-64", "nginx")),
    Goal("CPU a request, against Envoy with `local_ratelimit`", 1.0, 0.75, "x", _ratio("json-64", "envoy-limit")),
    Goal("CPU a request, against Portkey's pass-through", 1 / 25, 1 / 40, "x", _ratio("json-64", "portkey")),
    Goal("CPU a request, against LiteLLM with key, rpm and Redis", 1 / 250, 1 / 400, "x", _ratio("json-64", "litellm")),
    Goal(
        "CPU a chunk of a stream (256 at once), against Envoy", 1.0, 0.75, "x", _ratio("sse-256", "envoy", "chunk_us")
    ),
    Goal("Memory of an idle stream, against nginx", 0.5, 0.25, "x", _ratio("idle", "nginx", "stream_kib")),
    Goal("p99 of added latency at half load, against Envoy", 1.0, 0.75, "x", _added),
    Goal("Policy chain in process, no I/O", 10.0, 5.0, "µs", _figure("chain", "tidegate", "chain_us")),
    Goal("CPU of Redis a decision (four buckets and a lease)", 15.0, 10.0, "µs", _figure("redis", "take", "redis_us")),
    Goal("CPU of a refused request (429), against an allowed one", 0.6, 0.4, "x", _refused),
)
