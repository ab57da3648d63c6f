"""How often a credential may be tried that is none: by one client, and by all. Pure but for the clock.

Only failures are counted. While a client has tries left it is heard; when all of them together have used up what there
is, one that has not failed lately is heard all the same, so nobody keeps a right token out from elsewhere.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

EACH: Final = 10
"""Failures of one client at once."""
AGAIN: Final = 30.0
"""Seconds for one more."""
OVERALL: Final = 200
OVERALL_AGAIN: Final = 1.0
CLIENTS: Final = 8192
"""That are remembered: the rest of an attack from more is held by what there is for all."""


class _Bucket:
    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at

    def fill(self, most: float, again: float, now: float) -> float:
        """A clock that goes back gives nothing."""
        self.left = min(most, self.left + max(0.0, now - self.at) / again)
        self.at = now
        return self.left


class Tries:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._clients: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(OVERALL, now())

    def take(self, client: str) -> float:
        """Takes one try: 0.0, or else how many seconds until there is one. What succeeds is given back."""
        now, named = self._now(), group(client)
        mine = self._clients.get(named)
        if mine is None:
            mine = self._clients[named] = _Bucket(EACH, now)
            while len(self._clients) > CLIENTS:
                self._clients.popitem(last=False)
        self._clients.move_to_end(named)
        left = mine.fill(EACH, AGAIN, now)
        if left < 1.0:
            return (1.0 - left) * AGAIN
        if (overall := self._all.fill(OVERALL, OVERALL_AGAIN, now)) < 1.0 and left < EACH:
            return (1.0 - overall) * OVERALL_AGAIN
        mine.left -= 1.0
        self._all.left = max(0.0, self._all.left - 1.0)
        return 0.0

    def give_back(self, client: str) -> None:
        """It was right."""
        if (mine := self._clients.get(group(client))) is not None:
            mine.left = min(EACH, mine.left + 1.0)
        self._all.left = min(OVERALL, self._all.left + 1.0)


def group(client: str) -> str:
    """An IPv6 client has a /64 of addresses at least (RFC 6177), so that is who is counted."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
