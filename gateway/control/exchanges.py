"""The operators' port: why one exchange ended as it did, and the last ones of an account."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import Field, StringConstraints
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.model import Country
from gateway.accounts.sql import overrides
from gateway.accounts.sql.database import Database
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Shape
from gateway.control.live.lines import Lines
from gateway.control.live.rows import AS_LOGGED, Row, row_of
from gateway.control.live.trail import override_of, trail_of
from gateway.control.operations import Operation
from gateway.history import looking
from gateway.history.columns import HistoryError

ID: Final = re.compile(r"[A-Za-z0-9._\-]{1,128}")
"""Ours, and what a caller may state as X-Request-Id."""
DAY: Final = 86400.0
WEEK: Final = 7 * DAY
WITHIN: Final = 3.0
"""Seconds for which the log is looked through for a list."""
PATIENCE: Final = 10.0
"""Seconds to wait for a turn at the log."""
CHANGES: Final = 500
"""Of one override, that are looked at for what it said."""
AT_ONCE: Final = 2
"""Looks at the log: each takes a processor for a while."""

Text = Annotated[str, StringConstraints(max_length=256)]
Run = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments beside the event loop, as asyncio.to_thread."""
Entries = Callable[[str], Sequence[str]]
"""Digest of rules -> names of their entries in order; none where they are not known any more."""


def unknown_rules(_: str) -> Sequence[str]:
    return ()


class ExchangesQuery(Shape):
    """What is stated has to be so; empty is not stated."""

    account: Text = ""
    key: Text = ""
    model: Text = ""
    country: Country = ""
    entry: Text = ""
    reason: Text = ""
    action: Literal["", "allow", "deny", "challenge", "throttle"] = ""
    since: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """Unix time; a day ago if not stated."""
    until: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """Unix time, not included; now if not stated."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


EQUAL: Final = ("account", "key", "model", "country", "entry", "reason", "action")


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of an exchange log."""

    folder: Path | None
    """None where it is off."""
    keep: float = 0.0
    """Seconds for which days are kept."""


class Turns:
    """At the exchange log: some at once, and nobody waits for ever."""

    def __init__(self, run: Run = asyncio.to_thread, at_once: int = AT_ONCE) -> None:
        self._run = run
        self._turns = asyncio.Semaphore(at_once)

    async def take(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Raises Refused (503) where it cannot be read, or too many want to."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Refused(503, "many look into the exchange log just now: try again in a moment") from None
        try:
            return await self._run(function, *arguments)
        except (HistoryError, OSError) as error:
            raise Refused(503, f"the exchange log cannot be read: {error}") from None
        finally:
            self._turns.release()


class ExchangesApi:
    """`wall` gives Unix time, `clock` seconds."""

    def __init__(
        self,
        kept: Kept,
        lines: Lines,
        turns: Turns,
        wall: Callable[[], float],
        clock: Callable[[], float],
        entries: Entries = unknown_rules,
        database: Database | None = None,
    ) -> None:
        """`database` has what operators set beside limits; None where they cannot."""
        self._database = database
        self._kept = kept
        self._lines = lines
        self._turns = turns
        self._wall = wall
        self._clock = clock
        self._entries = entries

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/exchanges",
                self.listed,
                Permission.PEOPLE,
                "The last exchanges that fit, newest first",
                query=ExchangesQuery,
                errors={503: "the exchange log cannot be read, or many look into it"},
            ),
            Operation(
                "GET",
                "/exchanges/{id}",
                self.show,
                Permission.PEOPLE,
                "Why one exchange ended as it did: by our id, or by the one that its answer had (x-request-id)",
                errors={404: "it is not known, and why", 503: "the exchange log cannot be read"},
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        query(request, Shape)
        wanted = request.match_info["id"].strip()
        if not ID.fullmatch(wanted):
            raise Refused(
                404,
                "that is no id of an exchange: it is what the answer had as x-request-id or request-id, 1 to 128"
                " letters, digits, `.`, `_` and `-`",
            )
        found = await self._find(wanted)
        if found is None:
            raise Refused(404, self._absent())
        row, where = found
        override = await self._override(override_of(row), row["time"])
        told = trail_of(row, self._entries(row["digest"]))
        return said(told | {"override": override, "found": where, "keep": self._kept.keep})

    async def _override(self, bit: int, at: float) -> Mapping[str, Any] | None:
        """What it said then. None where none bit, or it cannot be read: its number stands in the trail all the same."""
        if not bit or self._database is None:
            return None
        try:
            return await self._database.reading(lambda connection: then(connection, bit, at))
        except SQLAlchemyError:
            return None

    async def _find(self, wanted: str) -> tuple[Row, str] | None:
        live = [
            dict(zip(told["columns"], told["event"], strict=True)) | {"worker": told["worker"]}
            for _, told in await self._lines.ask(f"/recent/{quote(wanted, safe='')}")
        ]
        # Ours before what a caller stated, as `looking.find` says.
        row = max(live, key=lambda one: (one["exchange"] == wanted, one["time"]), default=None)
        if row is not None and (row["exchange"] == wanted or not looking.is_ours(wanted)):
            return row, "live"
        kept = await self._turns.take(looking.find, self._kept.folder, wanted) if self._kept.folder else None
        if kept is not None and (row is None or kept["exchange"] == wanted):
            return kept, "log"
        return (row, "live") if row is not None else None

    def _absent(self) -> str:
        if self._kept.folder is None:
            return (
                "no exchange of the last few thousand has this id, and nothing older is kept: set `exchange_log` in"
                " tidegate.yaml"
            )
        days = self._kept.keep / DAY
        return (
            f"no exchange of the last {days:g} days has this id, neither as ours nor as its caller's: it is older, it"
            " has not ended yet, or another gateway had it"
        )

    async def listed(self, request: web.Request) -> web.Response:
        wanted = query(request, ExchangesQuery)
        until = wanted.until or self._wall() + 1.0
        since = wanted.since or until - DAY
        equal = {name: value for name in EQUAL if (value := getattr(wanted, name))}
        if self._kept.folder is None:
            rows = await self._live(equal, since, until, wanted.limit)
            return said(
                {"exchanges": rows, "whole": False, "back_to": rows[-1]["time"] if rows else until, "log": False}
            )
        columns = (*AS_LOGGED, "worker")
        found: looking.Lately = await self._turns.take(
            looking.lately, self._kept.folder, equal, since, until, wanted.limit, columns, self._clock, WITHIN
        )
        return said({"exchanges": found.rows, "whole": found.whole, "back_to": found.back_to, "log": True})

    async def _live(self, equal: Mapping[str, str], since: float, until: float, limit: int) -> list[Row]:
        """Of what workers remember: what was refused, and what passed while somebody followed."""
        rows = [row_of(event, worker) for worker, told in await self._lines.ask("/recent") for event in told["rows"]]
        fit = [
            row
            for row in rows
            if since <= row["time"] < until and all(row[name] == value for name, value in equal.items())
        ]
        return sorted(fit, key=_time, reverse=True)[:limit]


def then(connection: Connection, override: int, at: float) -> Mapping[str, Any] | None:
    """What an override said at a Unix time, as `overrides.Row.document`; None where nothing of it is kept."""
    past = overrides.history(connection, override, CHANGES)
    for one in past:
        if one.at <= at and one.after is not None:
            return one.after
    # Of a clock that goes before that of who wrote it.
    return past[-1].after if past else None


def _time(row: Mapping[str, Any]) -> float:
    time: float = row["time"]
    return time
