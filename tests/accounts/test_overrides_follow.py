"""A worker holds what is in the database: at its start, after each change, at each end, and while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from gateway.accounts.follow import DirectoryFollower
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.overrides_follow import OverridesFollower
from gateway.accounts.overrides_kept import KeptOverrides
from gateway.accounts.sql import overrides, tables
from gateway.accounts.sql.database import ALL, OVERRIDES, Change, Database, Writing
from gateway.accounts.sql.overrides import Row
from gateway.overrides.live import LiveOverrides
from gateway.overrides.override import EVERYBODY, Kind
from gateway.overrides.written import Change as To
from gateway.tasks import spawn
from gateway.testing import Clock

FREEZE = To(Kind.FREEZE)
NEVER = 60.0


class Worker:
    """What a worker has of overrides. Its looks at the clock are often here: it is turned by hand."""

    def __init__(self, database: Database, folder: Path, clock: Clock, **more: Any) -> None:
        self.live = LiveOverrides()
        self.swaps: list[tuple[int, int]] = []
        self.kept = KeptOverrides(folder / "overrides.json")
        self.follower = OverridesFollower(
            database, self.kept, self.live, clock, self._swapped, **{"interval": 0.005, "patience": 1.0, **more}
        )

    def _swapped(self) -> None:
        self.swaps.append((self.live.whole.revision, len(self.live.whole.all)))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(3.0):
            while not condition():
                await asyncio.sleep(0.002)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = spawn(self.follower.run(), "overrides")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def database(sqlite_url: str, open_directory: Callable[..., Database]) -> Database:
    """With its schema, and nothing in it."""
    return open_directory(sqlite_url)


@pytest.fixture
def worker(database: Database, tmp_path: Path, clock: Clock) -> Worker:
    return Worker(database, tmp_path, clock)


def create(database: Database, limit: str = "rpm", **more: Any) -> Row:
    return database.write("ops", lambda writing: overrides.create(writing, limit, EVERYBODY, FREEZE, "why", **more))


def broken(*_: Any) -> None:
    raise OperationalError("SELECT", None, Exception("it is away"))


async def test_a_start_reads_before_it_serves(worker: Worker, database: Database) -> None:
    """A freeze is not forgotten by a restart; the file has it as well."""
    row = create(database)
    await worker.follower.begin()
    assert worker.live.whole.all == (row.override,) and worker.live.whole.revision == row.revision
    kept = worker.kept.read(0.0)
    assert kept is not None and kept.all == (row.override,)
    assert worker.follower.current and worker.follower.at > 0


async def test_a_change_is_read_when_it_is_told(worker: Worker, database: Database) -> None:
    """And a word without a change swaps nothing: plans stay."""
    await worker.follower.begin()
    async with worker.running():
        row = create(database)
        worker.follower.changed()
        await worker.until(lambda: worker.live.whole.revision == row.revision)
        whole = worker.live.whole
        worker.follower.changed()
        await worker.until(lambda: worker.follower.current)
        assert worker.live.whole is whole and worker.swaps == [(0, 0), (row.revision, 1)]
        gone = database.write("ops", lambda w: overrides.withdraw(w, row.id, row.revision))
        worker.follower.changed()
        await worker.until(lambda: worker.live.whole.revision == gone.revision)
        assert not worker.live.whole


async def test_an_end_comes_by_itself(worker: Worker, database: Database, clock: Clock) -> None:
    """Nobody says anything; the revision stays."""
    row = create(database, expires=clock.at + 100.0)
    create(database, "other", expires=clock.at + 200.0)
    await worker.follower.begin()
    async with worker.running():
        clock.at = clock.at + 100.0
        await worker.until(lambda: len(worker.live.whole.all) == 1)
        assert worker.live.whole.revision == row.revision + 1
        clock.at = clock.at + 100.0
        await worker.until(lambda: not worker.live.whole)


async def test_a_clock_that_is_put_back(worker: Worker, database: Database, clock: Clock) -> None:
    """What ended by a clock that was wrong holds again."""
    create(database, expires=clock.at + 100.0)
    await worker.follower.begin()
    async with worker.running():
        clock.at += 1000.0
        await worker.until(lambda: not worker.live.whole)
        clock.at -= 1000.0
        await worker.until(lambda: len(worker.live.whole.all) == 1)


async def test_while_the_database_is_away(
    worker: Worker, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The last known holds, and runs out; what was told meanwhile is read when it is back. Said once."""
    create(database, expires=clock.at + 100.0)
    await worker.follower.begin()
    read = database.read
    async with worker.running():
        database.read = broken  # type: ignore[assignment]
        row = create(database, "other")
        worker.follower.changed()
        await asyncio.sleep(0.05)
        assert len(worker.live.whole.all) == 1 and not worker.follower.current
        clock.at += 100.0
        await worker.until(lambda: not worker.live.whole)
        database.read = read  # type: ignore[method-assign]
        await worker.until(lambda: worker.live.whole.revision == row.revision)
        assert [one.limit for one in worker.live.whole.all] == ["other"]
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [
        "overrides cannot be read, the last known stay in force: it is away",
        "overrides are read again",
    ]


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_a_start_while_the_database_is_away(
    worker: Worker, database: Database, tmp_path: Path, clock: Clock, how: str
) -> None:
    """The file has the last that a worker of this gateway held; without what has ended. Then it asks again."""
    create(database, expires=clock.at + 100.0)
    row = create(database, "other")
    await worker.follower.begin()
    clock.at += 100.0
    read, waiting = database.reading, asyncio.Event()

    async def hanging(*_: Any) -> None:
        await waiting.wait()

    async def failing(*_: Any) -> None:
        broken()

    database.reading = failing if how == "away" else hanging  # type: ignore[assignment]
    second = Worker(database, tmp_path, clock, patience=0.05)
    await second.follower.begin()
    assert [one.limit for one in second.live.whole.all] == ["other"] and second.swaps == [(row.revision, 1)]
    assert not second.follower.current
    database.reading = read  # type: ignore[method-assign]
    newer = create(database, "third")
    async with second.running():
        await second.until(lambda: second.live.whole.revision == newer.revision)


