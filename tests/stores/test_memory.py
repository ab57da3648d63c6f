"""The store in memory is bounded. What it shares with the others is in conformance.py."""

from __future__ import annotations

from gateway.policy import Take
from gateway.stores.memory import MemoryStore
from tests.stores.harness import bucket


def test_bounded() -> None:
    """Drained buckets go first, then the one touched longest ago."""
    now = [0.0]
    store = MemoryStore(lambda: now[0], partitions=3)
    for name, rate in (("old", 0.0), ("drained", 1.0), ("young", 0.0)):
        assert store.take_now(name, [Take(bucket(name, rate=rate), 5)]).granted
    now[0] = 5.0
    store.take_now("e", [Take(bucket("new"), 5)])
    assert len(store) == 3
    assert store.used(bucket("old")) == 5
    store.take_now("f", [Take(bucket("newer"), 5)])
    assert len(store) == 3
    assert store.used(bucket("old")) == 0
    assert store.used(bucket("newer")) == 5
