"""The admin port's challenges: who is held, and how a person ends it. JSON in, JSON out.

All of it needs somebody who may: it is about people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.sql.database import Database
from gateway.challenges.interface import Escalations
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content, query
from gateway.control.access.roles import Permission
from gateway.control.challenges_shown import LiftShape, ListShape, NotHeld, TermsOf, lift, listed, noted, rows, shown
from gateway.control.operations import Operation, who

NOT_NOTED: Final = "it is lifted, but the audit cannot be written just now: ask again, so that it says who and why"


class ChallengesApi:
    """`operations` are for `gateway.control.admin.application`, as those of `AccountsApi`."""

    def __init__(
        self,
        redis: Any,
        escalations: Escalations,
        database: Database | None,
        terms: Callable[[], TermsOf],
        now: Callable[[], float],
    ) -> None:
        """`redis` is a `redis.asyncio` client (`gateway.stores.redis.client`), which stays the caller's to close;
        `terms` are those of the rules in force; without a `database` there is no audit of accounts to be written to.
        """
        self._redis = redis
        self._escalations = escalations
        self._database = database
        self._terms = terms
        self._now = now

    def operations(self) -> list[Operation]:
        one, people = "/challenges/{id}", Permission.PEOPLE
        none = {404: "Nothing is held of it."}
        return [
            Operation("GET", "/challenges", self.list, people, "Who is held to challenges.", query=ListShape),
            Operation("GET", one, self.show, people, "What is held of one account or address.", errors=none),
            Operation(
                "POST", f"{one}/lift", self.lift, Permission.ACT, "End or lower what it is asked for.",
                content=LiftShape, errors=none,
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """`?step=&limit=`: from which step on, `slow` if not stated. `there` counts all of them."""
        asked = query(request, ListShape)
        now, terms = self._now(), self._terms()
        found = listed(await rows(self._redis, now), asked.step, terms, now)
        held = [shown(row, terms, now) for row in found[: asked.limit]]
        return said({"challenges": held, "there": len(found)})

    async def show(self, request: web.Request) -> web.Response:
        """404 where nothing is held of it."""
        return await self._shown(request.match_info["id"])

    async def lift(self, request: web.Request) -> web.Response:
        """`{"reason": …, "to": "observe", "rule": "ENTRY/NAME"}`: 200 with what is held now."""
        subject, asked = request.match_info["id"], await content(request, LiftShape)
        found = await rows(self._redis, self._now(), subject)
        rules = await lift(self._escalations, found, subject, asked, self._terms())
        if self._database is not None:
            try:
                await self._database.writing(who(request), lambda writing: noted(writing, subject, asked, rules))
            except SQLAlchemyError:
                raise Refused(503, NOT_NOTED) from None
        return await self._shown(subject, lifted=rules)

    async def _shown(self, subject: str, **more: Any) -> web.Response:
        now, terms = self._now(), self._terms()
        found = listed(await rows(self._redis, now, subject), "observe", terms, now)
        if not found and not more:
            raise NotHeld(f"nothing is held of `{subject}`")
        return said({"account": subject, "challenges": [shown(row, terms, now) for row in found], **more})
