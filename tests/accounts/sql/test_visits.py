"""Links that work once, sessions, and who may sign in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, tables, visits
from gateway.accounts.sql.accounts import NewAccount, NoSuch
from gateway.accounts.sql.database import Database
from gateway.testing import Clock

ROTATED = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})


@pytest.fixture
def directory(database: Database) -> Database:
    """With the accounts `a` and `b`."""
    for account in "ab":
        database.write("test", lambda writing, account=account: accounts.create(writing, NewAccount(account)))  # type: ignore[misc]
    return database


@pytest.mark.parametrize("in_turn", [True, False])
def test_a_link_works_once(database: Database, in_turn: bool) -> None:
    """Of many who open it at the same moment one may."""
    barrier = threading.Barrier(4)

    def open_it(_: int) -> bool:
        barrier.wait()
        return database.write("owner", lambda writing: visits.spend(writing, "mark", 9.0), in_turn=in_turn)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(open_it, range(4))) == [False, False, False, True]
    assert not database.write("owner", lambda writing: visits.spend(writing, "mark", 9.0))
    assert database.write("owner", lambda writing: visits.spend(writing, "another", 9.0))


def test_a_session(directory: Database, secrets: Secrets, clock: Clock, tmp_path: Path) -> None:
    """Its token opens it until its end, is random, and is kept nowhere."""
    token = directory.write("owner", lambda w: visits.open_session(w, secrets, "a", "owner", "kfirst", lasts=60))
    other = directory.write("owner", lambda w: visits.open_session(w, secrets, "a", "verify", lasts=60))
    assert token != other
    assert len(token) == 43
    row = directory.read(lambda connection: visits.session(connection, secrets, token, clock()))
    assert row is not None
    assert (row.account, row.scope, row.key, row.expires - row.created) == ("a", "owner", "kfirst", 60)
    assert directory.read(lambda connection: visits.session(connection, ROTATED, token, clock() + 59)) == row
    assert directory.read(lambda connection: visits.session(connection, secrets, token, clock() + 60)) is None
    assert directory.read(lambda connection: visits.session(connection, secrets, token.swapcase(), clock())) is None
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_sessions_end(directory: Database, secrets: Secrets, clock: Clock) -> None:
    """One by its token, also twice; all of an account at once, and none of another's."""
    first, second, third, others = (
        directory.write("owner", lambda w, a=a: visits.open_session(w, secrets, a, "owner", lasts=60))  # type: ignore[misc]
        for a in "aaab"
    )

    def open_ones() -> list[str]:
        return [
            token
            for token in (first, second, third, others)
            if directory.read(lambda connection, token=token: visits.session(connection, secrets, token, clock()))  # type: ignore[misc]
        ]

    for _ in range(2):
        directory.write("owner", lambda writing: visits.end_session(writing, ROTATED, first))
    assert open_ones() == [second, third, others]
    assert directory.write("owner", lambda writing: visits.end_sessions(writing, "a")) == 2
    assert directory.write("owner", lambda writing: visits.end_sessions(writing, "a")) == 0
    assert open_ones() == [others]
    did = sql.select(tables.audit.c.did).where(tables.audit.c.did.startswith("session.e")).order_by(tables.audit.c.id)
    lines = directory.read(lambda connection: connection.scalars(did).all())
    assert lines == ["session.end", "session.end_all"]


@pytest.mark.parametrize(
    ("address", "same"),
    [
        pytest.param(" anna@example.org\n", "anna@example.org", id="spaces"),
        pytest.param("anna@Example.ORG", "anna@example.org", id="domain"),
        pytest.param("Anna@example.org", "Anna@example.org", id="the-hosts-own-business"),
        pytest.param('"a@b"@Example.org', '"a@b"@example.org', id="quoted"),
        pytest.param("anna@straße.example", "anna@straße.example", id="beyond-ascii"),
        pytest.param("anna@\N{KELVIN SIGN}.example", "anna@\N{KELVIN SIGN}.example", id="looks-like-ascii"),
    ],
)
def test_an_address_in_one_form(address: str, same: str) -> None:
    """What is surely the same is the same, and what may be another's is another."""
    assert visits.normalised(address) == same
    assert visits.normalised(same) == same


def test_who_may_sign_in(directory: Database, secrets: Secrets) -> None:
    """By address, to all accounts that have it; also after a rotation of secrets, and once each."""
    for account in "ba":
        directory.write("test", lambda w, account=account: visits.add_member(w, secrets, account, "x@Example.org"))  # type: ignore[misc]
    directory.write("test", lambda writing: visits.add_member(writing, ROTATED, "a", "x@example.org"))
    directory.write("test", lambda writing: visits.add_member(writing, ROTATED, "a", "y@example.org", role="viewer"))

    def found(address: str, known: Secrets) -> list[str]:
        return list(directory.read(lambda connection: visits.members_with(connection, known, address)))

    assert found(" x@EXAMPLE.org", secrets) == ["a", "b"]
    assert found("x@example.org", ROTATED) == ["a", "b"]
    assert found("y@example.org", ROTATED) == ["a"]
    assert found("X@example.org", ROTATED) == []
    rows = directory.read(lambda connection: connection.execute(sql.select(tables.members)).all())
    assert sorted((row.account, row.secret, row.role) for row in rows) == [
        ("a", "s1", "owner"),
        ("a", "s2", "viewer"),
        ("b", "s1", "owner"),
    ]
    assert all(b"example" not in row.digest for row in rows)


def test_nobodys(database: Database, secrets: Secrets) -> None:
    """An account that is not there has neither sessions nor members."""
    with pytest.raises(NoSuch):
        database.write("test", lambda writing: visits.open_session(writing, secrets, "a", "owner", lasts=1))
    with pytest.raises(NoSuch):
        database.write("test", lambda writing: visits.add_member(writing, secrets, "a", "x@example.org"))
