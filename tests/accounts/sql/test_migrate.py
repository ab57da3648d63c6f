"""Migrations: forward and back on data, at once or not at all, by one at a time."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.accounts.sql import migrate, tables
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.migrate import BadRevision, BrokenReference, Loss, Status
from gateway.testing import Clock

ROWS = 2000
STEPS = ("0001", "0002", "0003", "0004", "0005")
HEAD = STEPS[-1]
LATER = STEPS[1:]
KILLS = 4

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def database(empty: str, connect: Callable[[str], Database]) -> Database:
    """Without a schema."""
    return connect(empty)


def _fill(writing: Writing) -> None:
    """Rows for all that 0001 knows, with every column set in some of them."""
    known = sql.MetaData()
    known.reflect(writing.connection)
    values: dict[str, Callable[[int], dict[str, object]]] = {
        "organisations": lambda n: {"name": f"Ø {n}", "suspended": n % 7 == 0},
        "accounts": lambda n: {"id": f"a{n}", "organisation": f"{n % 90}" if n % 3 else None, "name": 'it\'s "x"'},
        "members": lambda n: {"digest": n.to_bytes(32), "secret": "s1"},
        "keys": lambda n: {
            "prefix": f"k{n}",
            "name": "prod",
            "digest": bytes(range(32)),
            "pepper": "s1",
            "models": '["m"]',
        },
        "evidence": lambda n: {"kind": "email", "expires": n / 3 if n % 2 else None},
        "falls": lambda n: {"reason": "chargeback", "until": 1e12 + 0.125},
        "overrides": lambda n: {"name": "tier", "value": "pro"},
        "links": lambda n: {"kind": "device", "digest": n.to_bytes(32), "secret": "s1"},
        "audit": lambda n: {"who": "test", "did": "fill", "subject": f"a{n}", "detail": '{"n":1}'},
        "changes": lambda n: {"version": n + 1, "account": f"a{n}"},
    }
    for name, row in values.items():
        table = known.tables[name]
        rows = []
        for number in range(90 if name == "organisations" else ROWS):
            common: dict[str, object] = {"id": str(number)} if name == "organisations" else {"account": f"a{number}"}
            for column in ("created", "obtained", "at", "seen"):
                common[column] = 1_700_000_000 + number / 7
            whole = common | row(number)
            rows.append({column: value for column, value in whole.items() if column in table.columns})
        writing.connection.execute(table.insert(), rows)


def _read(connection: Connection, columns: dict[str, list[str]] | None = None) -> Rows:
    """Every row of every table, or of these columns."""
    known = sql.MetaData()
    known.reflect(connection)
    found: Rows = {}
    for name, table in known.tables.items():
        if name != "alembic_version" and (columns is None or name in columns):
            these = [table.c[column] for column in (columns[name] if columns else table.columns.keys())]
            found[name] = sorted(map(tuple, connection.execute(sql.select(*these))), key=repr)
    return found


def _columns(connection: Connection) -> dict[str, list[str]]:
    known = sql.MetaData()
    known.reflect(connection)
    return {name: table.columns.keys() for name, table in known.tables.items() if name != "alembic_version"}


def test_the_migrations_make_the_tables(database: Database) -> None:
    """What `tables` says and what the migrations make is the same, with types and defaults."""
    migrate.upgrade(database)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found: list[Any] = compare_metadata(context, tables.metadata)
        flat = [one for each in found for one in (each if isinstance(each, list) else [each])]
        return [one for one in flat if not _only_spelt_otherwise(one)]

    assert database.read(differences) == []


def _only_spelt_otherwise(difference: tuple[Any, ...]) -> bool:
    """Alembic takes SQLite's '' for another default than ''."""
    if difference[0] != "modify_default":
        return False
    there, wanted = difference[-2:]
    return str(there.arg).strip("()") == "''" and str(wanted.arg) == ""


