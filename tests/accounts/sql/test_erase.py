"""An erased account is in no file of the directory; the audit knows it by a pseudonym."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import (
    accounts,
    case_decisions,
    cases,
    erase,
    identities,
    keys,
    overrides,
    standing,
    tables,
    visits,
)
from gateway.accounts.sql.database import Change, Database, Writing, changes_since
from gateway.campaigns.ruling import Ruled
from gateway.overrides.override import Kind, Scope
from gateway.overrides.written import Change as To
from gateway.testing import Clock

WHO = "jo-somebody"
ALONE = "jo-inc"
NOISE = 400
TRACES = (
    WHO, ALONE, "Jo Somebody", "laptop of Jo", "because Jo wrote", "a note on Jo", "the appeal of Jo", "sess_of_jo",
    "evt_outcome_jo", "lost by jo",
)  # fmt: skip
"""Texts that are in the directory before, and not after."""


def others(connection: Connection, numbers: range) -> None:
    """Accounts between whom the one is found: pages are filled, and split."""
    rows = [{"id": f"j{number:04}", "created": 5.0} for number in numbers]
    connection.execute(tables.accounts.insert(), rows)
    for table, values in (
        (tables.keys, {"name": "key", "digest": b"d" * 32, "pepper": "s1", "created": 5.0}),
        (tables.links, {"kind": "phone", "digest": b"d" * 32, "secret": "s1", "seen": 5.0}),
    ):
        named = [values | {"account": row["id"]} for row in rows]
        if table is tables.keys:
            named = [row | {"prefix": f"k{row['account']}"} for row in named]
        connection.execute(table.insert(), named)


def fill(writing: Writing, secrets: Secrets) -> list[bytes]:
    """One account with everything, among others. Returns its digests and prefixes."""
    connection = writing.connection
    others(connection, range(0, NOISE, 2))
    accounts.create(writing, accounts.NewAccount(WHO, ALONE, name="Jo Somebody", created=1.0))
    minted = keys.create(writing, secrets, WHO, "laptop of Jo", models=["m"])
    keys.rotate(writing, secrets, minted.prefix, 60.0)
    keys.revoke(writing, minted.prefix, "lost by jo")
    standing.add_evidence(writing, WHO, "document", provider="stripe", reference="sess_of_jo")
    standing.add_fall(writing, WHO, "analyst", "a note on Jo")
    accounts.suspend(writing, WHO, "because Jo wrote")
    accounts.override_tier(writing, WHO, "pro", None, "because Jo wrote")
    overrides.create(writing, "rpm", Scope(account=WHO), To(Kind.FREEZE), "because Jo wrote")
    standing.add_link(writing, secrets, WHO, "phone", "7")
    standing.add_link(writing, secrets, WHO, "payment", "pm")
    visits.add_member(writing, secrets, WHO, "jo@somebody.example")
    visits.open_session(writing, secrets, WHO, "owner", minted.prefix, lasts=60.0)
    verification = {"id": "v-of-jo", "account": WHO, "provider": "stripe", "kinds": "[]", "state": "approved"}
    times = {"reference": "sess_of_jo", "created": 1.0, "updated": 1.0}
    connection.execute(tables.verifications.insert(), verification | times)
    letter = {"provider": "stripe", "event": "evt_1", "digest": b"d" * 32, "reference": "sess_of_jo"}
    connection.execute(tables.inbox.insert(), letter | {"received": 1.0, "due": 5.0, "outcome": "evt_outcome_jo"})
    review = {"account": WHO, "subject": "appeal", "statement": "the appeal of Jo", "state": "open", "opened": 1.0}
    connection.execute(tables.reviews.insert(), review)
    seen = cases.CaseRecord(
        "c1", 5.0, 1.0, 2, 9.0, (), (), 4, 7, members=((WHO, 3.0), ("j0002", 2.0)), edges=((WHO, "t1", "content", 1.0),)
    )
    [case] = cases.record(writing, [seen])
    case_decisions.note(writing, case, f"{WHO} is not that of {WHO}-2")
    cases.add_ruling(writing, Ruled.CLEARED, accounts=[WHO], reason=f"{WHO} is nobody's puppet")
    others(connection, range(1, NOISE, 2))
    identities.regroup(writing, WHO)
    writing.audit("account.merge", "j0007", with_=WHO, note=f"seen beside {WHO}, see also {WHO}-2", tier=WHO)
    digests: list[bytes] = []
    for table in (tables.keys, tables.links, tables.members, tables.sessions):
        digests += connection.scalars(sql.select(table.c.digest).where(table.c.account == WHO))
    prefixes = connection.scalars(sql.select(tables.keys.c.prefix).where(tables.keys.c.account == WHO))
    return [*map(bytes, digests), *(prefix.encode() for prefix in prefixes)]


@pytest.fixture
def traces(database: Database, secrets: Secrets) -> list[bytes]:
    """What must be nowhere afterwards."""
    return database.write("cli:ops", lambda writing: fill(writing, secrets)) + [text.encode() for text in TRACES]


def gone(database: Database, secrets: Secrets) -> erase.Erased:
    return database.write("cli:ops", lambda writing: erase.erase(writing, secrets, WHO))


def found_in(content: bytes, traces: Collection[bytes]) -> set[bytes]:
    return {trace for trace in traces if trace in content}


def without_codes(content: bytes) -> bytes:
    """The codes of others' lines stay, and a longer name is another one's."""
    return content.replace(f"{WHO}-2".encode(), b"").replace(f'"tier":"{WHO}"'.encode(), b"")


def dumped(database: Database) -> bytes:
    """Every cell of every table."""
    lines = []
    for table in tables.metadata.sorted_tables:
        for row in database.read(lambda it, of=table: it.execute(sql.select(of)).all()):  # type: ignore[misc]
            lines += [bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for cell in row]
    return b"\n".join(lines)


def test_nothing_of_it_is_left_in_a_row(
    database: Database, secrets: Secrets, traces: list[bytes], clock: Clock
) -> None:
    """On both databases: no id, no digest, no name, no statement, once workers have heard of it."""
    assert found_in(dumped(database), traces) == set(traces)
    counts = gone(database, secrets).counts
    assert {table for table, count in counts.items() if not count} == set()
    clock.turn(erase.HEARD)
    assert database.write("clerk", erase.forget) == 1
    assert found_in(without_codes(dumped(database)), traces) == set()


def test_a_scrub_that_left_something_says_so(sqlite_url: str, connect: Callable[[str], Database]) -> None:
    """Who still reads what was there keeps the old pages in place: that is an error."""
    database, reader = connect(sqlite_url), connect(sqlite_url)
    with reader.engine.connect() as reading:
        reading.execute(sql.select(tables.version)).all()
        database.write("test", lambda writing: writing.changed("a"))
        sql.event.listen(database.engine, "checkout", lambda driver, *_: driver.execute("PRAGMA busy_timeout=50"))
        with pytest.raises(SQLAlchemyError, match="being read"):
            erase.scrub(database)
    erase.scrub(database)


def test_nothing_of_it_is_left_in_the_files(
    database: Database,
    secrets: Secrets,
    traces: list[bytes],
    clock: Clock,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """SQLite's file, its WAL and its index, byte by byte, after `scrub`."""
    if database.engine.dialect.name != "sqlite":
        erase.scrub(database)  # That it runs is all that can be seen from here.
        return
    gone(database, secrets)
    clock.turn(erase.HEARD)
    database.write("clerk", erase.forget)
    before = b"".join(path.read_bytes() for path in tmp_path.glob("directory.db*"))
    assert found_in(before, traces), "the test would see what is left"
    erase.scrub(database)
    files = {path.name: path.read_bytes() for path in tmp_path.glob("directory.db*")}
    assert len(files["directory.db"]) > 100_000
    for name, content in files.items():
        assert found_in(without_codes(content), traces) == set(), name


