"""What is remembered, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.policies.rules.memory import LONGEST, Memory


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_it_is_bounded_and_true(steps: list[tuple[bool, int]]) -> None:
    """It never holds more than it may, and what it gives is what was put in."""
    memory: Memory[str] = Memory(at_most=8)
    for write, number in steps:
        if write:
            memory.remember((number,), f"v{number}")
            assert memory.get((number,)) == f"v{number}"
        else:
            assert memory.get((number,)) in (None, f"v{number}")
        assert len(memory) <= 8


def test_what_is_asked_for_stays() -> None:
    """A flood of others does not drive out what is in use."""
    memory: Memory[str] = Memory(at_most=8)
    memory.remember(("hot",), "found")
    for number in range(1000):
        memory.remember((number,), "once")
        if number % 3 == 0:
            assert memory.get(("hot",)) == "found"
    assert memory.get((0,)) is None


def test_long_keys_are_not_remembered() -> None:
    """A caller chooses paths and model names: their bytes are not ours to keep."""
    memory: Memory[str] = Memory()
    memory.remember(("a" * LONGEST,), "fits")
    memory.remember(("a" * LONGEST, "b"), "too long")
    memory.remember((frozenset({"c" * LONGEST, "d"}),), "too long inside")
    assert len(memory) == 1
