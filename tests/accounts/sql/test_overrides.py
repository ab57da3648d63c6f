"""Overrides in the database: nobody overwrites anybody, and everything can be taken back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, erase, overrides, tables
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import OVERRIDES, Change, Database, Writing, versions_since
from gateway.accounts.sql.overrides import Ended, Row, Stale, There
from gateway.overrides.override import EVERYBODY, Kind, Scope
from gateway.overrides.written import Change as To
from gateway.overrides.written import Wrong
from gateway.testing import Clock

ACME = Scope(account="acme")
TRIPLE = To(Kind.SCALE, factor=3.0)


@pytest.fixture
def write(database: Database) -> Callable[[Callable[[Writing], Row]], Row]:
    """As an operator."""
    return lambda work: database.write("token:ops", work)


Write = Callable[[Callable[[Writing], Row]], Row]


def made(write: Write, change: To = TRIPLE, **more: Any) -> Row:
    return write(lambda writing: overrides.create(writing, "rpm", ACME, change, "a launch", **more))


def same(row: Row, other: Row) -> bool:
    """But for when it was changed last, and the revision of that."""
    return {**row.document(), "revision": 0, "created": 0} == {**other.document(), "revision": 0, "created": 0}


def test_what_is_set_is_read(database: Database, write: Write, clock: Clock) -> None:
    """With its numbers, and the revision of the directory."""
    row = made(write, expires=clock.at + 60.0)
    found = database.read(lambda connection: overrides.read(connection, clock.at))
    assert found == ((row.override,), row.revision, ())
    one = row.override
    assert (one.limit, one.scope, one.kind, one.factor) == ("rpm", ACME, Kind.SCALE, 3.0)
    assert (one.reason, one.by, one.created, one.expires) == ("a launch", "token:ops", clock.at, clock.at + 60.0)
    clock.at += 60.0
    assert database.read(lambda connection: overrides.read(connection, clock.at)).overrides == ()
    assert database.read(lambda connection: overrides.one(connection, row.id)) == row


def test_the_second_is_told(write: Write) -> None:
    """Each write needs the revision that its author saw; who comes later gets what is there now."""
    row = made(write)
    to = To(Kind.SET, 7.0)
    newer = write(lambda writing: overrides.change(writing, row.id, row.revision, to, "one"))
    works: list[Callable[[Writing], Row]] = [
        lambda writing: overrides.change(writing, row.id, row.revision, TRIPLE, "two"),
        lambda writing: overrides.withdraw(writing, row.id, row.revision),
        lambda writing: overrides.undo(writing, row.id, row.revision),
    ]
    for work in works:
        with pytest.raises(Stale) as raised:
            write(work)
        assert raised.value.current == newer
    with pytest.raises(There) as there:
        made(write)
    assert there.value.current == newer
    with pytest.raises(NoSuch):
        write(lambda writing: overrides.withdraw(writing, 99, 1))


def for_all(write: Write, change: To, ends: float) -> Row:
    return write(lambda w: overrides.create(w, "*", EVERYBODY, change, "night", ends))


def test_shadow_stands_beside_what_changes_limits(database: Database, write: Write, clock: Clock) -> None:
    """A boost of all does not keep anybody from shadow, nor shadow from a boost; but there is one of each."""
    ends = clock.at + 60.0
    boost, shadow = for_all(write, TRIPLE, ends), for_all(write, To(Kind.SHADOW), ends)
    assert database.read(overrides.read).overrides == (boost.override, shadow.override)
    for change, there in ((TRIPLE, boost), (To(Kind.UNLIMITED), boost), (To(Kind.SHADOW), shadow)):
        with pytest.raises(There) as raised:
            for_all(write, change, ends)
        assert raised.value.current == there


@pytest.mark.parametrize(
    ("held", "wanted", "said"),
    [
        pytest.param(Kind.FREEZE, Kind.SHADOW, "freezes everything, and in shadow it would refuse nobody", id="freeze"),
        pytest.param(Kind.SHADOW, Kind.FREEZE, "has everything in shadow, where a freeze refuses", id="shadow"),
    ],
)
def test_shadow_does_not_undo_a_freeze_of_everything(
    write: Write, clock: Clock, held: Kind, wanted: Kind, said: str
) -> None:
    """Whichever comes first: set, changed to, or brought back by an undo, the other is told why."""
    ends = clock.at + 60.0
    first = for_all(write, To(wanted), ends)
    gone = write(lambda w: overrides.withdraw(w, first.id, first.revision))
    row = for_all(write, To(held), ends)
    works: list[Callable[[Writing], Row]] = [
        lambda w: overrides.create(w, "*", EVERYBODY, To(wanted), "night", ends),
        lambda w: overrides.undo(w, first.id, gone.revision),
    ]
    for work in works:
        with pytest.raises(There, match=said) as raised:
            write(work)
        assert raised.value.current == row
    assert write(lambda w: overrides.change(w, row.id, row.revision, To(wanted), "", ends)).override.kind is wanted


def test_a_refused_write_leaves_nothing(database: Database, write: Write) -> None:
    """No row, no history, no line of the audit, and workers are not woken."""
    row = made(write)
    before = database.read(lambda connection: connection.scalar(sql.select(tables.version.c.version)))
    with pytest.raises(Stale):
        write(lambda writing: overrides.withdraw(writing, row.id, row.revision + 1))
    assert database.read(lambda connection: connection.scalar(sql.select(tables.version.c.version))) == before
    assert len(database.read(overrides.history)) == 1


def test_undo_to_the_digit_and_forward_again(write: Write, clock: Clock) -> None:
    """Numbers, end and reason are what they were; an undo is undone as any change."""
    first = made(write, To(Kind.SET, 0.1 + 0.2, 1e15 / 3, 1 / 3), expires=clock.at + 1000 / 7)
    clock.at += 1.0
    second = write(lambda w: overrides.change(w, first.id, first.revision, To(Kind.FREEZE), "worse", clock.at + 99.0))
    back = write(lambda w: overrides.undo(w, first.id, second.revision, "no"))
    assert same(back, first) and back.revision > second.revision > first.revision and back.change == first.change
    assert back.override.capacity == 0.1 + 0.2 and back.expires == first.expires and back.scope == first.scope
    forward = write(lambda w: overrides.undo(w, first.id, back.revision))
    assert same(forward, second)


def test_undo_of_making_and_of_taking_back(write: Write) -> None:
    """What was made is withdrawn; what was withdrawn comes back."""
    row = made(write)
    gone = write(lambda w: overrides.undo(w, row.id, row.revision))
    assert gone.withdrawn is not None
    again = write(lambda w: overrides.undo(w, row.id, gone.revision))
    assert same(again, row)
    withdrawn = write(lambda w: overrides.withdraw(w, row.id, again.revision, "enough"))
    with pytest.raises(Ended):
        write(lambda w: overrides.withdraw(w, row.id, withdrawn.revision))
    with pytest.raises(Ended):
        write(lambda w: overrides.change(w, row.id, withdrawn.revision, TRIPLE))
    assert same(write(lambda w: overrides.undo(w, row.id, withdrawn.revision)), row)


def test_what_ended_meanwhile_is_back_and_holds_no_more(write: Write, clock: Clock) -> None:
    """The end is what it was, also where it has passed."""
    row = made(write, expires=clock.at + 10.0)
    gone = write(lambda w: overrides.withdraw(w, row.id, row.revision))
    clock.at += 10.0
    back = write(lambda w: overrides.undo(w, row.id, gone.revision))
    assert same(back, row) and back.expired(clock.at) and not back.holds(clock.at)


def test_a_new_one_after_the_end(write: Write, clock: Clock) -> None:
    """Expired or withdrawn, it is in nobody's way; and none comes back into another's."""
    old = made(write, expires=clock.at + 10.0)
    clock.at += 10.0
    second = made(write)
    withdrawn = write(lambda w: overrides.withdraw(w, second.id, second.revision))
    third = made(write)
    assert len({old.id, second.id, third.id}) == 3
    with pytest.raises(There) as there:
        write(lambda w: overrides.undo(w, second.id, withdrawn.revision))
    assert there.value.current == third
    with pytest.raises(There):
        write(lambda w: overrides.change(w, old.id, old.revision, TRIPLE))


def test_one_that_ended_can_go_on(write: Write, clock: Clock) -> None:
    """A change gives it another end."""
    old = made(write, expires=clock.at + 10.0)
    clock.at += 20.0
    assert write(lambda w: overrides.change(w, old.id, old.revision, TRIPLE, "longer", clock.at + 5.0)).holds(clock.at)


@pytest.mark.parametrize(
    ("limit", "change", "expires", "reason"),
    [
        ("*", To(Kind.SET, 5.0), math.inf, ""),
        ("rpm", TRIPLE, 5.0, ""),
        ("rpm", TRIPLE, math.inf, "x" * 2001),
        ("rpm", TRIPLE, math.inf, "\0"),
    ],
    ids=["numbers for all", "has ended", "long", "NUL"],
)
def test_what_is_wrong_is_not_written(write: Write, limit: str, change: To, expires: float, reason: str) -> None:
    """Whoever calls."""
    with pytest.raises(Wrong):
        write(lambda writing: overrides.create(writing, limit, EVERYBODY, change, reason, expires))


def test_history_and_audit_say_before_and_after(database: Database, write: Write, clock: Clock) -> None:
    """One row of history and one line of the audit a change: who, why, what it was and is."""
    row = made(write)
    clock.at += 5.0
    after = write(lambda w: overrides.change(w, row.id, row.revision, To(Kind.FREEZE), "an incident"))
    other = write(lambda w: overrides.create(w, "*", EVERYBODY, To(Kind.FREEZE), "all"))
    newest, latest, first = database.read(overrides.history)
    assert (newest.override, newest.before, newest.revision) == (other.id, None, other.revision)
    assert (latest.revision, latest.did, latest.who, latest.reason) == (
        after.revision,
        "change",
        "token:ops",
        "an incident",
    )
    assert (latest.before, latest.after) == (row.document(), after.document())
    assert (first.before, first.after, first.did) == (None, row.document(), "set")
    assert database.read(lambda c: overrides.history(c, row.id, limit=1)) == [latest]
    assert database.read(lambda c: overrides.history(c, row.id, after=latest.revision)) == [first]

    lines = database.read(lambda connection: connection.execute(sql.select(tables.audit)).all())
    assert [(line.did, line.subject, line.who) for line in lines] == [
        ("override.set", "acme", "token:ops"),
        ("override.change", "acme", "token:ops"),
        ("override.set", "limits", "token:ops"),
    ]
    detail = orjson.loads(lines[1].detail)
    assert (detail["before"], detail["after"], detail["reason"]) == (row.document(), after.document(), "an incident")


def test_workers_are_told(database: Database, write: Write) -> None:
    """By a name that is no account's, in what each version changed and in the message."""
    told: list[Change] = []
    database.announce = told.append
    made(write)
    assert [change.accounts for change in told] == [(OVERRIDES,)]
    version, found = database.read(lambda connection: versions_since(connection, told[0].version - 1))
    assert found == {version: {OVERRIDES}}