def test_the_audit_tells_its_story_under_a_pseudonym(database: Database, secrets: Secrets, traces: list[bytes]) -> None:
    """What was done, when, by whom, in codes; and the erasure itself."""
    erased = gone(database, secrets)
    own = sql.select(tables.audit).where(tables.audit.c.subject == erased.pseudonym).order_by(tables.audit.c.id)
    lines = database.read(lambda it: it.execute(own).all())
    done = [line.did for line in lines]
    assert done[0] == "account.create"
    assert done[-1] == "account.erase"
    assert {"key.create", "key.revoke", "evidence.add", "account.suspend"} <= set(done)
    assert orjson.loads(lines[done.index("evidence.add")].detail)["kind"] == "document"
    assert erased.pseudonym in erase.pseudonym(secrets, WHO)
    merged = database.read(
        lambda it: it.execute(sql.select(tables.audit).where(tables.audit.c.did == "account.merge")).one()
    )
    assert merged.subject == "j0007"
    detail = orjson.loads(merged.detail)
    assert detail["with_"] == erased.pseudonym
    assert detail["note"] == f"seen beside {erased.pseudonym}, see also {WHO}-2"
    assert detail["tier"] == WHO


def test_workers_are_told_of_it(database: Database, secrets: Secrets, traces: list[bytes], clock: Clock) -> None:
    """At once, by its id; later the id is gone there too, and whoever missed it reads all again."""
    told: list[Change] = []
    database.announce = told.append
    seen = database.read(lambda it: changes_since(it, 0))[0]
    gone(database, secrets)
    assert WHO in told[0].accounts
    changed = database.read(lambda it: changes_since(it, seen))[1]
    assert changed is not None
    assert WHO in changed
    assert database.write("clerk", erase.forget) == 0, "not before they have heard"
    clock.turn(erase.HEARD)
    database.write("clerk", erase.forget)
    version, changed = database.read(lambda it: changes_since(it, seen))
    assert version == seen + 1
    assert changed is None or WHO not in changed


