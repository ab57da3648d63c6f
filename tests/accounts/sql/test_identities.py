"""Who is one with whom, held against a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.accounts.evidence import IDENTIFYING
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, identities, standing, tables
from gateway.accounts.sql.accounts import NewAccount, NoSuch
from gateway.accounts.sql.database import Change, Database, Writing, changes_since
from gateway.accounts.sql.identities import Grouping, Groups
from gateway.testing import Clock

CROWD = 3
ACCOUNTS = 6

Shown = tuple[int, int, int]
"""Account, kind, value."""


@pytest.fixture
def make(database: Database) -> Callable[..., None]:
    """Accounts, each a second younger than the one before."""
    ages = itertools.count(1000)

    def make(*names: str, organisation: str = "") -> None:
        for name in names:
            new = NewAccount(name, organisation=organisation, created=float(next(ages)))
            database.write("test", lambda writing, new=new: accounts.create(writing, new))  # type: ignore[misc]

    return make


@pytest.fixture
def show(database: Database, secrets: Secrets) -> Callable[..., Grouping]:
    """Show one value of one kind for an account, and group it."""

    def show(account: str, kind: str, value: str, **bounds: int) -> Grouping:
        def work(writing: Writing) -> Grouping:
            standing.add_link(writing, secrets, account, kind, value)
            return identities.regroup(writing, account, **bounds)

        return database.write("test", work)

    return show


def _identities(database: Database, of: str = "") -> dict[str, str]:
    """Of all accounts whose names begin so."""
    columns = tables.accounts.select().where(tables.accounts.c.id.startswith(of)).order_by(tables.accounts.c.id)
    return {row.id: row.identity for row in database.read(lambda connection: connection.execute(columns).all())}


def test_what_two_share_makes_them_one(
    database: Database, make: Callable[..., None], show: Callable[..., Grouping]
) -> None:
    """The identity is named after the oldest, and whose identity moved is read again by workers."""
    make("old", "young", "other")
    assert show("young", "document", "X1") == Grouping("", ("young",), (), ())
    before = database.read(lambda connection: changes_since(connection, 0))[0]
    assert show("old", "document", "X1") == Grouping("old", ("old", "young"), ("old", "young"), ())
    assert database.read(lambda connection: changes_since(connection, before))[1] == {"old", "young"}
    assert _identities(database) == {"old": "old", "young": "old", "other": ""}


def test_one_after_the_other(database: Database, make: Callable[..., None], show: Callable[..., Grouping]) -> None:
    """A shares with B and B with C: one identity; an older account that joins gives it its name."""
    make("zero", "a", "b", "c")
    show("a", "document", "1")
    show("b", "document", "1")
    show("b", "payment", "2")
    show("c", "payment", "2")
    assert _identities(database) == {"zero": "", "a": "a", "b": "a", "c": "a"}
    show("zero", "phone", "3")
    assert show("c", "phone", "3").moved == ("a", "b", "c", "zero")
    assert set(_identities(database).values()) == {"zero"}


@pytest.mark.parametrize("kind", ["customer", "email", "email_domain", "signup_address"])
def test_what_many_people_share_makes_nobody_one(
    kind: str, make: Callable[..., None], show: Callable[..., Grouping]
) -> None:
    """Kinds that do not identify a person group nobody."""
    make("a", "b")
    show("a", kind, "1")
    assert show("b", kind, "1").identity == ""


def test_the_same_value_of_another_kind_is_another(make: Callable[..., None], show: Callable[..., Grouping]) -> None:
    """A phone number that is written like a document is none."""
    make("a", "b")
    show("a", "document", "1")
    assert show("b", "phone", "1").identity == ""


def test_a_crowd_is_nobody(
    database: Database, make: Callable[..., None], show: Callable[..., Grouping], caplog: pytest.LogCaptureFixture
) -> None:
    """What more accounts share than the bound takes apart what it had joined, and leaves what else is shared."""
    make("a", "b", "c", "d")
    for account in "ab":
        show(account, "document", "1")
    for account in "abc":
        show(account, "device", "library", crowd=3)
    assert _identities(database) == {"a": "a", "b": "a", "c": "a", "d": ""}
    found = show("d", "device", "library", crowd=3)
    assert found == Grouping("", ("d",), ("c",), ("device",))
    assert _identities(database) == {"a": "a", "b": "a", "c": "", "d": ""}
    assert "more than 3 accounts share a link of kind device" in caplog.text


def test_a_walk_has_an_end(
    database: Database, make: Callable[..., None], show: Callable[..., Grouping], caplog: pytest.LogCaptureFixture
) -> None:
    """A group that is too large stays as it is, and that is said."""
    make("a", "b", "c", "d")
    for value, (one, other) in enumerate(itertools.pairwise("abcd")):
        show(one, "phone", str(value), walk=3)
        found = show(other, "phone", str(value), walk=3)
    assert found == Grouping("", ("d",), (), (), cut=True)
    assert _identities(database) == {"a": "a", "b": "a", "c": "a", "d": ""}
    assert "more than 3 accounts hang together" in caplog.text


def test_who_is_no_longer_with_it(database: Database, make: Callable[..., None], show: Callable[..., Grouping]) -> None:
    """When the links of one are gone, such as when it was erased, the others find a new name."""
    make("a", "b", "c")
    for account in "abc":
        show(account, "document", "1")
    table = tables.links

    def leave(writing: Writing) -> Grouping:
        writing.connection.execute(table.delete().where(table.c.account == "a"))
        return identities.regroup(writing, "a")

    assert database.write("test", leave) == Grouping("", ("a",), ("a", "b", "c"), ())
    assert _identities(database) == {"a": "", "b": "b", "c": "b"}
    assert database.read(lambda connection: identities.same_identity(connection, "c")) == ["b", "c"]


def test_a_rotation_of_secrets_hides_nobody(
    database: Database, make: Callable[..., None], show: Callable[..., Grouping], secrets: Secrets
) -> None:
    """What was hashed by an older secret is the same value still."""
    make("a", "b")
    show("a", "document", "1")
    rotated = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})

    def work(writing: Writing) -> Grouping:
        standing.add_link(writing, rotated, "b", "document", "1")
        return identities.regroup(writing, "b")

    assert database.write("test", work).accounts == ("a", "b")


def test_regroup_knows_no_stranger(database: Database) -> None:
    """An account that is not there is said to be not there."""
    with pytest.raises(NoSuch):
        database.write("test", lambda writing: identities.regroup(writing, "nobody"))


def test_shown_elsewhere(
    database: Database, make: Callable[..., None], show: Callable[..., Grouping], secrets: Secrets, clock: Clock
) -> None:
    """Accounts of other organisations that have shown the value since some time; one without is one of its own."""
    make("a", "mine", organisation="acme")
    make("b", organisation="bolt")
    make("alone", "lonely")
    for account in ("a", "mine", "b", "alone"):
        show(account, "document", "1")
    shown = clock()
    clock.turn(100)
    show("b", "document", "1")

    def elsewhere(organisation: str, account: str, since: float, kind: str = "document") -> list[str]:
        return database.read(
            lambda connection: identities.used_elsewhere(connection, secrets, kind, "1", organisation, account, since)
        )

    assert elsewhere("acme", "mine", shown) == ["alone", "b"]
    assert elsewhere("acme", "mine", shown + 1) == ["b"]
    assert elsewhere("", "alone", shown) == ["a", "b", "mine"]
    assert elsewhere("bolt", "b", shown + 1) == []
    assert elsewhere("", "lonely", shown, "phone") == []
    rotated = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})
    assert database.read(
        lambda connection: identities.used_elsewhere(connection, rotated, "document", "1", "acme", "a", shown)
    ) == ["alone", "b"]


def _model(shown: Iterable[Shown], crowd: int) -> dict[int, int | None]:
    """Account -> the oldest of its group; None where it is alone. By plain closure."""
    whole = set(shown)
    sharing: dict[tuple[int, int], set[int]] = {}
    for account, kind, value in whole:
        sharing.setdefault((kind, value), set()).add(account)
    groups = [{account} for account in range(ACCOUNTS)]
    for several in sharing.values():
        if len(several) <= crowd:
            joined = [group for group in groups if group & several]
            groups = [group for group in groups if not group & several] + [set().union(*joined)]
    return {account: min(group) if len(group) > 1 else None for group in groups for account in group}


_SHOWN = st.tuples(st.integers(0, ACCOUNTS - 1), st.integers(0, len(IDENTIFYING) - 1), st.integers(0, 2))
_COUNT = itertools.count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(_SHOWN, st.integers(0, ACCOUNTS - 1)), max_size=14))
def test_it_is_what_a_model_says(database: Database, secrets: Secrets, steps: list[Shown | int]) -> None:
    """After every step (a value is shown, or an account loses all it has shown) all identities are the model's."""
    run = next(_COUNT)
    told: list[Change] = []
    database.announce = told.append
    names = [f"{run}-{number}" for number in range(ACCOUNTS)]

    def prepare(writing: Writing) -> None:
        for number, name in enumerate(names):
            accounts.create(writing, NewAccount(name, created=1000.0 + number))

    database.write("test", prepare)
    shown: set[Shown] = set()
    before = dict.fromkeys(names, "")
    for step in steps:
        if isinstance(step, int):
            gone = {one for one in shown if one[0] == step}
            left = [one[1:] for one in shown]
            if any(left.count(one[1:]) == CROWD + 1 for one in gone):
                continue  # What comes back under the bound joins when it is next seen.
            shown -= gone
        else:
            shown.add(step)

        def work(writing: Writing, step: Shown | int = step) -> None:
            table = tables.links
            if isinstance(step, int):
                writing.connection.execute(table.delete().where(table.c.account == names[step]))
                identities.regroup(writing, names[step], crowd=CROWD)
            else:
                standing.add_link(writing, secrets, names[step[0]], IDENTIFYING[step[1]], f"{run}-{step[2]}")
                identities.regroup(writing, names[step[0]], crowd=CROWD)

        told.clear()
        database.write("test", work)
        wanted = {
            names[account]: "" if oldest is None else names[oldest] for account, oldest in _model(shown, CROWD).items()
        }
        found = _identities(database, f"{run}-")
        assert found == wanted
        moved = {name for name in names if found[name] != before[name]}
        assert {account for change in told for account in change.accounts} == moved
        before = found
    database.write("test", lambda writing: identities.regroup_all(writing, crowd=CROWD))
    assert _identities(database, f"{run}-") == before


def test_all_at_once(database: Database, make: Callable[..., None], secrets: Secrets) -> None:
    """`regroup_all` groups what was imported, leaves crowds out, and takes apart what no link holds together."""
    make("a", "b", "c", "d", "e")

    def load(writing: Writing) -> int:
        for account, kind, value in [
            ("b", "phone", "1"),
            ("a", "phone", "1"),
            *((one, "device", "x") for one in "bcde"),
        ]:
            standing.add_link(writing, secrets, account, kind, value)
        writing.connection.execute(tables.accounts.update().where(tables.accounts.c.id == "e").values(identity="d"))
        return identities.regroup_all(writing, crowd=3)

    assert database.write("test", load) == 3
    assert _identities(database) == {"a": "a", "b": "a", "c": "", "d": "", "e": ""}
    assert database.write("test", lambda writing: identities.regroup_all(writing, crowd=3)) == 0


def test_disjoint_sets() -> None:
    """What was joined is one set, over whatever way."""
    groups = Groups()
    for several in (["a", "b"], ["c", "d"], ["e"], ["d", "a"]):
        groups.join(several)
    assert sorted(map(sorted, groups.sets())) == [["a", "b", "c", "d"], ["e"]]
