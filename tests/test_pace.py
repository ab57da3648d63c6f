"""How often something may be done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import pace
from gateway.pace import Pace, network
from gateway.testing import Clock


def test_so_many_and_then_a_wait() -> None:
    """What may be done at once is done at once; then the wait is what it says, and each name has its own."""
    clock = Clock()
    bound = Pace(3, 3600.0, clock)
    assert [bound.take("a") for _ in range(3)] == [0.0] * 3
    assert bound.take("a") == pytest.approx(1200.0)
    assert bound.take("b") == 0.0
    clock.turn(1200.0)
    assert bound.take("a") == 0.0
    assert bound.take("a") > 0.0


@given(st.lists(st.floats(0.0, 5000.0), max_size=40))
def test_never_more(pauses: list[float]) -> None:
    """In any stretch of time no more than the burst and what came back."""
    clock = Clock()
    bound = Pace(3, 3600.0, clock)
    granted = 0
    for pause in pauses:
        clock.turn(pause)
        granted += bound.take("a") == 0.0
    assert granted <= 3 + sum(pauses) * 3 / 3600.0 + 1e-6


def test_it_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that nobody can count are not all remembered; a clock that goes back does no harm."""
    monkeypatch.setattr(pace, "REMEMBERED", 10)
    clock = Clock()
    bound = Pace(1, 60.0, clock)
    for number in range(100):
        assert bound.take(str(number)) == 0.0
    clock.turn(-1000.0)
    assert bound.take("99") > 0.0
    assert "10 names" in repr(bound)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("", ""),
    ],
)
def test_one_place(address: str, place: str) -> None:
    """A line of IPv6 has more addresses than anybody counts."""
    assert network(address) == place
