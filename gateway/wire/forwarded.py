"""Who the client is, where proxies that we trust stand in front of us (RFC 7239, and the X-Forwarded-For that everyone
sends).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_CHAIN = 32
"""Hops that are looked at; a longer chain is not from a proxy of ours."""


def normal_address(text: str) -> str | None:
    """An address as it is compared and counted: IPv4 mapped into IPv6 is IPv4, no zone, no port. None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


class TrustedHops:
    """Networks whose word about the client is taken."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    @property
    def trusts_anyone(self) -> bool:
        """False where no proxy stands in front of us: then nobody's word is looked at."""
        return bool(self._networks)

    def trusts(self, address: str) -> bool:
        """True for the address of a proxy of ours. Unix sockets have no address and are trusted: file permissions
        guard them.
        """
        if not self._networks:
            return False
        if not address:
            return True
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def client(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """The address to count on: the last in the chain that is not ours. `peer` itself unless it is trusted."""
        if not self.trusts(peer):
            return peer
        chain = fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")[-LONGEST_CHAIN:]
        client = peer
        for hop in reversed(chain):
            address = normal_address(hop)
            if address is None:
                break
            client = address
            if not self.trusts(address):
                break
        return client


def forwarded_fields(client: str, peer: str, scheme: str, before: bytes | None) -> bytes:
    """The lines that tell an upstream where a request came from; `before` is the X-Forwarded-For of a trusted peer."""
    chain = b", ".join([hop for hop in (before, peer.encode()) if hop]) or b"unknown"
    node = f'"[{client}]"' if ":" in client else client or "unknown"
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nForwarded: for=%b;proto=%b\r\nVia: 1.1 tidegate\r\n" % (
        chain,
        scheme.encode(),
        node.encode(),
        scheme.encode(),
    )
