"""The admin API's reviews and inbox: what `tidegate review` and `tidegate inbox` do, over HTTP.

Four eyes: who has approved what leads to the top of the ladder is told apart by what a credential proved, never by the
name that its bearer states beside it (`X-Tidegate-Actor`): else one person could be both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content, query
from gateway.control.access.roles import Permission
from gateway.control.operations import OPERATOR, Operation, who
from gateway.control.reviews_shown import (
    CaseShown,
    CasesShown,
    DecideShape,
    InboxQuery,
    InboxShown,
    LetterShown,
    ReviewsQuery,
    case,
    letter,
    listed,
)
from gateway.verification import inbox, review

DIGITS: Final = 15
"""Of a number in a path: no database has as many rows, and every one can be asked for it."""
NONE: Final = "there is none with that number"


class ReviewsApi:
    """`operations` is for the composition root."""

    def __init__(self, database: Database, ladder: Callable[[], Ladder | None]) -> None:
        """`ladder` is the one in force; None where no policy has one: then every approval needs two."""
        self._database = database
        self._ladder = ladder

    def operations(self) -> list[Operation]:
        judge, gone = Permission.JUDGE, {404: NONE}
        return [
            Operation(
                "GET", "/reviews", self.list, judge, "What waits for people to decide, or was decided.",
                query=ReviewsQuery, answer=CasesShown,
            ),
            Operation(
                "GET", "/reviews/{id}", self.show, judge,
                "One case, with what the owner has written and what an approval leads to.",
                answer=CaseShown, errors=gone,
            ),
            Operation(
                "POST", "/reviews/{id}/decide", self.decide, judge,
                "Approve or decline, with all that follows; what leads to the top needs a second person.",
                content=DecideShape, answer=CaseShown,
                errors=gone | {409: "it is decided already, or you have approved it before"},
            ),
            Operation(
                "GET", "/inbox", self.letters, judge, "News from providers, and what became of it.",
                query=InboxQuery, answer=InboxShown,
            ),
            Operation(
                "POST", "/inbox/{id}/retry", self.retry, judge,
                "Have a letter worked off once more; what was done is not done twice.",
                answer=LetterShown, errors=gone | {409: "its content was not understood, and is not kept"},
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        asked = query(request, ReviewsQuery)
        return _json(await self._database.reading(lambda connection: listed(connection, asked)))

    async def show(self, request: web.Request) -> web.Response:
        return await self._shown(request, _number(request))

    async def decide(self, request: web.Request) -> web.Response:
        number, asked = _number(request), await content(request, DecideShape)
        ladder, proven, approve = self._ladder(), _proven(request), asked.decision == "approve"

        def work(writing: Writing) -> None:
            review.decide(writing, ladder, number, approve, asked.reason, proven)

        try:
            await self._database.writing(who(request), work)
        except review.Decided as error:
            raise Refused(409, str(error)) from error
        return await self._shown(request, number)

    async def letters(self, request: web.Request) -> web.Response:
        asked = query(request, InboxQuery)
        which = inbox.Which(asked.state)
        found, counts = await self._database.reading(
            lambda connection: (
                inbox.letters(connection, which, asked.limit, asked.provider),
                inbox.counts(connection),
            )
        )
        return _json(InboxShown(letters=[letter(one) for one in found], counts=counts))

    async def retry(self, request: web.Request) -> web.Response:
        number = _number(request)
        try:
            done = await self._database.writing(who(request), lambda writing: inbox.retry(writing, number))
        except inbox.NotAgain as error:
            raise Refused(409, str(error)) from error
        return _json(letter(done))

    async def _shown(self, request: web.Request, number: int) -> web.Response:
        now, ladder, you = self._database.now(), self._ladder(), _proven(request)
        return _json(await self._database.reading(lambda connection: case(connection, number, ladder, now, you)))


def _proven(request: web.Request) -> str:
    operator = request.get(OPERATOR)
    return operator.name if operator is not None else "nobody"


def _number(request: web.Request) -> int:
    """Raises NoSuch."""
    written = request.match_info["id"]
    if not (written.isascii() and written.isdecimal() and len(written) <= DIGITS):
        raise NoSuch(NONE)
    return int(written)


def _json(content: BaseModel) -> web.Response:
    return said(content.model_dump())
