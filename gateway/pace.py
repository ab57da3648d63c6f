"""How often something may be done: a bucket for each name, in this worker's memory."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

REMEMBERED: Final = 10_000
"""Names at once. Beyond them the one that was seen longest ago is forgotten."""


class Pace:
    """`times` at once, and as many again every `every` seconds."""

    def __init__(self, times: int, every: float, now: Callable[[], float]) -> None:
        self._times = times
        self._every = every
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Pace {self._times} in {self._every:g} s, {len(self._levels)} names>"

    def take(self, name: str) -> float:
        """0 where it may be done, and it counts; otherwise the seconds until it may."""
        now = self._now()
        level, seen = self._levels.pop(name, (float(self._times), now))
        level = min(float(self._times), level + max(0.0, now - seen) * self._times / self._every)
        granted = level >= 1.0
        self._levels[name] = (level - 1.0 if granted else level, now)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return 0.0 if granted else (1.0 - level) * self._every / self._times


def network(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one line of IPv6 has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        # A socket for both: all of IPv4 is one /64 there.
        found = found.ipv4_mapped
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
