"""The buckets of a replay say what those of a gateway say."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import Bucket, Limit, Measure, Take
from gateway.rehearsal import buckets as module
from gateway.rehearsal.buckets import Buckets
from gateway.stores.memory import MemoryStore
from gateway.testing import Clock

LIMITS = (
    Limit("requests", Measure.REQUESTS, 3, 3, 10),
    Limit("output", Measure.OUTPUT_TOKENS, 100, 50, 60),
    Limit("spend", Measure.SPEND, 0.01, 0.01, 3600),
    Limit("slots", Measure.CONCURRENCY, 2),
    Limit("never", Measure.REQUESTS, 0),
    Limit("once", Measure.REQUESTS, 5),
)
_limit = st.sampled_from(LIMITS)
_cost = st.sampled_from((0.0, 1.0, 1.0, 2.0, 40.0, 150.0, 0.004, -3.0))
_takes = st.lists(st.tuples(_limit, st.sampled_from("aab"), _cost), min_size=1, max_size=4)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 5), _takes),
        st.tuples(st.just("settle"), st.integers(0, 5), st.lists(_cost, min_size=4, max_size=4)),
        st.tuples(st.just("turn"), st.just(0), st.floats(0, 40)),
    ),
    min_size=8,
    max_size=24,
)


def _answer(store: Any, exchange: str, takes: tuple[Take, ...]) -> Any:
    told: list[Any] = []
    store.take(exchange, takes, told.append)
    return told[0]


@settings(max_examples=100, deadline=None)
@given(_steps)
def test_they_answer_as_the_memory_store(steps: list[tuple[str, int, Any]]) -> None:
    """Granted or not, which take is short, for how long, and what is left of the others: the same, as time goes on."""
    clock = Clock()
    lean, full = Buckets(clock), MemoryStore(clock)
    taken: dict[str, tuple[Take, ...]] = {}
    for number, (what, who, value) in enumerate(steps):
        if what == "turn":
            clock.turn(value)
        elif what == "take":
            exchange = f"{who}-{number}"
            takes = tuple(Take(Bucket(p, p, limit), cost) for limit, p, cost in value)
            said, expected = _answer(lean, exchange, takes), _answer(full, exchange, takes)
            assert said.granted == expected.granted
            if not said.granted:
                assert said == expected
            taken[exchange] = takes
        elif taken:
            exchange = sorted(taken)[who % len(taken)]
            takes = taken.pop(exchange)
            finals = value[: len(takes)]
            lean.settle(exchange, takes, finals)
            full.settle(exchange, takes, finals)


def test_what_has_drained_is_swept_out(monkeypatch: Any) -> None:
    """A long log of many accounts does not grow for ever; what is in use, or held, stays."""
    monkeypatch.setattr(module, "SWEEP_FROM", 10)
    clock = Clock()
    store = Buckets(clock)
    limit, slots = LIMITS[0], LIMITS[3]
    for number in range(9):
        _answer(store, f"x{number}", (Take(Bucket("t", f"p{number}", limit), 1.0),))
    _answer(store, "held", (Take(Bucket("t", "p", slots), 1.0),))
    clock.turn(60)
    store._sweep_at = 10

    _answer(store, "y", (Take(Bucket("t", "new", limit), 1.0),))

    # All that had drained was held: once settled, it goes, and what is held stays.
    assert len(store) == 11
    for number in range(9):
        store.settle(f"x{number}", (Take(Bucket("t", f"p{number}", limit), 1.0),), (1.0,))
    clock.turn(60)
    store._sweep_at = 10
    _answer(store, "z", (Take(Bucket("t", "newer", limit), 1.0),))
    assert sorted(key[1] for key in store._states) == ["new", "newer", "p"]
