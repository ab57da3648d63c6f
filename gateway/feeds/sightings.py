"""Where accounts were seen before, in the whole fleet: what tells travel from two people with one key."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from gateway.policy import Location

REMEMBERED: Final = 7 * 86_400.0
"""Seconds for which a sighting is kept. Rules look back no further."""


class Sighting(NamedTuple):
    """An account, somewhere."""

    time: float
    """Unix time of the last exchange from there."""
    location: Location


class Sightings(Protocol):
    """Never waits: what other workers saw is known a moment later."""

    def of(self, account: str) -> tuple[Sighting, ...]:
        """The last sighting in each country within what is remembered, newest first."""

    def note(self, account: str, location: Location, now: float) -> None:
        """The account is here now. Costs next to nothing where it was here a moment ago."""
