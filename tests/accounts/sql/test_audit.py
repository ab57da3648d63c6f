"""The audit is a chain: whatever is changed in it afterwards is seen, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import sqlalchemy as sql
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, audit, erase, migrate, tables
from gateway.accounts.sql.database import Database, Writing

LINES: Final = 12
TABLE: Final = tables.audit


def fill(writing: Writing) -> None:
    for number in range(LINES):
        writing.audit("test.fill", f"a{number}", n=number, text=f"Zoë {number}")


def two_erased(database: Database, secrets: Secrets) -> None:
    """Lines of accounts, some of which are erased: `jo`, and `flo` whose name stands in a line of `jo`."""

    def make(writing: Writing) -> None:
        for name in ("jo", "flo", "mo"):
            accounts.create(writing, accounts.NewAccount(name, f"{name}-inc"))
            accounts.suspend(writing, name, f"because of {name}")
        writing.audit("account.merge", "mo", note="seen with jo and flo")

    database.write("cli:jo", make)
    for name in ("jo", "flo"):
        database.write("cli:ops", lambda writing, name=name: erase.erase(writing, secrets, name))  # type: ignore[misc]


@pytest.fixture
def filled(database: Database, secrets: Secrets) -> Database:
    """With a chain of several transactions, erased lines among them."""
    database.write("cli:ops", fill)
    two_erased(database, secrets)
    database.write("cli:ops", fill)
    return database


def verified(database: Database, noted: str = "") -> audit.Verified:
    return database.read(lambda connection: audit.verify(connection, noted=noted))


def forced(database: Database, *statements: str, **values: object) -> None:
    """By somebody who may do anything with the database: the second wall is taken down first."""
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            found = connection.execute(sql.text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for name in found.scalars().all():
                connection.execute(sql.text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(sql.text("DROP FUNCTION IF EXISTS audit_append_only() CASCADE"))
        for statement in statements:
            connection.execute(sql.text(statement), values)


def test_what_nobody_changed_holds(filled: Database) -> None:
    """Several lines a transaction, several transactions, erased lines: all of it is as it was written."""
    found = verified(filled)
    assert found.ok, found.broken
    assert found.lines == len(filled.read(lambda it: it.execute(TABLE.select()).all()))
    assert found.erased > 5
    assert found.head == str(filled.read(audit.head))
    assert verified(filled, found.head).ok


def test_an_empty_one_holds(database: Database) -> None:
    """Nothing was written, so nothing was changed, and there is no head to note."""
    assert verified(database) == audit.Verified(0, "", (), 0, 0)


FIFTH: Final = "(SELECT id FROM (SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 4) AS it)"
GONE: Final = "(SELECT id FROM (SELECT id FROM audit WHERE did = 'account.merge') AS it)"
LAST: Final = "(SELECT id FROM (SELECT max(id) AS id FROM audit) AS it)"
ERASING: Final = "(SELECT id FROM (SELECT min(id) AS id FROM audit WHERE did = 'account.erase') AS it)"
PUT: Final = "INSERT INTO audit (id, at, who, did, subject, detail, salt, digest, link, erased)"
ATTACKS: Final[dict[str, tuple[str, ...]]] = {
    "when": (f"UPDATE audit SET at = at + 1 WHERE id = {FIFTH}",),
    "who": (f"UPDATE audit SET who = 'cli:eve' WHERE id = {FIFTH}",),
    "did": (f"UPDATE audit SET did = 'test.fills' WHERE id = {FIFTH}",),
    "subject": (f"UPDATE audit SET subject = 'a99' WHERE id = {FIFTH}",),
    "a letter of the detail": (f"UPDATE audit SET detail = replace(detail, '4', '5') WHERE id = {FIFTH}",),
    "a space in the detail": (f"UPDATE audit SET detail = replace(detail, ':', ': ') WHERE id = {FIFTH}",),
    "a letter from one text to the next": (f"UPDATE audit SET who = 'cli:op', did = 'stest.fill' WHERE id = {FIFTH}",),
    "the salt": (f"UPDATE audit SET salt = digest WHERE id = {FIFTH}",),
    "no salt": (f"UPDATE audit SET salt = NULL WHERE id = {FIFTH}",),
    "the digest": (f"UPDATE audit SET digest = link WHERE id = {FIFTH}",),
    "no digest": (f"UPDATE audit SET digest = NULL WHERE id = {FIFTH}",),
    "the link": (f"UPDATE audit SET link = digest WHERE id = {FIFTH}",),
    "no link": (f"UPDATE audit SET link = NULL WHERE id = {FIFTH}",),
    "the number": (f"UPDATE audit SET id = 1000000 WHERE id = {LAST}",),
    "one taken out": (f"DELETE FROM audit WHERE id = {FIFTH}",),
    "the first taken out": ("DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)",),
    "two that change places": (
        f"UPDATE audit SET id = -1 WHERE id = {FIFTH}",
        "UPDATE audit SET id = 5 WHERE id = 6",
        "UPDATE audit SET id = 6 WHERE id = -1",
    ),
    "one put in before": (
        f"{PUT} SELECT 0, at, who, did, subject, detail, salt, digest, link, '' FROM audit WHERE id = 1",
    ),
    "one put at the end": (
        f"{PUT} SELECT id + 1, at, who, did, subject, detail, salt, digest, link, '' FROM audit WHERE id = {LAST}",
    ),
    "marked as erased, by nobody": (f"UPDATE audit SET erased = 'erased:00', salt = NULL WHERE id = {FIFTH}",),
    "marked as erased, by one that is there": (
        f"UPDATE audit SET salt = NULL, erased = (SELECT subject FROM audit WHERE id = {ERASING}), who = 'x' "
        f"WHERE id = {FIFTH}",
    ),
    "who of an erased one": (f"UPDATE audit SET who = 'cli:eve' WHERE id = {GONE}",),
    "when of an erased one": (f"UPDATE audit SET at = at + 1 WHERE id = {GONE}",),
    "detail of an erased one": (f"UPDATE audit SET detail = '{{}}' WHERE id = {GONE}",),
    "an erased one that is none": (f"UPDATE audit SET erased = '' WHERE id = {GONE}",),
    "an erased one that is of fewer": (
        f"UPDATE audit SET erased = (SELECT subject FROM audit WHERE id = {ERASING}) WHERE id = {GONE}",
    ),
    "the erasing taken out": (f"DELETE FROM audit WHERE id = {ERASING}",),
    "what the erasing states": (f"UPDATE audit SET detail = replace(detail, 'accounts', 'others') WHERE id = {ERASING}",
    ),
    "an erasing without sense": (f"UPDATE audit SET detail = '[1' WHERE id = {ERASING}",),
}  # fmt: skip


def test_a_change_is_seen(filled: Database) -> None:
    """Any column, any row: by whoever may write to the database, past the triggers. One database for all, which is put
    back as it was after each.
    """
    rows = [dict(row._mapping) for row in filled.read(lambda it: it.execute(TABLE.select()).all())]
    assert verified(filled).ok
    unseen = []
    for attack, statements in ATTACKS.items():
        forced(filled, *statements)
        found = verified(filled)
        if found.ok or not found.broken:
            unseen.append(attack)
        with filled.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(TABLE.delete())
            connection.execute(TABLE.insert(), rows)
    assert unseen == []
    assert verified(filled).ok


def test_one_change_is_named_once(filled: Database) -> None:
    """A line that was edited is said by its id; those after it hold."""
    forced(filled, "UPDATE audit SET who = 'cli:eve' WHERE id = 5")
    assert verified(filled).broken == ((5, audit.CHANGED),)
    forced_again = "UPDATE audit SET link = digest WHERE id = 8"
    with filled.engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sql.text(forced_again))
    assert verified(filled).broken == ((5, audit.CHANGED), (8, audit.MISPLACED))


def test_an_end_that_was_cut_off_is_seen_by_who_noted_the_head(filled: Database) -> None:
    """Only so: what is left is whole in itself. A head that others followed is there still."""
    head = verified(filled).head
    filled.write("cli:ops", fill)
    assert verified(filled, head).ok
    assert verified(filled, head.upper()).ok
    for left in (3, 0):
        forced(filled, f"DELETE FROM audit WHERE id > {left}")
        assert verified(filled).ok
        assert verified(filled, head).broken == ((0, audit.NOT_THERE),)


def test_a_chain_that_was_made_anew_is_seen_by_who_noted_the_head(filled: Database) -> None:
    """Whoever edits a line and links all after it again has another head."""
    noted = verified(filled).head
    rows = [dict(row._mapping) for row in filled.read(lambda it: it.execute(TABLE.select().order_by(TABLE.c.id)).all())]
    kept = [row for row in rows if not row["erased"] and row["did"] == "test.fill"]
    lines = [audit.Line(*(row[name] for name in audit.Line._fields)) for row in kept]
    lines[3] = lines[3]._replace(who="cli:eve")
    forced(filled, "DELETE FROM audit")
    with filled.engine.connect().execution_options(writes=True) as connection, connection.begin():
        audit.append(connection, lines)
    assert verified(filled).ok
    assert verified(filled, noted).broken == ((0, audit.NOT_THERE),)


SLIPS: Final = (
    "UPDATE audit SET who = 'x' WHERE id = 3",
    "UPDATE audit SET erased = 'erased:00', salt = NULL, at = 1 WHERE id = 3",
    "UPDATE audit SET erased = 'erased:00' WHERE id = 3",
    "UPDATE audit SET id = 99 WHERE id = 3",
    "DELETE FROM audit WHERE id = 3",
    "DELETE FROM audit",
    "INSERT INTO audit (at, who, did, subject) VALUES (1, 'x', 'x', 'x')",
    f"{PUT} VALUES (99, 1, 'x', 'x', 'x', '', NULL, NULL, NULL, 'erased:00')",
)


def test_a_slip_is_refused(filled: Database) -> None:
    """The database itself takes new lines of the chain, and marks of an erasing, and nothing else."""
    before = verified(filled)
    for statement in SLIPS:
        with (
            filled.engine.connect().execution_options(writes=True) as connection,
            pytest.raises(DatabaseError),
            connection.begin(),
        ):
            connection.execute(sql.text(statement))
        assert verified(filled) == before, statement


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_it_is_not_emptied(filled: Database) -> None:
    """TRUNCATE fires no trigger of rows."""
    with filled.engine.connect() as connection, pytest.raises(DatabaseError, match="append-only"):
        connection.execute(sql.text("TRUNCATE audit"))
    assert verified(filled).lines


def test_an_erased_line_tells_nothing_of_what_it_was(filled: Database) -> None:
    """Its salt is gone: who guesses what stood there cannot tell whether it is so."""
    rows = filled.read(lambda it: it.execute(sql.select(TABLE).where(TABLE.c.erased != "")).all())
    assert rows
    assert {row.salt for row in rows} == {None}
    assert all(len(row.digest) == 32 for row in rows)


def test_an_erasing_binds_what_another_one_left(filled: Database) -> None:
    """A line that named both was changed twice; each erasing states how many lines it changed."""
    merged = filled.read(lambda it: it.execute(sql.select(TABLE).where(TABLE.c.did == "account.merge")).one())
    assert len(merged.erased.split()) == 2
    stated = filled.read(lambda it: it.scalars(sql.select(TABLE.c.detail).where(TABLE.c.did == audit.ERASE)).all())
    assert all('"audit":' in detail and '"sealed":' in detail for detail in stated)


def test_many_are_sealed_as_few_are(filled: Database) -> None:
    """However they are looked for."""
    names = {row.erased for row in filled.read(lambda it: it.execute(sql.select(TABLE.c.erased)).all())}
    marks = sorted({mark for name in names for mark in name.split()})
    few = filled.read(lambda it: audit.seals(it, marks))
    many = filled.read(lambda it: audit.seals(it, [*marks, *(f"erased:{n}" for n in range(audit.NAMED))]))
    assert all(few[mark] == many[mark] and few[mark][0] for mark in marks)


def test_who_erased_may_be_erased(filled: Database, secrets: Secrets) -> None:
    """The operator's own account: what the erasings state still holds, under a pseudonym."""
    filled.write("cli:mo", lambda writing: accounts.create(writing, accounts.NewAccount("ops")))
    filled.write("cli:mo", lambda writing: erase.erase(writing, secrets, "ops"))
    found = verified(filled)
    assert found.ok, found.broken
    forced(filled, "UPDATE audit SET detail = replace(detail, '\"audit\":', '\"audits\":') WHERE did = 'account.erase'")
    assert not verified(filled).ok


