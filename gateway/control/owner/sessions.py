"""Who is signed in, and what that allows. It depends on how they came."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.directory import Directory, KeyRecord, NotLoaded
from gateway.accounts.one_time import OneTime, Scope
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import standing, tables, visits
from gateway.accounts.sql.accounts import ensure
from gateway.accounts.sql.database import Database, Writing

IDLE: Final = 30 * 60.0
"""Seconds without a request after which a session ends."""
LONGEST: Final = 8 * 3600.0
"""Seconds after which it ends all the same."""
NOTED: Final = 60.0
"""Seconds: its end is moved no more often."""
AGAIN: Final = 24 * 3600.0
"""Seconds: evidence that a sign-in gives is written no more often."""
WHO: Final = "owner"
"""In the audit."""


class Session(NamedTuple):
    """Somebody who is signed in."""

    token: str
    account: str
    scope: Scope
    key: str
    """The prefix of the key that was shown; empty where none was."""
    created: float
    expires: float

    def __repr__(self) -> str:
        return f"<Session of {self.account} as {self.scope}>"

    @property
    def owner(self) -> bool:
        """Whether it may do all that an owner may, and not only see and verify."""
        return self.scope in {Scope.OWNER, Scope.EMAIL}

    def may_rotate(self, prefix: str) -> bool:
        return self.owner or (bool(self.key) and self.key == prefix)


class Sessions:
    def __init__(self, database: Database, secrets: Secrets, directory: Directory) -> None:
        self._database = database
        self._secrets = secrets
        self._directory = directory

    async def find(self, token: str) -> Session | None:
        """None where it is over. A session that came by a key ends with the key. Raises DirectoryUnavailable."""
        if not token:
            return None
        now = self._database.now()
        row = await self._database.reading(lambda connection: visits.session(connection, self._secrets, token, now))
        if row is None or (row.key and not await self._holds(row.key, now)):
            return None
        if min(row.created + LONGEST, now + IDLE) - row.expires > NOTED:
            await self._database.writing(WHO, lambda writing: _touch(writing, row))
        return Session(token, row.account, Scope(row.scope), row.key, row.created, row.expires)

    async def used(self, link: OneTime) -> bool:
        """Whether a link was spent, for the words on its page: what counts is `open_by_link`."""
        found = sql.select(tables.spent.c.mark).where(tables.spent.c.mark == link.mark)
        return await self._database.reading(lambda connection: connection.execute(found).first()) is not None

    async def open_by_link(self, link: OneTime, before: Session | None) -> str | None:
        """A token for a cookie; None where the link was used already, or its account or address is no more."""

        def work(writing: Writing) -> str | None:
            if not visits.spend(writing, link.mark, link.expires) or _erased(writing, link.account):
                return None
            if link.scope is Scope.EMAIL and not _is_member(writing, link):
                return None
            if before is not None:
                visits.end_session(writing, self._secrets, before.token)
            wider = before is not None and before.account == link.account and before.owner
            scope = before.scope if wider and before is not None and link.scope is Scope.VERIFY else link.scope
            ensure(writing, link.account)
            if link.scope is Scope.EMAIL:
                _note(writing, link.account, "email")
            if link.scope in {Scope.OWNER, Scope.EMAIL}:
                _note(writing, link.account, "console")
            return self._open(writing, link.account, scope)

        return await self._database.writing(WHO, work)

    async def open_by_key(self, record: KeyRecord, before: Session | None) -> str:
        """For who has shown a key that holds."""

        def work(writing: Writing) -> str:
            if before is not None:
                visits.end_session(writing, self._secrets, before.token)
            ensure(writing, record.principal.account)
            return self._open(writing, record.principal.account, Scope.VERIFY, record.principal.key)

        return await self._database.writing(WHO, work)

    async def end(self, session: Session) -> None:
        await self._database.writing(WHO, lambda writing: visits.end_session(writing, self._secrets, session.token))

    async def end_all(self, account: str) -> int:
        """Returns how many there were."""
        return await self._database.writing(WHO, lambda writing: visits.end_sessions(writing, account))

    def _open(self, writing: Writing, account: str, scope: Scope, key: str = "") -> str:
        return visits.open_session(writing, self._secrets, account, scope, key, lasts=IDLE)

    async def _holds(self, prefix: str, now: float) -> bool:
        """Whether a key may still be used. Raises DirectoryUnavailable."""
        record = self._directory.find(prefix)
        if isinstance(record, NotLoaded):
            record = await self._directory.load(prefix)
        if record is None or record.revoked or record.suspended:
            return False
        return record.expires is None or record.expires > now


def _erased(writing: Writing, account: str) -> bool:
    accounts = tables.accounts
    found = sql.select(accounts.c.id).where(accounts.c.id == account, accounts.c.erased.is_not(None))
    return writing.connection.execute(found).first() is not None


def _touch(writing: Writing, row: sql.Row[Any]) -> None:
    ends = min(row.created + LONGEST, writing.now + IDLE)
    writing.connection.execute(
        tables.sessions.update().where(tables.sessions.c.digest == row.digest).values(expires=ends)
    )


def _is_member(writing: Writing, link: OneTime) -> bool:
    """Whether the address to which the link went is still one of the account's."""
    members = tables.members
    try:
        digest = bytes.fromhex(link.value)
    except ValueError:
        return False
    found = sql.select(members.c.id).where(members.c.account == link.account, members.c.digest == digest)
    return writing.connection.execute(found).first() is not None


def _note(writing: Writing, account: str, kind: str) -> None:
    """Evidence, unless it was noted a short while ago."""
    if not _fresh(writing.connection, account, kind, writing.now - AGAIN):
        standing.add_evidence(writing, account, kind)


def _fresh(connection: Connection, account: str, kind: str, since: float) -> bool:
    evidence = tables.evidence
    found = sql.select(evidence.c.id).where(
        evidence.c.account == account,
        evidence.c.kind == kind,
        evidence.c.withdrawn.is_(None),
        evidence.c.obtained > since,
    )
    return connection.execute(found).first() is not None
