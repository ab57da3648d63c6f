"""In which network an exchange comes: a word that is the same on every worker; empty where that is not known."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from gateway.policies.risk.config import Breadth
from gateway.policy import Context

REMEMBERED_AT_MOST: Final = 65_536
"""Addresses."""

PlaceOf = Callable[[Context], str]


def place_of(breadth: Breadth) -> PlaceOf:
    """Nothing follows from what is not known, nor from an address that is not of the public internet."""
    return {"asn": _Systems().of, "country": _country, "network": _Nets().of}[breadth]


def _country(context: Context) -> str:
    return context.location.country


class _Systems:
    """Autonomous systems, spelled once each: there are some 80,000 in the world."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {0: ""}

    def of(self, context: Context) -> str:
        asn = context.location.asn
        return self._names.get(asn) or (self._names.setdefault(asn, f"AS{asn}") if asn else "")


class _Nets:
    """The /24 or /56 of an address: what one household or office usually has, whatever RFC 8981 makes of the rest."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, context: Context) -> str:
        address = context.client_address
        name = self._names.get(address)
        if name is None:
            if len(self._names) >= REMEMBERED_AT_MOST:
                # All at once: to look for the first of a large dict costs more the more of them have gone.
                self._names.clear()
            name = self._names[address] = "" if context.location.private else network(address)
        return name


def network(address: str) -> str:
    """Such as `192.0.2.0/24`; empty for what is no address. A v4 address in a v6 one is itself (RFC 4291, 2.5.5.2)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 6:
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 56), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 24), strict=False))
