"""Looking at cases over the operators' port: pictures, pages, previews."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.engine import Connection

from gateway.accounts.sql import cases
from gateway.campaigns.verdict import Verdict
from gateway.control.access.answers import said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.cases import shown
from gateway.control.cases.graph import DRAWN, graph
from gateway.control.cases.judging import NONE, Judging, etag, number_of, proven, sees_people
from gateway.control.cases.people import Stands, stands
from gateway.control.cases.preview import Rules, preview
from gateway.control.cases.shapes import (
    AccountShown,
    AccountsQuery,
    AccountsShown,
    CaseShown,
    CasesQuery,
    CasesShown,
    GraphShown,
    HistoryShown,
    PreviewShown,
    VerdictShown,
    Word,
)
from gateway.control.cases.verdicts import verdicts_of
from gateway.control.operations import Operation

KEPT: Final = 20
"""Pictures that are kept: to draw one takes some 100 ms."""


class LookingApi:
    """`operations` are for the port."""

    def __init__(self, judging: Judging) -> None:
        self._of = judging
        self._drawn: dict[tuple[int, float, int, bool], GraphShown] = {}

    def operations(self) -> list[Operation]:
        look, people, gone = Permission.LOOK, Permission.PEOPLE, {404: NONE}
        one = "/cases/{id}"
        return [
            Operation(
                "GET", "/cases", self.listed, look, "Clusters of accounts that act as one, for people to judge.",
                query=CasesQuery, answer=CasesShown,
            ),
            Operation(
                "GET", one, self.show, look, "One case, with its ETag: evidence, marks, timeline.",
                answer=CaseShown, errors=gone,
            ),
            Operation(
                "GET", f"{one}/graph", self.graph, look,
                "Its picture: the strongest accounts, and what holds them together.", answer=GraphShown, errors=gone,
            ),
            Operation(
                "GET", f"{one}/preview", self.preview, look, "What each action would do, to how many accounts.",
                answer=PreviewShown, errors=gone,
            ),
            Operation(
                "GET", f"{one}/accounts", self.accounts, people, "Its accounts, those that belong the most first.",
                query=AccountsQuery, answer=AccountsShown, errors=gone,
            ),
            Operation(
                "GET", f"{one}/history", self.history, people, "What was done and noted, the newest first.",
                answer=HistoryShown, errors=gone,
            ),
            Operation(
                "GET", "/accounts/{id}/verdict", self.verdict, people,
                "What the detector says of one account, and in which case it is judged.", answer=VerdictShown,
            ),
        ]  # fmt: skip

    async def listed(self, request: web.Request) -> web.Response:
        asked, rules = query(request, CasesQuery), self._of.rules()
        return _json(
            await self._of.database.reading(lambda connection: shown.listed(connection, asked, rules, self._of.caps))
        )

    async def show(self, request: web.Request) -> web.Response:
        found = await self._of.case(number_of(request), proven(request))
        return _json(found, headers={"ETag": etag(found.revision)})

    async def graph(self, request: web.Request) -> web.Response:
        number, veiled = number_of(request), not sees_people(request)

        def look(connection: Connection) -> tuple[Any, dict[str, float]]:
            row = cases.one(connection, number)
            page = cases.page(connection, number, DRAWN, states=(*cases.STILL, cases.SUSPENDED, cases.ASKED))
            return row, {member.account: member.nats for member in page}

        row, strongest = await self._of.database.reading(look)
        key = (number, row.updated, row.revision, veiled)
        if key not in self._drawn:
            self._drawn[key] = await asyncio.to_thread(graph, row, strongest, veiled=veiled)
            while len(self._drawn) > KEPT:
                del self._drawn[next(iter(self._drawn))]
        return _json(self._drawn[key])

    async def preview(self, request: web.Request) -> web.Response:
        number, rules, file = number_of(request), self._of.rules(), self._of.file()
        ladder, now = self._of.ladder(), self._of.database.now()

        def look(connection: Connection) -> PreviewShown:
            row = cases.one(connection, number)
            meant = cases.meant(connection, number, row.updated)
            return preview(row, stands(connection, meant, now, ladder, file), rules)

        return _json(await self._of.database.reading(look))

    async def accounts(self, request: web.Request) -> web.Response:
        number, asked = number_of(request), query(request, AccountsQuery)
        file, ladder, now = self._of.file(), self._of.ladder(), self._of.database.now()
        states = cases.STILL if asked.state == "still" else (asked.state,) if asked.state else ()

        def look(connection: Connection) -> tuple[list[Any], dict[str, Stands]]:
            cases.one(connection, number)
            after = cases.place_of(connection, number, asked.after) if asked.after else None
            page = cases.page(connection, number, asked.limit + 1, after, states)
            return page, stands(connection, [row.account for row in page], now, ladder, file)

        page, people = await self._of.database.reading(look)
        more, page = len(page) > asked.limit, page[: asked.limit]
        verdicts = await verdicts_of(self._of.redis, [row.account for row in page], now)
        rules = self._of.rules()
        found = [_account(row, people[row.account], verdicts.get(row.account), rules) for row in page]
        return _json(AccountsShown(accounts=found, next=page[-1].account if more else None))

    async def history(self, request: web.Request) -> web.Response:
        number = number_of(request)
        return _json(await self._of.database.reading(lambda connection: shown.history(connection, number)))

    async def verdict(self, request: web.Request) -> web.Response:
        account, now = request.match_info["id"], self._of.database.now()
        file, ladder = self._of.file(), self._of.ladder()
        there = (await verdicts_of(self._of.redis, [account], now)).get(account)

        def look(connection: Connection) -> tuple[int | None, str, Stands]:
            case, cluster = cases.of_account(connection, account)
            if there is not None:
                case = cases.of_cluster(connection, there.cluster) or case
            return case, cluster, stands(connection, [account], now, ladder, file)[account]

        case, cluster, standing = await self._of.database.reading(look)
        found = VerdictShown(
            account=account, case=case, cluster=there.cluster if there is not None else cluster,
            score=there.score if there is not None else None,
            families=shown.families(there.families, self._of.caps) if there is not None else [],
            evidence=list(there.evidence) if there is not None else [], size=there.size if there is not None else 0,
            level=_level(there, standing.tier, self._of.rules()),
            since=there.since if there is not None else None, expires=there.expires if there is not None else None,
        )  # fmt: skip
        return _json(found)


def _account(row: Any, there: Stands, verdict: Verdict | None, rules: Rules | None) -> AccountShown:
    return AccountShown(
        account=row.account, nats=row.nats, joined=row.joined, state=row.state, known=there.known, tier=there.tier,
        verification=there.verification, suspended=there.suspended, level=_level(verdict, there.tier, rules),
        exchanges=None,
    )  # fmt: skip


def _level(verdict: Verdict | None, tier: str, rules: Rules | None) -> Word | None:
    if verdict is None or rules is None:
        return None
    return cast("Word", rules.levels.level(verdict, tier).word)


def _json(content: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return said(content.model_dump(), status, headers)
