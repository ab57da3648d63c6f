"""The admin API's reviews and inbox: what `tidegate review` and `tidegate inbox` do, over HTTP.

Four eyes: who has approved what leads to the top of the ladder is told apart by what a credential proved, never by the
name that its bearer states beside it (`X-Tidegate-Actor`): else one person could be both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Wrong, checked
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
Handler = Callable[[web.Request], Awaitable[web.Response]]


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
                "GET", "/reviews", _bordered(self.list), judge, "What waits for people to decide, or was decided.",
                query=ReviewsQuery, answer=CasesShown,
            ),
            Operation(
                "GET", "/reviews/{id}", _bordered(self.show), judge,
                "One case, with what the owner has written and what an approval leads to.",
                answer=CaseShown, errors=gone,
            ),
            Operation(
                "POST", "/reviews/{id}/decide", _bordered(self.decide), judge,
                "Approve or decline, with all that follows; what leads to the top needs a second person.",
                content=DecideShape, answer=CaseShown,
                errors=gone | {409: "it is decided already, or you have approved it before"},
            ),
            Operation(
                "GET", "/inbox", _bordered(self.letters), judge, "News from providers, and what became of it.",
                query=InboxQuery, answer=InboxShown,
            ),
            Operation(
                "POST", "/inbox/{id}/retry", _bordered(self.retry), judge,
                "Have a letter worked off once more; what was done is not done twice.",
                answer=LetterShown, errors=gone | {409: "its content was not understood, and is not kept"},
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        asked = checked(ReviewsQuery, _query(request))
        return _json(await self._database.reading(lambda connection: listed(connection, asked)))

    async def show(self, request: web.Request) -> web.Response:
        return await self._shown(request, _number(request))

    async def decide(self, request: web.Request) -> web.Response:
        number, asked = _number(request), checked(DecideShape, await _content(request))
        ladder, proven, approve = self._ladder(), _proven(request), asked.decision == "approve"

        def work(writing: Writing) -> None:
            review.decide(writing, ladder, number, approve, asked.reason, proven)

        await self._database.writing(who(request), work)
        return await self._shown(request, number)

    async def letters(self, request: web.Request) -> web.Response:
        asked = checked(InboxQuery, _query(request))
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
        done = await self._database.writing(who(request), lambda writing: inbox.retry(writing, number))
        return _json(letter(done))

    async def _shown(self, request: web.Request, number: int) -> web.Response:
        now, ladder, you = self._database.now(), self._ladder(), _proven(request)
        return _json(await self._database.reading(lambda connection: case(connection, number, ladder, now, you)))


def _proven(request: web.Request) -> str:
    operator = request.get(OPERATOR)
    return operator.name if operator is not None else "nobody"


def _bordered(handler: Handler) -> Handler:
    """What callers can do wrong, and a database that is away, as answers."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Wrong as wrong:
            return _error("some fields are wrong", 422, fields=wrong.fields)
        except NoSuch as error:
            return _error(str(error), 404)
        except (review.Decided, inbox.NotAgain) as error:
            return _error(str(error), 409)
        except IntegrityError:
            return _error("somebody has changed the same at the same time: ask again", 409)
        except SQLAlchemyError:
            return _error("the directory cannot be asked just now: try again", 503)

    return answer


def _number(request: web.Request) -> int:
    """Raises NoSuch."""
    written = request.match_info["id"]
    if not (written.isascii() and written.isdecimal() and len(written) <= DIGITS):
        raise NoSuch(NONE)
    return int(written)


def _query(request: web.Request) -> dict[str, Any]:
    """Numbers as JSON has them, where they are any."""
    found: dict[str, Any] = dict(request.query)
    for name in ("limit", "after"):
        value = found.get(name, "")
        if value.isascii() and value.isdecimal() and len(value) <= DIGITS:
            found[name] = int(value)
    return found


async def _content(request: web.Request) -> object:
    content = await request.read()
    try:
        return orjson.loads(content) if content.strip() else {}
    except ValueError:
        raise Wrong({"": "the content must be JSON"}) from None


def _json(content: BaseModel) -> web.Response:
    return _answer(content.model_dump(), 200)


def _error(said: str, status: int, **more: Any) -> web.Response:
    return _answer({"error": said, **more}, status)


def _answer(content: dict[str, Any], status: int) -> web.Response:
    """Kept by nobody on the way: it is about people."""
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
