"""Overrides over the operators' port: set, changed, taken back, undone, each with what it does and where it holds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiohttp import web
from sqlalchemy.engine import Connection

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.sql import lookup
from gateway.accounts.sql import overrides as rows
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content, query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Wrong
from gateway.control.limits import shown
from gateway.control.limits.applied import Applied
from gateway.control.limits.meant import UNCHANGED, Meant, of_again, of_new
from gateway.control.limits.rules import InForce, LimitsInForce, NotKnown
from gateway.control.limits.shapes import (
    AgainShape,
    ChangedShown,
    HistoryShown,
    NewShape,
    OverrideShown,
    OverridesQuery,
    OverridesShown,
    PastQuery,
    ReasonShape,
)
from gateway.control.limits.words import until
from gateway.control.operations import Operation, who
from gateway.overrides import written
from gateway.overrides.override import ALL_LIMITS, Kind, Scope

T = TypeVar("T")
MOST_NAMED: Final = 5
"""Accounts of a cluster that a warning names."""
NO_DIRECTORY: Final = (
    "overrides are kept in the directory, and this gateway has none: state `directory` in tidegate.yaml, start again"
)
NO_QUOTA: Final = "no entry of kind quota is in force: an override would change nothing; add one to chain.yaml first"
NOTHING_BEHIND: Final = (
    "only guards (store: local) are in force, which know nobody: a freeze of all limits would refuse nobody; "
    "freeze a limit by its name, or add an entry of kind quota with store: shared"
)
ERRORS: Final = {
    404: "there is no such override",
    409: "one holds for this limit and scope, or it was withdrawn: `current` is it; or nothing could be overridden",
    412: "somebody else has changed it: `current` is what it is now",
    428: "If-Match with the revision that you have seen is needed",
}


@dataclass(frozen=True, slots=True)
class Steering:
    """What all of it needs."""

    rules: LimitsInForce
    applied: Applied
    database: Database | None
    file: Callable[[], Snapshot]
    """The accounts of accounts.yaml."""
    now: Callable[[], float]
    """Unix time."""

    async def in_force(self) -> InForce:
        """Raises Refused where the rules cannot be read."""
        try:
            return await self.rules.current()
        except NotKnown as error:
            raise Refused(503, str(error), headers={"Retry-After": "1"}) from error

    def directory(self) -> Database:
        """Raises Refused where there is none."""
        if self.database is None:
            raise Refused(409, NO_DIRECTORY)
        return self.database


class OverridesApi:
    """Its `operations` are for the port."""

    def __init__(self, steering: Steering) -> None:
        self._of = steering

    def operations(self) -> list[Operation]:
        look, tune = Permission.LOOK, Permission.TUNE
        one = "/overrides/{id}"
        changed: dict[str, Any] = {"answer": ChangedShown, "errors": ERRORS}
        gone = {404: "there is no such override, or it is not for you"}
        return [
            Operation(
                "GET", "/overrides", self.listed, look, "Overrides that hold; with `all` those that have ended, too.",
                query=OverridesQuery, answer=OverridesShown,
            ),
            Operation("POST", "/overrides", self.create, tune, "Set one.", content=NewShape, status=201, **changed),
            Operation(
                "GET", "/overrides/history", self.history, look, "What was done to overrides, the newest first.",
                query=PastQuery, answer=HistoryShown,
            ),
            Operation("GET", one, self.show, look, "One, with its ETag.", answer=OverrideShown, errors=gone),
            Operation(
                "PUT", one, self.change, tune, "Other numbers, or another end. Needs If-Match.",
                content=AgainShape, **changed,
            ),
            Operation(
                "DELETE", one, self.withdraw, tune, "Take it back: the rules hold again. Needs If-Match.",
                content=ReasonShape, **changed,
            ),
            Operation(
                "POST", f"{one}/undo", self.undo, tune,
                "What it was before its last change, to the digit. Needs If-Match.", content=ReasonShape, **changed,
            ),
            Operation(
                "GET", f"{one}/history", self.history_of, look, "What was done to it, the newest first.",
                query=PastQuery, answer=HistoryShown, errors=gone,
            ),
        ]  # fmt: skip

    # -- looking ------------------------------------------------------------------------------------------------------

    async def listed(self, request: web.Request) -> web.Response:
        asked = query(request, OverridesQuery)
        rules, now = await self._of.in_force(), self._of.now()
        if self._of.database is None:
            return said({"overrides": [], "revision": 0, "left_out": 0})
        revision, found = await self._of.database.reading(
            lambda connection: (rows.newest(connection), rows.listed(connection, now, ended=asked.all))
        )
        # Of ten thousand that takes a while: not in the event loop.
        documents = await asyncio.to_thread(lambda: [shown.of_row(row, rules, now) for row in found])
        kept, left_out = shown.for_caller(documents, request)
        if asked.limit:
            kept = [one for one in kept if one["limit"] == asked.limit]
        if asked.account:
            kept = [one for one in kept if shown.is_about(one, asked.account)]
        return said({"overrides": kept, "revision": revision, "left_out": left_out})

    async def show(self, request: web.Request) -> web.Response:
        row = await self._visible(request)
        return said(await self._document(row), headers={"ETag": etag(row)})

    async def history(self, request: web.Request) -> web.Response:
        return await self._history(request, None)

    async def history_of(self, request: web.Request) -> web.Response:
        return await self._history(request, (await self._visible(request)).id)

    async def _history(self, request: web.Request, override: int | None) -> web.Response:
        asked = query(request, PastQuery)
        if self._of.database is None:
            return said({"changes": [], "next": None})
        found = await self._of.database.reading(
            lambda connection: rows.history(connection, override, asked.limit, asked.after)
        )
        people = shown.sees_people(request)
        seen = [
            one for one in found if people or not (shown.names_accounts(one.before) or shown.names_accounts(one.after))
        ]
        following = found[-1].revision if len(found) == asked.limit else None
        return said({"changes": [shown.of_past(one) for one in seen], "next": following})

    # -- changing -----------------------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        asked = await content(request, NewShape)
        rules, database = await self._of.in_force(), self._of.directory()
        if not rules.limits and asked.change.kind != Kind.SHADOW.value:
            raise Refused(409, NO_QUOTA)
        if (
            asked.change.kind == Kind.FREEZE.value
            and asked.limit == ALL_LIMITS
            and all(one.local for one in rules.limits)
        ):
            raise Refused(409, NOTHING_BEHIND)
        meant = of_new(asked, rules, self._of.now())
        row = await self._write(
            request,
            database,
            lambda writing: rows.create(writing, meant.limit, meant.scope, meant.change, asked.reason, meant.expires),
        )
        return await self._changed(row, await self._warnings(meant, rules), 201)

    async def change(self, request: web.Request) -> web.Response:
        database, revision = self._of.directory(), expected(request)
        asked = await content(request, AgainShape)
        rules, row = await self._of.in_force(), await self._row(request)
        if row.revision != revision:
            # First: what is wrong by what it was may be right by what it is.
            raise await self._stale(row)
        scope, ends = read_scope(row), row.expires if row.expires is not None else math.inf
        meant = of_again(asked, row.limit, scope, ends, rules, self._of.now())
        expires = ends if meant.expires == UNCHANGED else meant.expires
        row = await self._write(
            request,
            database,
            lambda writing: rows.change(writing, row.id, revision, meant.change, asked.reason, expires),
        )
        return await self._changed(row, await self._warnings(meant, rules))

    async def withdraw(self, request: web.Request) -> web.Response:
        database, revision = self._of.directory(), expected(request)
        why, override = await content(request, ReasonShape), id_of(request)
        row = await self._write(
            request, database, lambda writing: rows.withdraw(writing, override, revision, why.reason)
        )
        return await self._changed(row, [])

    async def undo(self, request: web.Request) -> web.Response:
        database, revision = self._of.directory(), expected(request)
        why, override = await content(request, ReasonShape), id_of(request)
        row = await self._write(request, database, lambda writing: rows.undo(writing, override, revision, why.reason))
        past = ["its end has passed meanwhile: it is back as it was, and holds no more"]
        return await self._changed(row, past if row.withdrawn is None and row.expired(self._of.now()) else [])

    async def _write(self, request: web.Request, database: Database, work: Callable[[Writing], T]) -> T:
        """Raises Refused with what is there instead."""
        try:
            return await database.writing(who(request), work)
        except rows.Stale as error:
            raise await self._stale(error.current) from error
        except (rows.There, rows.Ended) as error:
            found = await self._document(error.current)
            raise Refused(409, str(error), headers={"ETag": etag(error.current)}, current=found) from error
        except written.Wrong as wrong:
            raise Wrong({wrong.field: wrong.what}) from wrong

    async def _stale(self, row: rows.Row) -> Refused:
        words = f"{row.by} has changed it meanwhile: look at what it is now, and decide again"
        return Refused(412, words, headers={"ETag": etag(row)}, current=await self._document(row))

    async def _changed(self, row: rows.Row, warnings: list[str], status: int = 200) -> web.Response:
        """Once it holds everywhere, or after a second."""
        applied = await self._of.applied.wait(row.revision)
        answer = {"override": await self._document(row), "applied": applied, "warnings": warnings}
        return said(answer, status, {"ETag": etag(row)})

    # -- what is there ------------------------------------------------------------------------------------------------

    async def _document(self, row: rows.Row) -> Mapping[str, Any]:
        return shown.of_row(row, await self._of.in_force(), self._of.now())

    async def _row(self, request: web.Request) -> rows.Row:
        """Raises Refused, NoSuch."""
        override = id_of(request)
        return await self._of.directory().reading(lambda connection: rows.one(connection, override))

    async def _visible(self, request: web.Request) -> rows.Row:
        row = await self._row(request)
        if shown.names_accounts(row.document()) and not shown.sees_people(request):
            raise Refused(404, f"there is no override {row.id}")
        return row

    async def _warnings(self, meant: Meant, rules: InForce) -> list[str]:
        """What nobody forbids, and somebody may not have thought of."""
        found = await self._beside(meant)
        named = {meant.scope.account} if meant.scope.account else set(meant.scope.accounts)
        if named:
            unknown = sorted(named - await self._known(named))
            if unknown:
                shown_names = ", ".join(unknown[:MOST_NAMED]) + (" …" if len(unknown) > MOST_NAMED else "")
                found.append(f"nobody knows an account {shown_names}: it holds if a token names one so")
        stated = rules.of(meant.limit)
        if stated is None:
            return found
        if meant.scope.tier and not stated.is_of_tier(meant.scope.tier):
            found.append(f"{meant.limit} is only for the tiers {', '.join(stated.config.tiers)}: nobody is meant")
        if stated.mode == "shadow":
            found.append(f"{stated.entry.name} is in shadow: it refuses nobody")
        if stated.local:
            found.append(f"{meant.limit} is counted in each worker apart")
        return found

    async def _beside(self, meant: Meant) -> list[str]:
        """In shadow nothing is refused, whatever is frozen."""
        kind, now = meant.change.kind, self._of.now()
        if kind is Kind.UNLIMITED:
            return []
        other = Kind.FREEZE if kind is Kind.SHADOW else Kind.SHADOW
        held = await self._of.directory().reading(lambda connection: rows.listed(connection, now, kind=other))
        if not held:
            return []
        names = ", ".join(str(row.id) for row in held[:MOST_NAMED]) + (" …" if len(held) > MOST_NAMED else "")
        if kind is Kind.SHADOW:
            return [f"what is frozen is let through meanwhile: override {names}"]
        end = until(held[0].expires or math.inf, now)
        return [f"everything is in shadow by override {names}, {end}: so long this refuses nobody"]

    async def _known(self, accounts: set[str]) -> set[str]:
        known = accounts & (await asyncio.to_thread(self._of.file)).accounts.keys()
        rest, now = sorted(accounts - known), self._of.now()

        def look(connection: Connection) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(rest), 500):
                found.update(lookup.read_accounts(connection, rest[start : start + 500], now))
            return found

        return known | await self._of.directory().reading(look)


def read_scope(row: rows.Row) -> Scope:
    """Raises Refused for one that nobody can read."""
    try:
        return written.scope_of(row.scope)
    except written.Wrong as wrong:
        raise Refused(409, f"it cannot be read any more: withdraw it ({wrong})") from wrong


def id_of(request: web.Request) -> int:
    """Raises Refused."""
    text = request.match_info["id"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Refused(404, "there is no such override: an id is a number")
    return int(text)


def etag(row: rows.Row) -> str:
    return f'"{row.revision}"'


def expected(request: web.Request) -> int:
    """The revision that If-Match states (RFC 9110, section 13.1.1), of which only one can be meant. Raises Refused."""
    text = request.headers.get("If-Match", "").strip().removeprefix('"').removesuffix('"')
    if not text:
        raise Refused(428, "state the revision that you have seen: If-Match with the ETag of the override")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Refused(428, "If-Match has to be one revision, as the ETag of the override has it")
    return int(text)