def test_who_was_one_with_it_goes_on_without(database: Database, secrets: Secrets) -> None:
    """No group has its name; those who still share something are one."""

    def three(writing: Writing) -> None:
        for number, (name, phones) in enumerate({WHO: "12", "b": "13", "c": "23"}.items()):
            accounts.create(writing, accounts.NewAccount(name, created=number + 1.0))
            for phone in phones:
                standing.add_link(writing, secrets, name, "phone", phone)
        accounts.create(writing, accounts.NewAccount("d", created=9.0))
        standing.add_link(writing, secrets, "d", "phone", "1")
        identities.regroup(writing, WHO)

    database.write("cli", three)
    assert database.read(lambda it: identities.same_identity(it, "c")) == [WHO, "b", "c", "d"]
    gone(database, secrets)
    assert database.read(lambda it: identities.same_identity(it, "c")) == ["b", "c", "d"]
    assert database.read(lambda it: accounts.row(it, "b")).identity == "b"


def test_one_of_the_same_id_is_new(database: Database, secrets: Secrets, traces: list[bytes]) -> None:
    """Not suspended, without evidence, and without the line of the old one."""
    erased = gone(database, secrets)
    database.write("cli", lambda writing: accounts.create(writing, accounts.NewAccount(WHO)))
    assert not database.read(lambda it: accounts.row(it, WHO)).suspended
    assert database.read(lambda it: standing.profile(it, WHO, 0.0)).evidence == ()
    own = sql.select(tables.audit.c.did).where(tables.audit.c.subject == WHO)
    assert list(database.read(lambda it: list(it.scalars(own)))) == ["account.create"]
    assert gone(database, secrets).pseudonym == erased.pseudonym


def test_news_that_come_again_are_known(database: Database, secrets: Secrets, traces: list[bytes]) -> None:
    """What a provider sent stays as sent, so that a late retry is no news, and is not worked off."""
    gone(database, secrets)
    letter = database.read(lambda it: it.execute(sql.select(tables.inbox)).one())
    assert (letter.provider, letter.event, letter.reference, letter.due) == ("stripe", "evt_1", "", None)
    assert letter.done is not None


def test_an_organisation_with_others_stays(database: Database, secrets: Secrets) -> None:
    """Only the last one takes it along."""

    def two(writing: Writing) -> None:
        for name in (WHO, "b"):
            accounts.create(writing, accounts.NewAccount(name, "both"))

    database.write("cli", two)
    assert gone(database, secrets).counts["organisations"] == 0
    assert database.read(lambda it: accounts.row(it, "b")).organisation == "both"
    assert database.write("cli", lambda writing: erase.erase(writing, secrets, "b")).counts["organisations"] == 1


def test_nobody_is_erased_twice(database: Database, secrets: Secrets) -> None:
    """There is no such account."""
    with pytest.raises(accounts.NoSuch):
        gone(database, secrets)


def test_every_table_of_accounts_is_thought_of() -> None:
    """One that is new and names accounts has to say what becomes of it here."""
    named = {table.name for table in tables.metadata.sorted_tables if "account" in table.c}
    known = {table.name for table in erase._OF_ACCOUNTS} | {"verifications", "changes", "case_accounts"}
    assert named == known
    assert erase.ELSEWHERE
