from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.verdict import Family
from gateway.detect.calibrated import TABLE, false_alarm, table
from gateway.detect.detector import Detector
from gateway.detect.judging import SIZE, crowds
from gateway.detect.links import Links
from gateway.detect.measures import Correlation, correlation, gini, interchangeable
from gateway.detect.settings import Settings
from tests.detect.worlds import SMALL, START

ACT = 9.2


@pytest.mark.parametrize("family", [family for family in Family if family is not Family.TRUST])
def test_no_family_convicts_alone(family: Family) -> None:
    """A family at its cap does not reach the score at which the strongest measures begin, nor does size."""
    assert Settings().caps[family] < ACT
    assert SIZE < ACT


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200))
def test_gini_lies_between_none_and_all(volumes: list[int]) -> None:
    """0 where all are alike, below 1 always, the same in whichever unit."""
    found = gini(np.array(volumes))
    assert -1e-9 <= found < 1
    assert gini(np.array(volumes) * 7) == pytest.approx(found)
    assert gini(np.full(len(volumes), 5)) == pytest.approx(0)


@given(st.floats(-0.2, 1), st.floats(0, 1), st.floats(0.01, 0.29))
def test_a_habit_says_no_more_than_it_may(value: float, usual: float, error: float) -> None:
    """Bounded both ways; where nobody has habits, having none says nothing."""
    assert abs(interchangeable(Correlation(value, error), usual, 1.2)) <= 1.2
    assert interchangeable(Correlation(value, error), 0.0, 1.2) == 0.0
    assert interchangeable(Correlation(value, math.inf), usual, 1.2) == 0.0


@pytest.mark.parametrize(("spread", "low", "high"), [(0.0, -0.1, 0.1), (1.0, 0.4, 0.6)], ids=["one-list", "its-own"])
def test_correlation_finds_who_is_interchangeable(spread: float, low: float, high: float) -> None:
    """The share of variance that lies between groups, found again from moments."""
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 20)) + random.normal(scale=spread, size=(400, 1))
    found = correlation(np.full(400, 20.0), values.sum(axis=1), (values**2).sum(axis=1))
    assert low < found.value < high


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        pytest.param([1] * 60 + [30], [61], id="a-class-beside-accounts-from-everywhere"),
        pytest.param([47] * 20, [], id="a-relay-that-buys-networks"),
        pytest.param([1] * 60 + [7], [], id="a-family"),
        pytest.param([40], [], id="nobody-else"),
        pytest.param([], [], id="nothing-known"),
    ],
)
def test_who_sits_in_one_place_although_its_cluster_does_not(sizes: list[int], found: list[int]) -> None:
    """A class that uses a campaign's text is no part of what spreads out to hide."""
    networks = np.repeat(np.arange(1, len(sizes) + 1), sizes).astype(np.uint64)
    unknown = np.zeros(500, np.uint64)
    assert crowds(np.concatenate([networks, unknown])).tolist() == found


def test_accounts_of_one_organisation_never_link() -> None:
    """One card, one device, failover between keys: all of one party, so nothing is shared."""
    detector = Detector(SMALL)
    links = (("payment", "card"), ("device", "laptop"))
    detector.learn([AccountFacts(f"a{n}", organisation="one", links=links) for n in range(30)])
    refused = [Event(f"r{n}", START + n, "a0", "one", status=429, prompt_hash=n + 1) for n in range(20)]
    answered = [Event(f"s{n}", START + n + 0.5, "a1", "one", status=200, prompt_hash=n + 1) for n in range(20)]
    detector.hear(sorted(refused + answered, key=lambda event: event.time))
    detector.look(START + 3600)
    memory = detector._memory
    assert isinstance(memory.links, Links)
    assert not len(memory.links.shared(memory.accounts).account)


def test_memory_is_bounded() -> None:
    """More accounts than there is room for: the idlest go."""
    detector = Detector(Settings(accounts_at_most=2_000, shingles_at_most=1 << 14))
    for begin in range(0, 6_000, 500):
        detector.hear([Event(f"e{n}", START + n, f"a{n}", status=200) for n in range(begin, begin + 500)] * 2)
    detector.look(START + 10_000)
    accounts, _ = detector.size
    assert accounts <= 2_000


@given(st.lists(st.floats(0, 20), max_size=60))
def test_a_calibration_falls_and_never_says_never(scores: list[float]) -> None:
    """A higher score is reached by no more benign clusters, and by none never: Laplace's one more."""
    made = table(scores)
    shares = [share for _, share in made]
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share <= 1 for share in shares)
    assert false_alarm(100.0, made) == shares[-1]
    assert [share for _, share in TABLE] == sorted((share for _, share in TABLE), reverse=True)