async def test_a_start_with_nothing_at_all(
    database: Database, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """No database, no file: it serves without, and says so as an error."""
    database.read = broken  # type: ignore[assignment]
    (tmp_path / "overrides.json").write_text("{")
    worker = Worker(database, tmp_path, clock)
    await worker.follower.begin()
    assert not worker.live.whole and worker.follower.at == 0
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2 and errors[-1].startswith("no override holds until the database answers")


async def test_a_file_that_cannot_be_written_stops_nothing(database: Database, tmp_path: Path, clock: Clock) -> None:
    """What holds holds."""
    worker = Worker(database, tmp_path / "gone", clock)
    row = create(database)
    await worker.follower.begin()
    assert worker.live.whole.revision == row.revision


async def test_a_row_that_cannot_be_read_is_said_once(
    worker: Worker, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The others hold."""
    row, bad = create(database), create(database, "bad")
    values = tables.limit_overrides.update().where(tables.limit_overrides.c.id == bad.id).values(change="?")
    database.write("hand", lambda writing: writing.connection.execute(values))
    for _ in range(2):
        await worker.follower.load()
    assert [one.id for one in worker.live.whole.all] == [row.id]
    assert len([record for record in caplog.records if "cannot be read, and does not hold" in record.getMessage()]) == 1


class Directory(LiveDirectory):
    """Notes what goes void."""

    def __init__(self) -> None:
        super().__init__()
        self.voids: list[object] = []

    def void(self, accounts: Any) -> None:
        self.voids.append(sorted(accounts))

    def void_all(self) -> None:
        self.voids.append("all")


async def test_the_follower_of_the_directory_tells(database: Database) -> None:
    """Of a change by message or by looking, of everything, and of a backup that was put back; accounts stay known."""
    told: list[None] = []
    directory = Directory()
    follower = DirectoryFollower(database, None, directory, overrides_changed=lambda: told.append(None))
    await follower.look()
    assert len(told) == 1 and directory.voids == ["all"]
    version = follower.version
    assert version is not None

    follower.hear(Change(version + 1, (OVERRIDES,)))
    assert len(told) == 2 and directory.voids[1:] == [[]] and follower.changes == 1
    create(database)
    await follower.look()
    assert len(told) == 2, "the same is not told twice"

    create(database, "other")
    await follower.look()
    assert len(told) == 3 and directory.voids[1:] == [[], [], []]

    follower.hear(Change(9, (ALL,)))
    assert len(told) == 4

    def back(writing: Writing) -> None:
        writing.connection.execute(tables.version.update().values(version=0))
        writing.connection.execute(sql.delete(tables.changes))

    database.write("restore", back)
    await follower.look()
    assert len(told) == 5
