"""Keys: minted, rotated with an overlap, revoked; never kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.keys import MintedKey, digest
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, tables
from gateway.accounts.sql.accounts import NewAccount, NoSuch
from gateway.accounts.sql.database import Database, Writing, changes_since
from gateway.testing import Clock


@pytest.fixture
def minted(database: Database, secrets: Secrets) -> MintedKey:
    """A key of the account `a`."""

    def work(writing: Writing) -> MintedKey:
        accounts.create(writing, NewAccount("a"))
        return keys.create(writing, secrets, "a", "prod", models=["m2", "m1"], features={"tools"})

    return database.write("test", work)


def test_a_key_is_its_digest(database: Database, minted: MintedKey, secrets: Secrets, tmp_path: Path) -> None:
    """What is kept proves the key and does not hold it, and names the secret that it was hashed with."""
    row = database.write("test", lambda writing: keys.find(writing, minted.prefix))
    assert (row.account, row.name, row.pepper, row.expires, row.revoked) == ("a", "prod", "s1", None, None)
    assert row.digest == digest(secrets.key(keys.PEPPER), minted.key.encode())
    assert (orjson.loads(row.models), orjson.loads(row.features)) == (["m1", "m2"], ["tools"])
    secret = minted.key.rpartition("_")[2].encode()
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("expires", "overlap", "ends"),
    [
        pytest.param(None, 60.0, 60.0, id="overlap"),
        pytest.param(None, 0.0, 0.0, id="at-once"),
        pytest.param(30.0, 60.0, 30.0, id="no-longer-than-it-had"),
    ],
)
def test_a_rotation(
    database: Database, secrets: Secrets, clock: Clock, expires: float | None, overlap: float, ends: float
) -> None:
    """The new one has name, scopes and end of the old one, which holds for the overlap and never longer than it had."""
    end = None if expires is None else clock() + expires

    def work(writing: Writing) -> tuple[MintedKey, MintedKey]:
        accounts.create(writing, NewAccount("a"))
        old = keys.create(writing, secrets, "a", "prod", models=["m"], expires=end)
        return old, keys.rotate(writing, secrets, old.prefix, overlap)

    first, second = database.write("test", work)
    old, new = (database.write("test", lambda w, key=key: keys.find(w, key.prefix)) for key in (first, second))  # type: ignore[misc]
    assert (new.name, new.models, new.features, new.expires, new.replaces) == ("prod", '["m"]', "[]", end, first.prefix)
    assert old.expires == pytest.approx(clock() + ends)
    assert old.revoked is None


def test_a_revoked_key_is_not_rotated(database: Database, minted: MintedKey, secrets: Secrets) -> None:
    """That would bring it back."""
    database.write("test", lambda writing: keys.revoke(writing, minted.prefix, "leaked"))
    with pytest.raises(NoSuch, match="is revoked: make a new one"):
        database.write("test", lambda writing: keys.rotate(writing, secrets, minted.prefix, 60))


def test_an_expired_key_is_not_rotated(database: Database, minted: MintedKey, secrets: Secrets, clock: Clock) -> None:
    """The new one would have its end, which is over."""
    database.write("test", lambda writing: keys.rotate(writing, secrets, minted.prefix, 5))
    clock.turn(5)
    with pytest.raises(NoSuch, match="has expired: make a new one"):
        database.write("test", lambda writing: keys.rotate(writing, secrets, minted.prefix, 60))


def test_a_key_is_rotated_once(database: Database, minted: MintedKey, secrets: Secrets) -> None:
    """The end of the old one is that of its overlap by now: a second new key would go with it."""
    new = database.write("test", lambda writing: keys.rotate(writing, secrets, minted.prefix, 60))
    with pytest.raises(NoSuch, match=f"`{new.prefix}` took over"):
        database.write("test", lambda writing: keys.rotate(writing, secrets, minted.prefix, 60))
    database.write("test", lambda writing: keys.rotate(writing, secrets, new.prefix, 60))


def test_revoked_and_restored(database: Database, minted: MintedKey, clock: Clock) -> None:
    """With the time, a line in the audit, and word to the workers; the account is named."""
    at = clock()
    assert database.write("test", lambda writing: keys.revoke(writing, minted.prefix, "leaked")) == "a"
    assert database.write("test", lambda writing: keys.find(writing, minted.prefix)).revoked == at
    assert database.write("test", lambda writing: keys.restore(writing, minted.prefix)) == "a"
    assert database.write("test", lambda writing: keys.find(writing, minted.prefix)).revoked is None
    assert database.read(lambda connection: changes_since(connection, 1)) == (3, {"a"})
    did = sql.select(tables.audit.c.did).order_by(tables.audit.c.id)
    lines = database.read(lambda connection: connection.scalars(did).all())
    assert lines == ["account.create", "key.create", "key.revoke", "key.restore"]


def test_what_was_revoked_first_stays(database: Database, minted: MintedKey, clock: Clock) -> None:
    """A key that is revoked again was revoked when it was revoked first."""
    at = clock()
    database.write("test", lambda writing: keys.revoke(writing, minted.prefix))
    clock.turn(5)
    database.write("test", lambda writing: keys.revoke(writing, minted.prefix))
    assert database.write("test", lambda writing: keys.find(writing, minted.prefix)).revoked == at


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda w, s: keys.find(w, "none"), id="find"),
        pytest.param(lambda w, s: keys.rotate(w, s, "none", 1), id="rotate"),
        pytest.param(lambda w, s: keys.revoke(w, "none"), id="revoke"),
        pytest.param(lambda w, s: keys.restore(w, "none"), id="restore"),
        pytest.param(lambda w, s: keys.create(w, s, "none", "x"), id="create"),
    ],
)
def test_nothing_there(database: Database, secrets: Secrets, work: Callable[[Writing, Secrets], object]) -> None:
    """Said in words."""
    with pytest.raises(NoSuch, match=r"there is no (key|account) `none`"):
        database.write("test", lambda writing: work(writing, secrets))


def test_no_end_is_none(database: Database, minted: MintedKey) -> None:
    """A key without an end has none, not an infinite one: JSON knows no infinity."""
    row = database.write("test", lambda writing: keys.find(writing, minted.prefix))
    assert row.expires is None
    assert row.expires != math.inf
