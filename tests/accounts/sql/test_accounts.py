"""Accounts and organisations: made, changed, and each change in the audit."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import Exists, NewAccount, NoSuch
from gateway.accounts.sql.database import Database, Writing, changes_since
from gateway.testing import Clock

Work = Callable[[Writing], object]


@pytest.fixture
def acme(database: Database) -> Database:
    """With one account, `a` of `acme`."""
    database.write("test", lambda writing: accounts.create(writing, NewAccount("a", organisation="acme", tier="pro")))
    return database


def _audit(database: Database) -> list[tuple[str, str, str, dict[str, object]]]:
    """Who, did, subject, detail; the oldest first."""
    rows = database.read(
        lambda connection: connection.execute(sql.select(tables.audit).order_by(tables.audit.c.id)).all()
    )
    return [(row.who, row.did, row.subject, orjson.loads(row.detail)) for row in rows]


def test_an_account_is_made_with_its_organisation(acme: Database, clock: Clock) -> None:
    """Both have rows, the time is the database's, and the audit has a line for each."""
    row = acme.read(lambda connection: accounts.row(connection, "a"))
    assert (row.organisation, row.tier, row.suspended, row.created, row.identity) == ("acme", "pro", False, clock(), "")
    assert _audit(acme) == [
        ("test", "organisation.create", "acme", {}),
        ("test", "account.create", "a", {"organisation": "acme", "tier": "pro"}),
    ]


def test_an_account_of_nobody(database: Database) -> None:
    """An account need not have an organisation."""
    database.write("test", lambda writing: accounts.create(writing, NewAccount("a", created=5.0)))
    row = database.read(lambda connection: accounts.row(connection, "a"))
    assert (row.organisation, row.created) == (None, 5.0)


def test_a_name_is_taken_once(acme: Database) -> None:
    """The second who asks for it is told."""
    with pytest.raises(Exists, match="there is an account `a` already"):
        acme.write("test", lambda writing: accounts.create(writing, NewAccount("a")))


def test_remembered_where_it_is_new(acme: Database) -> None:
    """An account that only tokens have named gets a row when something must be remembered; one that is there stays."""
    acme.write("test", lambda writing: standing.add_evidence(writing, "b", "email"))
    acme.write("test", lambda writing: accounts.ensure(writing, "a"))
    assert acme.read(lambda connection: accounts.row(connection, "b").organisation) is None
    assert acme.read(lambda connection: accounts.row(connection, "a").tier) == "pro"


@pytest.mark.parametrize(
    ("work", "line", "after"),
    [
        pytest.param(
            lambda w: accounts.suspend(w, "a", "fraud"),
            ("account.suspend", {"reason": "fraud"}),
            {"suspended": True, "suspended_for": "fraud"},
            id="suspend",
        ),
        pytest.param(
            lambda w: accounts.restore(w, "a", "cleared"),
            ("account.restore", {"reason": "cleared"}),
            {"suspended": False, "suspended_for": ""},
            id="restore",
        ),
        pytest.param(
            lambda w: accounts.move(w, "a", tier="free", reason="asked"),
            ("account.move", {"before": {"tier": "pro"}, "after": {"tier": "free"}, "reason": "asked"}),
            {"tier": "free", "organisation": "acme"},
            id="tier",
        ),
        pytest.param(
            lambda w: accounts.move(w, "a", organisation="bolt", reason="sold"),
            ("account.move", {"before": {"organisation": "acme"}, "after": {"organisation": "bolt"}, "reason": "sold"}),
            {"tier": "pro", "organisation": "bolt"},
            id="organisation",
        ),
        pytest.param(
            lambda w: accounts.move(w, "a", organisation="", reason="left"),
            ("account.move", {"before": {"organisation": "acme"}, "after": {"organisation": ""}, "reason": "left"}),
            {"organisation": None},
            id="to-nobody",
        ),
        pytest.param(
            lambda w: accounts.override_tier(w, "a", "top", 9.5, "trial"),
            ("account.override", {"tier": "top", "expires": 9.5, "reason": "trial"}),
            {"tier": "pro"},
            id="override",
        ),
    ],
)
def test_a_change(acme: Database, work: Work, line: tuple[str, dict[str, object]], after: dict[str, object]) -> None:
    """It is in the row, in the audit, and among the changes."""
    before = acme.read(lambda connection: changes_since(connection, 0))[0]
    acme.write("cli:anna", work)
    row = acme.read(lambda connection: accounts.row(connection, "a"))
    assert {name: getattr(row, name) for name in after} == after
    assert _audit(acme)[-1] == ("cli:anna", line[0], "a", line[1])
    assert acme.read(lambda connection: changes_since(connection, before)) == (before + 1, {"a"})


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda w: accounts.suspend(w, "nobody", "x"), id="suspend"),
        pytest.param(lambda w: accounts.restore(w, "nobody", "x"), id="restore"),
        pytest.param(lambda w: accounts.move(w, "nobody", tier="x", reason="x"), id="move"),
        pytest.param(lambda w: accounts.override_tier(w, "nobody", "x", None, "x"), id="override"),
        pytest.param(lambda w: accounts.withdraw_override(w, "nobody", "tier"), id="withdraw"),
        pytest.param(lambda w: accounts.row(w.connection, "nobody"), id="row"),
    ],
)
def test_nobody(acme: Database, work: Work) -> None:
    """An account that is not there is said to be not there, and nothing is written."""
    lines = _audit(acme)
    with pytest.raises(NoSuch, match="there is no account `nobody`"):
        acme.write("test", work)
    assert _audit(acme) == lines


def test_one_override_at_a_time(acme: Database, clock: Clock) -> None:
    """A new one withdraws the one that was there; to withdraw none is neither a change nor a line."""
    acme.write("test", lambda writing: accounts.override_tier(writing, "a", "top", None, "x"))
    clock.turn(1)
    acme.write("test", lambda writing: accounts.override_tier(writing, "a", "low", None, "y"))
    rows = acme.read(
        lambda connection: connection.execute(sql.select(tables.overrides).order_by(tables.overrides.c.id)).all()
    )
    assert [(row.value, row.withdrawn) for row in rows] == [("top", clock()), ("low", None)]
    acme.write("test", lambda writing: accounts.withdraw_override(writing, "a", "tier"))
    version, lines = acme.read(lambda connection: changes_since(connection, 0))[0], _audit(acme)
    assert lines[-1] == ("test", "account.override_withdraw", "a", {"name": "tier"})
    acme.write("test", lambda writing: accounts.withdraw_override(writing, "a", "tier"))
    assert acme.read(lambda connection: changes_since(connection, version)) == (version, ())
    assert _audit(acme) == lines
