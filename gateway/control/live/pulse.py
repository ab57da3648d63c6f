"""A worker's side: how it is, once a second, and what ended lately, while somebody follows."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.history.columns import AT, EVENT, Event
from gateway.history.recent import Recent
from gateway.history.spool import mended
from gateway.telemetry.counters import Counters
from gateway.telemetry.lag import Lag
from gateway.telemetry.sums import Sums

MOST: Final = 1000
"""Events in one answer: at 8 answers a second, more than a worker ends."""
STATM: Final = Path("/proc/self/statm")
IDS: Final = (AT["exchange"], AT["request_id"])

State = Callable[[], Mapping[str, Any]]


class Live:
    """`state` is what the worker knows of itself: gauges and versions; clocks give Unix time and seconds."""

    def __init__(
        self,
        counters: Counters,
        recent: Recent,
        sums: Sums,
        state: State,
        wall: Callable[[], float],
        lag: Lag,
        name: str = "",
    ) -> None:
        self.counters = counters
        self.recent = recent
        self.sums = sums
        self.lag = lag
        self._state = state
        self._wall = wall
        self._name = name
        self._began = wall()

    def pulse(self) -> dict[str, Any]:
        """Counters since it began, and who used what since the last pulse: there is one who asks, the supervisor."""
        counters = self.counters
        return {
            "life": self.recent.life,
            "worker": self._name,
            "pid": os.getpid(),
            "time": self._wall(),
            "uptime": self._wall() - self._began,
            "memory": memory(),
            "lag": self.lag.take(),
            "exchanges": [[*labels, count] for labels, count in counters.exchanges.items()],
            "malformed": counters.malformed,
            "tokens": counters.tokens,
            "duration": counters.duration.counts,
            "decision": [counters.decision.counts, counters.decision.total],
            "active": counters.active,
            "events_dropped": counters.events_dropped,
            "sums": sendable(self.sums.take()),
            "crowded": self.sums.crowded,
            **self._state(),
        }

    # -- the door -------------------------------------------------------------------------------------------------

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/pulse", self._pulse)
        app.router.add_get("/recent", self._recent)
        app.router.add_get("/recent/{id}", self._one)

    async def _pulse(self, _: web.Request) -> web.Response:
        return _answer(self.pulse())

    async def _recent(self, request: web.Request) -> web.Response:
        """`?since=NUMBER&life=LIFE`: what came since; of another life, all that is kept."""
        try:
            number = int(request.query.get("since", "0"))
        except ValueError as error:
            raise web.HTTPBadRequest(text="since is no number") from error
        recent = self.recent
        recent.follow()
        first = "life" in request.query and request.query["life"] != recent.life
        found = recent.since(0 if first else number, MOST * 2 if number == 0 or first else MOST)
        return _answer(
            {"life": recent.life, "since": found.number, "skipped": found.skipped, "rows": sendable(found.events)}
        )

    async def _one(self, request: web.Request) -> web.Response:
        """An exchange by our id or the caller's, if it is here still."""
        event = self.recent.find(request.match_info["id"], IDS)
        if event is None:
            return _answer({}, 404)
        return _answer({"worker": self._name, "columns": EVENT, "event": sendable([event])[0]})


def sendable(events: list[Event]) -> list[Event]:
    """As JSON can hold them: a number of 70 digits in a request must not cost others their rows."""
    try:
        orjson.dumps(events)
    except TypeError:
        return [mended(event) for event in events]
    return events


def memory() -> int:
    """Bytes of this process that are in memory (resident)."""
    try:
        return int(STATM.read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _answer(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
