"""Sightings for an entry whose answers are only noted: it sees all that is known, and tells nobody what it saw."""

from __future__ import annotations

from gateway.feeds.sightings import Sighting, Sightings
from gateway.policy import Location


class SightingsAside:
    """As `Sightings`. `known` is asked and never told; `own` has what was noted here."""

    def __init__(self, known: Sightings, own: Sightings) -> None:
        self._known = known
        self._own = own

    def of(self, account: str) -> tuple[Sighting, ...]:
        known, own = self._known.of(account), self._own.of(account)
        if not own or not known:
            return known or own
        latest: dict[str, Sighting] = {}
        for sighting in sorted((*known, *own), key=_time):
            latest[sighting.location.country] = sighting
        return tuple(sorted(latest.values(), key=_time, reverse=True))

    def note(self, account: str, location: Location, now: float) -> None:
        self._own.note(account, location, now)


def _time(sighting: Sighting) -> float:
    return sighting.time
