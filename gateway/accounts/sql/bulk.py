"""A file of accounts into the directory: all of it, or nothing, in one change.

The file is read once, checked row by row in a process of its own (`gateway.accounts.sql.reading`), and staged meanwhile
in temporary tables of the connection, which nobody else sees (`gateway.accounts.sql.staging`). Only when every row is
right does one transaction move it in. So

- a file with mistakes, Ctrl-C and kill -9 leave the directory as it was: there is nothing to take back;
- readers are never kept waiting (WAL, MVCC), and see none of it or all of it;
- SQLite's one place for a writer is held while rows are moved and not while they are read: docs/million.md has how
  long. Who wants to write meanwhile waits `gateway.accounts.sql.database.BUSY`, and is then refused: a million accounts
  are best brought in at a quiet hour, or in several files;
- the WAL grows by about the size of what is moved in, and is emptied again afterwards.

Memory is bounded: some thousand rows, and the page cache of the connection.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, Self

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import staging, tables
from gateway.accounts.sql.database import ALL, Database, Writing
from gateway.accounts.sql.identities import regroup_all
from gateway.accounts.sql.moving import Conflict, move_in
from gateway.accounts.sql.reading import Format, Found, Frame, read
from gateway.accounts.sql.records import Problem

CACHE: Final = 256 * 1024
"""KiB of pages that SQLite keeps for this connection: indexes are written in no order."""


class Progress(NamedTuple):
    """How far it is."""

    step: Literal["reading", "moving", "writing"]
    rows: int
    """Accounts so far."""
    done: int
    """Bytes of the file that were read; rows that were moved in; accounts that were written out."""
    whole: int
    """Of how many: 0 where that is not known."""


Tell = Callable[[Progress], None]


class Loaded(NamedTuple):
    """What came of it. With problems nothing was imported."""

    accounts: int
    """New."""
    updated: int
    keys: int
    organisations: int
    skipped: int
    """Accounts that were there, and stay as they were."""
    digest: str
    """SHA-256 of the file, in hex."""
    problems: tuple[Problem, ...] = ()
    """The first of them."""
    wrong: int = 0
    """How many there are in all."""


def quietly(_: Progress) -> None:
    """Tell nobody."""


def load(
    database: Database,
    secrets: Secrets,
    path: Path,
    *,
    format: Format = "jsonl",  # noqa: A002 - what everybody calls it
    who: str,
    progress: Tell = quietly,
    on_conflict: Conflict = "refuse",
    minted: Path | None = None,
) -> Loaded:
    """Bring a file in.

    An account that is there already is a problem (`refuse`), stays as it is (`skip`), or takes what its row states, and
    what it has not yet of the row's keys, evidence and so on (`update`: nothing is removed). `minted` is where keys are
    written that the file asks for by name, one JSON object a line, readable by its owner alone; nobody can make them
    again. Raises OSError, FileExistsError for `minted` among them, and SQLAlchemyError.
    """
    with contextlib.ExitStack() as stack:
        fresh = stack.enter_context(_NewKeys(minted))
        connection = stack.enter_context(database.engine.connect())
        # Not back into the pool: temporary tables and a large cache are of this connection.
        connection.detach()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE}")
            connection.exec_driver_sql("PRAGMA temp.journal_mode=OFF")
            connection.rollback()
        now = database.now()
        found = Found(fresh.take)
        frames = stack.enter_context(read(path, format, secrets, now, mints=minted is not None))
        hashed = _stage(connection, frames, path.stat().st_size, found, progress)
        if found.wrong:
            return Loaded(0, 0, 0, 0, 0, hashed, tuple(found.problems), found.wrong)
        staging.order(connection)
        connection.execution_options(writes=True)
        with connection.begin() as transaction:
            writing = Writing(connection, who, now)
            if connection.dialect.name != "sqlite":
                # The turn of `Database.write`.
                connection.execute(sql.select(tables.version.c.version).with_for_update())
            moved = move_in(writing, on_conflict, found.wrong_at, lambda rows: _told(progress, found, rows))
            if found.wrong:
                transaction.rollback()
                return Loaded(0, 0, 0, 0, 0, hashed, tuple(found.problems), found.wrong)
            fresh.show(connection)
            if moved.links:
                regroup_all(writing)
            writing.changed(ALL)
            writing.audit("directory.import", "directory", sha256=hashed, on_conflict=on_conflict, **moved._asdict())
            change = writing.close()
        fresh.keep()
        if database.announce is not None:
            database.announce(change)
        _checkpoint(connection)
    return Loaded(moved.accounts, moved.updated, moved.keys, moved.organisations, moved.skipped, hashed)


def _told(progress: Tell, found: Found, rows: int) -> None:
    progress(Progress("moving", found.taken, rows, 0))


def _stage(connection: Connection, frames: Iterator[Frame], size: int, found: Found, progress: Tell) -> str:
    """What was read and checked goes to its tables. Returns the SHA-256 of the file."""
    staging.prepare(connection)
    for frame in frames:
        found.add(frame)
        # What is wrong stays wrong: the rest is only checked.
        if not found.wrong:
            staging.put(connection, frame.rows)
        progress(Progress("reading", found.taken, frame.read, size))
        if frame.digest:
            return frame.digest
    raise OSError("the file was not read to its end")


class _NewKeys:
    """Keys that are made here, until it is certain which of them hold. While open they are in a file without a name."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.made: IO[bytes] | None = None
        self.shown: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Raises FileExistsError: what is there may be all that there is of other keys."""
        if self.path is not None:
            self.shown = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            # Beside it, for the same disk holds both; it is never seen in the folder.
            self.made = tempfile.TemporaryFile(dir=self.path.absolute().parent)
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.made, self.shown):
            if file is not None:
                file.close()
        if self.path is not None and self.shown is not None:
            self.path.unlink()

    def take(self, entries: Sequence[bytes]) -> None:
        """Keys that were made while the file was read."""
        if self.made is not None:
            self.made.writelines(entries)

    def show(self, connection: Connection) -> None:
        """Write those that are in the directory, before it is decided that they are."""
        if self.made is None or self.shown is None:
            return
        self.made.seek(0)
        while lines := list(itertools.islice(self.made, 500)):
            prefixes = {orjson.loads(line)["prefix"]: line for line in lines}
            there = connection.scalars(sql.select(tables.keys.c.prefix).where(tables.keys.c.prefix.in_(list(prefixes))))
            held = set(there)
            self.shown.writelines(line for prefix, line in prefixes.items() if prefix in held)
        self.shown.flush()
        os.fsync(self.shown.fileno())

    def keep(self) -> None:
        """They hold: the file stays."""
        if self.shown is not None:
            self.shown.close()
            self.shown = None


def _checkpoint(connection: Connection) -> None:
    """Empty SQLite's WAL, as far as readers let it: it would stay as long as it was."""
    if connection.dialect.name != "sqlite":
        return
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA busy_timeout=0")
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
