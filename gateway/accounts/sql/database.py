"""The database: one engine, reads and writes in a few threads, each write a transaction with its version.

Writers take turns, in PostgreSQL as in SQLite: what one has looked up before it writes (is this document known, is
there such an account) still holds when it commits. In PostgreSQL the lock of the one row of `version` is the turn.

A write bumps that row before it commits, so versions become visible in their order, and names the accounts that it
changed in `changes`: whoever has seen all up to N reads what is above N and misses nothing. `announce` is told after
the commit; that it may fail is why workers look at the version as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.accounts.sql import audit, tables

log = logging.getLogger(__name__)
T = TypeVar("T")

ALL: Final = ""
"""Stands in `changes` for every account."""
OVERRIDES: Final = "overrides="
"""Stands in `changes` for what operators set beside limits: no account is called so, as no id holds a `=`."""
THREADS: Final = 4
"""That read, and as many that write; so many connections stay open."""
BUSY: Final = 10.0
"""Seconds for which a writer waits for its turn."""
SILENT: Final = 60.0
"""Seconds after which PostgreSQL ends a transaction that nobody goes on with: a writer that is gone keeps no turn."""


class BadUrl(ValueError):
    """The text is for people."""


class Change(NamedTuple):
    """What a write changed. No accounts and `version` 0 for nothing that workers have to hear of."""

    version: int
    accounts: tuple[str, ...]


MOST: Final = 10_000
"""Changes that are told one by one."""

Announce = Callable[[Change], None]


class Writing:
    """A write that is under way: its connection, who does it, and when."""

    def __init__(self, connection: Connection, who: str, now: float, *, in_turn: bool = True) -> None:
        """`in_turn`: whether the transaction has the writers' turn already."""
        self.connection = connection
        self.who = who
        """`cli:USER`, `admin_token`, `owner`, `provider:NAME`, `clerk`: for the audit."""
        self.now = now
        self._changed: dict[str, None] = {}
        self._in_turn = in_turn
        self._lines: list[audit.Line] = []

    def changed(self, account: str) -> None:
        """Workers have to read this account again: ALL for every one."""
        self._changed[account] = None

    def audit(self, did: str, subject: str, **detail: object) -> None:
        """One line, in the same transaction. Never a secret, and nothing that identifies a person.

        By convention `before` and `after` are what was changed, and `reason` is why.
        """
        self.note(self.who, self.now, did, subject, detail)

    def note(self, who: str, at: float, did: str, subject: str, detail: Mapping[str, object]) -> None:
        """A line of somebody else, or of another moment: what was done elsewhere, and is only written here."""
        self._lines.append(audit.Line(float(at), who, did, subject, orjson.dumps(detail).decode()))

    def append_lines(self) -> None:
        """Put the lines so far into the table, for whoever looks at it within this transaction. From here on it has the
        writers' turn: lines are linked in the order in which they become visible.
        """
        if not self._lines:
            return
        if not self._in_turn:
            take_turn(self.connection)
            self._in_turn = True
        audit.append(self.connection, self._lines)
        self._lines.clear()

    def add_new(self, table: sql.Table, row: Mapping[str, object]) -> bool:
        """Insert it; False, and nothing done, where a row of the same key is there already."""
        insert = sqlite.insert if self.connection.dialect.name == "sqlite" else postgresql.insert
        # Not by its rowcount, which is no promise for an INSERT: the row that was made comes back, or none does.
        added = insert(table).values(row).on_conflict_do_nothing().returning(*table.primary_key)
        return self.connection.execute(added).first() is not None

    def close(self) -> Change:
        """Last in the transaction: its lines of the audit, the version, and what it changed."""
        self.append_lines()
        if not self._changed:
            return Change(0, ())
        changed = (ALL,) if ALL in self._changed else tuple(self._changed)
        bump = tables.version.update().values(version=tables.version.c.version + 1).returning(tables.version.c.version)
        version = self.connection.execute(bump).scalar_one()
        rows = [{"version": version, "account": account, "at": self.now} for account in changed]
        self.connection.execute(tables.changes.insert(), rows)
        return Change(version, changed)


def take_turn(connection: Connection) -> None:
    """Wait until no other writer is under way. In SQLite whoever may write has it."""
    if connection.dialect.name != "sqlite":
        connection.execute(sql.select(tables.version.c.version).with_for_update())


