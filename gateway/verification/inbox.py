"""What providers have told us: stored before it is acknowledged, once, and worked off until it is done or dead.

A row holds what was read of a webhook, and the hash of its content; never the content. Rows that are done stay for
30 days, which is longer than any provider tries again, so that what comes twice is known.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.verification.group_commit import GroupCommit
from gateway.verification.provider import Event, State

inbox = tables.inbox

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 14400.0)
"""Seconds before the second and each later attempt: the eighth, and last, is 6.7 hours after the first."""
ATTEMPTS: Final = len(PAUSES) + 1
LEASE: Final = 60.0
"""Seconds for which a letter belongs to who has taken it: longer than a provider may take to answer. If its clerk
dies, it is due again then."""
UNREADABLE: Final = "malformed_content"
UNREADABLE_MOST: Final = 1000
"""Letters that cannot be read and are kept, of one provider: enough to see that something is wrong."""
LONGEST: Final = 256
"""Characters of a provider's ids."""


class Letter(NamedTuple):
    """One row that somebody has taken to work it off."""

    id: int
    provider: str
    event: str
    kind: str
    state: State
    reference: str
    stated: float
    """Unix time by the provider's clock; 0 for none."""
    attempts: int
    """This one included. One whose clerk was killed does not count: the letter is not to blame."""
    lease: float
    """Unix time until which it is ours, and the proof that it still is."""


class Shown(NamedTuple):
    """A row for people. Times are Unix time; 0 for not."""

    id: int
    provider: str
    event: str
    kind: str
    state: str
    reference: str
    digest: str
    """SHA-256 of the content, in hex."""
    stated: float
    received: float
    attempts: int
    due: float
    done: float
    dead: float
    outcome: str


class Which(enum.StrEnum):
    """Rows of the inbox."""

    ALL = "all"
    WAITING = "waiting"
    DEAD = "dead"
    DONE = "done"


class NotAgain(ValueError):
    """That letter cannot be worked off once more. The text is for people."""


class Inbox:
    """Of one process that takes webhooks."""

    def __init__(self, database: Database, now: Callable[[], float], told: Callable[[], None] | None = None) -> None:
        """`told` is called when something new is committed, to wake a clerk; it must not raise."""
        self._now = now
        self._told = told
        self._commits: GroupCommit[Mapping[str, Any], bool] = GroupCommit(database, "inbox", insert, in_turn=False)

    async def store(self, event: Event, provider: str, digest: bytes) -> bool:
        """True when it is new. Returns once it is committed. Raises NotCommitted."""
        fields = {"event": event.id, "kind": event.kind, "reference": event.reference}
        if not event.id or not all(_plain(text) for text in fields.values()):
            return await self.keep_unreadable(provider, digest)
        row = _row(provider, digest, self._now())
        row |= fields | {"state": event.state.value, "stated": event.at}
        if event.state is State.OTHER:
            row |= {"due": None, "done": row["received"], "outcome": "ignored"}
        return await self._add(row)

    async def keep_unreadable(self, provider: str, digest: bytes) -> bool:
        """One whose signature held, and whose content nobody understands: a dead letter with its hash alone."""
        row = _row(provider, digest, self._now())
        return await self._add(row | {"due": None, "dead": row["received"], "outcome": UNREADABLE})

    async def _add(self, row: Mapping[str, Any]) -> bool:
        new = await self._commits.add(row)
        if new and row["due"] is not None and self._told is not None:
            self._told()
        return new


def _plain(text: str) -> bool:
    """Whether every database can hold it, and a terminal show it."""
    return len(text) <= LONGEST and (not text or text.isprintable())


def _row(provider: str, digest: bytes, now: float) -> dict[str, Any]:
    return {
        "provider": provider, "event": f"sha256:{digest.hex()}", "digest": digest, "kind": "", "state": "",
        "reference": "", "stated": 0.0, "received": now, "due": now, "done": None, "dead": None, "outcome": "",
    }  # fmt: skip


