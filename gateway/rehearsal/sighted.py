"""Where accounts were seen, within one rehearsal."""

from __future__ import annotations

from typing import Final

from gateway.feeds.sightings import Sighting
from gateway.policy import Location

REMEMBERED: Final = 30 * 86400.0
"""Seconds."""


class Sighted:
    """Sightings (`gateway.feeds.sightings`) of this rehearsal alone, exact and at once."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, Sighting]] = {}

    def of(self, account: str) -> tuple[Sighting, ...]:
        seen = self._seen.get(account)
        return tuple(sorted(seen.values(), key=lambda sighting: -sighting.time)) if seen else ()

    def note(self, account: str, location: Location, now: float) -> None:
        seen = self._seen.setdefault(account, {})
        seen[location.country] = Sighting(now, location)
        for country in [country for country, sighting in seen.items() if sighting.time < now - REMEMBERED]:
            del seen[country]
