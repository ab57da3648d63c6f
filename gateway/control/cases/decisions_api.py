"""Deciding cases over the operators' port.

Every decision states the revision that its author has seen (If-Match) and a reason, and leaves a line in the audit. To
suspend more than a hundred accounts takes two people, told apart by what a credential proved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from aiohttp import web

from gateway.accounts.sql import case_decisions
from gateway.accounts.sql.case_decisions import By
from gateway.accounts.sql.database import Writing
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Wrong
from gateway.control.cases.carrying import Carrying
from gateway.control.cases.judging import Judging, etag, expected, number_of, proven
from gateway.control.cases.shapes import (
    ApproveShape,
    DecidedShown,
    JobStarted,
    MergeShape,
    NotedShown,
    NoteShape,
    ReasonShape,
    RejectShape,
    SplitShape,
)
from gateway.control.operations import Operation, who

T = TypeVar("T")
DAY: Final = 86_400.0
ERRORS: Final = {
    404: "there is no such case",
    409: "it cannot be decided so, as things are",
    412: "somebody else has decided meanwhile: `current` is what it is now",
    428: "If-Match with the revision that you have seen is needed",
}


class DecisionsApi:
    """`operations` are for the port."""

    def __init__(self, judging: Judging) -> None:
        self._of = judging
        self._carrying = Carrying(judging)

    def operations(self) -> list[Operation]:
        judge, one = Permission.JUDGE, "/cases/{id}"
        decided: dict[str, Any] = {"answer": DecidedShown, "errors": ERRORS}
        return [
            Operation(
                "POST", f"{one}/approve", self.approve, judge,
                "It is a campaign, and this becomes of its accounts. To suspend many takes two. Needs If-Match.",
                content=ApproveShape, **decided,
            ),
            Operation(
                "POST", f"{one}/reject", self.reject, judge,
                "It is none: its accounts go free, and the marks that are named count no more. Needs If-Match.",
                content=RejectShape, **decided,
            ),
            Operation(
                "POST", f"{one}/split", self.split, judge, "These accounts are not of it. Needs If-Match.",
                content=SplitShape, **decided,
            ),
            Operation(
                "POST", f"{one}/merge", self.merge, judge, "Another case goes into this one. Needs If-Match.",
                content=MergeShape, **decided,
            ),
            Operation(
                "POST", f"{one}/reopen", self.reopen, judge, "Decide it once more. Needs If-Match.",
                content=ReasonShape, **decided,
            ),
            Operation(
                "POST", f"{one}/undo", self.undo, judge,
                "Take back what was done to its accounts: a job; the case is open again. Needs If-Match.",
                content=ReasonShape, **decided,
            ),
            Operation(
                "POST", f"{one}/carry-out", self.carry_out, judge,
                "Go on with what was decided, where that was ended before it was done: a job.",
                answer=JobStarted, status=202, errors={404: ERRORS[404], 409: ERRORS[409], 429: "too many jobs wait"},
            ),
            Operation(
                "POST", f"{one}/notes", self.note, judge, "Write something down for whoever looks at it next.",
                content=NoteShape, answer=NotedShown, status=201, errors={404: ERRORS[404]},
            ),
        ]  # fmt: skip

    async def approve(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, ApproveShape)
        by = _by(request, asked.reason, asked.seen)
        holds = await self._write(request, lambda writing: case_decisions.approve(writing, number, asked.action, by))
        job = ""
        if holds and asked.action != "rules":
            job = self._carrying.carry_out(request, number)
        return await self._decided(request, number, waits=not holds, job=job)

    async def reject(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, RejectShape)
        by, until = _by(request, asked.reason), self._of.database.now() + asked.days * DAY if asked.days else 0.0
        await self._write(
            request, lambda writing: case_decisions.reject(writing, number, list(dict.fromkeys(asked.marks)), until, by)
        )
        return await self._decided(request, number)

    async def split(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, SplitShape)
        by = _by(request, asked.reason)
        await self._write(request, lambda writing: case_decisions.split(writing, number, asked.accounts, by))
        return await self._decided(request, number)

    async def merge(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, MergeShape)
        by = _by(request, asked.reason)
        await self._write(request, lambda writing: case_decisions.merge(writing, number, asked.other, by))
        return await self._decided(request, number)

    async def reopen(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, ReasonShape)
        by = _by(request, asked.reason)
        await self._write(request, lambda writing: case_decisions.reopen(writing, number, by))
        return await self._decided(request, number)

    async def undo(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, ReasonShape)
        by = _by(request, asked.reason)
        await self._write(request, lambda writing: case_decisions.undone(writing, number, by))
        return await self._decided(request, number, job=self._carrying.take_back(request, number, asked.reason))

    async def carry_out(self, request: web.Request) -> web.Response:
        number = number_of(request)
        try:
            await self._of.database.reading(lambda connection: case_decisions.left_to_do(connection, number))
        except case_decisions.NotSo as error:
            raise Refused(409, str(error)) from error
        job = self._carrying.carry_out(request, number)
        if not job:
            raise Refused(429, "too many jobs wait already: try again when one has ended", headers={"Retry-After": "5"})
        return said({"job": job}, 202)

    async def note(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), await content(request, NoteShape)
        made = await self._of.database.writing(
            who(request), lambda writing: case_decisions.note(writing, number, asked.text)
        )
        return said({"note": made}, 201)

    async def _write(self, request: web.Request, work: Callable[[Writing], T]) -> T:
        """Raises Refused with what is there instead, and Wrong."""
        try:
            return await self._of.database.writing(who(request), work)
        except case_decisions.Stale as error:
            current = await self._of.case(error.current.id, proven(request))
            raise Refused(
                412, "somebody has decided meanwhile: look at what it is now, and decide again",
                headers={"ETag": etag(current.revision)}, current=current.model_dump(),
            ) from error  # fmt: skip
        except case_decisions.NotSo as error:
            raise Refused(409, str(error)) from error
        except case_decisions.Wrong as error:
            raise Wrong({error.field: error.what}) from error

    async def _decided(self, request: web.Request, number: int, *, waits: bool = False, job: str = "") -> web.Response:
        case = await self._of.case(number, proven(request))
        answer = DecidedShown(case=case, waits=waits, job=job)
        return said(answer.model_dump(), headers={"ETag": etag(case.revision)})


def _by(request: web.Request, reason: str, seen: float = 0.0) -> By:
    """Raises Refused."""
    return By(proven(request), expected(request), reason, seen)