def insert(writing: Writing, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Those that are not there yet. Returns for each whether it is new."""
    connection = writing.connection
    full = {
        provider
        for provider in {row["provider"] for row in rows if row["outcome"] == UNREADABLE}
        if _unreadable(connection, provider) >= UNREADABLE_MOST
    }
    once = {
        (row["provider"], row["event"]): row
        for row in reversed(rows)
        if row["outcome"] != UNREADABLE or row["provider"] not in full
    }
    if not once:
        return [False] * len(rows)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(inbox).on_conflict_do_nothing(index_elements=["provider", "event"])
    # In one order: two workers that have heard the same never wait for each other in a circle.
    ordered = [once[key] for key in sorted(once)]
    found = connection.execute(statement.returning(inbox.c.provider, inbox.c.event), ordered).all()
    new = {(row.provider, row.event) for row in found}
    answers = []
    for row in rows:
        key = row["provider"], row["event"]
        answers.append(key in new and once[key] is row)
    return answers


def _unreadable(connection: Connection, provider: str) -> int:
    found = sql.select(sql.func.count()).where(inbox.c.provider == provider, inbox.c.outcome == UNREADABLE)
    return connection.execute(found).scalar_one()


def claim(writing: Writing, room: Mapping[str, int]) -> list[Letter]:
    """Letters that are due, taken for `LEASE` seconds: at most so many of each provider as there is room for.

    What belongs to no provider in `room` is taken as well, a few at a time: whoever works it off has to say so.
    """
    wanted = [(inbox.c.provider == provider, most) for provider, most in room.items() if most > 0]
    wanted.append((inbox.c.provider.not_in(list(room)), 10))
    found: list[sql.Row[Any]] = []
    for condition, most in wanted:
        # PostgreSQL: two clerks do not wait for each other. SQLite has one writer, and no such words.
        due = sql.select(inbox).where(condition, inbox.c.due <= writing.now).order_by(inbox.c.due, inbox.c.id)
        found += writing.connection.execute(due.limit(most).with_for_update(skip_locked=True)).all()
    lease = writing.now + LEASE
    if found:
        taken = inbox.update().where(inbox.c.id.in_([row.id for row in found]))
        writing.connection.execute(taken.values(due=lease))
    return [
        Letter(
            row.id, row.provider, row.event, row.kind, State(row.state), row.reference, row.stated,
            row.attempts + 1, lease,
        )
        for row in found
    ]  # fmt: skip


def is_due(connection: Connection, room: Mapping[str, int], now: float) -> bool:
    """Whether `claim` would find something: it asks for no lock."""
    full = [provider for provider, most in room.items() if most <= 0]
    found = sql.select(inbox.c.id).where(inbox.c.due <= now, inbox.c.provider.not_in(full)).limit(1)
    return connection.execute(found).first() is not None


def finish(writing: Writing, letter: Letter, outcome: str) -> bool:
    """It is done. False when it is no longer ours: then nothing of it may be kept."""
    return _close(writing, letter, outcome, done=writing.now)


def bury(writing: Writing, letter: Letter, outcome: str) -> bool:
    """A dead letter: somebody has to look at it. False when it is no longer ours."""
    return _close(writing, letter, outcome, dead=writing.now)


def postpone(writing: Writing, letter: Letter, outcome: str) -> bool:
    """Later, with growing pauses; dead after the last attempt. False when it is no longer ours."""
    if letter.attempts >= ATTEMPTS:
        return bury(writing, letter, outcome)
    return _close(writing, letter, outcome, due=writing.now + PAUSES[letter.attempts - 1])


def _close(writing: Writing, letter: Letter, outcome: str, **times: float | None) -> bool:
    values = {"due": None, "done": None, "dead": None, "attempts": letter.attempts, "outcome": outcome} | times
    return bool(writing.connection.execute(_CLOSE, values | {"ours": letter.id, "lease": letter.lease}).rowcount)


def letters(connection: Connection, which: Which = Which.ALL, most: int = 100, provider: str = "") -> list[Shown]:
    """The newest first."""
    found = sql.select(inbox).order_by(inbox.c.id.desc()).limit(most)
    if provider:
        found = found.where(inbox.c.provider == provider)
    if which is Which.DEAD:
        found = found.where(inbox.c.dead.is_not(None))
    elif which is Which.DONE:
        found = found.where(inbox.c.done.is_not(None))
    elif which is Which.WAITING:
        found = found.where(inbox.c.due.is_not(None))
    return [_shown(row) for row in connection.execute(found)]


def letter(connection: Connection, number: int) -> Shown:
    """Raises NoSuch."""
    found = connection.execute(sql.select(inbox).where(inbox.c.id == number)).first()
    if found is None:
        raise NoSuch(f"there is no letter {number} in the inbox")
    return _shown(found)


def counts(connection: Connection) -> dict[str, int]:
    """How many letters wait, and how many are dead."""
    found = sql.select(sql.func.count(inbox.c.due), sql.func.count(inbox.c.dead)).where(inbox.c.done.is_(None))
    waiting, dead = connection.execute(found).one()
    return {Which.WAITING.value: waiting, Which.DEAD.value: dead}


def retry(writing: Writing, number: int) -> Shown:
    """Work it off once more, with all its attempts; effects that are there stay one. Raises NoSuch, NotAgain."""
    found = letter(writing.connection, number)
    if not found.state:
        raise NotAgain("its content was not understood, and is not kept: have the provider send it again")
    values = {"due": writing.now, "done": None, "dead": None, "attempts": 0, "outcome": ""}
    writing.connection.execute(inbox.update().where(inbox.c.id == number).values(**values))
    writing.audit("inbox.retry", found.provider, letter=number, event=found.event, outcome=found.outcome)
    return letter(writing.connection, number)


def _shown(row: sql.Row[Any]) -> Shown:
    return Shown(
        row.id, row.provider, row.event, row.kind, row.state, row.reference, bytes(row.digest).hex(), row.stated,
        row.received, row.attempts, row.due or 0.0, row.done or 0.0, row.dead or 0.0, row.outcome,
    )  # fmt: skip


# Made once: to make a statement costs as much as to run it.
_CLOSE: Final = (
    inbox.update()
    .where(
        inbox.c.id == sql.bindparam("ours"),
        inbox.c.due == sql.bindparam("lease"),
        inbox.c.done.is_(None),
        inbox.c.dead.is_(None),
    )
    .values({name: sql.bindparam(name) for name in ("due", "done", "dead", "attempts", "outcome")})
)
