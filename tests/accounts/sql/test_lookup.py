"""What the hot path reads, on both databases: right, and in a number of statements that does not grow."""

from __future__ import annotations

import math

import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, lookup, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.lookup import Found
from gateway.policy import Evidence, Fall
from gateway.testing import Clock


def find(database: Database, *prefixes: str, ids: tuple[str, ...] = ()) -> Found:
    return database.read(lambda connection: lookup.read(connection, prefixes, ids, database.now()))


@pytest.fixture
def acme(database: Database) -> str:
    account = NewAccount("acme", "corp", tier="gold", created=5.0, email_domain="acme.example", signup_country="DE")
    database.write("test", lambda writing: accounts.create(writing, account))
    return "acme"


def mint(database: Database, secrets: Secrets, account: str, **scopes: object) -> str:
    return database.write("test", lambda w: keys.create(w, secrets, account, "ci", **scopes)).prefix  # type: ignore[arg-type]


def test_a_key_comes_with_its_account(database: Database, secrets: Secrets, acme: str) -> None:
    """Scopes, expiry, the secret of its digest, and all that is known of its owner."""
    prefix = mint(database, secrets, acme, models=["m-small", "m-large"], features=["tools"], expires=9e9)
    database.write("test", lambda w: standing.add_evidence(w, acme, "email", obtained=3.0))
    database.write("test", lambda w: standing.add_fall(w, acme, "analyst"))

    row = find(database, prefix, "Unknown001").keys[prefix]

    assert (row.models, row.features) == (frozenset({"m-small", "m-large"}), frozenset({"tools"}))
    assert (row.expires, row.revoked, row.pepper, len(row.digest)) == (9e9, False, "s1", 32)
    account = row.account
    assert (account.id, account.organisation, account.tier, account.suspended) == ("acme", "corp", "gold", False)
    assert (account.profile.created, account.profile.email_domain, account.until) == (5.0, "acme.example", math.inf)
    assert account.profile.evidence == (Evidence("email", 3.0),)
    assert account.profile.falls == (Fall("analyst"),)


def test_who_is_not_there(database: Database, secrets: Secrets, acme: str) -> None:
    """An unknown prefix, an unknown account; and an account that was erased is unknown with all its keys."""
    prefix = mint(database, secrets, acme)
    assert not find(database, "Unknown001").keys
    assert find(database, prefix, ids=("nobody",)).accounts.keys() == {"acme"}

    def erase(writing: Writing) -> None:
        writing.connection.execute(tables.accounts.update().values(erased=1.0))

    database.write("test", erase)
    assert find(database, prefix, ids=(acme,)) == ({}, {})


@pytest.mark.parametrize("table", ["accounts", "organisations"])
def test_suspended(database: Database, acme: str, table: str) -> None:
    """The account itself, or the organisation that it belongs to."""

    def suspend(writing: Writing) -> None:
        writing.connection.execute(tables.metadata.tables[table].update().values(suspended=True))

    database.write("test", suspend)

    assert find(database, ids=(acme,)).accounts[acme].suspended


def test_a_revoked_key(database: Database, secrets: Secrets, acme: str) -> None:
    """That key alone."""
    first, second = mint(database, secrets, acme), mint(database, secrets, acme)
    database.write("test", lambda w: keys.revoke(w, first))

    found = find(database, first, second).keys

    assert (found[first].revoked, found[second].revoked) == (True, False)


def test_an_override_stands_for_its_time(database: Database, acme: str, clock: Clock) -> None:
    """Before what was assigned; the row says when it ends; and then it is over, as when it is withdrawn."""

    def look() -> tuple[str, float]:
        row = find(database, ids=(acme,)).accounts[acme]
        return row.tier, row.until

    ends = clock() + 60
    database.write("test", lambda w: accounts.override_tier(w, acme, "platinum", ends, "trial"))
    assert look() == ("platinum", ends)
    clock.turn(60)
    assert look() == ("gold", math.inf)

    database.write("test", lambda w: accounts.override_tier(w, acme, "silver", None, "for good"))
    assert look() == ("silver", math.inf)
    database.write("test", lambda w: accounts.withdraw_override(w, acme, "tier"))
    assert look() == ("gold", math.inf)


def test_the_number_of_statements_does_not_grow(database: Database, secrets: Secrets) -> None:
    """One name or three hundred: as many round trips."""
    prefixes = []
    for number in range(3):
        account = NewAccount(f"a{number}", "corp")
        database.write("test", lambda w, account=account: accounts.create(w, account))  # type: ignore[misc]
        prefixes.append(mint(database, secrets, account.id))
    counts = []

    def count(names: list[str]) -> None:
        seen: list[str] = []

        def note(*arguments: object) -> None:
            seen.append(str(arguments[2]))

        sql.event.listen(database.engine, "before_cursor_execute", note)
        find(database, *names)
        sql.event.remove(database.engine, "before_cursor_execute", note)
        counts.append(len([statement for statement in seen if not statement.startswith("BEGIN")]))

    count(prefixes[:1])
    count(prefixes + [f"Unknown{number:03}" for number in range(300)])

    assert counts[0] == counts[1] <= 6


@pytest.mark.parametrize("scopes", ["nonsense", "{}", "[1]"])
def test_scopes_that_cannot_be_read(
    database: Database, secrets: Secrets, acme: str, scopes: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows what the key is for, so it is refused, and said; the others of its batch are not touched."""
    broken, whole = mint(database, secrets, acme), mint(database, secrets, acme)

    def spoil(writing: Writing) -> None:
        writing.connection.execute(tables.keys.update().where(tables.keys.c.prefix == broken).values(models=scopes))

    database.write("test", spoil)

    assert find(database, broken, whole).keys.keys() == {whole}
    assert broken in caplog.text
