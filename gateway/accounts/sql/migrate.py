"""The schema of the directory: made, brought forward, taken back. Each is one transaction: all of it, or nothing.

Two that begin at once take turns: SQLite has one writer at a time, in PostgreSQL there is an advisory lock. A process
migrates one database at a time: Alembic keeps what it is doing in modules of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.sql.database import Database

log = logging.getLogger(__name__)

SCRIPTS: Final = Path(__file__).parent / "migrations"
BASE: Final = "base"
"""No schema at all."""
LOCK: Final = int.from_bytes(b"tidegate")
"""Of the advisory lock in PostgreSQL."""
PATIENCE: Final = 600.0
"""Seconds for which one that migrates waits for another one that does."""
GIVE_WAY: Final = 2.0
"""Seconds for which a step waits for a table of PostgreSQL that somebody reads, such as an export: whoever asks for it
later stands in line behind the step, and that is every worker.
"""
UPGRADE: Final = "tidegate directory upgrade"


class BadRevision(ValueError):
    """There is no such way from where the schema is. The text is for people."""


class BrokenReference(RuntimeError):
    """A migration would leave rows that point at nothing. Nothing of it is kept."""


class Status(NamedTuple):
    current: str
    """The revision of the database; empty where it has no schema yet."""
    head: str
    """The one that this program is written for."""
    pending: tuple[str, ...]
    """What an upgrade would go through. Empty also where the revision is not known here: a newer program's."""


class Loss(NamedTuple):
    """What a downgrade drops, and what no upgrade brings back."""

    what: str
    """A table, or `table.column`."""
    rows: int


def status(database: Database) -> Status:
    """Raises SQLAlchemyError where the database cannot be asked."""
    script = _script()
    head = script.get_current_head() or ""
    current = database.read(_revision)
    if current and current not in {each.revision for each in script.walk_revisions()}:
        return Status(current, head, ())
    return Status(current, head, tuple(_between(script, current or BASE, head)))


def ready(database: Database) -> str:
    """Why the schema does not fit this program, in words; empty where it does."""
    try:
        current, head, pending = status(database)
    except SQLAlchemyError as error:
        return f"the directory cannot be asked: {getattr(error, 'orig', None) or error}"
    if current == head:
        return ""
    if not current:
        return f"the directory has no schema yet: run `{UPGRADE}`"
    if pending:
        return f"the directory's schema is {current} and this program needs {head}: run `{UPGRADE}`"
    return (
        f"the directory's schema is {current}, which a newer program made, and this one knows {head}: run the newer "
        f"one, or have it take the schema back with `tidegate directory downgrade {head}`"
    )


def upgrade(database: Database, to: str = "head") -> tuple[str, ...]:
    """Forward, to the newest unless told. What is there already stays. Returns the steps that were made, and asks for
    no lock where there is none to make. Raises BadRevision, SQLAlchemyError.
    """
    script = _script()
    if to == "head" and not (found := status(database)).pending:
        if found.current != found.head:
            raise BadRevision(ready(database))
        return ()
    with _alone(database) as connection:
        before = _revision(connection) or BASE
        _run(command.upgrade, connection, to)
        after = _revision(connection) or BASE
    return _said(tuple(_between(script, before, after)), "upgraded", after)


def downgrade(database: Database, to: str) -> tuple[str, ...]:
    """Back to a revision, or BASE. Refuses no loss: `lost` says beforehand what it is. Returns the steps that were
    undone. Raises BadRevision, SQLAlchemyError.
    """
    script = _script()
    with _alone(database) as connection:
        before = _revision(connection) or BASE
        _run(command.downgrade, connection, to)
        after = _revision(connection) or BASE
    return _said(tuple(reversed(_between(script, after, before))), "taken back", after)


def lost(database: Database, to: str) -> tuple[Loss, ...]:
    """What `downgrade` would drop, with counts; nothing that is empty is named. Raises BadRevision."""
    script = _script()

    def look(connection: Connection) -> tuple[Loss, ...]:
        counts: dict[str, int] = {}
        for name in reversed(_between(script, to, _revision(connection) or BASE)):
            for step in script.get_revisions(name):
                counts.update(step.module.lost(connection) if step else {})
        return tuple(Loss(what, rows) for what, rows in counts.items() if rows)

    return database.read(look)


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    # Alembic says each step at INFO, in words of its own; ours are below.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _between(script: ScriptDirectory, lower: str, upper: str) -> list[str]:
    """The revisions above `lower` up to `upper`, the oldest first. Raises BadRevision."""
    try:
        return [step.revision for step in reversed(list(script.iterate_revisions(upper, lower)))]
    except (CommandError, RevisionError) as error:
        raise BadRevision(str(error)) from None


def _run(move: Callable[[Config, str], None], connection: Connection, to: str) -> None:
    if not to:
        raise BadRevision("to which revision?")
    config = _config()
    config.attributes["connection"] = connection
    try:
        move(config, to)
    except (CommandError, RevisionError) as error:
        raise BadRevision(str(error)) from None


def _said(steps: tuple[str, ...], how: str, to: str) -> tuple[str, ...]:
    if steps:
        log.info("the directory's schema was %s to %s: %s", how, to, ", ".join(steps))
    return steps


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """One transaction, with nobody else who migrates."""
    with database.engine.connect().execution_options(writes=True) as connection:
        if connection.dialect.name == "sqlite":
            with _unreferenced(connection), connection.begin():
                yield connection
                _whole(connection)
            return
        with connection.begin():
            _wait_at_most(connection, PATIENCE)
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(LOCK)))
            _wait_at_most(connection, GIVE_WAY)
            yield connection


def _wait_at_most(connection: Connection, seconds: float) -> None:
    """For locks, in this transaction."""
    connection.execute(sql.select(sql.func.set_config("lock_timeout", f"{int(seconds * 1000)}ms", True)))


@contextmanager
def _unreferenced(connection: Connection) -> Iterator[None]:
    """Without foreign keys, for as long as tables may be made anew under their names (SQLite's ALTER TABLE, section 7);
    both settings have no effect inside a transaction.
    """
    driver: Any = connection.connection.dbapi_connection
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute("PRAGMA foreign_keys=OFF")
    driver.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
        driver.execute(f"PRAGMA busy_timeout={patience}")


def _whole(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise BrokenReference(f"a row of {broken[0]} points at a row of {broken[2]} that would not be there")
