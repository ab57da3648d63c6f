"""Sightings that are asked and not told."""

from __future__ import annotations

from gateway.feeds.sightings_aside import SightingsAside
from gateway.feeds.sightings_memory import RecentSightings
from gateway.policy import Location
from gateway.testing import NOON, Clock

DE, JP, FR = Location("DE"), Location("JP"), Location("FR")


def test_what_is_noted_aside_is_seen_here_alone() -> None:
    """The latest of each country, newest first, of both; the others' memory stays as it was."""
    clock = Clock(NOON)
    known, own = RecentSightings(clock), RecentSightings(clock)
    aside = SightingsAside(known, own)
    assert aside.of("acme") == ()

    known.note("acme", DE, NOON - 300)
    assert aside.of("acme") is known.of("acme")
    aside.note("acme", JP, NOON - 200)
    known.note("acme", FR, NOON - 100)
    aside.note("acme", DE, NOON)

    assert [(one.location.country, one.time) for one in aside.of("acme")] == [
        ("DE", NOON),
        ("FR", NOON - 100),
        ("JP", NOON - 200),
    ]
    assert [one.location.country for one in known.of("acme")] == ["FR", "DE"]
    aside.note("beta", JP, NOON)
    assert (known.of("beta"), len(aside.of("beta"))) == ((), 1)
