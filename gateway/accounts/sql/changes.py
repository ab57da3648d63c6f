"""The list of what each version changed, which workers follow: kept for as long as a worker may be behind."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables


def trim(connection: Connection, older_than: float) -> int:
    """Drop what versions before this Unix time changed; how many rows. A worker that has not seen these notices the
    gap (`database.changes_since`) and reads all again. A version goes as a whole: its rows have one time.
    """
    return connection.execute(tables.changes.delete().where(tables.changes.c.at < older_than)).rowcount
