"""Cases in the database: what the detector writes again and again, and what stays as people left it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.sql import accounts, case_decisions, cases, tables
from gateway.accounts.sql.case_decisions import By
from gateway.accounts.sql.cases import CaseRecord
from gateway.accounts.sql.database import Database
from gateway.campaigns.ruling import Ruled
from gateway.testing import Clock
from tests.accounts.sql.case_world import AT, cluster, record_of

WHY = "ticket 7"


def kept(database: Database, *records: CaseRecord) -> list[int]:
    return database.write("detector", lambda writing: cases.record(writing, records))


def row(database: Database, case: int) -> Any:
    return database.read(lambda it: cases.one(it, case))


def by(database: Database, case: int, proven: str = "token:ann", seen: float = 0.0) -> By:
    return By(proven, row(database, case).revision, WHY, seen)


def states(database: Database, case: int) -> dict[str, int]:
    return database.read(lambda it: cases.counts(it, case))


def audit_of(database: Database, case: int) -> list[str]:
    table = tables.audit
    found = sql.select(table.c.did).where(table.c.subject == cases.subject(case)).order_by(table.c.id)
    return list(database.read(lambda it: it.scalars(found).all()))


def told(accounts: int, at: float = AT, **more: Any) -> CaseRecord:
    return replace(record_of(cluster(accounts, at=at)), **more)


def pages(database: Database, case: int, limit: int) -> list[str]:
    """All accounts, read page by page."""
    found: list[str] = []
    after = None
    while some := database.read(lambda it, after=after: cases.page(it, case, limit, after)):  # type: ignore[misc]
        found += [one.account for one in some]
        after = (some[-1].nats, some[-1].account)
    return found


def test_what_is_told_is_kept(database: Database) -> None:
    """With its lists as they were told, and its accounts, the strongest first."""
    record = told(30)
    [case] = kept(database, record)
    there = row(database, case)
    assert (there.cluster, there.state, there.accounts, there.exchanges) == ("c1", "open", 30, 30 * 667)
    assert tuple(map(tuple, orjson.loads(there.families))) == record.families
    assert [mark[0] for mark in orjson.loads(there.marks)] == [mark[0] for mark in record.marks]
    assert pages(database, case, 7) == [account for account, _ in record.members]
    assert audit_of(database, case) == ["case.open"]
    assert kept(database, record) == [], "the same again opens nothing"


def test_what_is_older_is_left_out(database: Database) -> None:
    """A leader that has lost its turn overwrites nothing."""
    [case] = kept(database, told(30))
    kept(database, told(5, AT - 1.0))
    assert row(database, case).accounts == 30


def test_who_leaves_and_comes_back(database: Database) -> None:
    """Accounts that the detector names no more have left; named again, they are in it, since they joined first."""
    [case] = kept(database, told(30))
    kept(database, told(20, AT + 10.0))
    assert states(database, case) == {"in": 20, "left": 10}
    kept(database, told(30, AT + 20.0))
    assert states(database, case) == {"in": 30}
    assert {one.joined for one in database.read(lambda it: cases.page(it, case, 100))} == {AT}


@pytest.mark.parametrize(
    ("grown", "state"), [(44, "rejected"), (45, "open")], ids=["less than half as many again", "half as many again"]
)
def test_a_decided_case_is_opened_again_once_it_has_grown(database: Database, grown: int, state: str) -> None:
    """By half; the audit says from how many to how many."""
    [case] = kept(database, told(30))
    database.write("ann", lambda it: case_decisions.reject(it, case, ["t" + "0f" * 8], 0.0, by(database, case)))
    opened = kept(database, told(grown, AT + 10.0))
    assert row(database, case).state == state
    assert opened == ([case] if state == "open" else [])
    if opened:
        line = sql.select(tables.audit.c.detail).where(tables.audit.c.did == "case.reopen")
        detail = orjson.loads(database.read(lambda it: it.scalars(line).one()))
        assert detail["reason"] == "it has 45 accounts, and had 30 when it was rejected"


def test_another_detector_goes_on_with_a_case(database: Database) -> None:
    """Who takes over has other names: what was decided of the same accounts stays decided, and a new cluster of an
    old number is a new case.
    """
    [case] = kept(database, told(30, id="c1-aaaaaa"))
    database.write("ann", lambda it: case_decisions.reject(it, case, [], 0.0, by(database, case)))
    assert kept(database, told(31, AT + 10.0, id="c9-bbbbbb")) == []
    assert (row(database, case).cluster, row(database, case).state) == ("c9-bbbbbb", "rejected")
    others = tuple((f"other-{number}", 1.0) for number in range(30))
    [second] = kept(database, told(30, AT + 20.0, id="c1-bbbbbb", members=others))
    assert second != case
    assert row(database, second).state == "open"


def test_a_rejection_names_its_accounts(database: Database) -> None:
    """A detector that knows the cluster by another name, or not at all, lets them go all the same."""
    [case] = kept(database, told(30))
    database.write("ann", lambda it: case_decisions.reject(it, case, [], 0.0, by(database, case)))
    [ruling] = database.read(lambda it: cases.rulings_after(it, 0))
    assert len(ruling.accounts) == 30


def test_nobody_has_seen_who_will_join(database: Database) -> None:
    """A decision of one person on what they say to have seen tomorrow means nobody who joins after today."""
    [case] = kept(database, told(90))
    database.write("ann", lambda it: case_decisions.approve(it, case, "suspend", by(database, case, seen=1e12)))
    kept(database, told(130, AT + 10.0))
    assert carried(database, case) == 90


def test_a_cluster_that_is_none_any_more(database: Database) -> None:
    """Its case is closed where nobody has decided, and opened again when the detector sees it again."""
    [case] = kept(database, told(30))
    assert database.write("detector", lambda it: cases.close(it, ["c1", "c2"])) == 1
    assert row(database, case).state == "closed"
    assert kept(database, told(31, AT + 10.0)) == [case]
    database.write("ann", lambda it: case_decisions.approve(it, case, "rules", by(database, case)))
    assert database.write("detector", lambda it: cases.close(it, ["c1"])) == 0
    assert row(database, case).state == "approved"


def test_clusters_that_became_one(database: Database) -> None:
    """The detector's own merge closes the other's case, and names where it went."""
    [first] = kept(database, told(30))
    [other] = kept(database, record_of(cluster(10, name="c2", first=30)))
    kept(database, told(40, AT + 10.0, merged=("c2",)))
    there = row(database, other)
    assert (there.state, there.merged_into) == ("merged", first)
    assert database.read(lambda it: cases.of_cluster(it, "c2")) == first


def test_who_was_taken_out_stays_out(database: Database) -> None:
    """A split is a ruling, and the detector's next words do not undo it."""
    [case] = kept(database, told(30))
    gone = ["acc-00003", "acc-00004"]
    assert database.write("ann", lambda it: case_decisions.split(it, case, gone, by(database, case))) == 28
    kept(database, told(30, AT + 10.0))
    assert states(database, case) == {"in": 28, "split": 2}
    assert row(database, case).accounts == 28
    [ruling] = database.read(lambda it: cases.rulings_after(it, 0))
    assert (ruling.ruled, ruling.cluster, ruling.accounts) == (Ruled.SPLIT, "c1", tuple(gone))


