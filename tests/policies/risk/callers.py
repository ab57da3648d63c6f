"""Callers as they are met: what each does over days, as (seconds from the beginning, how it calls)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from gateway.policy import Location

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

Call = tuple[float, dict[str, Any]]

HOME: Final[dict[str, Any]] = {"location": Location("DE", 3320), "client_address": "198.51.100.7"}
OFFICE: Final[dict[str, Any]] = {"location": Location("DE", 680), "client_address": "192.0.2.7"}
SECOND_EXIT: Final[dict[str, Any]] = {"location": Location("DE", 20676), "client_address": "203.0.113.7"}
MOBILE: Final[dict[str, Any]] = {"location": Location("DE", 6805), "client_address": "203.0.113.200"}
HOTEL: Final[dict[str, Any]] = {"location": Location("US", 7018), "client_address": "198.51.100.200"}
THIEF: Final[dict[str, Any]] = {"location": Location("NL", 64496), "client_address": "198.18.200.200"}
NOBODY_KNOWS: Final[dict[str, Any]] = {"location": Location(), "client_address": "198.51.100.99"}
PRIVATE: Final[dict[str, Any]] = {"location": Location(private=True), "client_address": "10.1.2.3"}


def every(seconds: float, begin: float, end: float, **call: Any) -> Iterator[Call]:
    """The same call, again and again."""
    at = begin
    while at < end:
        yield at, call
        at += seconds


def _sorted(*ways: Iterator[Call]) -> list[Call]:
    return sorted(itertools.chain(*ways), key=lambda call: call[0])


def _days(days: range, begin: float, end: float, place: dict[str, Any], step: float = 20 * MINUTE) -> Iterator[Call]:
    for day in days:
        yield from every(step, day * DAY + begin * HOUR, day * DAY + end * HOUR, **place)


def traveller() -> list[Call]:
    """Ten days at home, a flight, four days of hotels, and home again."""
    return _sorted(
        _days(range(10), 9, 18, HOME), _days(range(11, 15), 15, 24, HOTEL), _days(range(16, 20), 9, 18, HOME)
    )


def commuter() -> list[Call]:
    """Home, the train, the office: all of them from the first day on."""
    return _sorted(
        _days(range(20), 7, 8, HOME),
        _days(range(20), 8, 9, MOBILE),
        _days(range(20), 9, 18, OFFICE),
        _days(range(20), 20, 22, HOME),
    )


def office() -> list[Call]:
    """Two exits to the world, and nobody knows which one a call will take."""
    exits = itertools.cycle([OFFICE, OFFICE, SECOND_EXIT])
    return [(at, next(exits)) for at, _ in every(10 * MINUTE, 0, 10 * DAY)]


def phone() -> list[Call]:
    """Wi-Fi and mobile at the same time; the carrier has a thousand addresses."""
    return [
        (at, HOME if number % 3 else {**MOBILE, "client_address": f"203.0.113.{number % 250}"})
        for number, (at, _) in enumerate(every(7 * MINUTE, 0, 5 * DAY))
    ]


def privacy_addresses() -> list[Call]:
    """A line with a /56, where the lower bits, and the network in the house, change all the time (RFC 8981)."""
    return [
        (at, {"location": Location("DE", 3320), "client_address": f"2001:db8:1:2{number % 256:02x}:{number:x}::1"})
        for number, (at, _) in enumerate(every(30 * MINUTE, 0, 10 * DAY))
    ]


def cloud(addresses: int = 40) -> list[Call]:
    """Functions that leave by one of many addresses, and by new ones every day, all of one provider."""
    return [
        (at, {"location": Location("US", 16509), "client_address": f"198.{18 + day % 2}.{number % addresses + day}.9"})
        for number, (at, _) in enumerate(every(MINUTE, 0, 3 * DAY))
        for day in [int(at // DAY)]
    ]


def ci() -> list[Call]:
    """A key made on a laptop in the morning, and used by runners from the afternoon on, beside the laptop."""
    runners = [
        (at, {"location": Location("US", 8075), "client_address": f"198.51.{number % 100}.4"})
        for number, (at, _) in enumerate(every(15 * MINUTE, 4 * HOUR, 10 * DAY))
    ]
    return _sorted(_days(range(10), 0, 8, HOME), iter(runners))


def moved() -> list[Call]:
    """Servers that go to another provider over a night."""
    return _sorted(every(5 * MINUTE, 0, 10 * DAY, **OFFICE), every(5 * MINUTE, 10 * DAY + 3 * HOUR, 14 * DAY, **HOTEL))


def seldom() -> list[Call]:
    """A key that is used every five weeks, from wherever its owner is."""
    return [(0, HOME), (35 * DAY, HOTEL), (35 * DAY + HOUR, MOBILE), (70 * DAY, OFFICE)]


def nobody_knows() -> list[Call]:
    """From networks that no database knows, beside one that all know."""
    return _sorted(every(HOUR, 0, 5 * DAY, **HOME), every(HOUR, 3 * DAY, 5 * DAY, **NOBODY_KNOWS))


def inside() -> list[Call]:
    """A service beside the gateway, with the key that is used outside as well."""
    return _sorted(every(HOUR, 0, 5 * DAY, **HOME), every(HOUR, 3 * DAY, 5 * DAY, **PRIVATE))


def colleagues() -> list[Call]:
    """A dozen people who are signed in for one account, all of them from the first day on."""
    places = [Location("DE", 65000 + number) for number in range(12)]
    return [
        (at, {"location": places[number % 12], "key": ""}) for number, (at, _) in enumerate(every(MINUTE, 0, 2 * DAY))
    ]


HONEST: Final = {
    "a traveller": traveller,
    "a commuter": commuter,
    "an office with two exits": office,
    "mobile and Wi-Fi": phone,
    "IPv6 privacy addresses": privacy_addresses,
    "a cloud with 40 addresses": cloud,
    "CI": ci,
    "servers that moved": moved,
    "a key that is seldom used": seldom,
    "from where nobody knows": nobody_knows,
    "inside": inside,
    "colleagues with tokens": colleagues,
}


def thief() -> list[Call]:
    """A key of servers that run day and night, found by somebody else."""
    return _sorted(
        every(5 * MINUTE, 0, 12 * DAY, **OFFICE), every(10 * MINUTE, 10 * DAY + 1, 10 * DAY + 6 * HOUR, **THIEF)
    )


def thief_at_night() -> list[Call]:
    """A person's key, used by a thief while its owner sleeps: found when the owner is back."""
    return _sorted(
        _days(range(12), 9, 18, HOME), every(10 * MINUTE, 10 * DAY + 3 * HOUR, 10 * DAY + 12 * HOUR, **THIEF)
    )


