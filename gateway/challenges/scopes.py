"""From where a clearance may be used: the network of a caller, in a word that can be compared."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

from gateway.policy import Context

Breadth = Literal["address", "network", "asn", "country", "any"]
"""How much of the caller's place a challenge is bound to: its address; its /24 or /56; its autonomous system (its
network where no database knows it); its country; nothing."""

REMEMBERED_AT_MOST: Final = 65_536
"""Addresses: a word for each is some 200 bytes."""
LONGEST: Final = 64
"""Characters of what is no address; longer ones are cut."""


class Scopes:
    """Remembers what it has told, in bounded memory: the word for an address is looked up once."""

    def __init__(self, breadth: Breadth) -> None:
        self.of: Callable[[Context], str] = getattr(self, f"_{breadth}")
        """Such as `asn=64496`, `network=192.0.2.0/24`; empty for `any`. Where no database knows an address, what is
        bound to an autonomous system or a country is bound to its network.
        """
        self._address_of = lru_cache(REMEMBERED_AT_MOST)(_address)
        self._network_of = lru_cache(REMEMBERED_AT_MOST)(_network)

    def _any(self, _: Context) -> str:
        return ""

    def _address(self, context: Context) -> str:
        return self._address_of(context.client_address)

    def _network(self, context: Context) -> str:
        return self._network_of(context.client_address)

    def _asn(self, context: Context) -> str:
        asn = context.location.asn
        return f"asn={asn}" if asn else self._network_of(context.client_address)

    def _country(self, context: Context) -> str:
        country = context.location.country
        return f"country={country}" if country else self._network_of(context.client_address)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Without the zone of a link-local address; one of IPv4 in IPv6 (RFC 4291, section 2.5.5.2) is one of IPv4."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def _address(address: str) -> str:
    return f"address={_parsed(address) or address[:LONGEST]}"


def _network(address: str) -> str:
    """The /24 or /56: what one household or office usually has."""
    found = _parsed(address)
    if found is None:
        return f"network={address[:LONGEST]}"
    return f"network={ipaddress.ip_network((found, 24 if found.version == 4 else 56), strict=False)}"
