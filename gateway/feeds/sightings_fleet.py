"""Sightings of the whole fleet, through one Redis stream: what a worker sees, the others know a moment later.

`tg:sightings`   stream: one entry a sighting that was news to the worker that saw it. Its fields:
                 a account, t Unix time, c country, y latitude, x longitude (to 0.1 degree), r how far off (km)

A worker tells what changed (a country, a place, or the minute), in batches, beside the exchanges; and it reads the
stream from as far back as is remembered. Entries may come late, twice, or in any order: `RecentSightings.learn` does
not mind, so after an outage a worker reads a stretch again, and tells again what it is not sure of.

While Redis is away what this worker sees itself goes on counting, and what it has to tell waits, up to a bound.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from gateway.feeds.sightings import REMEMBERED, Sighting
from gateway.feeds.sightings_memory import RecentSightings
from gateway.fleet_stream import Outages, follow, tell, texts
from gateway.policy import Location
from gateway.tasks import spawn

STREAM: Final = "tg:sightings"
"""Spelled as the keys in `gateway.stores.keys`, which feeds may not import; it has a slot of a Cluster to itself."""
LONGEST: Final = 200_000
"""Entries that the stream keeps, about: some 20 MB."""

BATCH: Final = 500
"""Entries that are told at once: a few milliseconds of a loop that serves others as well."""
PAUSE: Final = 0.1
"""Seconds in which changes gather before they are told."""
WAITING_AT_MOST: Final = 20_000
"""Changes that wait for Redis."""
AHEAD: Final = 300.0
"""Seconds that a sighting may be ahead of our clock. One from further in the future would stay the latest for ever."""

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LONGEST_ACCOUNT: Final = 256

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the worker began."""

    told: int = 0
    """Entries written."""
    learnt: int = 0
    """Entries read that were news."""
    dropped: int = 0
    """Changes that found the queue full: other workers do not know of them."""
    unreadable: int = 0
    """Entries read that made no sense."""
    failures: int = 0
    """Calls that Redis did not answer."""


class FleetSightings(RecentSightings):
    """As `RecentSightings`, of the whole fleet while `run` runs. `now` gives Unix time in seconds."""

    def __init__(self, now: Callable[[], float], **bounds: Any) -> None:
        super().__init__(now, **bounds)
        self.counts = Counts()
        self._outages = Outages(self.counts, _log, "sightings", "what this worker sees itself counts")
        self._to_tell: dict[tuple[str, str], Sighting] = {}
        """The latest of each account and country: an account that hops about is told once a batch."""
        self._wake = asyncio.Event()

    def _learnt(self, account: str, sighting: Sighting) -> None:
        key = (account, sighting.location.country)
        if len(self._to_tell) >= WAITING_AT_MOST and key not in self._to_tell:
            self.counts.dropped += 1
            return
        self._to_tell[key] = sighting
        self._wake.set()

    async def run(self, redis: Redis) -> None:
        """Tell and listen until cancelled; it never gives up. The client is the caller's to close."""
        write = functools.partial(self._write, redis)
        telling = spawn(tell(self._to_tell, self._wake, PAUSE, BATCH, write, self._outages), name="tell sightings")
        try:
            await follow(redis, STREAM, self._now, REMEMBERED, self._hear, self._outages)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _write(self, redis: Redis, batch: Mapping[tuple[str, str], Sighting]) -> None:
        async with redis.pipeline(transaction=False) as pipeline:
            for (account, _), sighting in batch.items():
                pipeline.xadd(STREAM, _written(account, sighting), maxlen=LONGEST, approximate=True)
            await pipeline.execute()
        self.counts.told += len(batch)

    def _hear(self, fields: Mapping[Any, Any]) -> None:
        try:
            account, sighting = _read(fields)
        except (KeyError, ValueError, AttributeError, UnicodeDecodeError):
            self.counts.unreadable += 1
            return
        if sighting.time > self._now() + AHEAD:
            self.counts.unreadable += 1
        elif self.learn(account, sighting):
            self.counts.learnt += 1

    @property
    def available(self) -> bool:
        """Whether the last that was heard of Redis were answers."""
        return not self._outages


def _written(account: str, sighting: Sighting) -> dict[Any, Any]:
    place = sighting.location
    fields: dict[Any, Any] = {"a": account, "t": repr(round(sighting.time, 3)), "c": place.country}
    if place.latitude is not None and place.longitude is not None:
        fields |= {"y": repr(place.latitude), "x": repr(place.longitude), "r": repr(place.radius)}
    return fields


def _read(fields: Mapping[Any, Any]) -> tuple[str, Sighting]:
    """Raises ValueError or KeyError where it is not what `_written` makes: anybody may write into a stream."""
    said = texts(fields)
    account, country, time = said["a"], said["c"], float(said["t"])
    if not 0 < len(account) <= _LONGEST_ACCOUNT or not _COUNTRY.fullmatch(country) or not math.isfinite(time):
        raise ValueError("no sighting")
    if "y" not in said:
        return account, Sighting(time, Location(country))
    latitude, longitude, radius = float(said["y"]), float(said["x"]), float(said["r"])
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= radius <= 20_000):
        raise ValueError("no place on Earth")
    return account, Sighting(time, Location(country, latitude=latitude, longitude=longitude, radius=radius))
