"""The directory on both databases. On PostgreSQL one database serves all tests of a session: it is emptied for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from tests import schema
from tests.accounts.sql.conftest import BACKENDS, clock, connect, database, postgres, secrets  # noqa: F401 - fixtures
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def kept(postgres: Postgres) -> Iterator[Database]:  # noqa: F811 - the fixture
    """With the schema."""
    with postgres.database() as url:
        database = Database(url, lambda: 0.0)
        schema.lay(database)
        yield database
        database.close()


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a directory with nothing in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/directory.db"
        database = Database(url, lambda: 0.0)
        schema.lay(database)
        database.close()
        return url
    kept: Database = request.getfixturevalue("kept")
    with kept.engine.begin() as connection:
        # In this transaction no trigger fires: the audit is append-only.
        connection.execute(sql.text("SET LOCAL session_replication_role = replica"))
        for table in reversed(tables.metadata.sorted_tables):
            if table is not tables.version:
                connection.execute(table.delete())
    return kept.url.render_as_string(hide_password=False)
