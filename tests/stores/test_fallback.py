"""A worker's share of the limits while Redis is away, and what becomes of its debts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gateway.policy import Bucket, Limit, Measure, Take
from gateway.stores.fallback import LocalShare, share_of
from tests.stores.harness import bucket, slots, taken


class Fleet:
    """A Redis store that only notes what is posted."""

    def __init__(self, fleet: int) -> None:
        self.fleet = fleet
        self.worker = "w1"
        self.available = False
        self.on_back: list[Callable[[], None]] = []
        self.posted: list[tuple[str, list[tuple[str, float]]]] = []

    def post(self, batch: str, charges: Sequence[tuple[Bucket, float]]) -> None:
        self.posted.append((batch, [(bucket.limit.name, units) for bucket, units in charges]))

    def back(self) -> None:
        self.available = True
        for hear in self.on_back:
            hear()


@pytest.mark.parametrize(
    ("measure", "capacity", "workers", "share"),
    [
        pytest.param("requests", 100, 4, 25, id="a part"),
        pytest.param("requests", 2, 4, 1, id="one request at least"),
        pytest.param("requests", 0, 4, 0, id="nothing stays nothing"),
        pytest.param("output_tokens", 2, 4, 0.5, id="tokens in any part"),
        pytest.param("concurrency", 10, 4, 2, id="whole slots"),
        pytest.param("concurrency", 2, 4, 1, id="one slot at least"),
        pytest.param("concurrency", 0, 4, 0, id="no slot stays none"),
        pytest.param("requests", 100, 1, 100, id="alone"),
        pytest.param("requests", 100, 0, 100, id="nobody known"),
    ],
)
def test_share(measure: str, capacity: float, workers: int, share: float) -> None:
    """A worker's share is its part, at least one request or slot, and never something of nothing."""
    limit = share_of(Limit("x", Measure(measure), capacity, refill=8), workers)
    assert limit.capacity == share
    if workers > 1 and capacity:
        assert limit.refill == 8 / workers


async def test_debts() -> None:
    """What is in use here when Redis is back is posted once, after the refill that has paid for the rest."""
    now = [0.0]
    fleet = Fleet(4)
    share = LocalShare(fleet, lambda: now[0])
    tokens, slot = bucket("a", "tpm", 400, 40, measure="total_tokens"), slots("a", 4)
    rows = [Take(tokens, 60), Take(slot, 1)]
    assert (await taken(share.take, "e", *rows)).remaining == (40, 0)
    assert not (await taken(share.take, "f", *rows)).granted
    assert share.holds("e")
    assert not share.holds("f")
    share.settle("e", rows, [50, 1])
    now[0] = 2.0
    fleet.back()
    fleet.back()
    assert fleet.posted == [("w1:1", [("tpm", 30.0)])]


async def test_debts_are_bounded() -> None:
    """A caller that invents partitions while Redis is away cannot make them grow."""
    fleet = Fleet(1)
    share = LocalShare(fleet, lambda: 0.0, partitions=3)
    for index in range(10):
        rows = [Take(bucket(f"a{index}", "tpm", 400, 40, measure="total_tokens"), 60)]
        await taken(share.take, f"e{index}", *rows)
        share.settle(f"e{index}", rows, [50])
    assert "3 buckets owed" in repr(share)
    fleet.back()
    assert [len(charges) for _, charges in fleet.posted] == [3]


async def test_running_over_the_return() -> None:
    """An exchange that runs when Redis is back is posted as reserved, and corrected when it settles."""
    fleet = Fleet(2)
    share = LocalShare(fleet, lambda: 0.0)
    tokens, slot = bucket("a", "tpm", 200, measure="total_tokens"), slots("a", 2)
    rows = [Take(tokens, 60), Take(slot, 1)]
    await taken(share.take, "e", *rows)
    await taken(share.more, "e", Take(tokens, 10))
    fleet.back()
    share.settle("e", [Take(tokens, 70), Take(slot, 1)], [25, 1])
    share.settle("e", [Take(tokens, 70), Take(slot, 1)], [25, 1])
    assert fleet.posted == [("w1:1", [("tpm", 70.0)]), ("w1:2", [("tpm", -45.0)])]
    assert (await taken(share.take, "f", *rows)).remaining == (40, 0)
