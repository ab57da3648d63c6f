"""A port with access alone, and three operations behind it; its clock is turned by hand."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import operators, tables
from gateway.accounts.sql.database import Database
from gateway.control.access.access import Access
from gateway.control.access.answers import said
from gateway.control.access.border import border
from gateway.control.access.content import LARGEST, content
from gateway.control.access.guard import CSRF
from gateway.control.access.idp import Settings
from gateway.control.access.roles import Permission, Role
from gateway.control.access.routes import Operations
from gateway.control.account_shapes import Reason, Shape
from gateway.control.operations import Operation, who
from tests import schema

ADMIN: Final = "sixteen bytes at least"
SECRETS: Final = Secrets({"s1": b"0123456789abcdef" * 2})
START: Final = 1_800_000_000.0


class TuneShape(Shape):
    reason: Reason


@dataclass
class Port:
    """A client, and what is behind it."""

    http: TestClient[web.Request, web.Application]
    access: Access
    database: Database
    clock: list[float]
    lines: list[tuple[str, str, str, dict[str, Any]]]
    done: list[str] = field(default_factory=list)
    """By whom something was changed."""

    @property
    def origin(self) -> str:
        return f"http://{self.http.host}:{self.http.port}"

    @property
    def did(self) -> list[str]:
        return [did for _, did, _, _ in self.lines]

    def token(self, role: Role, name: str = "", lasts: float | None = None) -> str:
        expires = None if lasts is None else self.clock[0] + lasts
        return self.database.write(
            "test", lambda writing: operators.create(writing, SECRETS, name or f"a-{role}", str(role), expires)
        ).token

    def audit(self) -> list[tuple[str, str]]:
        rows = self.database.read(lambda connection: connection.execute(tables.audit.select()).all())
        return [(row.who, row.did) for row in rows]

    async def ask(
        self, method: str, path: str, token: str = "", content: Any = None, **fields: str
    ) -> tuple[int, dict[str, Any]]:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, path, headers=headers, json=content, allow_redirects=False) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else {}

    async def sign_in(self, token: str = ADMIN, **fields: str) -> Browser:
        status, found = await self.ask("POST", "/session", content={"token": token}, **fields)
        assert status == 200, found
        [cookie] = self.http.session.cookie_jar
        self.http.session.cookie_jar.clear()
        return Browser(self, f"{cookie.key}={cookie.value}", found["csrf"])


@dataclass
class Browser:
    """Somebody who is signed in: its cookie and what its page knows."""

    port: Port
    cookie: str
    csrf: str

    async def ask(self, method: str, path: str, content: Any = None, **fields: str) -> tuple[int, dict[str, Any]]:
        """As the console's own page asks, but for the fields that are stated; an empty one is left out."""
        stated = {"Origin": self.port.origin, "Sec_Fetch_Site": "same-origin", "Cookie": self.cookie}
        stated |= {CSRF.replace("-", "_"): self.csrf, **fields}
        return await self.port.ask(method, path, "", content, **{name: one for name, one in stated.items() if one})


@functools.cache
def _empty() -> bytes:
    """A directory with nothing in it: to migrate takes longer than a test."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database("sqlite:///directory.db", lambda: START, Path(folder))
        schema.lay(database)
        database.close()
        return (Path(folder) / "directory.db").read_bytes()


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    *,
    token: str = ADMIN,
    url: str = "",
    oidc: Settings | None = None,
    more: Callable[[], list[Operation]] = list,
) -> AsyncIterator[Port]:
    clock = [START]
    (folder / "directory.db").write_bytes(_empty())
    database = Database("sqlite:///directory.db", lambda: clock[0], folder)
    lines: list[tuple[str, str, str, dict[str, Any]]] = []

    def note(who: str, did: str, subject: str, **detail: object) -> None:
        lines.append((who, did, subject, dict(detail)))

    access = Access(
        token=token, database=database, secrets=SECRETS, now=lambda: clock[0], url=url, oidc=oidc, note=note
    )
    done: list[str] = []

    async def look(request: web.Request) -> web.Response:
        return said({"who": who(request)})

    async def tune(request: web.Request) -> web.Response:
        await content(request, TuneShape)
        done.append(who(request))
        return said({"done": len(done)})

    async def broken(_: web.Request) -> web.Response:
        raise KeyError("a secret of the inside")

    behind = [
        Operation("GET", "/look", look, Permission.LOOK, "Look."),
        Operation("GET", "/people/{id}", look, Permission.PEOPLE, "People."),
        Operation("POST", "/tune", tune, Permission.TUNE, "Change.", content=TuneShape),
        Operation("GET", "/broken", broken, Permission.LOOK, "Broken."),
        *more(),
    ]
    app = web.Application(middlewares=[border], client_max_size=LARGEST)
    Operations([*behind, *access.operations()]).add_to(app, access.guard)
    http = TestClient(TestServer(app))
    await http.start_server()
    yield Port(http, access, database, clock, lines, done)
    await http.close()
    await access.close()
    database.close()
