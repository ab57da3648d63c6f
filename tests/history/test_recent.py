"""The last exchanges of a worker."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.history import recent
from gateway.history.columns import AT
from gateway.history.exchange_log import discreet
from gateway.history.recent import SIZE, Recent
from gateway.testing import Clock
from tests.history.logs import event

IDS = (AT["exchange"], AT["request_id"])


@settings(max_examples=30)
@given(st.lists(st.integers(0, SIZE), max_size=6), st.integers(1, SIZE))
def test_whoever_asks_with_the_last_number_misses_nothing(steps: list[int], limit: int) -> None:
    """Each event is told once, in order, or counted as skipped."""
    ring, number, noted, told, skipped = Recent(lambda: 0.0), 0, 0, list[int](), 0
    for more in steps:
        for _ in range(more):
            ring.note((noted,))
            noted += 1
        found = ring.since(number, limit)
        number = found.number
        told += [one[0] for one in found.events]
        skipped += found.skipped
    assert told == sorted(set(told))
    assert len(told) + skipped == noted
    assert not told or told[-1] == noted - 1 or not steps[-1]


def test_one_is_found_by_either_id() -> None:
    """Ours, or the one that its caller stated; the newest, and nothing that is gone."""
    ring = Recent(lambda: 0.0)
    ring.note(event(exchange="first", request_id="again", status=200))
    ring.note(event(exchange="second", request_id="again", status=429))
    assert ring.find("first", IDS) == event(exchange="first", request_id="again")
    newest = ring.find("again", IDS)
    assert newest is not None
    assert newest[AT["exchange"]] == "second"
    for number in range(SIZE):
        ring.note(event(exchange=str(number)))
    assert ring.find("second", IDS) is None


def test_addresses_are_told_as_the_log_keeps_them() -> None:
    """Who has said that only networks are kept is shown no address live either."""
    ring = Recent(lambda: 0.0, lambda events: discreet(events, "network"))
    ring.note(event(client_address="192.0.2.77"))
    assert ring.since(0, 10).events[0][AT["client_address"]] == "192.0.2.0"
    found = ring.find("x", IDS)
    assert found is not None
    assert found[AT["client_address"]] == "192.0.2.0"


async def test_following_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks no more is followed for no longer than a moment; who asks again keeps it on."""
    monkeypatch.setattr(recent, "FOLLOWED_FOR", 0.05)
    clock = Clock()
    ring = Recent(clock)
    assert not ring.followed
    ring.follow()
    clock.turn(0.03)
    ring.follow()
    clock.turn(0.03)
    await asyncio.sleep(0.06)
    assert ring.followed, "it was looked at, and the second time counts"
    clock.turn(0.03)
    async with asyncio.timeout(30):
        while ring.followed:
            await asyncio.sleep(0.01)
