"""Raw samples, and what can be said of them. The report is computed from here, so a file of samples is enough."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Sample:
    """One target in one round of one scenario.

    Values: `cpu_us` of the target's tree a request, `rps`, `p50_ms`, `p99_ms`, `rss_mib`, `busy` (cores that the target
    used), `redis_us` of CPU of Redis a request, `others` (cores that strangers used), `steal` (share of the machine
    that the hypervisor took), `requests`, `refused`, `broken`, `apart` (1: the target had its core alone); for
    streams also `chunk_us`, for idle ones `stream_kib` and `held`.
    """

    scenario: str
    target: str
    round: int
    values: dict[str, float]


@dataclass(slots=True)
class Results:
    """One run."""

    date: str = ""
    commit: str = ""
    dirty: bool = False
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Target -> why it was not measured."""
    kinds: dict[str, bool] = field(default_factory=dict)
    """Kind of policy -> whether it was in the chain."""
    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What a reader has to know: answers that were not as expected, samples that are missing."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """What `plain` gave."""
        samples = [Sample(**sample) for sample in plain["samples"]]
        return cls(**{**plain, "samples": samples})

    def values(self, scenario: str, target: str, name: str) -> list[float]:
        """One value a round."""
        return [
            sample.values[name]
            for sample in self.samples
            if sample.scenario == scenario and sample.target == target and name in sample.values
        ]

    def median(self, scenario: str, target: str, name: str) -> float | None:
        """Over the rounds; None if there is no sample."""
        found = self.values(scenario, target, name)
        return statistics.median(found) if found else None

    def least(self, scenario: str, target: str, name: str) -> float | None:
        """The quietest round."""
        return min(self.values(scenario, target, name), default=None)

    def figure(self, scenario: str, target: str, name: str, *, quiet: bool) -> float | None:
        """The median, or that of the quietest round."""
        return (self.least if quiet else self.median)(scenario, target, name)

    def most(self, scenario: str, target: str, name: str) -> float | None:
        """The worst round."""
        return max(self.values(scenario, target, name), default=None)

    def targets(self, scenario: str) -> list[str]:
        """Those with samples, in the order of the first round."""
        return list(dict.fromkeys(sample.target for sample in self.samples if sample.scenario == scenario))

    def scenarios(self) -> list[str]:
        """Those with samples."""
        return list(dict.fromkeys(sample.scenario for sample in self.samples))

    def ratio(
        self, scenario: str, target: str, other: str, name: str = "cpu_us", *, quiet: bool = False
    ) -> float | None:
        """Median by median; by the quietest rounds where asked for. None where either is missing or nothing."""
        return divided(
            self.figure(scenario, target, name, quiet=quiet), self.figure(scenario, other, name, quiet=quiet)
        )


def divided(value: float | None, by: float | None) -> float | None:
    """The quotient, None where it means nothing."""
    if value is None or by is None or by <= 0:
        return None
    return value / by
