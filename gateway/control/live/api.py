"""The operators' port: how it goes, what is decided, and who is busy; now and live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import Field

from gateway.control.access.answers import said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Shape
from gateway.control.live.busy import Busy, By
from gateway.control.live.feed import MOST, Feeds
from gateway.control.live.follow import Follow, batch
from gateway.control.live.overview import Overview, seconds
from gateway.control.live.rows import Filter
from gateway.control.live.series import told_second
from gateway.control.operations import Operation

EVENTS: Final = "text/event-stream"
FULL: Final = f"{MOST} feeds are open, or this process ends"


class StepQuery(Shape):
    step: Literal["1", "10", "60"] = "1"
    """Seconds of a slot: 1 for the last 5 minutes, 10 for the last hour, 60 for the last day."""


class BusyQuery(Shape):
    by: By = "tokens"
    """Tokens, requests, refusals or spend (US dollars, where there are prices)."""
    minutes: Annotated[int, Field(ge=1, le=60)] = 5
    limit: Annotated[int, Field(ge=1, le=200)] = 20


class LiveApi:
    """`wall` gives Unix time."""

    def __init__(self, overview: Overview, follow: Follow, feeds: Feeds, busy: Busy, wall: Callable[[], float]) -> None:
        self._overview = overview
        self._follow = follow
        self._feeds = feeds
        self._busy = busy
        self._wall = wall

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/overview",
                self.overview,
                Permission.LOOK,
                "How it goes: rates, refusals by reason, latency, workers; as arrays for plots",
                query=StepQuery,
            ),
            Operation(
                "GET",
                "/live/overview",
                self.live_overview,
                Permission.LOOK,
                "The same, live: one `event: second` a second",
                errors={503: FULL},
                media=EVENTS,
            ),
            Operation(
                "GET",
                "/live/decisions",
                self.live_decisions,
                Permission.PEOPLE,
                "Decisions as they are made, filtered: `event: decisions` is an array, `event: skipped` a count",
                query=Filter,
                errors={503: FULL},
                media=EVENTS,
            ),
            Operation(
                "GET",
                "/accounts/busy",
                self.busy,
                Permission.PEOPLE,
                "Who eats the capacity: the accounts that used most in the last minutes",
                query=BusyQuery,
            ),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        wanted = query(request, StepQuery)
        last = self._overview.series.last()
        now: dict[str, Any] | None = told_second(last) if last is not None else None
        return said({"now": now, **self._overview.series.told(int(wanted.step))})

    async def live_overview(self, request: web.Request) -> web.StreamResponse:
        query(request, Shape)
        with self._overview.follow() as inbox:
            return await self._feeds.serve(request, inbox, seconds)

    async def live_decisions(self, request: web.Request) -> web.StreamResponse:
        wanted = query(request, Filter)
        self._feeds.check()
        with self._follow.follow(wanted) as inbox:
            return await self._feeds.serve(request, inbox, batch)

    async def busy(self, request: web.Request) -> web.Response:
        wanted = query(request, BusyQuery)
        return said(self._busy.told(wanted.by, wanted.minutes, wanted.limit, self._wall()))