def test_forward_and_back_without_loss(database: Database) -> None:
    """Rows of 0001 -> newest -> 0001 -> newest: what 0001 knows is the same to the last bit."""
    assert migrate.upgrade(database, "0001") == ("0001",)
    database.write("test", _fill)
    columns = database.read(_columns)
    before = database.read(_read)
    assert {name: len(rows) for name, rows in before.items()}["accounts"] == ROWS
    assert migrate.upgrade(database) == LATER
    assert database.read(lambda connection: _read(connection, columns)) == before
    assert migrate.downgrade(database, "0001") == LATER[::-1]
    assert database.read(_columns) == columns
    assert database.read(_read) == before
    assert migrate.upgrade(database) == LATER
    assert database.read(lambda connection: _read(connection, columns)) == before
    assert migrate.ready(database) == ""


def test_what_a_downgrade_would_lose(database: Database) -> None:
    """Tables and columns, with how many rows say something there; nothing that is empty is named."""
    migrate.upgrade(database)
    assert migrate.lost(database, "0001") == ()

    def work(writing: Writing) -> None:
        rows = [{"id": "a", "created": 1.0, "identity": "a"}, {"id": "b", "created": 1.0, "identity": ""}]
        writing.connection.execute(tables.accounts.insert(), rows)
        writing.connection.execute(tables.spent.insert(), {"mark": "m", "expires": 1.0})

    database.write("test", work)
    assert migrate.lost(database, "0001") == (Loss("spent", 1), Loss("accounts.identity", 1))
    assert Loss("accounts", 2) in migrate.lost(database, migrate.BASE)
    migrate.downgrade(database, migrate.BASE)
    assert database.read(_columns) == {}


def test_where_it_stands(database: Database) -> None:
    """Before, between, at the newest: in numbers, and in words that name the command."""
    assert migrate.status(database) == Status("", HEAD, STEPS)
    assert migrate.ready(database) == "the directory has no schema yet: run `tidegate directory upgrade`"
    migrate.upgrade(database, "0001")
    assert migrate.status(database) == Status("0001", HEAD, LATER)
    assert f"is 0001 and this program needs {HEAD}: run `tidegate directory upgrade`" in migrate.ready(database)
    assert migrate.upgrade(database) == LATER
    assert migrate.upgrade(database) == ()
    assert migrate.status(database) == Status(HEAD, HEAD, ())


def test_a_newer_programs_schema(database: Database) -> None:
    """It is neither served nor touched, and the words say who can help."""
    migrate.upgrade(database)
    newer = sql.text("UPDATE alembic_version SET version_num = '0999'")
    database.write("test", lambda writing: writing.connection.execute(newer))
    assert migrate.status(database) == Status("0999", HEAD, ())
    assert "which a newer program made" in migrate.ready(database)
    with pytest.raises(BadRevision, match="newer program"):
        migrate.upgrade(database)
    with pytest.raises(BadRevision, match="0999"):
        migrate.downgrade(database, "0001")


def test_no_way_down_leads_up(database: Database) -> None:
    """A downgrade to what is above is refused in our words, also by who asks first what would be lost."""
    migrate.upgrade(database)
    migrate.downgrade(database, "0001")
    with pytest.raises(BadRevision):
        migrate.lost(database, "0002")


@pytest.mark.parametrize("to", ["0099", "nonsense", ""])
def test_no_such_revision(database: Database, to: str) -> None:
    """Said, and nothing is done."""
    migrate.upgrade(database)
    with pytest.raises(BadRevision):
        migrate.downgrade(database, to)
    assert migrate.ready(database) == ""


def test_a_database_that_cannot_be_asked(connect: Callable[[str], Database], tmp_path: Path) -> None:
    """`ready` says why."""
    assert "unable to open" in migrate.ready(connect(f"sqlite:///{tmp_path}/missing/directory.db"))


