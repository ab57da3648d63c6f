"""What the detector has to know of accounts, from the directory: asked when one is first heard of, and when it changes.

While the database is away exchanges are heard all the same, and who was to be asked about waits.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.evidence import IN_PERSON, LINKS
from gateway.accounts.outage import Outage, said
from gateway.accounts.sql import cases, tables
from gateway.accounts.sql.database import Database, changes_since
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.ruling import Ruling

ASKED: Final = 500
"""Accounts of one statement: each is a parameter of it."""
AT_ONCE: Final = 20_000
"""Accounts that are asked about between two batches of exchanges."""
WAITING_AT_MOST: Final = 1_200_000

_log = logging.getLogger(__name__)


class DirectoryFacts:
    """Of one process."""

    def __init__(self, database: Database | None, wall: Callable[[], float]) -> None:
        """Without a directory nothing is known but what exchanges state. `wall` gives Unix time."""
        self._database = database
        self._wall = wall
        self._outage = Outage(
            _log,
            "the directory does not answer: what is known of accounts is what it was, or nothing",
            "the directory answers the detector again",
        )
        self._waiting: dict[str, None] = {}
        self.version: int | None = None
        """Up to which changes are known; None before the first look."""
        self.ruling = 0
        """Up to which rulings are known."""
        self.gone: set[str] = set()
        """Accounts that have left the directory, until somebody has taken notice."""

    def __len__(self) -> int:
        """How many wait to be asked about."""
        return len(self._waiting)

    def ask(self, accounts: Iterable[str]) -> None:
        """They are answered for by the next `learnt`."""
        if self._database is not None:
            self._waiting.update(dict.fromkeys(accounts))
            while len(self._waiting) > WAITING_AT_MOST:
                del self._waiting[next(iter(self._waiting))]

    async def learnt(self) -> list[AccountFacts]:
        """Of those that wait; not of those that the directory does not know."""
        if self._database is None or not self._waiting:
            return []
        names = [name for name, _ in zip(self._waiting, range(AT_ONCE), strict=False)]
        try:
            found = await self._database.reading(functools.partial(facts_of, accounts=names, now=self._wall()))
        except (SQLAlchemyError, OSError) as error:
            self._outage.begins(said(error))
            return []
        self._outage.ends()
        for name in names:
            self._waiting.pop(name, None)
        self.gone.difference_update(facts.account for facts in found)
        return found

    async def members_of(self, clusters: Collection[str]) -> dict[str, list[str]]:
        """The accounts of cases, by their clusters; none where nobody answers."""
        if self._database is None or not clusters:
            return {}
        try:
            return await self._database.reading(lambda connection: cases.members_of(connection, clusters))
        except (SQLAlchemyError, OSError) as error:
            self._outage.begins(said(error))
            return {}

    async def look(self, known: Collection[str]) -> list[Ruling]:
        """What people have ruled since; accounts of `known` that changed wait to be asked about."""
        if self._database is None:
            return []
        try:
            version, changed, rulings = await self._database.reading(self._read)
            if changed:
                asked = [account for account in changed if account in known]
                self.gone |= await self._database.reading(functools.partial(_gone, accounts=asked))
        except (SQLAlchemyError, OSError) as error:
            self._outage.begins(said(error))
            return []
        self._outage.ends()
        self.version = version
        if rulings:
            self.ruling = rulings[-1].id
        self.ask(known if changed is None else (account for account in changed if account in known))
        return rulings

    def _read(self, connection: Connection) -> tuple[int, Collection[str] | None, list[Ruling]]:
        rulings: list[Ruling] = []
        after = self.ruling
        while more := cases.rulings_after(connection, after):
            rulings += more
            after = more[-1].id
        if self.version is None:
            now: int = connection.execute(sql.select(tables.version.c.version)).scalar_one()
            return now, (), rulings
        version, changed = changes_since(connection, self.version)
        return version, None if version < self.version else changed, rulings


def facts_of(connection: Connection, accounts: Sequence[str], now: float) -> list[AccountFacts]:
    """Of those that are there, at Unix time `now`."""
    return [
        facts
        for start in range(0, len(accounts), ASKED)
        for facts in _facts_of(connection, accounts[start : start + ASKED], now)
    ]


def _gone(connection: Connection, accounts: Sequence[str]) -> set[str]:
    """Of accounts that the directory knew, those that were erased."""
    table, there = tables.accounts, set[str]()
    for start in range(0, len(accounts), ASKED):
        some = sql.select(table.c.id).where(table.c.id.in_(accounts[start : start + ASKED]))
        there.update(connection.scalars(some))
    return set(accounts) - there


def _facts_of(connection: Connection, accounts: Sequence[str], now: float) -> Iterable[AccountFacts]:
    links: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(_LINKS, {"ids": accounts}):
        links.setdefault(row.account, []).append((row.kind, row.digest[:8].hex()))
    shown = {row.account: row.kinds for row in connection.execute(_EVIDENCE, {"ids": accounts, "now": now})}
    for row in connection.execute(_ACCOUNTS, {"ids": accounts}):
        yield AccountFacts(
            account=row.id,
            organisation=_party(row),
            created=row.created,
            tier=row.tier,
            verification=shown.get(row.id, 0),
            email_domain=row.email_domain,
            signup_country=row.signup_country,
            links=tuple(sorted(links.get(row.id, ()))),
        )


def _party(row: Any) -> str:
    """Accounts with the same people behind them are one party, as those of an organisation are."""
    if row.organisation:
        return str(row.organisation)
    return f"identity={row.identity}" if row.identity else ""


_ACCOUNTS: Final = sql.select(tables.accounts).where(
    tables.accounts.c.id.in_(sql.bindparam("ids", expanding=True)), tables.accounts.c.erased.is_(None)
)
_LINKS: Final = sql.select(tables.links.c.account, tables.links.c.kind, tables.links.c.digest).where(
    tables.links.c.account.in_(sql.bindparam("ids", expanding=True)),
    tables.links.c.kind.in_(tuple(kind for kind in LINKS if kind != "email_domain")),
)
# A payment or an address says too little: each account of a campaign may have one of its own.
_EVIDENCE: Final = (
    sql.select(tables.evidence.c.account, sql.func.count(tables.evidence.c.kind.distinct()).label("kinds"))
    .where(
        tables.evidence.c.account.in_(sql.bindparam("ids", expanding=True)),
        tables.evidence.c.kind.in_(IN_PERSON),
        tables.evidence.c.withdrawn.is_(None),
        sql.or_(tables.evidence.c.expires.is_(None), tables.evidence.c.expires > sql.bindparam("now")),
    )
    .group_by(tables.evidence.c.account)
)
