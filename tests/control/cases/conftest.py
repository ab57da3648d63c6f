"""Cases over real HTTP, on a real SQLite file, with operators of several roles."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sql
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.sql import accounts, cases, migrate, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.campaigns.verdict import Verdict
from gateway.control.access.border import border
from gateway.control.access.roles import Role
from gateway.control.cases.api import CasesApi
from gateway.control.cases.judging import Judging
from gateway.control.cases.preview import Rules
from gateway.control.jobs import Jobs
from gateway.control.operations import OPERATOR, Operator
from gateway.detect.settings import Settings
from gateway.feeds.verdicts import spelled
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.levels import CampaignsConfig
from gateway.policy import Principal, Profile
from gateway.testing import Clock
from tests.accounts.sql.case_world import AT, record_of

ANN, BOB = "token:ann", "token:bob"
WHY = {"reason": "ticket 7"}
CAMPAIGNS = CampaignsConfig.model_validate(
    {
        "budget": {}, "trace": {"from": 5.0}, "challenge": {"from": 9.2}, "verify": {"from": 14.0},
        "tiers": {"pro": "trace"},
    }
)  # fmt: skip


@dataclass
class Told:
    """What of Redis is asked here."""

    of: dict[str, bytes] = field(default_factory=dict)

    async def hmget(self, _: str, accounts: list[str]) -> list[bytes | None]:
        return [self.of.get(account) for account in accounts]

    def say(self, verdict: Verdict) -> None:
        self.of[verdict.account] = spelled(verdict)


@dataclass
class Port:
    http: TestClient[web.Request, web.Application]
    database: Database
    clock: Clock
    jobs: Jobs
    rules: list[Rules | None]
    verdicts: Told = field(default_factory=Told)
    bearer: list[str] = field(default_factory=lambda: [ANN])
    """Whose the token is that a command brings."""

    async def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        by: str = ANN,
        role: Role = Role.ANALYST,
        match: Any = None,
    ) -> tuple[int, Any]:
        fields = {"X-Who": by, "X-Role": str(role)} | ({} if match is None else {"If-Match": f'"{match}"'})
        async with self.http.request(method, path, json=content, headers=fields) as answer:
            return answer.status, await answer.json()

    async def decide(self, case: int, what: str, content: Any = None, *, by: str = ANN) -> tuple[int, Any]:
        """On what the case is now."""
        _, there = await self.ask("GET", f"/cases/{case}", by=by)
        return await self.ask("POST", f"/cases/{case}/{what}", WHY | (content or {}), by=by, match=there["revision"])

    async def done(self, job: str, by: str = ANN) -> dict[str, Any]:
        """What came of a job."""
        found = self.jobs.of(job, f"{Role.ANALYST} {by}")
        assert found is not None
        assert found.task is not None
        async with asyncio.timeout(20):
            await asyncio.wait([found.task])
        assert found.error == ""
        assert found.result is not None
        return found.result

    def tell(self, told: Any) -> int:
        """As the detector's leader does."""
        record = record_of(told)
        self.database.write("detector", lambda writing: cases.record(writing, [record]))
        found: list[int] = self.database.read(
            lambda it: list(it.scalars(sql.select(tables.cases.c.id).where(tables.cases.c.cluster == told.id)))
        )
        return found[0]

    def audit(self, did: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        rows = self.database.read(lambda it: it.execute(tables.audit.select().order_by(tables.audit.c.id)).all())
        return [(row.who, row.did, orjson.loads(row.detail)) for row in rows if did in ("", row.did)]

    def suspended(self) -> set[str]:
        table = tables.accounts
        return set(self.database.read(lambda it: it.scalars(sql.select(table.c.id).where(table.c.suspended)).all()))


FILE = Snapshot(
    {}, {"acc-00009": Principal("acc-00009", tier="pro", profile=Profile(verification=2))}, frozenset(), {}
)  # fmt: skip


def people(writing: Writing) -> None:
    """Ten of the accounts are in the directory: four are of the tier pro, one of these was verified."""
    for number in range(10, 20):
        accounts.create(writing, NewAccount(f"acc-{number:05}", tier="pro" if number < 14 else ""))
    standing.add_evidence(writing, "acc-00010", "email")
    accounts.suspend(writing, "acc-00019", "unpaid")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with its schema and some people, to be copied."""
    folder = tmp_path_factory.mktemp("cases")
    database = Database("sqlite:///directory.db", Clock(at=AT), folder)
    migrate.upgrade(database)
    database.write("cli:ann", people)
    database.close()
    return folder / "directory.db"


@pytest.fixture
async def port(tmp_path: Path, migrated: Path) -> AsyncIterator[Port]:
    clock = Clock(at=AT + 60.0)
    shutil.copy(migrated, tmp_path / "directory.db")
    database = Database("sqlite:///directory.db", clock, tmp_path)
    rules: list[Rules | None] = [Rules(Response(CAMPAIGNS, "campaigns"))]
    jobs, told = Jobs(clock), Told()
    judging = Judging(
        database, jobs, lambda: rules[0], lambda: None, lambda: FILE, Settings().caps, told
    )  # fmt: skip
    bearer = [ANN]

    @web.middleware
    async def stated(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        """As the guard: who a credential proved."""
        role = Role(request.headers.get("X-Role", Role.ANALYST))
        request[OPERATOR] = Operator(request.headers.get("X-Who", bearer[0]), role)
        return await handler(request)

    app = web.Application(middlewares=[border, stated])
    for one in (*CasesApi(judging).operations(), *jobs.operations()):
        app.router.add_route(one.method, one.path, one.handler)
    http = TestClient(TestServer(app))
    await http.start_server()
    yield Port(http, database, clock, jobs, rules, told, bearer)
    await jobs.close()
    await http.close()
    database.close()