def test_it_is_quiet(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """One line a move, in our words; Alembic's own are not for operators."""
    with caplog.at_level(logging.INFO):
        migrate.upgrade(database)
        migrate.upgrade(database)
    assert [record.message for record in caplog.records] == [
        f"the directory's schema was upgraded to {HEAD}: {', '.join(STEPS)}"
    ]


def test_a_step_that_breaks_leaves_the_old_schema(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """DDL is part of the transaction, on both databases."""
    migrate.upgrade(database, "0001")
    columns = database.read(_columns)
    script = migrate._script()
    step = script.get_revision("0002")
    assert step is not None

    def broken() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(step.module, "_visits", broken)
    monkeypatch.setattr("alembic.script.ScriptDirectory.from_config", lambda _: script)
    with pytest.raises(RuntimeError, match="broken"):
        migrate.upgrade(database)
    monkeypatch.undo()
    assert database.read(_columns) == columns
    assert migrate.upgrade(database) == LATER


@pytest.mark.parametrize("empty", ["sqlite"], indirect=True)
def test_a_row_that_points_at_nothing_stops_it(database: Database) -> None:
    """SQLite migrates without foreign keys: they are looked at before it commits, and hold again afterwards."""
    migrate.upgrade(database, "0001")
    with database.engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("INSERT INTO falls (account, reason, at) VALUES ('nobody', 'x', 0)")
        driver.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(BrokenReference, match="a row of falls points at a row of accounts"):
        migrate.upgrade(database)
    assert migrate.status(database).current == "0001"
    pragma = database.read(lambda connection: connection.exec_driver_sql("PRAGMA foreign_keys").scalar())
    assert pragma == 1


COPYING = """
import sqlalchemy as sql
from alembic import op

revision, down_revision = "0999", "{HEAD}"


def upgrade():
    with op.batch_alter_table("accounts") as accounts:
        accounts.alter_column("name", server_default="nobody")


def downgrade():
    upgrade()
"""


def test_a_step_may_copy_a_table(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite changes a column by making the table anew: who points at its rows still does, and must."""
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "0999_copying.py").write_text(COPYING.replace("{HEAD}", HEAD))
    migrate.upgrade(database, "0001")
    database.write("test", _fill)
    migrate.upgrade(database)
    before = database.read(_read)
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    assert migrate.upgrade(database) == ("0999",)
    assert database.read(_read) == before
    row = {"account": "nobody", "reason": "x", "at": 0.0}
    with pytest.raises(IntegrityError):
        database.write("test", lambda writing: writing.connection.execute(tables.falls.insert(), row))


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_a_step_gives_way(
    database: Database, empty: str, connect: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody reads for long: a step that waits for the table would keep all waiting who read it later."""
    migrate.upgrade(database, "0001")
    monkeypatch.setattr(migrate, "GIVE_WAY", 0.1)
    with connect(empty).engine.connect() as reading:
        reading.execute(sql.text("SELECT count(*) FROM accounts")).all()
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate.upgrade(database)
    assert migrate.status(database).current == "0001"
    assert migrate.upgrade(database)


def _swing(url: str, begun: Pipe) -> None:
    """Between 0001 and the newest until it is killed."""
    database = Database(url, Clock())
    begun.send(None)
    while True:
        migrate.upgrade(database)
        migrate.downgrade(database, "0001")


def test_killed_in_the_middle(database: Database, empty: str, processes: ForkServerContext) -> None:
    """kill -9 at any moment leaves the old schema or the new one, whole, with all rows; the next upgrade goes on."""
    migrate.upgrade(database, "0001")
    database.write("test", _fill)
    columns = database.read(_columns)
    before = database.read(_read)
    chance = random.Random(7)
    for _ in range(KILLS):
        ours, its = processes.Pipe()
        process = processes.Process(target=_swing, args=(empty, its), daemon=True)
        process.start()
        ours.recv()
        process.join(chance.uniform(0.0, 0.3))
        assert process.is_alive()
        process.kill()
        process.join()
        assert migrate.status(database).current in {"0001", HEAD}
        migrate.upgrade(database)
        assert migrate.ready(database) == ""
        assert database.read(lambda connection: _read(connection, columns)) == before
        if database.url.get_backend_name() == "sqlite":
            whole = database.read(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar())
            assert whole == "ok"
