"""loadtest.results and loadtest.goals: medians, minima, ratios and verdicts of raw samples."""

from __future__ import annotations

import json

import pytest

from loadtest.goals import GOALS, Goal, added_p99
from loadtest.results import Results, Sample, divided


def sampled(figures: dict[tuple[str, str], list[float]], name: str = "cpu_us") -> Results:
    """One sample a figure, in rounds."""
    return Results(
        samples=[
            Sample(scenario, target, turn, {name: value})
            for (scenario, target), values in figures.items()
            for turn, value in enumerate(values)
        ]
    )


def test_the_median_is_over_rounds_and_the_least_is_the_quietest() -> None:
    """One noisy round moves neither much."""
    results = sampled({("json-64", "tidegate"): [20.0, 90.0, 22.0], ("json-64", "nginx"): [7.0, 10.0, 8.0]})

    assert results.median("json-64", "tidegate", "cpu_us") == 22.0
    assert results.least("json-64", "tidegate", "cpu_us") == 20.0
    assert results.most("json-64", "tidegate", "cpu_us") == 90.0
    assert results.ratio("json-64", "tidegate", "nginx") == pytest.approx(22 / 8)
    assert results.ratio("json-64", "tidegate", "nginx", quiet=True) == pytest.approx(20 / 7)


def test_what_was_not_measured_is_none() -> None:
    """Neither nought nor an exception: an absent peer is no reason to fail."""
    results = sampled({("json-64", "tidegate"): [20.0]})

    assert results.median("json-64", "nginx", "cpu_us") is None
    assert results.ratio("json-64", "tidegate", "nginx") is None
    assert results.ratio("json-64", "nginx", "tidegate") is None
    assert all(goal.verdict(results) == "not measured" for goal in GOALS)


@pytest.mark.parametrize(
    ("value", "by", "expected"),
    [(6.0, 2.0, 3.0), (None, 2.0, None), (6.0, None, None), (6.0, 0.0, None), (6.0, -1.0, None)],
    ids=["plain", "no value", "nothing to divide by", "nought", "below nought"],
)
def test_a_quotient_that_means_nothing_is_none(value: float | None, by: float | None, expected: float | None) -> None:
    """A peer that added less than nothing to the latency has no ratio to it."""
    assert divided(value, by) == expected


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.7, "met, and the aim"), (0.75, "met, and the aim"), (0.9, "met"), (1.0, "met"), (1.01, "NOT met")],
    ids=str,
)
def test_a_goal_is_judged_by_both_its_numbers(value: float, verdict: str) -> None:
    """At the bound is within it."""
    assert Goal("g", 1.0, 0.75, "x", lambda _results, _quiet: value).verdict(Results()) == verdict


def test_added_latency_is_what_the_upstream_alone_does_not_have() -> None:
    """Percentile by percentile, of medians."""
    results = sampled({("half-load", "tidegate"): [3.0, 5.0, 4.0], ("half-load", "direct"): [1.0, 1.5, 9.0]}, "p99_ms")

    assert added_p99(results, "tidegate") == pytest.approx(2.5)
    assert added_p99(results, "envoy") is None


def test_samples_survive_json() -> None:
    """The report can be written again from the file alone."""
    results = sampled({("json-64", "tidegate"): [20.0]})
    results.absent["Envoy"] = "not installed"

    assert Results.of(json.loads(json.dumps(results.plain()))) == results
