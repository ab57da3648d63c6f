"""The operators' port with limits, for a test."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from gateway.accounts.file_directory import EMPTY
from gateway.accounts.sql import accounts, operators
from gateway.accounts.sql.database import Database
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.jobs import Jobs
from gateway.control.limits.api import LimitsApi
from gateway.control.limits.applied import Applied
from gateway.control.limits.overrides_api import Steering
from gateway.control.limits.rules import LimitsInForce
from gateway.policy import PolicyKind
from gateway.rules.build import policy_kinds
from gateway.stores.redis.usage import Usages
from tests import schema, servers
from tests.control.limits.world import NOW, SECRETS, TOKEN, Port, Workers, write_rules

_count = itertools.count()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_server() -> AsyncIterator[str]:
    """Debian's."""
    if why := servers.missing("redis"):
        pytest.skip(why)
    async with servers.server("redis") as one:
        yield one.url


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file: each test has a copy."""
    folder = tmp_path_factory.mktemp("directory")
    database = Database("sqlite:///directory.db", lambda: NOW, folder)
    schema.lay(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder / "directory.db"


@pytest.fixture(scope="session")
def kinds() -> Mapping[str, PolicyKind[Any]]:
    return policy_kinds()


@pytest_asyncio.fixture
async def port(
    tmp_path: Path, redis_server: str, template: Path, kinds: Mapping[str, PolicyKind[Any]]
) -> AsyncIterator[Port]:
    write_rules(tmp_path, 1)
    clock = [NOW]
    shutil.copy(template, tmp_path / "directory.db")
    database = Database("sqlite:///directory.db", lambda: clock[0], tmp_path)
    account = f"acme{next(_count)}"
    database.write("test", lambda writing: accounts.create(writing, accounts.NewAccount(account, "org", tier="free")))
    redis = Redis.from_url(redis_server)
    workers, file, models = Workers(), [EMPTY], list[str]()

    async def models_of(_: str) -> Sequence[str]:
        return models

    steering = Steering(
        LimitsInForce(tmp_path / "wholes", kinds, lambda: clock[0]),
        Applied(workers.ours, workers.theirs, lambda: clock[0], within=0.0),
        database,
        lambda: file[0],
        lambda: clock[0],
    )
    jobs = Jobs(lambda: clock[0])
    api = LimitsApi(steering, Usages(redis), jobs, log=tmp_path / "log", data=tmp_path / "data", models_of=models_of)
    access = Access(token=TOKEN, database=database, secrets=SECRETS, now=lambda: clock[0])
    client = TestClient(TestServer(admin.application([*api.operations(), *jobs.operations()], access)))
    await client.start_server()
    tokens = {}
    for role in ("viewer", "operator", "author"):
        made = database.write(
            "test",
            lambda writing, role=role: operators.create(writing, SECRETS, role, role, None),  # type: ignore[misc]
        )
        tokens[role] = made.token
    yield Port(client, database, redis, clock, workers, tmp_path, file, models, tokens, account)
    await jobs.close()
    await client.close()
    await redis.aclose()
    await access.close()
    database.close()