@pytest.mark.parametrize(
    ("accounts", "wrong"),
    [(["acc-00003", "nobody"], "nobody is not in this case"), (["acc-00029"], "acc-00029 was taken out before")],
    ids=["of another", "twice"],
)
def test_only_its_own_accounts_are_taken_out(database: Database, accounts: Sequence[str], wrong: str) -> None:
    """One that is not in it is named, and none is taken out."""
    [case] = kept(database, told(30))
    database.write("ann", lambda it: case_decisions.split(it, case, ["acc-00029"], by(database, case)))
    with pytest.raises(case_decisions.Wrong, match=wrong):
        database.write("ann", lambda it: case_decisions.split(it, case, accounts, by(database, case)))
    assert states(database, case) == {"in": 29, "split": 1}


def test_one_goes_into_another(database: Database) -> None:
    """With its accounts; the detector learns which went where."""
    [first] = kept(database, told(30))
    [other] = kept(database, record_of(cluster(20, name="c2", first=20)))
    database.write("ann", lambda it: case_decisions.merge(it, first, other, by(database, first)))
    assert states(database, first) == {"in": 40}
    assert row(database, first).accounts == 40
    assert row(database, other).state == "merged"
    [ruling] = database.read(lambda it: cases.rulings_after(it, 0))
    assert (ruling.ruled, ruling.cluster, ruling.other) == (Ruled.MERGED, "c1", "c2")
    with pytest.raises(case_decisions.NotSo, match=f"it went into case {first}"):
        database.write("ann", lambda it: case_decisions.reopen(it, other, by(database, other)))


def test_the_second_is_told(database: Database) -> None:
    """Each decision needs the revision that its author saw; the detector's news changes none."""
    [case] = kept(database, told(30))
    seen = by(database, case)
    kept(database, told(31, AT + 10.0))
    database.write("ann", lambda it: case_decisions.approve(it, case, "rules", seen))
    with pytest.raises(case_decisions.Stale):
        database.write("bob", lambda it: case_decisions.reject(it, case, [], 0.0, seen))


