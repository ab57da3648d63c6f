"""The buckets of one worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policies.quota import local
from gateway.policies.quota.local import LocalBuckets
from gateway.policy import Bucket, Limit, Measure


def bucket(capacity: float = 10, refill: float = 1, name: str = "l", partition: str = "client_address=a") -> Bucket:
    return Bucket(partition, partition, Limit(name, Measure.REQUESTS, capacity, refill, 1.0))


def test_a_full_bucket_empties_and_refills() -> None:
    """As many as the capacity at once, then one for each refill, and the wait is exact."""
    buckets, b = LocalBuckets(), bucket(capacity=3, refill=2)
    assert [buckets.take([(b, 1)], 100.0) is None for _ in range(4)] == [True, True, True, False]
    taken = buckets.take([(b, 1)], 100.0)
    assert taken is not None
    assert taken.wait == pytest.approx(0.5)
    assert buckets.take([(b, 1)], 100.5) is None
    assert buckets.take([(b, 1)], 100.6) is not None


def test_all_or_none() -> None:
    """A short bucket takes nothing from the others."""
    buckets = LocalBuckets()
    wide, narrow = bucket(10, name="wide"), bucket(1, name="narrow")
    assert buckets.take([(wide, 4), (narrow, 1)], 0.0) is None
    taken = buckets.take([(wide, 4), (narrow, 1)], 0.0)
    assert taken is not None
    assert taken.short == 1
    assert buckets.take([(wide, 6)], 0.0) is None


def test_a_frozen_bucket_never_fits() -> None:
    """Capacity 0 refuses for ever, and says so."""
    taken = LocalBuckets().take([(bucket(capacity=0), 1)], 0.0)
    assert taken is not None
    assert taken.wait == float("inf")


def test_a_frozen_bucket_lets_nothing_pass_that_costs_nothing() -> None:
    """As in the store: also where something is known of it, and where nothing is to be taken."""
    buckets = LocalBuckets()
    assert buckets.take([(bucket(5), 0)], 0.0) is None
    for now in (0.0, 100.0):
        assert buckets.take([(bucket(0), 0)], now) is not None


def test_what_costs_more_than_the_capacity_needs_a_full_bucket() -> None:
    """Nobody is refused for ever for a cost that cannot fit."""
    buckets, b = LocalBuckets(), bucket(10)
    assert buckets.take([(b, 100)], 0.0) is None
    assert buckets.take([(b, 1)], 0.0) is not None


def test_a_clock_that_goes_back_refills_nothing() -> None:
    """And takes nothing either."""
    buckets, b = LocalBuckets(), bucket(2, 1)
    buckets.take([(b, 2)], 100.0)
    assert buckets.take([(b, 1)], 50.0) is not None
    assert buckets.take([(b, 1)], 101.0) is None


def test_the_number_of_buckets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller with many addresses cannot make the worker grow."""
    monkeypatch.setattr(local, "BUCKETS_AT_MOST", 5)
    buckets = LocalBuckets()
    for index in range(50):
        buckets.take([(bucket(partition=f"client_address={index}"), 1)], 0.0)
    assert len(buckets) == 5


@given(
    capacity=st.integers(1, 20),
    refill=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), max_size=60),
)
def test_never_more_than_capacity_and_refill(capacity: int, refill: int, steps: list[tuple[float, int]]) -> None:
    """In any stretch of time no more is admitted than the capacity and what came back."""
    buckets, b = LocalBuckets(), bucket(capacity, refill)
    now, admitted = 0.0, 0.0
    for pause, cost in steps:
        now += pause
        if buckets.take([(b, cost)], now) is None:
            admitted += min(cost, capacity)
        assert admitted <= capacity + refill * now + 1e-6
