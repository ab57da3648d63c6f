"""What the product promises of itself, and whether this run shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from loadtest.results import Results, divided

Read = Callable[[Results], float | None]


class Goal(NamedTuple):
    """Smaller is better, for all of them."""

    name: str
    must: float
    aim: float
    unit: str
    """`x` for a ratio, or what stands after the number."""
    read: Read

    def verdict(self, results: Results) -> str:
        """met, aim met, NOT met, or not measured."""
        value = self.read(results)
        if value is None:
            return "not measured"
        if value <= self.aim:
            return "met, and the aim"
        return "met" if value <= self.must else "NOT met"


def _cpu(other: str) -> Read:
    return lambda results: results.ratio("json-64", "tidegate", other)


def added_p99(results: Results, target: str) -> float | None:
    """Milliseconds that a target adds to the upstream's own 99th percentile at half load."""
    through, direct = (results.median("half-load", name, "p99_ms") for name in (target, "direct"))
    return None if through is None or direct is None else through - direct


def _refused(results: Results) -> float | None:
    return divided(results.median("refused-64", "tidegate", "cpu_us"), results.median("json-64", "tidegate", "cpu_us"))


GOALS: Final = (
    Goal("CPU a request, against nginx as a plain proxy", 3.5, 2.5, "x", _cpu("nginx")),
    Goal("CPU a request, against Envoy with `local_ratelimit`", 1.0, 0.75, "x", _cpu("envoy-limit")),
    Goal("CPU a request, against Portkey's pass-through", 1 / 25, 1 / 40, "x", _cpu("portkey")),
    Goal("CPU a request, against LiteLLM with key, rpm and Redis", 1 / 250, 1 / 400, "x", _cpu("litellm")),
    Goal(
        "CPU a chunk of a stream (256 at once), against Envoy",
        1.0,
        0.75,
        "x",
        lambda r: r.ratio("sse-256", "tidegate", "envoy"),
    ),
    Goal(
        "Memory of an idle stream, against nginx",
        0.5,
        0.25,
        "x",
        lambda r: r.ratio("idle", "tidegate", "nginx", "stream_kib"),
    ),
    Goal(
        "p99 of added latency at half load, against Envoy",
        1.0,
        0.75,
        "x",
        lambda r: divided(added_p99(r, "tidegate"), added_p99(r, "envoy")),
    ),
    Goal("Policy chain in process, no I/O", 10.0, 5.0, "µs", lambda r: r.median("chain", "tidegate", "chain_us")),
    Goal(
        "CPU of Redis a decision (four buckets and a lease)",
        15.0,
        10.0,
        "µs",
        lambda r: r.median("redis", "take", "redis_us"),
    ),
    Goal("CPU of a refused request (429), against an allowed one", 0.6, 0.4, "x", _refused),
)