@pytest.mark.parametrize(("accounts", "needed"), [(100, 1), (101, 2)], ids=["a hundred", "a hundred and one"])
def test_to_suspend_many_takes_two(database: Database, accounts: int, needed: int) -> None:
    """Told apart by what their credentials proved; who says it twice is one."""
    [case] = kept(database, told(accounts))

    def say(proven: str) -> bool:
        return database.write(
            proven, lambda it: case_decisions.approve(it, case, "suspend", by(database, case, proven))
        )

    assert say("token:ann") is (needed == 1)
    if needed == 2:
        with pytest.raises(case_decisions.NotSo, match="a second person has to"):
            say("token:ann")
        assert row(database, case).state == "open"
        assert say("token:bob") is True
    assert row(database, case).state == "approved"
    assert len(database.read(lambda it: cases.rulings_after(it, 0))) == 1


def carried(database: Database, case: int, some: int | None = None, of_file: Sequence[str] = ()) -> int:
    to_do = database.read(lambda it: case_decisions.left_to_do(it, case))[:some]
    return database.write("token:ann", lambda it: case_decisions.carry_out(it, case, to_do, of_file))


def test_only_who_was_seen_is_suspended(database: Database) -> None:
    """Who joined after the case was shown is not meant, and neither is who left before it was carried out."""
    [case] = kept(database, told(30))
    kept(database, told(40, AT + 10.0))
    database.write("ann", lambda it: case_decisions.approve(it, case, "suspend", by(database, case, seen=AT)))
    kept(database, told(29, AT + 20.0))
    assert carried(database, case) == 29
    assert states(database, case) == {"suspended": 29, "left": 11}
    held = sql.select(tables.accounts.c.id).where(
        tables.accounts.c.suspended, tables.accounts.c.suspended_for == f"case {case}"
    )
    assert len(database.read(lambda it: it.execute(held).all())) == 29


def test_a_suspension_is_taken_back(database: Database) -> None:
    """Of those that it suspended: what was suspended before, or for something else, stays so; its falls are cleared."""
    [case] = kept(database, told(5))

    def before(writing: Any) -> None:
        accounts.ensure(writing, "acc-00002")
        accounts.suspend(writing, "acc-00002", "unpaid")

    database.write("ops", before)
    database.write("ann", lambda it: case_decisions.approve(it, case, "suspend", by(database, case)))
    assert carried(database, case, some=3, of_file=["acc-00001"]) == 2
    assert carried(database, case, of_file=["acc-00001"]) == 2, "it goes on where it was ended"
    database.write("bob", lambda it: case_decisions.undone(it, case, by(database, case)))
    with pytest.raises(case_decisions.NotSo, match="nothing is to be done"):
        carried(database, case)
    names = [f"acc-{number:05}" for number in range(5)]
    assert database.write("bob", lambda it: case_decisions.take_back(it, case, names, WHY)) == 4
    table, falls = tables.accounts, tables.falls
    held = database.read(lambda it: it.scalars(sql.select(table.c.id).where(table.c.suspended)).all())
    assert held == ["acc-00002"]
    assert not database.read(lambda it: it.execute(sql.select(falls).where(falls.c.cleared.is_(None))).all())
    assert states(database, case) == {"in": 1, "restored": 4}


def test_to_verify_is_a_fall(database: Database) -> None:
    """On the ladder, by the reason `detector`: its owner can verify, or appeal."""
    [case] = kept(database, told(3))
    database.write("ann", lambda it: case_decisions.approve(it, case, "verify", by(database, case)))
    assert carried(database, case) == 3
    falls = tables.falls
    reasons = database.read(lambda it: it.scalars(sql.select(falls.c.reason)).all())
    assert set(reasons) == {"detector"}
    assert not database.read(
        lambda it: it.execute(sql.select(tables.accounts).where(tables.accounts.c.suspended)).all()
    )


def test_notes_are_of_one_case(database: Database, clock: Clock) -> None:
    """With who and when."""
    [case] = kept(database, told(3))
    database.write("token:ann", lambda it: case_decisions.note(it, case, "asked the reseller"))
    [found] = database.read(lambda it: it.execute(sql.select(tables.case_notes)).all())
    assert (found.case, found.who, found.text, found.at) == (case, "token:ann", "asked the reseller", clock.at)


@pytest.mark.timing
def test_a_case_of_25_000_accounts(database: Database) -> None:
    """Is written in seconds, again in less where little has changed, and a page of it is read at once."""
    record = told(25_000)
    begun = time.perf_counter()
    [case] = kept(database, record)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    kept(database, told(25_100, AT + 10.0, members=(*record.members, *((f"new-{n}", 1.5) for n in range(100)))))
    again = time.perf_counter() - begun
    begun = time.perf_counter()
    page = database.read(lambda it: cases.page(it, case, 200, (1.5, "")))
    read = time.perf_counter() - begun
    assert len(page) == 200
    assert row(database, case).accounts == 25_100
    assert (first < 8.0, again < 4.0, read < 0.5) == (True, True, True), (first, again, read)
