"""The owner's pages as a gateway serves them: a directory in SQLite, the desk, a provider with a page of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import sqlalchemy as sql
from aiohttp import web
from yarl import URL

from gateway.accounts import one_time
from gateway.accounts.file_directory import EMPTY, Snapshot
from gateway.accounts.keys import MintedKey
from gateway.accounts.ladder import Ladder, Proof, Rung
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.one_time import Scope
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, tables, visits
from gateway.accounts.sql.database import Change, Database, Writing
from gateway.accounts.stored import StoredAccounts
from gateway.challenges.ladder import Held
from gateway.control import pages as reasons
from gateway.control.mail import Mailer
from gateway.control.owner.pages import add_to
from gateway.control.owner.place import link_path
from gateway.edge.handover import Pages
from gateway.feeds.verdicts_memory import MemoryVerdicts
from gateway.policies.risk.campaigns import Response
from gateway.testing import Clock
from gateway.verification.consequences import give, mark, shaped
from gateway.verification.desk import Desk
from gateway.verification.provider import Event, Provider, ProviderUnavailable, Rejected, Started, State, Verdict
from tests import schema

DAY: Final = 86_400.0
KINDS: Final = ("document", "liveness")
LADDER: Final = Ladder(
    (
        Rung("free"),
        Rung("basic", frozenset({"email", "console"})),
        Rung("verified", frozenset({"email", "document", "liveness"})),
        Rung("business", frozenset({"email", "document", "liveness", "registry"})),
    ),
    {
        "document": Proof(lasts=365 * DAY, renew=30 * DAY, grace=14 * DAY, provider="checks"),
        "liveness": Proof(provider="checks"),
    },
    {"chargeback": "free", "reversal": "basic"},
)
GIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "free": ("20 requests a minute", "small models"),
    "basic": ("60 requests a minute", "small models, tools"),
    "verified": ("600 requests a minute", "all models, tools, vision", "batches"),
    "business": ("6,000 requests a minute", "all models and features", "100 requests at once"),
}


class Mail(NamedTuple):
    to: str
    subject: str
    text: str


class Outbox:
    """Mail that stays here."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.arrived = asyncio.Event()

    async def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append(Mail(to, subject, text))
        self.arrived.set()

    async def link(self) -> str:
        """The address in the next mail."""
        await asyncio.wait_for(self.arrived.wait(), 5.0)
        self.arrived.clear()
        found = re.search(r"http\S+", self.sent[-1].text)
        assert found
        return found[0]


class Checks:
    """A provider: a page with a name on it, and buttons with what becomes of the person."""

    name = "checks"
    gives = frozenset(KINDS)
    dated = True

    def __init__(self) -> None:
        self.url = ""
        self.database: Database
        self.away = False
        self.visits: dict[str, tuple[str, str]] = {}
        """Reference -> our id of the verification, and the way back."""

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:
        raise Rejected("missing_signature")

    async def start(self, verification: str, account: str, back: str) -> Started:
        if self.away:
            raise ProviderUnavailable("checks does not answer")
        reference = f"ses-{len(self.visits) + 1}"
        self.visits[reference] = (verification, back)
        return Started(reference, f"{self.url}/{reference}")

    async def resume(self, reference: str) -> Started | None:
        return Started(reference, f"{self.url}/{reference}")

    async def fetch(self, reference: str) -> Verdict:
        return Verdict(State.CREATED, 0.0)

    async def close(self) -> None:
        return

    def decide(self, reference: str, state: State) -> None:
        """What a clerk does with the news of it."""
        ours = self.visits[reference][0]
        table = tables.verifications

        def work(writing: Writing) -> None:
            row = writing.connection.execute(sql.select(table).where(table.c.id == ours)).one()
            if state is State.APPROVED:
                give(writing, shaped(row), frozenset(KINDS), math.inf, writing.now)
            mark(writing, shaped(row), state, "", writing.now)

        self.database.write("clerk", work)

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/{reference}", self._page), web.post("/{reference}/{state}", self._decided)])
        return app

    async def _page(self, request: web.Request) -> web.Response:
        reference = request.match_info["reference"]
        buttons = "".join(
            f'<form method="post" action="/{reference}/{state}"><button>{state}</button></form>'
            for state in ("approved", "submitted", "declined", "retry")
        )
        text = f'<!doctype html><html lang="en"><title>Checks</title><h1>Who are you?</h1>{buttons}</html>'
        return web.Response(text=text, content_type="text/html")

    async def _decided(self, request: web.Request) -> web.Response:
        reference, state = request.match_info["reference"], State(request.match_info["state"])
        await asyncio.to_thread(self.decide, reference, state)
        return web.Response(status=302, headers={"Location": self.visits[reference][1]})


