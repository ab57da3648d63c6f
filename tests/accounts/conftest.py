"""A directory on both databases, with its schema, for what stands above the SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Announce, Database
from gateway.testing import Clock
from tests import schema
from tests.postgres import Postgres, missing


@pytest.fixture(scope="session")
def server_of_postgres() -> Iterator[Postgres]:
    """One server a session."""
    if why := missing():
        pytest.skip(why)
    with Postgres() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """Turned by hand."""
    return Clock()


@pytest.fixture
def secrets() -> Secrets:
    """One secret."""
    return Secrets({"s1": b"1" * 32})


@pytest.fixture
def open_directory(clock: Clock) -> Iterator[Callable[..., Database]]:
    """Opens databases by their URL, and closes them."""
    opened: list[Database] = []

    def open_directory(url: str, announce: Announce | None = None) -> Database:
        opened.append(Database(url, clock, announce=announce))
        return opened[-1]

    yield open_directory
    for database in opened:
        database.close()


@pytest.fixture
def sqlite_url(tmp_path: Path, open_directory: Callable[..., Database]) -> str:
    """A SQLite file with the schema."""
    url = f"sqlite:///{tmp_path}/directory.db"
    schema.lay(open_directory(url))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def directory_url(request: pytest.FixtureRequest, open_directory: Callable[..., Database]) -> Iterator[str]:
    """Of a database with the schema, of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: Postgres = request.getfixturevalue("server_of_postgres")
    with server.database() as url:
        schema.lay(open_directory(url))
        yield url
