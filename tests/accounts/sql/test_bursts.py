"""How many sign up together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, bursts, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing, changes_since

START = 1_000_000.0
PUBLIC = frozenset({"mail.example"})


@pytest.fixture
def sign_up(database: Database, secrets: Secrets) -> Callable[..., int]:
    """An account that signs up: how many others did."""

    def sign_up(name: str, after: float = 0.0, domain: str = "", address: str = "") -> int:
        def work(writing: Writing) -> int:
            accounts.create(writing, NewAccount(name, created=START + after, email_domain=domain))
            if address:
                standing.add_link(writing, secrets, name, bursts.SIGNUP, address)
            return bursts.signup_burst(writing, name, PUBLIC)

        return database.write("test", work)

    return sign_up


def _stored(database: Database) -> dict[str, int]:
    columns = sql.select(tables.accounts.c.id, tables.accounts.c.signup_burst)
    return {row.id: row.signup_burst for row in database.read(lambda connection: connection.execute(columns).all())}


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        pytest.param({"domain": "acme.example"}, {"domain": "acme.example"}, 1, id="domain"),
        pytest.param({"address": "192.0.2.0/24"}, {"address": "192.0.2.0/24"}, 1, id="network"),
        pytest.param(
            {"domain": "acme.example", "address": "x"}, {"domain": "acme.example", "address": "x"}, 1, id="both-once"
        ),
        pytest.param({"domain": "mail.example"}, {"domain": "mail.example"}, 0, id="where-everybody-is"),
        pytest.param({"domain": ""}, {"domain": ""}, 0, id="nothing-known"),
        pytest.param({"domain": "acme.example"}, {"domain": "bolt.example"}, 0, id="another"),
        pytest.param({"address": "x"}, {"address": "x", "after": bursts.WITHIN}, 1, id="a-day"),
        pytest.param({"address": "x"}, {"address": "x", "after": bursts.WITHIN + 1}, 0, id="more-than-a-day"),
        pytest.param({"address": "x", "after": bursts.WITHIN}, {"address": "x"}, 1, id="the-later-one-first"),
    ],
)
def test_two_that_sign_up(
    database: Database, sign_up: Callable[..., int], first: dict[str, object], second: dict[str, object], count: int
) -> None:
    """Each is counted with the other, or neither is."""
    assert sign_up("a", **first) == 0
    assert sign_up("b", **second) == count
    assert _stored(database) == {"a": count, "b": count}


def test_a_burst(database: Database, sign_up: Callable[..., int]) -> None:
    """Everybody's count is stored and told, and only where it is another one."""
    for number in range(5):
        assert sign_up(f"a{number}", after=number * 60.0, address="x") == number
    assert set(_stored(database).values()) == {4}
    before = database.read(lambda connection: changes_since(connection, 0))[0]
    database.write("test", lambda writing: bursts.signup_burst(writing, "a0", PUBLIC))
    assert database.read(lambda connection: changes_since(connection, before)) == (before, ())


def test_a_burst_makes_no_work_of_its_own(
    database: Database, sign_up: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only some others are told each time, those who know least first."""
    monkeypatch.setattr(bursts, "TOLD", 1)
    for number in range(5):
        assert sign_up(f"a{number}", address="x") == number
    assert _stored(database) == {"a0": 4, "a1": 3, "a2": 2, "a3": 3, "a4": 4}
