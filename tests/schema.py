"""The directory's schema for tests that are about something else: made once a run, then copied. To go through every
migration takes a tenth of a second, and a thousand tests want a directory of their own.
"""

from __future__ import annotations

import functools
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, cast

from gateway.accounts.sql import migrate
from gateway.accounts.sql.database import Database


def lay(database: Database) -> None:
    """What `migrate.upgrade` does to one that is new. One of PostgreSQL is migrated."""
    if database.engine.dialect.name != "sqlite":
        migrate.upgrade(database)
        return
    connection = database.engine.raw_connection()
    try:
        _made().backup(_bare(connection))
    finally:
        connection.close()


@functools.cache
def _made() -> sqlite3.Connection:
    """In memory, as the migrations leave it."""
    kept = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory() as folder:
        database = Database("sqlite:///directory.db", lambda: 0.0, Path(folder))
        migrate.upgrade(database)
        connection = database.engine.raw_connection()
        _bare(connection).backup(kept)
        connection.close()
        database.close()
    return kept


def _bare(connection: Any) -> sqlite3.Connection:
    """That of the driver, without SQLAlchemy's pool around it."""
    return cast("sqlite3.Connection", connection.driver_connection)