class Database:
    """Closed by `close`."""

    def __init__(
        self, url: str, now: Callable[[], float], base: Path = Path(), announce: Announce | None = None
    ) -> None:
        """`url` is sqlite:///PATH (relative to `base`) or postgresql://… . Raises BadUrl."""
        self.url = parse(url, base)
        self.now = now
        self.announce = announce
        self.engine = _engine(self.url)
        self._readers = ThreadPoolExecutor(THREADS, thread_name_prefix="directory")
        # Of their own: writers may wait for their turn for many seconds, and nobody who reads waits behind them.
        self._writers = ThreadPoolExecutor(THREADS, thread_name_prefix="directory writes")

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string(hide_password=True)}>"

    def read(self, work: Callable[[Connection], T]) -> T:
        """Raises SQLAlchemyError where the database cannot be asked."""
        with self.engine.connect() as connection:
            return work(connection)

    def write(self, who: str, work: Callable[[Writing], T], *, in_turn: bool = True) -> T:
        """One transaction: all of it, or nothing. Raises SQLAlchemyError, and whatever `work` raises.

        `in_turn` False is for work that only adds rows of its own, such as news from providers: in PostgreSQL many of
        these commit at once. One that leaves a line in the audit takes its turn at its end. `announce` must not raise:
        the write is done by then.
        """
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            if in_turn:
                take_turn(connection)
            writing = Writing(connection, who, self.now(), in_turn=in_turn)
            result = work(writing)
            change = writing.close()
        if change.accounts and self.announce is not None:
            self.announce(change)
        return result

    async def reading(self, work: Callable[[Connection], T]) -> T:
        """`read` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read, work)

    async def writing(self, who: str, work: Callable[[Writing], T], *, in_turn: bool = True) -> T:
        """`write` in a thread. Once it has begun it is not cancelled: its outcome would be unknown."""
        write = functools.partial(self.write, who, work, in_turn=in_turn)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writers, write))

    def close(self) -> None:
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=True, cancel_futures=True)
        self.engine.dispose()


def parse(url: str, base: Path = Path()) -> URL:
    """Raises BadUrl, whose text holds no password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadUrl("must be sqlite:///directory.db or postgresql://USER:PASSWORD@HOST/NAME") from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise BadUrl("must name a file, such as sqlite:///directory.db: workers and commands share it")
        return parsed.set(drivername="sqlite", database=str(base / parsed.database))
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise BadUrl(f"must be sqlite or postgresql, not {parsed.get_backend_name()}")


def changes_since(connection: Connection, seen: int) -> tuple[int, Collection[str] | None]:
    """The version now, and the accounts that changed after `seen`; None for all, as `versions_since` says."""
    version, found = versions_since(connection, seen)
    if not found:
        return version, found if found is None else ()
    accounts = set[str]().union(*found.values())
    return version, None if ALL in accounts else accounts


def versions_since(connection: Connection, seen: int) -> tuple[int, Mapping[int, Collection[str]] | None]:
    """The version now, and for each one after `seen` the accounts that it changed; None where rows are gone already, or
    there are so many of them that to read all accounts again is less work.
    """
    version = connection.execute(sql.select(tables.version.c.version)).scalar_one()
    if version == seen:
        return version, {}
    rows = connection.execute(
        sql.select(tables.changes.c.version, tables.changes.c.account)
        .where(tables.changes.c.version > seen, tables.changes.c.version <= version)
        .limit(MOST + 1)
    ).all()
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row.version, set()).add(row.account)
    # Not whole where one was trimmed, or a database put back.
    whole = len(rows) <= MOST and len(found) == version - seen
    return version, found if whole else None


def reachable(database: Database) -> str:
    """Why the database cannot be asked, in words; empty where it can."""
    try:
        database.read(lambda connection: connection.execute(sql.select(1)))
    except SQLAlchemyError as error:
        return str(getattr(error, "orig", None) or error)
    return ""


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sql.create_engine(
            url, pool_size=THREADS, pool_pre_ping=True, connect_args=_manners(url), hide_parameters=True
        )
    # What is hidden would stand in the text of every error, and so in logs: names, what people write in appeals.
    arguments = {"timeout": BUSY, "check_same_thread": False}
    engine = sql.create_engine(url, pool_size=THREADS, connect_args=arguments, hide_parameters=True)
    path = Path(str(url.database))

    @sql.event.listens_for(engine, "do_connect")
    def make(*_: object) -> None:
        # For its owner alone; SQLite gives -wal and -shm the same permissions. Only ever a new file is opened here: to
        # close another descriptor of one that is in use would drop its locks (SQLite, How To Corrupt, section 2.2).
        with contextlib.suppress(OSError):  # What is wrong with the path SQLite says better.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    @sql.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # BEGIN is ours: the driver's own would be deferred, and a reader that turns writer fails at once when busy.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(BUSY * 1000)}"):
            connection.execute(f"PRAGMA {pragma}")

    @sql.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine


def _manners(url: URL) -> dict[str, str | int]:
    """What libpq is told beside the URL, which may say otherwise: a server that is gone is noticed within seconds."""
    options = f"-c lock_timeout={int(BUSY * 1000)} -c idle_in_transaction_session_timeout={int(SILENT * 1000)}"
    usual: dict[str, str | int] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,  # Milliseconds.
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "options": options,
    }
    return {name: value for name, value in usual.items() if name not in url.query}