def test_the_sweep_of_erased_accounts_leaves_it(database: Database, write: Write, clock: Clock) -> None:
    """It is the name of no account, and workers that are behind have to read it."""
    made(write)
    clock.at += 60.0
    assert database.write("clerk", erase.forget) == 0


def test_a_row_that_cannot_be_read_is_said(database: Database, write: Write) -> None:
    """The others hold."""
    row = made(write)
    bad = write(lambda w: overrides.create(w, "tpm", EVERYBODY, TRIPLE))
    rows = tables.limit_overrides
    for column, text in (("change", '{"kind":"boost"}'), ("scope", "{"), ("change", "[]")):
        database.write(
            "hand",
            lambda w, c=column, t=text: w.connection.execute(  # type: ignore[misc]
                rows.update().where(rows.c.id == bad.id).values({c: t})
            ),
        )
        found = database.read(overrides.read)
        assert [one.id for one in found.overrides] == [row.id]
        assert len(found.unreadable) == 1 and f"override {bad.id} cannot be read" in found.unreadable[0]
    assert write(lambda w: overrides.withdraw(w, bad.id, bad.revision)).withdrawn is not None


def test_an_erased_account_is_in_no_override(database: Database, write: Write, secrets: Secrets) -> None:
    """What was for it ends, a cluster goes on without it; history keeps numbers, and has the pseudonym."""
    database.write("cli:ops", lambda w: accounts.create(w, accounts.NewAccount("acme")))
    own = made(write, To(Kind.SET, 42.0))
    own = write(lambda w: overrides.change(w, own.id, own.revision, To(Kind.SET, 43.0), "said acme's Jo"))
    cluster = write(
        lambda w: overrides.create(
            w, "*", Scope(accounts=frozenset({"acme", "acme-2"})), To(Kind.FREEZE), "acme and acme-2 are one"
        )
    )
    erased = database.write("cli:ops", lambda w: erase.erase(w, secrets, "acme"))
    assert erased.counts["limit_overrides"] == 2
    found = database.read(overrides.read)
    assert [(one.id, one.scope.accounts, one.reason) for one in found.overrides] == [
        (cluster.id, frozenset({erased.pseudonym, "acme-2"}), f"{erased.pseudonym} and acme-2 are one")
    ]
    assert found.revision > cluster.revision
    past = database.read(lambda connection: overrides.history(connection, own.id))
    assert [one.after["change"].get("capacity") for one in past if one.after] == [43.0, 43.0, 42.0]
    assert past[0].did == "withdraw" and {one.after["scope"]["account"] for one in past if one.after} == {
        erased.pseudonym
    }
    for table in (tables.limit_overrides, tables.override_changes, tables.audit):
        rows = database.read(lambda c, of=table: c.execute(sql.select(of)).all())  # type: ignore[misc]
        text = repr(rows).replace("acme-2", "")
        assert "acme" not in text and "Jo" not in text, table.name
