"""What programs ask: a puzzle that work solves, and how a challenge stands."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web

from gateway.challenges.desk import Desk
from gateway.control.owner.words import stamp
from gateway.pace import Pace, network

PUZZLES: Final = 120
"""A minute, to one place: many programs of one customer come from one address."""
PUZZLES_FOR_ONE: Final = 60
"""A minute, for one challenge: whoever sends a hundred requests at once asks as often."""
ASKED: Final = 300
"""Times a minute that one place may look at pages and states."""
LONGEST_WAIT: Final = 25.0
"""Seconds: less than the shortest patience of proxies in between."""
WAITING: Final = 32
"""Requests of one place that wait at once."""


def slow_down(wait: float) -> web.HTTPTooManyRequests:
    """To be raised. `wait` is in seconds."""
    return web.HTTPTooManyRequests(headers={"Retry-After": seconds(wait)})


def seconds(wait: float) -> str:
    """For Retry-After: whole ones, and never none."""
    return str(max(1, math.ceil(wait)))


class Programs:
    def __init__(self, desk: Desk, client: Callable[[web.Request], str], now: Callable[[], float]) -> None:
        self._desk = desk
        self._client = client
        self._puzzles = Pace(PUZZLES, 60.0, now)
        self._of_one = Pace(PUZZLES_FOR_ONE, 60.0, now)
        self._asked = Pace(ASKED, 60.0, now)
        self._waiting: Counter[str] = Counter()

    def paced(self, request: web.Request) -> str:
        """The place that asks. Raises HTTPTooManyRequests."""
        place = network(self._client(request))
        wait = self._asked.take(place)
        if wait:
            raise slow_down(wait)
        return place

    async def puzzle(self, request: web.Request) -> web.Response:
        """`{parameters, signature}` of ALTCHA, fresh. Raises BadChallenge, HTTPTooManyRequests."""
        token = request.match_info["token"]
        # A stranger chooses what stands there, up to some KiB: what is remembered of it is short.
        one = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        wait = self._puzzles.take(network(self._client(request))) or self._of_one.take(one)
        if wait:
            raise slow_down(wait)
        return web.json_response(self._desk.puzzle(token))

    async def status(self, request: web.Request) -> web.Response:
        """`{id, status, expires_at}`; with `?wait=` seconds, as soon as it is not open any more.

        Raises BadChallenge, Unavailable, HTTPBadRequest, HTTPTooManyRequests.
        """
        token = request.match_info["token"]
        place = self.paced(request)
        patience = _patience(request.query.get("wait", "0"))
        if patience and request.method != "HEAD":
            with self._waits(place):
                seen = await self._desk.wait(token, patience)
        else:
            seen = await self._desk.seen(token)
        return web.json_response({"id": seen.challenge.id, "status": seen.status, "expires_at": stamp(seen.expires)})

    @contextlib.contextmanager
    def _waits(self, place: str) -> Iterator[None]:
        if self._waiting[place] >= WAITING:
            raise slow_down(1.0)
        self._waiting[place] += 1
        try:
            yield
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place]


def _patience(stated: str) -> float:
    if not (stated.isascii() and stated.isdigit() and len(stated) < 6):
        raise web.HTTPBadRequest(text="wait is a number of whole seconds.\n")
    return min(float(stated), LONGEST_WAIT)