def test_many_writers_make_one_chain(url: str, connect: Callable[[str], Database]) -> None:
    """In turn or not, by several processes: lines are linked in the order in which they become visible."""
    databases = [connect(url) for _ in range(3)]
    barrier = threading.Barrier(len(databases))

    def write(number: int) -> None:
        barrier.wait()
        for again in range(8):
            databases[number].write(f"w{number}", fill, in_turn=again % 2 == 0)

    with ThreadPoolExecutor(len(databases)) as threads:
        list(threads.map(write, range(len(databases))))
    found = verified(databases[0])
    assert (found.ok, found.lines) == (True, len(databases) * 8 * LINES)


def test_what_fails_leaves_no_line(database: Database) -> None:
    """It was not done."""

    def work(writing: Writing) -> None:
        writing.audit("test.fails", "a")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.write("test", work)
    database.write("test", fill)
    assert verified(database).lines == LINES


def test_lines_that_were_there_are_linked(empty: str, connect: Callable[[str], Database], monkeypatch: Any) -> None:
    """Migration 0004, in chunks: gaps between ids are no gaps in the chain, and it goes on where it ends; and back."""
    database = connect(empty)
    migrate.upgrade(database, "0003")
    rows = [
        {"id": n * 3, "at": n / 7, "who": "w", "did": "d", "subject": f"s{n}", "detail": "{}"} for n in range(1, 26)
    ]
    old = sql.table("audit", *(sql.column(name) for name in rows[0]))
    database.write("test", lambda writing: writing.connection.execute(old.insert(), rows))
    script = migrate._script()
    step = script.get_revision("0004")
    assert step is not None
    monkeypatch.setattr(step.module, "CHUNK", 10)
    monkeypatch.setattr("alembic.script.ScriptDirectory.from_config", lambda _: script)
    migrate.upgrade(database)
    assert (verified(database).ok, verified(database).lines) == (True, 25)
    database.write("test", fill)
    found = verified(database)
    assert (found.ok, found.lines) == (True, 25 + LINES)
    assert migrate.lost(database, "0003") == (migrate.Loss("audit.link", 25 + LINES),)
    migrate.downgrade(database, "0003")
    one = {"at": 1.0, "who": "w", "did": "d", "subject": "s", "detail": "{}"}
    database.write("test", lambda writing: writing.connection.execute(old.insert(), one))
    migrate.upgrade(database)
    assert (verified(database).ok, verified(database).lines) == (True, 26 + LINES)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("value", ["'text'", "x'00'", "1e400"])
@pytest.mark.parametrize("column", ["at", "who", "did", "subject", "detail", "digest", "link", "salt", "erased"])
def test_a_column_of_another_kind_is_seen(database: Database, column: str, value: str) -> None:
    """SQLite keeps anything anywhere: it is said, and ends nothing."""
    database.write("test", fill)
    forced(database, f"UPDATE audit SET {column} = {value} WHERE id = 4")
    assert not verified(database).ok


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=4), min_size=4, max_size=4),
    at=st.floats(allow_nan=False),
)
def test_lines_that_differ_have_other_digests(texts: list[str], at: float) -> None:
    """No letter may move from one column to the next unseen."""
    line = audit.Line(at, *texts)
    joined = "".join(texts)
    for cut in range(len(joined) + 1):
        other = audit.Line(at, joined[:cut], joined[cut:], "", "")
        same = audit.digest_of(b"s" * 16, other) == audit.digest_of(b"s" * 16, line)
        assert same is (other == line)


def test_it_is_told_how_far_it_is(database: Database) -> None:
    """A million lines take a while."""
    database.write("test", fill)
    told: list[tuple[int, int]] = []
    database.read(lambda connection: audit.verify(connection, lambda *far: told.append(far)))
    assert told[-1] == (LINES, LINES)
