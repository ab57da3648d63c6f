"""Geo databases of the MaxMind format (maxmind.github.io/MaxMind-DB), read by what their records hold.

| keys of a record | what they say |
|---|---|
| `country.iso_code`, else `registered_country.iso_code`; flat: `country_code`, `country` | country |
| `autonomous_system_number`, also in `traits`; flat: `asn`, as a number or AS64496 | ASN |
| `location.latitude`, `.longitude`, `.accuracy_radius`; flat: `latitude`, `longitude` | place |
| `is_hosting_provider`, `is_anonymous_vpn`, `is_public_proxy`, `is_tor_exit_node`, `is_residential_proxy`, also in \
`traits`; flat: `hosting`, `vpn`, `proxy`, `tor`, `relay` | network kinds |

The names of files say nothing here. The type in the metadata counts for one thing only: in a database of type
"…Residential-Proxy" being there at all is what is said. `registered_country` is where the network's owner is, which is
the best that is known where `country` is missing. A public proxy is counted as a VPN: anybody may speak through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
from maxminddb import InvalidDatabaseError

from gateway.feeds.addresses import v4_text, v6_text
from gateway.feeds.list_lines import COUNTRIES, asn
from gateway.policy import NetworkKind

SAMPLED = 1000
"""Networks from the beginning of v4, from that of v6, and v4 addresses from everywhere, that tell what it knows."""

_FLAGS: Mapping[str, str] = {
    "is_hosting_provider": NetworkKind.HOSTING.value,
    "is_anonymous_vpn": NetworkKind.VPN.value,
    "is_public_proxy": NetworkKind.VPN.value,
    "is_tor_exit_node": NetworkKind.TOR.value,
    "is_residential_proxy": NetworkKind.RESIDENTIAL_PROXY.value,
    "hosting": NetworkKind.HOSTING.value,
    "vpn": NetworkKind.VPN.value,
    "proxy": NetworkKind.VPN.value,
    "tor": NetworkKind.TOR.value,
    "relay": NetworkKind.RELAY.value,
}
_NO_KINDS: frozenset[str] = frozenset()
_NOTHING: Mapping[str, Any] = {}
_DAMAGED = (InvalidDatabaseError, UnicodeDecodeError, OverflowError, MemoryError, RecursionError)
"""What the readers raise over damaged data."""
_BROKEN = (*_DAMAGED, ValueError)
"""The same, where the file is just being opened. Later, a ValueError comes of a reader that is closed."""


class Fact(StrEnum):
    """What a database can say."""

    COUNTRY = "country"
    ASN = "asn"
    PLACE = "place"
    NETWORK_KINDS = "network kinds"


class Said(NamedTuple):
    """What one database says of one address. Empty, 0 and None: nothing."""

    country: str = ""
    asn: int = 0
    network_kinds: frozenset[str] = _NO_KINDS
    latitude: float | None = None
    longitude: float | None = None
    radius: float = 0.0
    """Kilometres."""


SILENCE = Said()


class DatabaseRefused(ValueError):
    """A file that is no database, a damaged one, or one that says nothing that rules ask for."""


def read_record(record: object, *, residential: bool = False) -> Said:
    """`residential`: being in this database makes an address a residential proxy."""
    if not isinstance(record, dict):
        return SILENCE
    traits = _mapping(record, "traits")
    kinds = _kinds(record)
    if traits:
        kinds |= _kinds(traits)
    if residential and record:
        kinds |= {NetworkKind.RESIDENTIAL_PROXY.value}
    latitude, longitude, radius = _place(record)
    return Said(_country(record), _asn(record, traits), kinds, latitude, longitude, radius)


def _kinds(record: Mapping[str, Any]) -> frozenset[str]:
    # Few records have any flag, and none has all: so this way round.
    flags = _FLAGS.keys() & record.keys()
    if not flags:
        return _NO_KINDS
    return frozenset(_FLAGS[flag] for flag in flags if record[flag] is True or record[flag] == "true")


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else _NOTHING


def _country(record: Mapping[str, Any]) -> str:
    for key in ("country", "country_code", "registered_country"):
        found = record.get(key)
        code = found.get("iso_code") if isinstance(found, dict) else found
        if isinstance(code, str) and code.upper() in COUNTRIES:
            return code.upper()
    return ""


def _asn(record: Mapping[str, Any], traits: Mapping[str, Any]) -> int:
    found = record.get("autonomous_system_number") or traits.get("autonomous_system_number") or record.get("asn")
    if isinstance(found, str):
        try:
            return asn(found)
        except ValueError:
            return 0
    return found if isinstance(found, int) and 0 < found < 2**32 else 0


def _place(record: Mapping[str, Any]) -> tuple[float | None, float | None, float]:
    place = record.get("location", record)
    if not isinstance(place, dict) or "latitude" not in place:
        return None, None, 0.0
    try:
        latitude, longitude = float(place["latitude"]), float(place["longitude"])
        radius = float(place.get("accuracy_radius") or 0.0)
    except (KeyError, TypeError, ValueError):
        return None, None, 0.0
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):  # Also false for NaN.
        return None, None, 0.0
    return latitude, longitude, max(radius, 0.0)


class Database:
    """One open database. Mapped: it costs a worker no memory of its own."""

    def __init__(self, path: Path, name: str = "", stale_after: float = 0.0) -> None:
        """Raises OSError, and DatabaseRefused."""
        self.path = path
        self.name = name or path.stem
        self.stale_after = stale_after
        """Seconds since it was built; 0: never."""
        self.corrupt = 0
        """Lookups that found damaged data, and so nothing."""
        try:
            # MODE_AUTO is the extension where there is one; any other mode but MODE_MMAP_EXT is pure Python.
            self._reader = maxminddb.open_database(path, maxminddb.MODE_AUTO)
            metadata = self._reader.metadata()
        except _BROKEN as error:
            raise DatabaseRefused(f"not a database of the MaxMind format: {error}") from error
        self.type = str(metadata.database_type)
        self.build_epoch = int(metadata.build_epoch)
        self.node_count = int(metadata.node_count)
        self.knows_v6 = metadata.ip_version == 6
        self._residential = "residential-proxy" in self.type.lower()
        try:
            self.facts = self._sample()
        except DatabaseRefused:
            self.close()
            raise

    def _sample(self) -> frozenset[Fact]:
        facts: set[Fact] = set()
        keys: set[str] = set()
        try:
            for record in self._records():
                facts.update(_facts(read_record(record, residential=self._residential)))
                keys.update(record if isinstance(record, dict) else ())
        except _BROKEN as error:
            raise DatabaseRefused(f"damaged: {error}") from error
        if not facts:
            held = f"its records hold {', '.join(sorted(keys)[:10])}" if keys else "it has no records"
            raise DatabaseRefused(f"says nothing that rules ask for: type `{self.type}`, and {held}")
        return frozenset(facts)

    def _records(self) -> Iterator[object]:
        """Never by the reader's own iterator: the extension's ends the process over some damaged databases."""
        yield from self._walk(0, 2**32, 32, v4_text)
        if self.knows_v6:
            # Between them lie the aliases of v4, and v4 was seen.
            yield from self._walk(0x2001_0001 << 96, 0x2002 << 112, 128, v6_text)
            yield from self._walk(0x2003 << 112, 1 << 126, 128, v6_text)
        for number in range(SAMPLED):
            # Fibonacci hashing spreads them over the whole of v4.
            yield self._reader.get(v4_text(number * 0x9E3779B1 & 0xFFFF_FFFF))

    def walk_all(self, most: int) -> int:
        """Look up every network, `most` of v4 and as many of v6: how many there are. Raises what the reader does."""
        v4 = sum(1 for _ in self._walk(0, 2**32, 32, v4_text, most))
        return v4 + (sum(1 for _ in self._walk(0x2000 << 112, 1 << 126, 128, v6_text, most)) if self.knows_v6 else 0)

    def _walk(
        self, number: int, end: int, bits: int, text: Callable[[int], str], most: int = SAMPLED
    ) -> Iterator[object]:
        """From network to network."""
        for _ in range(most):
            record, prefix = self._reader.get_with_prefix_len(text(number))
            yield record
            number += 1 << min(max(bits - prefix, 0), bits)
            if number >= end:
                return

    def look_up(self, address: str, *, v6: bool) -> Said:
        """What it says of an address that is written as inet_ntop does."""
        if v6 and not self.knows_v6:
            return SILENCE
        try:
            record = self._reader.get(address)
        except _DAMAGED:
            self.corrupt += 1
            return SILENCE
        return read_record(record, residential=self._residential) if record is not None else SILENCE

    def describe(self) -> dict[str, object]:
        """Plain values for metrics and tables."""
        return {
            "name": self.name,
            "type": self.type,
            "build_epoch": self.build_epoch,
            "records": sorted(self.facts),
            "path": str(self.path),
            "stale_after": self.stale_after,
            "corrupt": self.corrupt,
        }

    def close(self) -> None:
        self._reader.close()

    def __repr__(self) -> str:
        return f"<Database {self.name}: {self.type}, {', '.join(sorted(self.facts))}>"


def _facts(said: Said) -> Iterator[Fact]:
    if said.country:
        yield Fact.COUNTRY
    if said.asn:
        yield Fact.ASN
    if said.latitude is not None:
        yield Fact.PLACE
    if said.network_kinds:
        yield Fact.NETWORK_KINDS
