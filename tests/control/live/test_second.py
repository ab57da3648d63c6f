"""What happened between two pulses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.live.lines import Told
from gateway.control.live.second import OTHER, Differ, add_used, largest, largest_used, merged, quantile
from gateway.control.live.series import Series, told_second
from gateway.telemetry.counters import LATENCY_BOUNDS, Counters, Histogram


def pulse(counters: Counters, life: str = "a", **more: Any) -> Told:
    """As gateway.control.live.pulse.Live makes it."""
    return Told(
        "worker-0",
        {
            "life": life, "uptime": 100.0, "memory": 1000, "lag": 0.001,
            "exchanges": [[*labels, count] for labels, count in counters.exchanges.items()],
            "malformed": dict(counters.malformed), "tokens": dict(counters.tokens),
            "duration": list(counters.duration.counts), "decision": [list(counters.decision.counts), 0.0],
            "active": counters.active, "events_dropped": 0, "connections": 2, "store_available": 1,
            "directory_available": 1, "draining": 0, "generation": 3, "revision": 7, "entries": {}, **more,
        },
    )  # fmt: skip


def count(counters: Counters, reason: str, status: int = 200, times: int = 1) -> None:
    label = ("openai", "chat.completions", status, reason)
    counters.exchanges[label] = counters.exchanges.get(label, 0) + times
    for _ in range(times):
        counters.duration.observe(0.02)


def test_a_second_is_the_difference() -> None:
    """Who passed, was refused, failed or left, apart; levels are as they stand."""
    differ, counters = Differ(), Counters()
    count(counters, "", times=50)
    assert differ.second([pulse(counters)], 1, 0.0).requests == 0
    count(counters, "", times=5)
    count(counters, "quota_exceeded", 429, 3)
    count(counters, "upstream_failed", 502, 2)
    count(counters, "client_left", 200)
    counters.tokens["output"] += 40
    made = differ.second([pulse(counters, entries={"quota": 3})], 2, 1.0)
    assert (made.requests, made.allowed, made.refused, made.failed, made.left) == (11, 5, 3, 2, 1)
    assert made.reasons == {"quota_exceeded": 3, "upstream_failed": 2, "client_left": 1}
    assert (made.tokens_output, made.workers, made.wanted, made.generation, made.revision) == (40, 1, 2, 3, 7)
    assert made.entries == {"quota": 3}
    assert sum(made.duration) == 11


def test_a_worker_that_starts_again_makes_no_negative_rate() -> None:
    """Its counters begin at nothing, and all that it has counted is of now."""
    differ, counters = Differ(), Counters()
    count(counters, "", times=1000)
    differ.second([pulse(counters)], 1, 0.0)
    fresh = Counters()
    count(fresh, "", times=4)
    made = differ.second([pulse(fresh, life="b", uptime=0.5)], 1, 1.0)
    assert (made.requests, sum(made.duration)) == (4, 4)


def test_a_worker_that_was_silent_loses_nothing() -> None:
    """What it did meanwhile is told when it answers again."""
    differ, counters = Differ(), Counters()
    differ.second([pulse(counters)], 1, 0.0)
    count(counters, "", times=3)
    assert differ.second([], 1, 1.0).workers == 0
    assert differ.second([pulse(counters)], 1, 2.0).requests == 3


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=20))
def test_no_flow_is_ever_negative(steps: list[tuple[bool, int]]) -> None:
    """However often workers start again; and while none does, no exchange is lost or doubled."""
    differ, counters, life, total, counted = Differ(), Counters(), 0, 0, 0
    differ.second([pulse(counters, "0")], 1, 0.0)
    for restarted, more in steps:
        if restarted:
            counters, life = Counters(), life + 1
        count(counters, "", times=more)
        total += more
        made = differ.second([pulse(counters, str(life))], 1, 0.0)
        assert made.requests >= 0
        assert min(made.duration) >= 0
        counted += made.requests
    assert counted == total


def test_models_are_called_by_name_only_where_they_have_one() -> None:
    """Callers choose names."""
    made = Differ().second([], 0, 0.0)
    rows = [
        ["a", "NO", "m", 2, 1, 10, 5, 0, 0],
        ["b", "", "x-1", 1, 1, 0, 0, 0, 0],
        ["b", "NO", "x-2", 1, 1, 0, 0, 0, 0],
    ]
    add_used(made, rows, lambda model: model if model == "m" else OTHER)
    assert made.models == {"m": [2, 1, 15], OTHER: [2, 2, 0]}
    assert made.countries == {"NO": [3, 2, 15], "unknown": [1, 1, 0]}


@given(st.dictionaries(st.text(max_size=3) | st.just(OTHER), st.integers(0, 9), max_size=12), st.integers(1, 6))
def test_what_is_cut_to_the_largest_keeps_its_sum(counts: dict[str, int], most: int) -> None:
    """And has at most one name more, `other`."""
    kept = largest(counts, most)
    assert sum(kept.values()) == sum(counts.values())
    assert len(kept) <= most + 1
    used = largest_used({name: [value, 0, 0] for name, value in counts.items()}, most)
    assert sum(values[0] for values in used.values()) == sum(counts.values())


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
@given(st.lists(st.floats(0.0001, 299), min_size=1, max_size=60))
def test_a_quantile_lies_in_its_bucket(share: float, values: list[float]) -> None:
    """Between the bounds around the value that really has that rank."""
    histogram = Histogram(LATENCY_BOUNDS)
    for value in values:
        histogram.observe(value)
    found = quantile(LATENCY_BOUNDS, histogram.counts, share)
    assert found is not None
    ranked, rank = sorted(values), int(share * len(values))
    below = max((bound for bound in LATENCY_BOUNDS if bound < ranked[max(0, rank - 1)]), default=0.0)
    above = min(bound for bound in LATENCY_BOUNDS if bound >= ranked[min(len(values) - 1, rank)])
    assert below <= found <= above


def test_nothing_observed_has_no_quantile() -> None:
    """Null in a plot, and not 0 seconds."""
    assert quantile(LATENCY_BOUNDS, [0] * (len(LATENCY_BOUNDS) + 1), 0.5) is None


def _filled(seconds: int, rate: int = 6) -> Series:
    series = Series()
    differ, counters = Differ(), Counters()
    differ.second([pulse(counters)], 1, 0.0)
    for second in range(seconds):
        count(counters, "", times=rate)
        series.add(differ.second([pulse(counters)], 1, 600.0 + second))
    return series


@pytest.mark.parametrize(
    ("step", "slots"),
    [pytest.param(1, 300, id="seconds"), pytest.param(10, 200, id="tens"), pytest.param(60, 34, id="minutes")],
)
def test_rates_are_the_same_in_each_ring(step: int, slots: int) -> None:
    """Six a second are six a second, whatever the slot; rings are bounded; arrays are of one length."""
    told = _filled(2000).told(step)
    assert len(told["times"]) == slots
    assert {len(values) for values in told["series"].values()} == {slots}
    assert set(told["series"]["requests"][:-1]) == {6.0}
    assert told["times"] == sorted(told["times"])


def test_merging_adds_flows_and_keeps_levels() -> None:
    """A minute's requests are the sum of its seconds', its workers are those at its end."""
    differ, counters = Differ(), Counters()
    differ.second([pulse(counters)], 1, 0.0)
    seconds = []
    for number in range(3):
        count(counters, "", times=number)
        seconds.append(differ.second([pulse(counters)] if number < 2 else [], 1, float(number)))
    made = merged(seconds, countries=9, models=9, reasons=9)
    assert (made.requests, made.workers, made.time) == (1, 0, 2.0)
    assert told_second(made)["requests"] == 1
