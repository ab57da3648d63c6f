"""Evidence, falls and links: what is latest, what is withdrawn, what is found again."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import sqlalchemy as sql

from gateway.accounts.evidence import LINKS
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import NewAccount, NoSuch
from gateway.accounts.sql.database import Database, Writing, changes_since
from gateway.policy import Evidence, Fall, Profile
from gateway.testing import Clock

ROTATED = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})


def _profile(database: Database, account: str = "a") -> Profile:
    return database.read(lambda connection: standing.profile(connection, account, database.now()))


def _audit(database: Database) -> list[str]:
    did = sql.select(tables.audit.c.did).order_by(tables.audit.c.id)
    return list(database.read(lambda connection: connection.scalars(did).all()))


def test_evidence_is_outdone_by_what_is_later_and_ends_later(database: Database, clock: Clock) -> None:
    """In whatever order it was written; what ends later is not hidden by what is later and ends soon."""
    now = clock()

    def work(writing: Writing) -> None:
        standing.add_evidence(writing, "a", "document", obtained=now - 10, expires=now + 5)
        standing.add_evidence(writing, "a", "document", obtained=now - 90, expires=now + 900)
        standing.add_evidence(writing, "a", "document", obtained=now - 95, expires=now + 800)
        standing.add_evidence(writing, "a", "email")

    database.write("test", work)
    assert set(_profile(database).evidence) == {
        Evidence("document", now - 10, now + 5),
        Evidence("document", now - 90, now + 900),
        Evidence("email", now, math.inf),
    }


@pytest.mark.parametrize(
    ("kinds", "reference", "count", "left"),
    [
        pytest.param(["document"], "", 2, {"email"}, id="all-of-a-kind"),
        pytest.param(["document", "email"], "", 3, set(), id="several-kinds"),
        pytest.param(["document"], "v2", 1, {"document", "email"}, id="of-one-session"),
        pytest.param(["phone"], "", 0, {"document", "email"}, id="none-there"),
    ],
)
def test_withdrawn(database: Database, kinds: list[str], reference: str, count: int, left: set[str]) -> None:
    """What is withdrawn no longer counts, and nothing is said where there was nothing."""

    def work(writing: Writing) -> None:
        standing.add_evidence(writing, "a", "document", provider="p", reference="v1", obtained=1.0)
        standing.add_evidence(writing, "a", "document", provider="p", reference="v2", obtained=2.0)
        standing.add_evidence(writing, "a", "email")

    database.write("test", work)
    before, lines = database.read(lambda connection: changes_since(connection, 0))[0], len(_audit(database))
    done = database.write("test", lambda w: standing.withdraw_evidence(w, "a", kinds, "reversed", reference=reference))
    assert done == count
    assert {one.kind for one in _profile(database).evidence} == left
    assert bool(database.read(lambda connection: changes_since(connection, before))[1]) is bool(count)
    assert len(_audit(database)) - lines == bool(count)


def test_what_is_left_of_a_kind_counts(database: Database) -> None:
    """When one session's evidence is taken back, an earlier one's holds as it did."""

    def work(writing: Writing) -> None:
        standing.add_evidence(writing, "a", "document", reference="v1", obtained=1.0)
        standing.add_evidence(writing, "a", "document", reference="v2", obtained=2.0)
        assert standing.withdraw_evidence(writing, "a", ["document"], "reversed", reference="v2") == 1

    database.write("test", work)
    assert _profile(database).evidence == (Evidence("document", 1.0, math.inf),)


def test_falls_end(database: Database, clock: Clock) -> None:
    """A fall holds until its time, or until it is cleared; both are in the audit."""
    now = clock()

    def work(writing: Writing) -> None:
        standing.add_fall(writing, "a", "chargeback", until=now + 10)
        standing.add_fall(writing, "a", "analyst", "seen it")

    database.write("test", work)
    assert _profile(database).falls == (Fall("chargeback", now + 10), Fall("analyst", math.inf))
    clock.turn(10)
    assert _profile(database).falls == (Fall("analyst", math.inf),)
    assert database.write("test", lambda writing: standing.clear_falls(writing, "a", "analyst", "mistake")) == 1
    assert database.write("test", lambda writing: standing.clear_falls(writing, "a", "analyst", "mistake")) == 0
    assert _profile(database).falls == ()
    assert _audit(database) == ["account.create", "fall.add", "fall.add", "fall.clear"]


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_is_a_keyed_hash(database: Database, secrets: Secrets, kind: str) -> None:
    """Of every kind there is; another account's link with the same value is found, another kind's is not."""

    def work(writing: Writing) -> None:
        standing.add_link(writing, secrets, "a", kind, "AB 123", "stripe")
        standing.add_link(writing, secrets, "b", kind, "AB 123")
        standing.add_link(writing, secrets, "c", kind, "AB 124")

    database.write("test", work)
    rows = database.read(lambda connection: connection.execute(sql.select(tables.links)).all())
    assert all(row.digest != b"AB 123" and len(row.digest) == 32 and row.secret == "s1" for row in rows)
    for asked in LINKS:
        found = database.read(
            lambda connection, asked=asked: standing.accounts_linked_by(connection, secrets, asked, "AB 123")  # type: ignore[misc]
        )
        assert sorted(found) == (["a", "b"] if asked == kind else [])


def test_a_link_is_seen_again(database: Database, secrets: Secrets, clock: Clock) -> None:
    """One row, with the latest time, and one line in the audit."""
    for _ in range(2):
        clock.turn(5)
        database.write("test", lambda writing: standing.add_link(writing, secrets, "a", "device", "d"))
    assert database.read(lambda connection: connection.scalars(sql.select(tables.links.c.seen)).all()) == [clock()]
    assert _audit(database) == ["account.create", "link.add"]


def test_links_under_an_older_secret(database: Database, secrets: Secrets) -> None:
    """After a rotation they are found; when the value is seen again, all who have it get the newest hash, once each."""

    def before(writing: Writing) -> None:
        for account in ("a", "b"):
            standing.add_link(writing, secrets, account, "document", "x")
        standing.add_link(writing, secrets, "a", "document", "y")
        standing.add_link(writing, Secrets({"s2": b"2" * 32}), "b", "document", "x")

    def linked(known: Secrets) -> list[str]:
        return sorted(database.read(lambda c: standing.accounts_linked_by(c, known, "document", "x")))

    database.write("test", before)
    assert linked(ROTATED) == ["a", "b"]
    database.write("test", lambda writing: standing.add_link(writing, ROTATED, "c", "document", "x"))
    assert linked(ROTATED) == ["a", "b", "c"]
    assert linked(Secrets({"s2": b"2" * 32})) == ["a", "b", "c"]
    assert linked(secrets) == []
    rows = sql.select(tables.links.c.account, tables.links.c.secret).order_by(tables.links.c.id)
    found = database.read(lambda connection: [tuple(row) for row in connection.execute(rows)])
    assert found == [("a", "s2"), ("a", "s1"), ("b", "s2"), ("c", "s2")]


def test_many_profiles_at_once(database: Database) -> None:
    """One for each account that is there, with its own evidence and none of another's."""

    def work(writing: Writing) -> None:
        for number in range(5):
            new = NewAccount(f"a{number}", email_domain="x.example", signup_country="NL", billing_country="DE")
            accounts.create(writing, new)
            standing.add_evidence(writing, f"a{number}", "email", obtained=float(number + 1))

    database.write("test", work)
    found = database.read(lambda connection: standing.profiles(connection, ["a1", "a3", "nobody"], 0.0))
    assert {account: profile.evidence[0].obtained for account, profile in found.items()} == {"a1": 2.0, "a3": 4.0}
    assert (found["a1"].email_domain, found["a1"].signup_country, found["a1"].billing_country) == (
        "x.example",
        "NL",
        "DE",
    )
    with pytest.raises(NoSuch):
        _profile(database, "nobody")


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda w, s: standing.add_evidence(w, "new", "email"), id="evidence"),
        pytest.param(lambda w, s: standing.add_fall(w, "new", "analyst"), id="fall"),
        pytest.param(lambda w, s: standing.add_link(w, s, "new", "phone", "1"), id="link"),
    ],
)
def test_a_row_once_something_is_remembered(
    database: Database, secrets: Secrets, work: Callable[[Writing, Secrets], object]
) -> None:
    """An account that only tokens have named so far gets one."""
    database.write("test", lambda writing: work(writing, secrets))
    assert database.read(lambda connection: accounts.row(connection, "new").id) == "new"
    assert database.read(lambda connection: changes_since(connection, 0)) == (1, {"new"})