def resold() -> list[Call]:
    """A key that twelve strangers use at once."""
    strangers = [Location("US", 64500 + number) for number in range(12)]
    calls = [
        (10 * DAY + at, {"location": strangers[number % 12]})
        for number, (at, _) in enumerate(every(MINUTE, 0, 3 * HOUR))
    ]
    return _sorted(every(5 * MINUTE, 0, 11 * DAY, **OFFICE), iter(calls))


def sold_when_new() -> list[Call]:
    """A key that was made to be sold: it has no home, and is everywhere at once."""
    strangers = [Location("US", 64500 + number) for number in range(12)]
    return [(at, {"location": strangers[number % 12]}) for number, (at, _) in enumerate(every(MINUTE, 0, 3 * HOUR))]


def proxies() -> list[Call]:
    """A thief behind home lines of strangers, another one for each call."""
    calls = [
        (10 * DAY + at, {"location": Location("BR", 64000 + number)})
        for number, (at, _) in enumerate(every(9 * MINUTE, 1, 12 * HOUR))
    ]
    return _sorted(every(5 * MINUTE, 0, 11 * DAY, **OFFICE), iter(calls))


ATTACKERS: Final = {
    "a thief": (thief, "new_network"),
    "a thief at night": (thief_at_night, "new_network"),
    "a key that was sold on": (resold, "key_shared"),
    "a key that was made to be sold": (sold_when_new, "key_shared"),
    "a thief behind proxies": (proxies, "new_network"),
}
"""What they do, and what gives them away."""
