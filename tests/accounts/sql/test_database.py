"""One engine, two databases: turns, versions, and what a write leaves behind."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.accounts.sql import accounts, changes, migrate, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import (
    ALL,
    MOST,
    BadUrl,
    Change,
    Database,
    Writing,
    changes_since,
    parse,
    reachable,
)
from gateway.testing import Clock

WRITERS = 4
EACH = 12


def test_a_write_names_its_version_and_what_it_changed(database: Database) -> None:
    """Each write that changes accounts is one version more, and the accounts stand in `changes`."""

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        accounts.create(writing, NewAccount("b"))

    database.write("test", work)
    assert database.read(lambda connection: changes_since(connection, 0)) == (1, {"a", "b"})
    database.write("test", lambda writing: accounts.suspend(writing, "b", "x"))
    assert database.read(lambda connection: changes_since(connection, 1)) == (2, {"b"})
    assert database.read(lambda connection: changes_since(connection, 2)) == (2, ())


def test_a_write_that_changes_no_account_is_no_version(database: Database) -> None:
    """Workers hear of what concerns them."""
    database.write("test", lambda writing: writing.audit("look", "a"))
    assert database.read(lambda connection: changes_since(connection, 0)) == (0, ())


def test_everything_is_one_change(database: Database) -> None:
    """A write that names ALL names nobody else."""

    def work(writing: Writing) -> None:
        for account in ("a", ALL, "b"):
            writing.changed(account)

    database.write("test", work)
    rows = database.read(lambda connection: connection.execute(sql.select(tables.changes.c.account)).scalars().all())
    assert rows == [ALL]
    assert database.read(lambda connection: changes_since(connection, 0)) == (1, None)


def test_a_write_that_raises_leaves_nothing(url: str, clock: Clock) -> None:
    """No row, no line of the audit, no version, and nobody is told."""
    told: list[Change] = []
    database = Database(url, clock, announce=told.append)

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        database.write("test", work)
    for table in (tables.accounts, tables.audit, tables.changes):
        count = sql.select(sql.func.count()).select_from(table)
        assert database.read(lambda connection, count=count: connection.execute(count).scalar_one()) == 0  # type: ignore[misc]
    assert told == []
    assert database.read(lambda connection: changes_since(connection, 0)) == (0, ())
    database.close()


def test_it_is_announced_after_the_commit(url: str, clock: Clock, connect: Callable[[str], Database]) -> None:
    """Who is told can read it at once, on a connection of its own."""
    seen: list[tuple[Change, object]] = []
    other = connect(url)

    def announce(change: Change) -> None:
        seen.append((change, other.read(lambda connection: changes_since(connection, 0))))

    database = Database(url, clock, announce=announce)
    database.write("test", lambda writing: accounts.create(writing, NewAccount("a")))
    database.write("test", lambda writing: writing.audit("look", "a"))
    assert seen == [(Change(1, ("a",)), (1, {"a"}))]
    database.close()


def test_a_gap_is_noticed(database: Database, clock: Clock) -> None:
    """Where rows were trimmed before they were seen, all has to be read again; who has seen them goes on."""
    for account in "abc":
        database.write("test", lambda writing, account=account: accounts.create(writing, NewAccount(account)))  # type: ignore[misc]
        clock.turn(10)
    assert database.write("test", lambda writing: changes.trim(writing.connection, clock() - 15)) == 2
    assert database.read(lambda connection: changes_since(connection, 0)) == (3, None)
    assert database.read(lambda connection: changes_since(connection, 1)) == (3, None)
    assert database.read(lambda connection: changes_since(connection, 2)) == (3, {"c"})


def test_a_database_that_was_put_back_is_noticed(database: Database) -> None:
    """A version lower than what was seen is another past: all has to be read again."""
    assert database.read(lambda connection: changes_since(connection, 7)) == (0, None)


def test_very_many_changes_are_all(database: Database) -> None:
    """Nobody reads more names than reading all again would cost."""

    def work(writing: Writing) -> None:
        for number in range(MOST + 1):
            writing.changed(f"a{number}")

    database.write("test", work)
    assert database.read(lambda connection: changes_since(connection, 0)) == (1, None)


def _write_many(url: str, name: str) -> None:
    database = Database(url, Clock())
    for number in range(EACH):
        account = NewAccount(f"{name}-{number}")
        database.write("test", lambda writing, account=account: accounts.create(writing, account))  # type: ignore[misc]
    database.close()


def test_versions_become_visible_in_their_order(
    url: str, connect: Callable[[str], Database], processes: ForkServerContext
) -> None:
    """With several processes that write at once: whoever follows the version misses no account, and no write fails."""
    reader = connect(url)
    writers = [processes.Process(target=_write_many, args=(url, f"w{writer}")) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    seen, followed = 0, set[str]()
    while seen < WRITERS * EACH and (seen or any(writer.is_alive() for writer in writers)):
        before = seen
        seen, found = reader.read(lambda connection, before=before: changes_since(connection, before))  # type: ignore[misc]
        assert found is not None
        followed |= set(found)
        if not found and not any(writer.is_alive() for writer in writers):
            break
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert followed == {f"w{writer}-{number}" for writer in range(WRITERS) for number in range(EACH)}


def test_writers_take_turns(database: Database) -> None:
    """What a writer has looked up still holds when it writes: of many who make the same account, one does."""
    barrier = threading.Barrier(WRITERS)

    def make(_: int) -> str:
        barrier.wait()
        try:
            database.write("test", lambda writing: accounts.create(writing, NewAccount("a", organisation="o")))
        except accounts.Exists:
            return "exists"
        return "made"

    with ThreadPoolExecutor(WRITERS) as pool:
        outcomes = list(pool.map(make, range(WRITERS)))
    assert sorted(outcomes) == ["exists"] * (WRITERS - 1) + ["made"]


def test_readers_are_never_blocked(url: str, connect: Callable[[str], Database]) -> None:
    """While a writer is at it, a reader reads what was there before."""
    writer, reader = connect(url), connect(url)

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        assert reader.read(lambda connection: changes_since(connection, 0)) == (0, ())

    writer.write("test", work)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_write_out_of_turn_waits_for_nobody(url: str, connect: Callable[[str], Database]) -> None:
    """In PostgreSQL, work that only adds rows of its own commits while another writer has its turn."""
    first, second = connect(url), connect(url)
    row = {"mark": "m", "expires": 9.0}

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        second.write("test", lambda other: other.add_new(tables.spent, row), in_turn=False)

    first.write("test", work)


async def test_in_threads(database: Database, clock: Clock) -> None:
    """`reading` and `writing` are `read` and `write` that a loop does not wait for."""
    await database.writing("test", lambda writing: accounts.create(writing, NewAccount("a")))
    assert await database.reading(lambda connection: accounts.row(connection, "a").created) == clock()


async def test_who_reads_waits_for_no_writer(url: str, connect: Callable[[str], Database]) -> None:
    """More writers than there are threads wait for their turn: whoever asks is answered all the same."""
    database, other = connect(url), connect(url)
    begun, ends = threading.Event(), threading.Event()

    def hold(writing: Writing) -> None:
        writing.changed("a")
        begun.set()
        ends.wait(10.0)

    holder = asyncio.create_task(other.writing("test", hold))
    await asyncio.to_thread(begun.wait)
    waiting = [asyncio.create_task(database.writing("test", lambda writing: writing.changed("b"))) for _ in range(8)]
    try:
        async with asyncio.timeout(2.0):
            await asyncio.sleep(0.05)
            assert await database.reading(lambda connection: changes_since(connection, 0)) == (0, ())
    finally:
        ends.set()
        await asyncio.gather(holder, *waiting)


async def test_a_write_that_has_begun_is_not_cancelled(database: Database) -> None:
    """Who waits for it may go; what it does is done."""
    begun, go_on = threading.Event(), threading.Event()

    def work(writing: Writing) -> None:
        begun.set()
        go_on.wait(10)
        accounts.create(writing, NewAccount("a"))

    waiting = asyncio.ensure_future(database.writing("test", work))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await asyncio.to_thread(database.close)
    assert database.read(lambda connection: accounts.row(connection, "a").id) == "a"


def test_references_hold(database: Database) -> None:
    """On both databases a row that points at no account is refused."""
    row = {"account": "nobody", "reason": "x", "at": 0.0}
    with pytest.raises(IntegrityError):
        database.write("test", lambda writing: writing.connection.execute(tables.falls.insert(), row))


def _open(url: str) -> None:
    database = Database(url, Clock())
    migrate.upgrade(database)
    database.write("test", lambda writing: writing.audit("start", "x"))
    database.close()


def test_several_that_start_at_once(
    empty: str, connect: Callable[[str], Database], processes: ForkServerContext
) -> None:
    """On a database that is not there yet: one makes the schema, and nobody fails."""
    starting = [processes.Process(target=_open, args=(empty,)) for _ in range(WRITERS)]
    for process in starting:
        process.start()
    for process in starting:
        process.join()
    assert [process.exitcode for process in starting] == [0] * WRITERS
    assert migrate.ready(connect(empty)) == ""


def test_a_file_is_its_owners_alone(tmp_path: Path, clock: Clock) -> None:
    """0600, also what SQLite keeps beside it."""
    database = Database("sqlite:///directory.db", clock, tmp_path)
    migrate.upgrade(database)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found == dict.fromkeys(("directory.db", "directory.db-wal", "directory.db-shm"), 0o600)
    database.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("nonsense", "sqlite:///", id="no-url"),
        pytest.param("sqlite://", "must name a file", id="memory"),
        pytest.param("sqlite:///:memory:", "must name a file", id="memory-by-name"),
        pytest.param("mysql://root:hunter2@db/x", "not mysql", id="another"),
    ],
)
def test_a_bad_url(url: str, words: str) -> None:
    """Said in words, without a password."""
    with pytest.raises(BadUrl, match=words) as caught:
        parse(url)
    assert "hunter2" not in str(caught.value)


def test_no_password_is_shown(clock: Clock) -> None:
    """`repr` is for logs."""
    database = Database("postgresql://tidegate:hunter2@db.example/tidegate", clock)
    assert "hunter2" not in repr(database)
    database.close()


def test_why_it_cannot_be_reached(tmp_path: Path, clock: Clock) -> None:
    """A word where there is nothing, and silence where there is."""
    there = Database("sqlite:///directory.db", clock, tmp_path)
    gone = Database("sqlite:///missing/directory.db", clock, tmp_path)
    nobody = Database(f"postgresql://x@/x?host={tmp_path}", clock)
    assert reachable(there) == ""
    assert "unable to open" in reachable(gone)
    assert "No such file" in reachable(nobody)
    for database in (there, gone, nobody):
        database.close()


def test_a_turn_is_not_waited_for_for_ever(
    url: str, connect: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that keeps its turn makes others fail in the end, rather than hang."""
    monkeypatch.setattr("gateway.accounts.sql.database.BUSY", 0.05)
    first, second = connect(url), connect(url)

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        with pytest.raises(OperationalError):
            second.write("test", lambda other: other.audit("x", "a"))

    first.write("test", work)
