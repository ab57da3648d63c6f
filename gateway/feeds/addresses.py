"""Text of an address -> numbers, and who really stands behind an IPv6 address that carries an IPv4 one.

| form | whose address it is |
|---|---|
| `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2) | the v4 address, in every respect |
| `2002:aabb:ccdd::/48`, 6to4 (RFC 3056) | the v4 address in it, if that is public |
| `64:ff9b::a.b.c.d`, NAT64 (RFC 6052) | the v4 address in it, if that is public |
| `2001:0:…`, Teredo (RFC 4380, section 4) | the client's v4 address, the last 32 bits inverted, if that is public |

Bits 32 to 63 of a Teredo address are the server's, which says nothing about the caller; databases that treat
2001::/32 as an alias look up just that, so such an address is never passed to one as it is. A tunnelled address that is
not public is somebody's invention: both RFCs forbid it, and it must not pass for one of our own.
"""

from __future__ import annotations

import socket
from bisect import bisect_right
from typing import NamedTuple

_MAPPED = 0xFFFF
_NAT64 = 0x0064_FF9B << 64
_V4_MASK = 0xFFFF_FFFF


class Address(NamedTuple):
    """What a text stands for. -1 where it has no such side; an address of neither is no address."""

    v4: int
    """The v4 address that it is, or that is behind it."""
    v6: int
    """As written; -1 for v4 and for mapped v4."""


NO_ADDRESS = Address(-1, -1)


def read_address(text: str) -> Address:
    """Anything that is no plain address, a zone id included, is NO_ADDRESS: never an exception."""
    try:
        return Address(int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big"), -1)
    except (OSError, ValueError):
        pass
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    except (OSError, ValueError):
        return NO_ADDRESS
    if number >> 32 == _MAPPED:
        return Address(number & _V4_MASK, -1)
    return Address(inside(number), number)


def inside(number: int) -> int:
    """The public v4 address that a v6 address carries; -1 for none."""
    top = number >> 112
    if top == 0x2002:
        found = number >> 80 & _V4_MASK
    elif number >> 96 == 0x2001_0000:
        found = ~number & _V4_MASK
    elif number >> 32 == _NAT64:
        found = number & _V4_MASK
    else:
        return -1
    return -1 if is_special_v4(found) else found


def is_tunnel(number: int) -> bool:
    """Whether a v6 address is of a kind that carries a v4 one, whatever that is."""
    return number >> 112 == 0x2002 or number >> 96 == 0x2001_0000 or number >> 32 == _NAT64


def _v4_number(text: str) -> int:
    return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")


def _v6_number(text: str) -> int:
    return int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")


def _ranges(networks: tuple[str, ...], bits: int) -> tuple[list[int], list[int]]:
    number = _v4_number if bits == 32 else _v6_number
    spans = []
    for network in networks:
        address, _, prefix = network.partition("/")
        start = number(address)
        spans.append((start, start + (1 << (bits - int(prefix))) - 1))
    spans.sort()
    return [start for start, _ in spans], [end for _, end in spans]


_SPECIAL_V4 = _ranges(
    (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    ),
    32,
)
"""Not of the public internet: IANA's IPv4 special-purpose registry (RFC 6890), with multicast and what is reserved."""

_SPECIAL_V6 = _ranges(("2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20"), 128)
"""Not of the public internet, though in 2000::/3: IANA's IPv6 special-purpose registry."""


def is_special_v4(number: int) -> bool:
    """Private, CGNAT, loopback, link-local, documentation, multicast or reserved."""
    starts, ends = _SPECIAL_V4
    index = bisect_right(starts, number) - 1
    return index >= 0 and number <= ends[index]


def is_special_v6(number: int) -> bool:
    """Outside of global unicast (2000::/3, RFC 4291, section 2.4), or a special part of it."""
    if number >> 125 != 1:
        return True
    starts, ends = _SPECIAL_V6
    index = bisect_right(starts, number) - 1
    return index >= 0 and number <= ends[index]


def v4_text(number: int) -> str:
    return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))


def v6_text(number: int) -> str:
    return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
