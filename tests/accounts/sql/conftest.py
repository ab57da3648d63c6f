"""The directory on both databases: a fresh one a test, with its schema."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import migrate
from gateway.accounts.sql.database import Database
from gateway.testing import Clock
from tests.postgres import Postgres, missing

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server a session."""
    if why := missing():
        pytest.skip(why)
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """A database with the schema, to be copied from: a tenth of the time of making it."""
    name = postgres.create()
    database = Database(postgres.url(name), lambda: 0.0)
    migrate.upgrade(database)
    database.close()
    return name


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as a file of SQLite."""
    path = tmp_path_factory.mktemp("migrated") / "directory.db"
    database = Database(f"sqlite:///{path}", lambda: 0.0)
    migrate.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Other processes. They come from one that has imported everything, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gateway.accounts.sql.migrate", "gateway.testing"])
    return context


@pytest.fixture
def clock() -> Clock:
    """Turned by hand."""
    return Clock()


@pytest.fixture
def secrets() -> Secrets:
    """One secret."""
    return Secrets({"s1": b"1" * 32})


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/directory.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with its schema."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "directory.db")
        yield f"sqlite:///{tmp_path}/directory.db"
        return
    template: str = request.getfixturevalue("migrated")
    server: Postgres = request.getfixturevalue("postgres")
    with server.database(template) as url:
        yield url


@pytest.fixture
def connect(clock: Clock) -> Iterator[Callable[[str], Database]]:
    """Opens databases, and closes them."""
    opened: list[Database] = []

    def connect(url: str) -> Database:
        opened.append(Database(url, clock))
        return opened[-1]

    yield connect
    for database in opened:
        database.close()


@pytest.fixture
def database(url: str, connect: Callable[[str], Database]) -> Database:
    """The directory."""
    return connect(url)
