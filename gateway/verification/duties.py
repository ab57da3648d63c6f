"""What nobody sends a webhook for: sessions that never came back, evidence that has ended, rows that are not kept.

Each duty does a little at a time, so that a large directory is gone through in the course of hours and never locked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.ladder import USUAL, Ladder
from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.purge import purge
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import DECIDED, Verification, mark, shaped
from gateway.verification.provider import NoSuchSession, Provider, ProviderUnavailable, State
from gateway.verification.review import Manual

log = logging.getLogger(__name__)
verifications, evidence, audit = tables.verifications, tables.evidence, tables.audit

EVERY: Final = 60.0
"""Seconds between two rounds."""
SILENT: Final = 3600.0
"""Seconds after which a session of which nothing was heard is asked for."""
NEVER: Final = 7 * 86_400.0
"""Seconds after which a session that nobody has come to is over."""
LOST: Final = 3600.0
"""Seconds after which a session that has no reference never got one: its process died while it was started."""
ASKED: Final = 20
"""Sessions asked for in a round."""
PAGE: Final = 1000
"""Rows of evidence that are looked at in a round."""
PURGED: Final = 3600.0
"""Seconds between two purges."""
ENDED: Final = "evidence.end"
"""The line in the audit: what ends does so by itself, and this says when."""


class Duties:
    """Of one process. Two of them do nothing wrong, and ask twice as often."""

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        clerk: Clerk,
        ladder: Callable[[], Ladder | None],
        now: Callable[[], float],
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`pause` waits for so many seconds: asyncio.sleep."""
        self._database = database
        self._providers = {name: one for name, one in providers.items() if not isinstance(one, Manual)}
        self._clerk = clerk
        self._ladder = ladder
        self._now = now
        self._pause = pause
        self._seen = 0
        self._purged = float("-inf")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except SQLAlchemyError as error:
                log.error("the duties have to wait: %s", getattr(error, "orig", None) or type(error).__name__)
            await self._pause(EVERY)

    async def round(self) -> None:
        """Each duty once. Raises SQLAlchemyError."""
        await self._ask_the_silent()
        await self._database.writing("clerk", _give_up_lost)
        await self._note_ends()
        if self._now() - self._purged >= PURGED:
            await self._database.writing("clerk", lambda writing: purge(writing, self._now()))
            self._purged = self._now()

    async def _ask_the_silent(self) -> None:
        away: set[str] = set()
        for one in await self._database.reading(lambda connection: _silent(connection, self._providers, self._now())):
            if one.provider in away:
                continue
            try:
                await self._ask(one)
            except ProviderUnavailable as error:
                log.warning("%s: %s", one.provider, error)
                away.add(one.provider)

    async def _ask(self, one: Verification) -> None:
        """Raises ProviderUnavailable."""
        try:
            await self._clerk.ask(one)
        except NoSuchSession:
            await self._database.writing("clerk", lambda writing: _asked(writing, one, known=False))
        else:
            await self._database.writing("clerk", lambda writing: _asked(writing, one, known=True))

    async def _note_ends(self) -> None:
        ladder = self._ladder()
        if ladder is None:
            return
        rows = await self._database.reading(lambda connection: _page(connection, self._seen))
        self._seen = rows[-1].id if len(rows) == PAGE else 0
        over = {}
        for row in rows:
            expires = float("inf") if row.expires is None else row.expires
            ends = min(row.obtained + ladder.proofs.get(row.kind, USUAL).lasts, expires)
            if ends + ladder.proofs.get(row.kind, USUAL).grace <= self._now():
                over[row.id] = (row.account, row.kind, ends)
        if over:
            await self._database.writing("clerk", lambda writing: _note(writing, over))


def _silent(connection: Connection, providers: Mapping[str, Provider], now: float) -> list[Verification]:
    over = [state.value for state in (*DECIDED, State.EXPIRED)]
    found = sql.select(verifications).where(
        verifications.c.state.not_in(over), verifications.c.reference != "",
        verifications.c.updated < now - SILENT, verifications.c.provider.in_(list(providers)),
    )  # fmt: skip
    return [shaped(one) for one in connection.execute(found.order_by(verifications.c.updated).limit(ASKED))]


def _asked(writing: Writing, one: Verification, *, known: bool) -> None:
    """It was asked for and is still open: next time others come first, and some day it is over."""
    found = sql.select(verifications).where(verifications.c.id == one.id, verifications.c.state == one.state.value)
    current = writing.connection.execute(found.with_for_update()).first()
    if current is None:
        return
    if not known:
        mark(writing, shaped(current), State.EXPIRED, "no_such_session")
    elif one.state in (State.CREATED, State.RETRY) and one.created < writing.now - NEVER:
        mark(writing, shaped(current), State.EXPIRED, "never_came_back")
    else:
        same = verifications.update().where(verifications.c.id == one.id)
        writing.connection.execute(same.values(updated=writing.now))


def _give_up_lost(writing: Writing) -> None:
    lost = sql.select(verifications).where(
        verifications.c.state == State.CREATED.value, verifications.c.reference == "",
        verifications.c.created < writing.now - LOST,
    )  # fmt: skip
    for one in writing.connection.execute(lost.limit(ASKED).with_for_update()).all():
        mark(writing, shaped(one), State.EXPIRED, "not_started")


def _page(connection: Connection, after: int) -> list[sql.Row[Any]]:
    """Evidence by number, and of each kind only what is the latest of its account: what was renewed ends unnoticed."""
    later = evidence.alias()
    newer = sql.exists().where(
        later.c.account == evidence.c.account, later.c.kind == evidence.c.kind, later.c.withdrawn.is_(None),
        later.c.obtained > evidence.c.obtained,
    )  # fmt: skip
    columns = (evidence.c.id, evidence.c.account, evidence.c.kind, evidence.c.obtained, evidence.c.expires)
    found = sql.select(*columns).where(evidence.c.id > after, evidence.c.withdrawn.is_(None), ~newer)
    rows: list[sql.Row[Any]] = [*connection.execute(found.order_by(evidence.c.id).limit(PAGE))]
    return rows


def _note(writing: Writing, over: Mapping[int, tuple[str, str, float]]) -> None:
    """Once: who has its line has it for good, whatever becomes of the ladder."""
    accounts = {account for account, _, _ in over.values()}
    lines = sql.select(audit.c.detail).where(audit.c.did == ENDED, audit.c.subject.in_(accounts))
    there = {orjson.loads(detail).get("evidence") for detail in writing.connection.scalars(lines)}
    for number, (account, kind, ends) in over.items():
        if number not in there:
            writing.audit(ENDED, account, evidence=number, kind=kind, ended=ends)
