"""Cases in a browser: the real API over a real directory, behind sessions that a test sets as it likes."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.accounts.sql import accounts, cases, migrate
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.border import border
from gateway.control.access.roles import MAY, Role
from gateway.control.cases.api import CasesApi
from gateway.control.cases.judging import Judging
from gateway.control.cases.preview import Rules
from gateway.control.console import Console
from gateway.control.detectors import DetectorsApi
from gateway.control.jobs import Jobs
from gateway.control.operations import OPERATOR, Operator
from gateway.detect.settings import Settings
from gateway.policies.risk.campaigns import Response
from tests.accounts.sql.case_world import cluster, record_of
from tests.browser.console import made as busy
from tests.browser.console.deployment import HOSTILE
from tests.browser.console.fake import Fake
from tests.control.cases.conftest import CAMPAIGNS, FILE, Told


@dataclass
class Judged:
    """`who` and `role` are what a session proves now."""

    database: Database
    jobs: Jobs
    who: str = "token:ann"
    role: Role = Role.ANALYST
    origin: str = ""
    verdicts: Told = field(default_factory=Told)
    detectors: list[dict[str, Any]] = field(default_factory=list)
    """What each has said of itself."""

    def session(self) -> dict[str, Any]:
        permissions = sorted(MAY[self.role])
        return {"name": self.who, "role": self.role, "permissions": permissions, "csrf": "c", "expires": 2e9}

    def tell(self, size: int = 300, *, name: str = "c1", first: int = 0, hostile: bool = False) -> int:
        """As the detector does. `hostile`: markup in all that it says."""
        told = cluster(size, name=name, first=first, at=time.time())
        if hostile:
            marks = tuple(mark._replace(words=HOSTILE) for mark in told.marks)
            told = replace(told, marks=marks, evidence=(HOSTILE,), models=((HOSTILE, 7),), countries=((HOSTILE, 7),))
        record = record_of(told)
        self.database.write("detector", lambda writing: cases.record(writing, [record]))
        found = self.database.read(lambda connection: cases.of_cluster(connection, name))
        assert found is not None
        return found


@contextlib.asynccontextmanager
async def judged(folder: Path) -> AsyncIterator[Judged]:
    """Serves until the end."""
    folder.mkdir(exist_ok=True)
    database = Database("sqlite:///directory.db", time.time, folder)
    migrate.upgrade(database)
    database.write("cli:ann", _people)
    made = Judged(database, Jobs(time.time))

    @web.middleware
    async def stated(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        request[OPERATOR] = Operator(made.who, made.role)
        return await handler(request)

    async def session(_: web.Request) -> web.Response:
        return web.json_response(made.session())

    judging = Judging(
        database, made.jobs, lambda: Rules(Response(CAMPAIGNS, "c")), lambda: None, lambda: FILE, Settings().caps,
        made.verdicts,
    )  # fmt: skip
    app = web.Application(middlewares=[border, stated])

    async def told() -> list[dict[str, Any]]:
        return made.detectors

    looking = (*CasesApi(judging).operations(), *DetectorsApi(told, time.time).operations())
    for operation in (*Console().operations(), *looking, *made.jobs.operations()):
        app.router.add_route(operation.method, operation.path, operation.handler)
    app.router.add_get("/session", session)
    frame = Fake()
    busy.fill(frame)
    for path in ("/health", "/overrides", "/policies"):
        app.router.add_get(path, frame.serve)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    made.origin = str(server.make_url("")).rstrip("/")
    try:
        yield made
    finally:
        await made.jobs.close()
        await server.close()
        database.close()
        shutil.rmtree(folder)


def _people(writing: Writing) -> None:
    for number in range(10, 14):
        accounts.create(writing, NewAccount(f"acc-{number:05}", tier="pro"))
