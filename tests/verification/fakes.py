"""A provider that is a plain object, identities that are a table, and an account with a session."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import orjson
import sqlalchemy as sql

from gateway.accounts.ladder import IdentityLimit, Ladder, Proof, Rung
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, tables
from gateway.accounts.sql.database import Database, Writing
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import World
from gateway.verification.inbox import Inbox, Shown, letters
from gateway.verification.provider import (
    Event,
    Identified,
    NoSuchSession,
    Rejected,
    Started,
    State,
    Verdict,
)

ACCOUNT: Final = "acme"
PROVIDER: Final = "checks"
SESSION: Final = "ses_1"
KINDS: Final = ("document", "liveness")

LADDER: Final = Ladder(
    (
        Rung("open"),
        Rung("known", frozenset({"email"})),
        Rung("verified", frozenset({"email", "document", "liveness"})),
        Rung("company", frozenset({"email", "document", "liveness", "registry"})),
    ),
    {
        "document": Proof(lasts=365 * 86400.0, renew=30 * 86400.0, grace=14 * 86400.0, provider=PROVIDER),
        "liveness": Proof(provider=PROVIDER),
        "registry": Proof(provider="people"),
    },
    {"reversal": "known", "chargeback": "open"},
)


class FakeProvider:
    """Answers what the test has written down. A webhook of it is JSON, and believed with `x-signature: good`."""

    dated = True

    def __init__(self, name: str = PROVIDER, gives: tuple[str, ...] = KINDS) -> None:
        self.name = name
        self.gives = frozenset(gives)
        self.verdicts: dict[str, Verdict | Exception] = {}
        self.payers: dict[str, tuple[Identified, ...]] = {}
        self.usual: Verdict | None = None
        """Of every session that has no verdict of its own."""
        self.fetched: Counter[str] = Counter()
        self.started: list[str] = []
        self.may_start = asyncio.Event()
        """Until it is set, sessions are being started."""
        self.may_start.set()
        self.resumed: dict[str, Started] = {}
        self.away: Exception | None = None
        self.before_answer: Callable[[], object] | None = None
        """Called when it is asked, before it answers."""

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:
        if fields.get("x-signature") != "good":
            raise Rejected("wrong_signature")
        try:
            told = orjson.loads(body)
            return Event(told["id"], told["kind"], State(told["state"]), told["reference"], float(told["at"]))
        except ValueError:
            raise Rejected("malformed_content") from None

    async def start(self, verification: str, account: str, back: str) -> Started:
        if self.away is not None:
            raise self.away
        self.started.append(verification)
        await self.may_start.wait()
        reference = f"ses_{len(self.started)}"
        return Started(reference, f"https://checks.example/{reference}")

    async def resume(self, reference: str) -> Started | None:
        return self.resumed.get(reference)

    async def fetch(self, reference: str) -> Verdict:
        self.fetched[reference] += 1
        if self.before_answer is not None:
            self.before_answer()
        found = self.away or self.verdicts.get(reference) or self.usual or NoSuchSession(reference)
        if isinstance(found, Exception):
            raise found
        return found

    async def disputed(self, reference: str) -> tuple[Identified, ...]:
        if self.away is not None:
            raise self.away
        return self.payers.get(reference, ())

    async def close(self) -> None:
        return


def world(secrets: Secrets, limits: Mapping[str, IdentityLimit] | None = None) -> World:
    return World(secrets, lambda: limits or {})


def approved(at: float = 0.0, *identified: Identified, expires: float = math.inf, ours: str = "") -> Verdict:
    return Verdict(State.APPROVED, at, frozenset(KINDS), expires, "", identified, ours)


def event(state: State, at: float = 0.0, reference: str = SESSION, name: str = "") -> Event:
    return Event(name or f"evt_{state}_{at}_{reference}", f"session.{state}", state, reference, at)


def open_session(database: Database, account: str = ACCOUNT, reference: str = SESSION, provider: str = PROVIDER) -> str:
    """A row of an account and its session, as the desk leaves it: the session's id."""
    made = f"ver_{reference}"

    def work(writing: Writing) -> None:
        accounts.ensure(writing, account)
        values = {"id": made, "account": account, "provider": provider, "kinds": orjson.dumps(KINDS).decode()}
        values |= {"state": "created", "reference": reference}
        times = {"created": writing.now, "updated": writing.now}
        writing.connection.execute(tables.verifications.insert(), values | times)

    database.write("test", work)
    return made


class Office:
    """Inbox, clerk and provider on one database."""

    def __init__(self, database: Database, secrets: Secrets, limits: Mapping[str, IdentityLimit] | None = None) -> None:
        self.database = database
        self.provider = FakeProvider()
        self.world = world(secrets, limits)
        self.inbox = Inbox(database, database.now)
        self.clerk = Clerk(database, {PROVIDER: self.provider}, self.world, database.now)

    async def hear(self, *events: Event) -> None:
        """Each is stored and worked off before the next."""
        for one in events:
            await self.inbox.store(one, PROVIDER, one.id.encode())
            await self.work()

    async def work(self, clerk: Clerk | None = None) -> None:
        clerk = clerk or self.clerk
        while await clerk.take():
            await clerk.idle()

    def evidence(self, account: str = ACCOUNT) -> list[str]:
        """Kinds that hold, with as many entries as there are rows."""
        table = tables.evidence
        held = sql.select(table.c.kind).where(table.c.account == account, table.c.withdrawn.is_(None))
        return sorted(self.database.read(lambda connection: list(connection.scalars(held))))

    def falls(self, account: str = ACCOUNT) -> list[str]:
        table = tables.falls
        held = sql.select(table.c.reason).where(table.c.account == account, table.c.cleared.is_(None))
        return sorted(self.database.read(lambda connection: list(connection.scalars(held))))

    def state(self, reference: str = SESSION) -> str:
        table = tables.verifications
        found = sql.select(table.c.state, table.c.reason).where(table.c.reference == reference)
        return " ".join(self.database.read(lambda connection: tuple(connection.execute(found).one()))).strip()

    def letters(self) -> list[Shown]:
        """The oldest first."""
        return self.database.read(letters)[::-1]

    def audit(self, account: str = ACCOUNT) -> list[str]:
        table = tables.audit
        found = sql.select(table.c.did).where(table.c.subject == account).order_by(table.c.id)
        return list(self.database.read(lambda connection: list(connection.scalars(found))))
