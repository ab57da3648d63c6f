"""The cache of what was seen lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.recent import Recent


@given(st.integers(1, 8), st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda n: bytes([n])))))
def test_never_wrong_never_too_many(size: int, steps: list[tuple[bool, bytes]]) -> None:
    """Whatever is put and asked: an answer is what was put last, and there are at most twice `size`."""
    recent: Recent[bytes, int] = Recent(size)
    truth: dict[bytes, int] = {}
    for number, (put, mark) in enumerate(steps):
        if put:
            recent.put(mark, number)
            truth[mark] = number
        else:
            assert recent.get(mark) in {None, truth.get(mark)}
        assert len(recent) <= 2 * size


@given(st.integers(1, 8), st.lists(st.integers(0, 20).map(lambda n: bytes([n])), min_size=1))
def test_the_latest_are_there(size: int, marks: list[bytes]) -> None:
    """Of what was put, the last `size` different ones are known."""
    recent: Recent[bytes, bytes] = Recent(size)
    for mark in marks:
        recent.put(mark, mark)

    latest = list(dict.fromkeys(reversed(marks)))[:size]

    assert all(mark in recent.young or mark in recent._old for mark in latest)


def test_clear_forgets() -> None:
    """Everything, in both generations."""
    recent: Recent[bytes, int] = Recent(1)
    recent.put(b"a", 1)
    recent.put(b"b", 2)
    recent.clear()

    assert len(recent) == 0
    assert recent.get(b"a") is None
