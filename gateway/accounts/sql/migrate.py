"""The schema of the directory: made, brought forward, taken back."""

from __future__ import annotations

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database


def upgrade(database: Database) -> None:
    """To the newest. What is there already stays."""
    tables.metadata.create_all(database.engine)
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.execute(tables.version.select()).first() is None:
            connection.execute(tables.version.insert(), {"id": 1, "version": 0})
