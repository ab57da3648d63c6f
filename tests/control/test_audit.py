"""One line a change, also where there is no file for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from gateway.accounts.sql import audit as chain
from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.control import audit as module
from gateway.control.audit import Audit, Notes, tell_head
from gateway.testing import Clock
from tests import schema


def test_lines_are_appended(tmp_path: Path) -> None:
    """What was there stays there; and only its owner and group read it."""
    path = tmp_path / "audit.log"
    for number in range(2):
        audit = Audit(path, lambda: 1000.5)
        audit.note("signal", "reload", "applied", (number, "a"), (number + 1, "b"), problems=["x"])
        audit.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["from"]["generation"] for line in lines] == [0, 1]
    assert lines[0] == {
        "time": 1000.5,
        "who": "signal",
        "action": "reload",
        "outcome": "applied",
        "from": {"generation": 0, "digest": "a"},
        "to": {"generation": 1, "digest": "b"},
        "problems": ["x"],
    }
    assert path.stat().st_mode & 0o137 == 0


def test_without_a_file_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that people change goes unsaid."""
    with caplog.at_level(logging.INFO):
        Audit(None, lambda: 1.0).note("admin_token", "rollback", "rolled_back", (2, "b"), (1, "a"))
    assert json.loads(caplog.messages[0])["who"] == "admin_token"


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is none, and spoils the next."""
    audit = Audit(tmp_path / "audit.log", lambda: 1.0)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:7]))
    audit.note("signal", "reload", "applied", (1, "a"), (2, "b"))
    audit.close()
    assert json.loads((tmp_path / "audit.log").read_text())["who"] == "signal"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A directory."""
    opened = Database("sqlite:///directory.db", Clock(at=1000.5), tmp_path)
    schema.lay(opened)
    yield opened
    opened.close()


def lines(database: Database) -> list[tuple[str, str, str, Any]]:
    rows = database.read(lambda connection: connection.execute(tables.audit.select()).all())
    return [(row.who, row.did, row.subject, json.loads(row.detail)) for row in rows]


async def test_the_directory_has_what_is_done_to_the_rules(database: Database, tmp_path: Path) -> None:
    """In the same order as the file, in its chain."""
    notes = Notes(database)
    audit = Audit(tmp_path / "audit.log", lambda: 1.0, notes)
    audit.note("signal", "reload", "applied", (1, "a"), (2, "b"))
    audit.note("token:ann", "rollback", "rolled_back", (2, "b"), (1, "a"), problems=("x",))
    audit.note("nobody", "/policies/reload", "denied", (1, "a"), (1, "a"))
    notes("token:ann", "session.begin", "ann", lasts=60)
    await notes.close()
    audit.close()
    one, two = {"generation": 1, "digest": "a"}, {"generation": 2, "digest": "b"}
    assert lines(database) == [
        ("signal", "policies.reload", "policies", {"before": one, "after": two, "outcome": "applied"}),
        (
            "token:ann", "policies.rollback", "policies",
            {"before": two, "after": one, "outcome": "rolled_back", "problems": ["x"]},
        ),
        (
            "nobody", "policies.denied", "policies",
            {"before": one, "after": one, "path": "/policies/reload", "outcome": "denied"},
        ),
        ("token:ann", "session.begin", "ann", {"lasts": 60}),
    ]  # fmt: skip
    assert database.read(chain.verify).ok
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 3


async def test_many_notes_keep_their_order(database: Database) -> None:
    """Across batches, and while others are being written."""
    notes = Notes(database)
    for number in range(3 * module.TOGETHER):
        notes("w", "test.note", str(number))
        if number % 70 == 0:
            await asyncio.sleep(0)
    await notes.close()
    assert [int(subject) for _, _, subject, _ in lines(database)] == list(range(3 * module.TOGETHER))


@pytest.mark.parametrize(
    ("who", "detail"),
    [
        ("token:\ud800", {}),
        ("token:a\0b", {}),
        ("w", {"reason": "\ud800\0", "deep": {"a": [Path("x"), 2**70, {1}, None, 1.5, True]}}),
    ],
)
async def test_a_note_of_anything_is_a_line(database: Database, who: str, detail: dict[str, Any]) -> None:
    """Callers' texts stand in it: none of them may lose the line, nor raise where a reload is under way."""
    notes = Notes(database)
    notes(who, "d" * 100, "s" * 200, **detail)
    await notes.close()
    ((_, did, subject, _),) = lines(database)
    assert (len(did), len(subject)) == (64, 128)
    assert database.read(chain.verify).ok


async def test_what_cannot_be_written_is_in_the_log(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is away, one that is slow, one that is closed: no line is lost without a word."""
    notes = Notes(database)
    notes("w", "test.kept", "0")
    await notes.close()
    database.write("eve", lambda writing: writing.connection.execute(sql.text("ALTER TABLE audit RENAME TO gone")))
    monkeypatch.setattr(module, "WAITING", 2)
    for number in range(3):
        notes("w", "test.note", f"lost-{number}")
    await notes.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert all(f"lost-{number}" in caplog.text for number in range(3))
    database.close()
    notes("w", "test.note", "lost-3")
    await notes.close()
    assert "lost-3" in caplog.text


async def test_the_head_is_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """With its line; nothing where nothing was done; an error where it cannot be read."""
    with caplog.at_level(logging.INFO):
        await tell_head(database)
        assert caplog.messages == []
        database.write("w", lambda writing: writing.audit("test.note", "a"))
        await tell_head(database)
        assert caplog.messages == [f"the audit stands at line 1, head {database.read(chain.head)}"]
        database.write("eve", lambda writing: writing.connection.execute(sql.text("ALTER TABLE audit RENAME TO gone")))
        await tell_head(database)
    assert "cannot be read" in caplog.messages[-1]
