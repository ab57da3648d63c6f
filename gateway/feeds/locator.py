"""Where an address is, as all databases together say, remembered by address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from gateway.feeds.addresses import is_special_v4, is_special_v6, is_tunnel, read_address, v4_text, v6_text
from gateway.feeds.databases import SILENCE, Database
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import MappedList
from gateway.policy import NOWHERE, Location

REMEMBERED = 65_536
"""Addresses. A worker pays about 0.2 kB for each."""

PRIVATE = Location(private=True)
_NO_KINDS: frozenset[str] = frozenset()


class Age(NamedTuple):
    """How old a database is."""

    name: str
    built: float
    """Unix time."""
    age: float
    """Seconds."""
    stale: bool


class Locator:
    """Databases in the order of trust: the first that states a fact counts; kinds of network are united.

    `networks` are lists, of kind networks or asns, and the network kind of whoever is in one. The ASN is what the
    databases say, so a list of those needs a database that knows them.
    """

    locate: Callable[[str], Location]
    """Where an address is: one object for one address while it is remembered. Never an exception until it is closed.

    Addresses that are not of the public internet are private, whatever a database says; what is no address, or has a
    zone id, is nowhere. What is behind an IPv6 address that carries an IPv4 one: `gateway.feeds.addresses`.
    """

    def __init__(
        self,
        databases: Sequence[Database],
        networks: Sequence[tuple[str, MappedList]] = (),
        remembered: int = REMEMBERED,
    ) -> None:
        self.databases = tuple(databases)
        self._networks = tuple((kind, found) for kind, found in networks if found.kind is ListKind.NETWORKS)
        self._asns = tuple((kind, found) for kind, found in networks if found.kind is ListKind.ASNS)
        # The cache itself, not a method around it: that would double the price of a hit.
        self._cached = lru_cache(maxsize=remembered)(self._find)
        self.locate = self._cached
        # Many addresses are in one place: equal ones are one object, which is quicker to find than to make.
        self._made = lru_cache(maxsize=remembered // 4)(Location)

    def _find(self, address: str) -> Location:
        v4, v6 = read_address(address)
        if v4 >= 0:
            if is_special_v4(v4):
                return PRIVATE
            return self._merge(v4_text(v4), address, is_v6=False)
        if v6 < 0 or is_tunnel(v6):
            return NOWHERE
        if is_special_v6(v6):
            return PRIVATE
        return self._merge(v6_text(v6), address, is_v6=True)

    def _merge(self, plain: str, written: str, *, is_v6: bool) -> Location:
        """`plain` is what databases are asked for, `written` what lists are: both sides of a tunnel may be in one."""
        country, asn, kinds = "", 0, _NO_KINDS
        place = SILENCE
        for database in self.databases:
            said = database.look_up(plain, v6=is_v6)
            country = country or said.country
            asn = asn or said.asn
            if said.network_kinds:
                kinds |= said.network_kinds
            if place.latitude is None:
                place = said
        for kind, found in self._networks:
            if written in found:
                kinds |= {kind}
        if asn:
            for kind, found in self._asns:
                if asn in found:
                    kinds |= {kind}
        if not (country or asn or kinds or place.latitude is not None):
            return NOWHERE
        return self._made(country, asn, kinds, place.latitude, place.longitude, place.radius)

    def ages(self, now: float) -> tuple[Age, ...]:
        """Of each database. `now` is Unix time."""
        return tuple(
            Age(
                one.name,
                float(one.build_epoch),
                max(0.0, now - one.build_epoch),
                bool(one.stale_after) and now - one.build_epoch > one.stale_after,
            )
            for one in self.databases
        )

    def describe(self) -> list[dict[str, object]]:
        """Of each database: name, type, build_epoch (Unix time), records (what it knows), path, stale_after (seconds; 0
        for never), corrupt (lookups that found damaged data).
        """
        return [database.describe() for database in self.databases]

    def remembered(self) -> tuple[int, int, int]:
        """Hits, misses, and addresses remembered now."""
        info = self._cached.cache_info()
        return info.hits, info.misses, info.currsize

    def close(self) -> None:
        """Whoever asks afterwards gets a ValueError. Lists are closed by their owner."""
        # The caches hold us, as we hold them: forgotten now, and not when the collector comes round.
        self._cached.cache_clear()
        self._made.cache_clear()
        for database in self.databases:
            database.close()