@dataclass
class World:
    """One gateway, as far as owners see it. Everything is made by `gateway`, which closes it."""

    clock: Clock
    database: Database
    secrets: Secrets
    directory: LiveDirectory
    checks: Checks
    outbox: Outbox
    ladder: Ladder | None = LADDER
    verdicts: MemoryVerdicts = field(default_factory=MemoryVerdicts)
    response: Response | None = None
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    origin: str = ""
    clients: list[aiohttp.ClientSession] = field(default_factory=list)

    def account(self, account: str, *addresses: str, **values: Any) -> None:
        def work(writing: Writing) -> None:
            accounts.create(writing, accounts.NewAccount(account, created=writing.now, **values))
            for address in addresses:
                visits.add_member(writing, self.secrets, account, address)

        self.database.write("test", work)

    def key(self, account: str, name: str = "laptop", **values: Any) -> MintedKey:
        return self.database.write("test", lambda writing: keys.create(writing, self.secrets, account, name, **values))

    def write(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One of the directory's own functions."""
        return self.database.write("test", lambda writing: work(writing, *arguments, **named))

    def rows(self, table: sql.Table, **values: Any) -> list[sql.Row[Any]]:
        found = sql.select(table).where(*(table.c[name] == value for name, value in values.items()))
        return list(self.database.read(lambda connection: connection.execute(found).all()))

    def token(self, account: str, scope: Scope = Scope.OWNER, lasts: float = 900.0, value: str = "") -> str:
        return one_time.make(self.secrets, account, scope, self.clock() + lasts, value)

    def link(self, account: str, scope: Scope = Scope.OWNER) -> str:
        return self.origin + link_path(self.token(account, scope))

    def visitor(self) -> Visitor:
        """A browser without memory of us."""
        client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.clients.append(client)
        return Visitor(self.origin, client)

    async def signed_in(self, account: str, scope: Scope = Scope.OWNER) -> Visitor:
        visitor = self.visitor()
        await visitor.open(self.token(account, scope))
        return visitor


class Page(NamedTuple):
    """An answer that was read."""

    status: int
    headers: Mapping[str, str]
    text: str
    url: URL

    @property
    def token(self) -> str:
        found = re.search(r'name="form" value="([0-9a-f]{64})"', self.text)
        return found[1] if found else ""

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


class Visitor:
    """Somebody with a browser, who sends forms as their page has them."""

    def __init__(self, origin: str, client: aiohttp.ClientSession) -> None:
        self.origin = origin
        self.client = client
        self.token = ""

    async def ask(self, method: str, rest: str, **values: Any) -> Page:
        path = rest if rest.startswith("http") else f"{self.origin}/tidegate/account{rest}"
        async with self.client.request(method, path, allow_redirects=False, **values) as answer:
            page = Page(answer.status, answer.headers, await answer.text(), answer.url)
        self.token = page.token or self.token
        return page

    async def get(self, rest: str = "", **values: Any) -> Page:
        return await self.ask("GET", rest, **values)

    async def post(self, rest: str, fields: Mapping[str, str] | None = None, **values: Any) -> Page:
        """With the token of the page that was seen last."""
        return await self.ask("POST", rest, data={"form": self.token, **(fields or {})}, **values)

    async def open(self, token: str) -> Page:
        """A one-time link, and its button."""
        await self.get(f"/link/{token}")
        return await self.post("/link", {"link": token})


class _Handing(asyncio.Protocol):
    """As the edge does: what comes first is handed over."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pages.take_over(self._transport, data)


@functools.cache
def _empty() -> bytes:
    """A directory in which there is nothing yet: made once."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/directory.db", Clock())
        schema.lay(database)
        database.close()
        return Path(folder, "directory.db").read_bytes()


@contextlib.asynccontextmanager
async def gateway(
    folder: Path,
    *,
    public_url: str | None = None,
    mailer: Callable[[Outbox], Mailer | None] = lambda outbox: outbox,
    file: Snapshot = EMPTY,
    desk: bool = True,
    more: Callable[[web.Application, World], None] = lambda _app, _world: None,
) -> AsyncIterator[World]:
    """`public_url` is where it really is, if not stated. `more` serves what else there is beside the owner's pages."""
    clock = Clock()
    secrets = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})
    (folder / "directory.db").write_bytes(_empty())
    database = Database(f"sqlite:///{folder}/directory.db", clock)
    stored = StoredAccounts(database, secrets, clock)
    directory = LiveDirectory(file, stored)
    loop = asyncio.get_running_loop()

    def announce(change: Change) -> None:
        loop.call_soon_threadsafe(directory.void, change.accounts)

    database.announce = announce
    world = World(clock, database, secrets, directory, Checks(), Outbox())
    world.checks.database = database
    providers: Mapping[str, Provider] = {"checks": world.checks}
    app = reasons.application()
    handed: list[Pages] = []
    server = await loop.create_server(lambda: _Handing(handed[0]), "127.0.0.1", 0)
    world.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    add_to(
        app,
        database=database,
        secrets=secrets,
        directory=directory,
        desk=Desk(database, providers, lambda: world.ladder, clock) if desk else None,
        ladder=lambda: world.ladder,
        now=clock,
        public_url=world.origin if public_url is None else public_url,
        mailer=mailer(world.outbox),
        quotas=lambda tier: GIVES.get(tier, ()),
        verdicts=world.verdicts,
        response=lambda: world.response,
        held=lambda: world.held,
    )
    more(app, world)
    handed.append(Pages(app))
    await handed[0].start()
    runner = web.AppRunner(world.checks.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    world.checks.url = f"http://127.0.0.1:{_port(site)}"
    try:
        yield world
    finally:
        for client in world.clients:
            await client.close()
        server.close()
        await handed[0].close()
        await runner.cleanup()
        await stored.close()
        database.close()


def _port(site: web.TCPSite) -> int:
    server = site._server
    assert isinstance(server, asyncio.Server)
    return int(server.sockets[0].getsockname()[1])


Enter = Callable[..., Awaitable[World]]
