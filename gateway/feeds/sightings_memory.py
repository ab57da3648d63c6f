"""Sightings in this process: bounded in accounts, in countries of an account, and in time.

What is kept of a place is as coarse as what other workers are told: all give the same answers. Whatever order
sightings come in, the latest of each country stays, so workers agree in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from gateway.feeds.sightings import REMEMBERED, Sighting
from gateway.policy import NOWHERE, Location

MOMENT: Final = 60.0
"""Seconds within which an account that stays where it is, is not noted again."""
NEAR: Final = 25.0
"""Kilometres, about, that are no change of place: what databases err by within a town."""

ACCOUNTS_AT_MOST: Final = 100_000
COUNTRIES_AT_MOST: Final = 16
"""Of one account: more than any rule asks for. The ones left longest ago go."""

_DEGREE: Final = 111.2
"""Kilometres of a degree of latitude."""


def coarse(location: Location) -> Location:
    """What is kept: the country, the place to a tenth of a degree (11 km), and how far it may be off."""
    latitude, longitude = location.latitude, location.longitude
    if latitude is None or longitude is None:
        return Location(location.country)
    # + 0.0: there is one zero.
    return Location(
        location.country,
        latitude=round(latitude, 1) + 0.0,
        longitude=round(longitude, 1) + 0.0,
        radius=float(math.ceil(location.radius)),
    )


class _Account:
    """Where one account was."""

    __slots__ = ("last", "newest_first", "noted", "places")

    def __init__(self) -> None:
        self.places: dict[str, Sighting] = {}
        self.newest_first: tuple[Sighting, ...] = ()
        self.last: Location = NOWHERE
        """The object that was noted last, and when: the same one again is nothing new for a moment."""
        self.noted = -math.inf


class RecentSightings:
    """As `Sightings`. `now` gives Unix time in seconds."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        remembered: float = REMEMBERED,
        accounts: int = ACCOUNTS_AT_MOST,
        countries: int = COUNTRIES_AT_MOST,
    ) -> None:
        self._now = now
        self._remembered = remembered
        self._most_accounts = accounts
        self._most_countries = countries
        self._accounts: dict[str, _Account] = {}
        """The account that was seen longest ago is the first, about."""

    @property
    def accounts(self) -> int:
        """Of how many accounts anything is known."""
        return len(self._accounts)

    def of(self, account: str) -> tuple[Sighting, ...]:
        known = self._accounts.get(account)
        if known is None:
            return ()
        oldest = self._now() - self._remembered
        if known.newest_first[-1].time < oldest:
            self._forget(account, known, oldest)
        return known.newest_first

    def note(self, account: str, location: Location, now: float) -> None:
        known = self._accounts.get(account)
        if known is not None:
            if known.last is location and now - known.noted < MOMENT:
                return
            known.last, known.noted = location, now
        if location.country:
            sighting = Sighting(round(now, 3), coarse(location))
            if not self._is_nothing_new(known, sighting) and self.learn(account, sighting):
                self._learnt(account, sighting)

    def learn(self, account: str, sighting: Sighting) -> bool:
        """Take in what was seen here or elsewhere; whether it was news. In any order, as often as it comes."""
        oldest = self._now() - self._remembered
        if sighting.time < oldest:
            return False
        country = sighting.location.country
        known = self._accounts.get(account)
        if known is not None:
            before = known.places.get(country)
            if before is not None and _order(before) >= _order(sighting):
                return False
            places = known.places | {country: sighting}
        else:
            known, places = _Account(), {country: sighting}
        newest_first = sorted(places.values(), key=_order, reverse=True)[: self._most_countries]
        self._accounts.pop(account, None)
        self._make_room(oldest)
        self._accounts[account] = known
        known.newest_first = tuple(newest_first)
        known.places = {one.location.country: one for one in newest_first}
        return country in known.places

    def _learnt(self, account: str, sighting: Sighting) -> None:
        """Something changed that was noted here. For those who tell others."""

    def _is_nothing_new(self, known: _Account | None, sighting: Sighting) -> bool:
        before = known.places.get(sighting.location.country) if known is not None else None
        return (
            before is not None
            and sighting.time - before.time < MOMENT
            and _are_near(before.location, sighting.location)
        )

    def _make_room(self, oldest: float) -> None:
        """For one more. Those that nobody has seen for long stand first."""
        accounts = self._accounts
        while accounts:
            account = next(iter(accounts))
            if len(accounts) < self._most_accounts and accounts[account].newest_first[0].time >= oldest:
                return
            del accounts[account]

    def _forget(self, account: str, known: _Account, oldest: float) -> None:
        known.newest_first = tuple([one for one in known.newest_first if one.time >= oldest])
        known.places = {one.location.country: one for one in known.newest_first}
        if not known.places:
            del self._accounts[account]


def _order(sighting: Sighting) -> tuple[float, float, float, float, str]:
    """Later is more; the rest only makes workers agree on one of two at the same time."""
    place = sighting.location
    latitude = -math.inf if place.latitude is None else place.latitude
    longitude = -math.inf if place.longitude is None else place.longitude
    return sighting.time, latitude, longitude, place.radius, place.country


def _are_near(one: Location, other: Location) -> bool:
    """Within NEAR on a map that is flat here, which is good enough for some kilometres."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return one.latitude == other.latitude
    north = (other.latitude - one.latitude) * _DEGREE
    east = (other.longitude - one.longitude + 180.0) % 360.0 - 180.0
    return math.hypot(north, east * _DEGREE * math.cos(math.radians(one.latitude))) < NEAR
