"""What is measured: the table that `--scenario` picks from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PROXIES: Final = ("tidegate", "tidegate-auth", "nginx", "envoy", "envoy-limit")
DIRECT: Final = "direct"
"""No target at all: the generator asks the upstream."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load, and on whom it is put."""

    name: str
    title: str
    group: str
    """Scenarios of one group share their running targets: they are interleaved."""
    kind: Literal["json", "sse", "idle", "paced"]
    targets: tuple[str, ...]
    connections: int = 64
    keys: Literal["allowed", "refused", "mixed"] = "allowed"
    workers: int = 1
    """More than one: nobody is pinned."""

    @property
    def streams(self) -> bool:
        """Whether it needs the upstream that streams."""
        return self.kind in ("sse", "idle")


SCENARIOS: Final = (
    Scenario("json-1", "JSON, allowed, 1 connection", "json", "json", PROXIES, connections=1),
    Scenario("json-64", "JSON, allowed, 64 connections", "json", "json", (*PROXIES, "portkey", "litellm")),
    Scenario("json-256", "JSON, allowed, 256 connections", "json", "json", PROXIES, connections=256),
    Scenario("refused-64", "JSON, refused with 429, 64 connections", "json", "json", ("tidegate",), keys="refused"),
    Scenario("mixed-64", "JSON, every tenth refused, 64 connections", "json", "json", ("tidegate",), keys="mixed"),
    Scenario("half-load", "JSON at half load: added latency", "json", "paced", (DIRECT, *PROXIES)),
    Scenario("sse-64", "Streams of 50 chunks, 64 at once", "sse", "sse", PROXIES[:-1]),
    Scenario("sse-256", "Streams of 50 chunks, 256 at once", "sse", "sse", PROXIES[:-1], connections=256),
    Scenario("idle", "Idle streams: memory", "idle", "idle", ("tidegate", "nginx", "envoy")),
    Scenario(
        "two-workers", "JSON, allowed, 64 connections, two workers, nobody pinned", "two", "json", PROXIES, workers=2
    ),
)

MEASURES: Final = {
    "chain": "The policy chain in process, without I/O",
    "redis": "CPU of Redis for a decision: four buckets and a lease",
    "accounts": "One account and many",
}
"""What needs no load over sockets: `loadtest.inprocess`."""

QUICK: Final = frozenset({"json-64", "refused-64", "sse-64", "chain", "redis"})
"""What `--quick` runs."""
SLOW: Final = ("portkey", "litellm")
"""What `--quick` leaves out unless asked for by name: they take long to start and to answer."""

NAMES: Final = (*(scenario.name for scenario in SCENARIOS), *MEASURES)
