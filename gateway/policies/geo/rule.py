"""What applies to a caller, and what that comes to. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.feeds.sightings import Sighting
from gateway.policy import ALLOW, Action, Decision, Facts, Location, Match, Profile

EARTH_RADIUS: Final = 6371.0
"""Kilometres: the mean radius, good to 0.5 %."""
FARTHEST: Final = 20_016.0
"""Kilometres: half the way around."""
ASSUMED_RADIUS: Final = 100.0
"""Kilometres around a place in which a caller may be, where the database does not say."""
VAGUE: Final = 500.0
"""Kilometres: a place that may be off by so much is none. It is the middle of a country of which no more is known."""
SLACK: Final = 60.0
"""Seconds in the account's favour: clocks of two workers differ, and a sighting is noted once a minute."""

_STRENGTH: Final = {"allow": 0, "weigh": 1, "challenge": 2, "deny": 3}
_ACTIONS: Final = {"challenge": Action.CHALLENGE, "deny": Action.DENY}


class Said(NamedTuple):
    """The answer of a part, and its words."""

    action: str
    """allow, weigh, challenge or deny."""
    match: Match
    weight: int = 0
    detail: str = ""
    """`{country}` in it is filled in."""
    link: str = ""
    status: int = 0


class Part(NamedTuple):
    """Something that is judged by the caller's location and the account's profile alone."""

    name: str
    said: Said
    applies: Callable[[Location, Profile], bool]
    reads: tuple[str, ...]
    """Variables, as conditions name them."""


class Watch(NamedTuple):
    """Something that is judged by where the account was before, too."""

    name: str
    said: Said
    finds: Callable[[Location, Profile, Sequence[Sighting], float], str]
    """What speaks against the account, for the log; empty where nothing does. The last argument is Unix time."""


def decide(said: Iterable[Said], location: Location, notes: Sequence[str] = ()) -> Decision:
    """The strongest answer; among equals the first. Weights add up, and all that applied is reported."""
    applied = [one for one in said if one.action != "allow"]
    if not applied:
        return ALLOW
    matches = tuple([one.match for one in applied])
    weight = sum(one.weight for one in applied)
    facts = Facts(weight=weight) if weight else None
    strongest = max(applied, key=_strength)
    note = "; ".join([f"country {location.country or 'unknown'}", *notes])
    action = _ACTIONS.get(strongest.action)
    if action is None:
        return Decision(Action.ALLOW, note=note, facts=facts, matches=matches)
    return Decision(
        action,
        reason=strongest.match.reason,
        detail=strongest.detail.replace("{country}", location.country or "unknown"),
        note=note,
        status=strongest.status,
        facts=facts,
        matches=matches,
        link=strongest.link,
    )


def _strength(said: Said) -> int:
    return _STRENGTH[said.action]


class Alike:
    """Countries that are one."""

    def __init__(self, groups: Sequence[Callable[[str], bool]]) -> None:
        self._groups = groups

    def same(self, one: str, other: str) -> bool:
        """Whether they are one country, or stand in one group."""
        return one == other or any(holds(one) and holds(other) for holds in self._groups)

    def count(self, countries: Iterable[str]) -> int:
        """How many there are, where a group is one. A country of two groups is of the first."""
        return len({self._stands_for(country) for country in countries})

    def _stands_for(self, country: str) -> str | int:
        for index, holds in enumerate(self._groups):
            if holds(country):
                return index
        return country


def differs(alike: Alike, one: str, other: str) -> bool:
    """Whether both are known, and not the same. Nothing follows from a country that is not known."""
    return one != other and bool(one) and bool(other) and not alike.same(one, other)


def distance(one: Location, other: Location) -> float | None:
    """Kilometres that lie between for certain: the great circle, less what both places may be off. None: not known."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    if max(one.radius, other.radius) >= VAGUE:
        return None
    north, other_north = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    # The haversine formula: exact for short ways, too.
    half = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    way = 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(half)))
    return max(0.0, way - (one.radius or ASSUMED_RADIUS) - (other.radius or ASSUMED_RADIUS))


def impossible(
    location: Location,
    seen: Iterable[Sighting],
    now: float,
    faster_than: float,
    at_least: float,
    *,
    within: bool = True,
) -> Sighting | None:
    """The newest sighting from which nobody comes here in the time between: km/h, km. `within` one country, too?

    Each is asked, not the newest alone: an account that is used in two places at once is found whoever came last.
    """
    country = location.country
    longest = FARTHEST / faster_than * 3600.0
    for sighting in seen:
        elapsed = abs(now - sighting.time) + SLACK
        if elapsed >= longest or (not within and sighting.location.country == country):
            continue
        way = distance(sighting.location, location)
        if way is not None and way >= at_least and way / faster_than * 3600.0 > elapsed:
            return sighting
    return None


def recent(seen: Iterable[Sighting], now: float, within: float) -> set[str]:
    """Countries in which it was seen within so many seconds."""
    return {sighting.location.country for sighting in seen if sighting.time >= now - within}


def read(location: Location, profile: Profile) -> Mapping[str, object]:
    """Variable -> value, for a person; named as in conditions."""
    return {
        "client.country": location.country,
        "client.asn": location.asn,
        "client.network_kinds": sorted(location.network_kinds),
        "client.private": location.private,
        "account.signup_country": profile.signup_country,
        "account.billing_country": profile.billing_country,
    }
