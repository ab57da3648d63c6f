"""What a throttle in shadow would have refused."""

from __future__ import annotations

from gateway.policies.rules.gauge import AT_MOST, Gauge
from gateway.policy import Bucket, Limit, Measure

LIMIT = Limit("few", Measure.REQUESTS, 2, 2, 60)


def bucket(partition: str = "account=acme") -> Bucket:
    return Bucket(partition, partition, LIMIT)


def test_it_fills_and_empties() -> None:
    """Two at once, and one more each half minute; who is refused takes nothing."""
    gauge = Gauge()
    said = [gauge.short(bucket(), 1, now) for now in (0.0, 0.0, 0.0, 29.0, 30.0, 30.0, 90.0, 90.0, 90.0)]
    assert said == [False, False, True, True, False, True, False, False, True]


def test_a_batch_takes_a_whole_bucket_at_most() -> None:
    """As in the store: what is larger than the bucket passes where the bucket is full."""
    gauge = Gauge()
    assert [gauge.short(bucket(), 100, now) for now in (0.0, 59.0, 60.0)] == [False, True, False]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Exchanges of the past, and of another order, refill no bucket."""
    gauge = Gauge()
    assert [gauge.short(bucket(), 1, now) for now in (100.0, 100.0, 50.0, 100.0, 130.0)] == [
        *(False, False, True, True, False)
    ]


def test_partitions_are_apart_and_bounded() -> None:
    """Each partition has its own, and there are never more than it may hold."""
    gauge = Gauge()
    for number in range(AT_MOST + 10):
        assert not gauge.short(bucket(f"account={number}"), 2, 0.0)
    assert len(gauge._used) == 10
