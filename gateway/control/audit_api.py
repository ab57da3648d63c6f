"""The admin API's audit: who did what, and whether anybody changed it since (`gateway.accounts.sql.audit`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import orjson
import sqlalchemy as sql
from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.sql import audit as chain
from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.control.access.answers import FIELDS, Refused, said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import ONE_LINE, Shape
from gateway.control.operations import Operation
from gateway.tasks import spawn

PAGE: Final = 1_000
"""Lines of an export that are read at once."""
KEPT: Final = 60.0
"""Seconds for which a verdict is there for who asks again."""
LINES: Final = "application/x-ndjson"

Words = Annotated[str, StringConstraints(max_length=256, pattern=ONE_LINE)]
Moment = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Which(Shape):
    """Which lines. What is empty, or not stated, is any."""

    who: Words = ""
    did: Words = ""
    """It begins so: `account.` is all that was done to accounts."""
    subject: Words = ""
    since: Moment | None = None
    """Unix time; `until` is the first moment that is no longer meant."""
    until: Moment | None = None


class ListQuery(Which):
    """One page."""

    after: Number | None = None
    """The `next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50


class VerifyQuery(Shape):
    head: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    """A head from before: it has to be the link of some line."""
    wait: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 20.0
    """Seconds until the answer says how far it is, 202, rather than what came of it."""


class LineShown(BaseModel):
    """What somebody did."""

    id: int
    at: float
    who: str
    did: str
    subject: str
    detail: dict[str, Any]
    erased: bool
    """Its texts were erased, with an account that it named."""


class PageShown(BaseModel):
    audit: list[LineShown]
    """The newest first."""
    next: int | None
    """To be sent as `after`."""


class BrokenShown(BaseModel):
    id: int
    """0 for what is of no single line."""
    what: str


class VerdictShown(BaseModel):
    """What came of looking at every line; while it is looked at, status 202 with how far that is."""

    state: str
    """`done` or `running`."""
    ok: bool | None
    """None while it runs."""
    lines: int
    """That were looked at."""
    whole: int
    """How many there are."""
    erased: int
    head: str
    broken: list[BrokenShown]
    wrong: int
    """How many are broken: `broken` names the first hundred."""


@dataclass(slots=True)
class _Run:
    """One look at all lines."""

    head: str
    task: asyncio.Task[chain.Verified]
    far: list[int]
    """Lines so far, and how many there are."""
    ended: float | None = None
    heard: bool = False
    """Whether somebody was told what came of it."""


class AuditApi:
    """`operations` is for the composition root. Its database's threads do the work."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        """`now` is monotonic."""
        self._database = database
        self._now = now
        self._run: _Run | None = None

    def operations(self) -> list[Operation]:
        people, govern = Permission.PEOPLE, Permission.GOVERN
        return [
            Operation(
                "GET", "/audit", self.list, people, "Who did what, the newest first, a page at a time.",
                query=ListQuery, answer=PageShown,
            ),
            Operation(
                "GET", "/audit/export", self.export, people,
                "The same as lines of JSON, the oldest first, with the salt, digest and link of each.",
                query=Which, media=LINES,
            ),
            Operation(
                "GET", "/audit/verify", self.verify, govern,
                "Whether anybody changed the audit: each line is bound to all before it.",
                query=VerifyQuery, answer=VerdictShown,
                errors={202: "it takes longer: ask again", 409: "one with another head is under way"},
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        asked = query(request, ListQuery)
        rows = await self._database.reading(lambda connection: _page(connection, asked))
        more = len(rows) > asked.limit
        lines = [shown(row).model_dump() for row in rows[: asked.limit]]
        return said({"audit": lines, "next": lines[-1]["id"] if more else None})

    async def export(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, Which)
        page = await self._database.reading(partial(_following, asked=asked, after=0))
        answer = web.StreamResponse(headers={**FIELDS, "Content-Disposition": 'attachment; filename="audit.jsonl"'})
        answer.content_type = LINES
        await answer.prepare(request)
        while page:
            await answer.write(b"".join(exported(row) for row in page))
            if len(page) < PAGE:
                break
            try:
                page = await self._database.reading(partial(_following, asked=asked, after=page[-1].id))
            except SQLAlchemyError:
                # Not as if it were whole: the reader sees a transfer that broke.
                request.protocol.force_close()
                break
        return answer

    async def verify(self, request: web.Request) -> web.Response:
        """One at a time: whoever asks meanwhile hears of the same one."""
        asked = query(request, VerifyQuery)
        run = self._current(asked.head.lower())
        done, _ = await asyncio.wait({run.task}, timeout=asked.wait)
        if not done:
            return said(_running(run), 202)
        run.heard = True
        return said(_verdict(run.task.result()))

    def _current(self, head: str) -> _Run:
        """What is under way, or has just ended for whoever was told that it runs; else a new one."""
        run = self._run
        if run is not None and not run.task.done() and run.head != head:
            raise Refused(409, "the audit is being looked at for another head just now: ask again later")
        if run is not None and run.head == head:
            fresh = run.ended is not None and not run.heard and self._now() - run.ended <= KEPT
            if not run.task.done() or fresh:
                return run
        far = [0, 0]

        def tell(lines: int, whole: int) -> None:
            far[:] = lines, whole

        look = partial(chain.verify, tell=tell, noted=head)
        run = self._run = _Run(head, spawn(self._database.reading(look), name="audit verify"), far)
        run.task.add_done_callback(partial(self._ended, run))
        return run

    def _ended(self, run: _Run, _: asyncio.Task[chain.Verified]) -> None:
        run.ended = self._now()


def shown(row: sql.Row[Any]) -> LineShown:
    detail = orjson.loads(row.detail)
    return LineShown(
        id=row.id, at=row.at, who=row.who, did=row.did, subject=row.subject,
        detail=detail if isinstance(detail, dict) else {"": detail}, erased=bool(row.erased),
    )  # fmt: skip


def exported(row: sql.Row[Any]) -> bytes:
    """One line, with what binds it."""
    binds = {name: bytes(found).hex() if (found := getattr(row, name)) else "" for name in ("salt", "digest", "link")}
    return orjson.dumps(
        {
            "id": row.id, "at": row.at, "who": row.who, "did": row.did, "subject": row.subject,
            "detail": row.detail, "erased": row.erased, **binds,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )  # fmt: skip


def _running(run: _Run) -> dict[str, Any]:
    lines, whole = run.far
    return VerdictShown(
        state="running", ok=None, lines=lines, whole=whole, erased=0, head="", broken=[], wrong=0
    ).model_dump()


def _verdict(found: chain.Verified) -> dict[str, Any]:
    broken = [BrokenShown(id=number, what=what) for number, what in found.broken]
    return VerdictShown(
        state="done", ok=found.ok, lines=found.lines, whole=found.lines, erased=found.erased, head=found.head,
        broken=broken, wrong=found.wrong,
    ).model_dump()  # fmt: skip


def _matching(which: Which) -> list[sql.ColumnElement[bool]]:
    columns = tables.audit.c
    found: list[sql.ColumnElement[bool]] = []
    if which.who:
        found.append(columns.who == which.who)
    if which.did:
        found.append(columns.did.startswith(which.did, autoescape=True))
    if which.subject:
        found.append(columns.subject == which.subject)
    if which.since is not None:
        found.append(columns.at >= which.since)
    if which.until is not None:
        found.append(columns.at < which.until)
    return found


def _page(connection: Connection, asked: ListQuery) -> list[sql.Row[Any]]:
    """One more than is shown, where there are more."""
    columns = tables.audit.c
    found = sql.select(tables.audit).where(*_matching(asked)).order_by(columns.id.desc()).limit(asked.limit + 1)
    if asked.after is not None:
        found = found.where(columns.id < asked.after)
    return list(connection.execute(found))


def _following(connection: Connection, asked: Which, after: int) -> list[sql.Row[Any]]:
    columns = tables.audit.c
    found = sql.select(tables.audit).where(*_matching(asked), columns.id > after).order_by(columns.id).limit(PAGE)
    return list(connection.execute(found))
