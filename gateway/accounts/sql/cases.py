"""Cases: the detector's clusters for people to judge, and what it has to learn of that.

The detector writes what it knows (`record`, `close`), again and again: only what differs is written, so a case of
25,000 accounts that has changed a little costs little. People decide (`gateway.accounts.sql.case_decisions`), and what
they decide leaves rows of `rulings`, which the detector follows (`rulings_after`).

A case that was decided stays so while its cluster is about what it was. Once that has grown by half it is opened again,
and the audit says why. What people took out of a case stays out of it, whatever the detector says later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Writing
from gateway.campaigns.ruling import Ruled, Ruling

cases, members, notes, rulings = tables.cases, tables.case_accounts, tables.case_notes, tables.rulings

OPEN: Final = "open"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
MERGED: Final = "merged"
CLOSED: Final = "closed"
"""The cluster is none any more, and nobody has decided."""

IN: Final = "in"
LEFT: Final = "left"
"""It was in it, and the detector says so no more."""
SPLIT: Final = "split"
"""A person took it out."""
SUSPENDED: Final = "suspended"
ASKED: Final = "asked"
"""It fell on the ladder, until it has verified or appealed."""
RESTORED: Final = "restored"
"""What was done to it by this case was taken back."""
STILL: Final = (IN, RESTORED)
"""To whom a decision applies."""

GROWN: Final = 1.5
"""A decided case with so many times the accounts is opened again."""
NOTED: Final = 0.05
"""Nats by which an account has to belong more or less, for that to be written."""
BESIDE: Final = 500
"""Values of one statement."""
_LISTS: Final = ("families", "evidence", "marks", "edges", "timeline", "models", "countries")

Mark = tuple[str, str, str, int, float, tuple[str, ...]]
"""As `detect.told.Mark`: id, family, words, accounts, nats, sample."""
Edge = tuple[str, str, str, float]
"""As `detect.told.Edge`: one, other, kind, weight."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A cluster as of `at`: `detect.told.Cluster`, whose members have these names and shapes."""

    id: str
    at: float
    began: float
    accounts: int
    score: float
    families: tuple[tuple[str, float], ...]
    evidence: tuple[str, ...]
    most: int
    exchanges: int
    marks: tuple[Mark, ...] = ()
    members: tuple[tuple[str, float], ...] = ()
    edges: tuple[Edge, ...] = ()
    timeline: tuple[tuple[float, int, int], ...] = ()
    models: tuple[tuple[str, int], ...] = ()
    countries: tuple[tuple[str, int], ...] = ()
    merged: tuple[str, ...] = ()
    false_alarm: float = 1.0


def subject(case: int) -> str:
    """Of the audit's lines about it."""
    return f"case:{case}"


# -- what the detector says -------------------------------------------------------------------------------------------


def record(writing: Writing, records: Iterable[CaseRecord]) -> list[int]:
    """Cases as the detector sees them now. Returns the ids of those that were opened by it, also again.

    What is older than what is there is left out: a leader that has lost its turn may still be writing.
    """
    opened = []
    for one in records:
        there = writing.connection.execute(sql.select(cases).where(cases.c.cluster == one.id)).first()
        if there is None:
            there = _by_another_name(writing, one)
        if there is not None and one.at < there.updated:
            continue
        case = _open(writing, one) if there is None else there.id
        accounts = _keep_members(writing, case, one)
        if there is None:
            writing.connection.execute(cases.update().where(cases.c.id == case).values(accounts=accounts))
            writing.audit("case.open", subject(case), cluster=one.id, accounts=accounts, score=round(one.score, 2))
            opened.append(case)
        elif _follow(writing, there, one, accounts):
            opened.append(case)
        _swallow(writing, case, one.merged)
    return opened


def close(writing: Writing, clusters: Iterable[str]) -> int:
    """Clusters that are none any more. What was decided of them stays decided. Returns how many cases were closed."""
    closed = 0
    for some in _some(clusters):
        found = cases.update().where(cases.c.cluster.in_(some), cases.c.state == OPEN)
        values = {"state": CLOSED, "revision": cases.c.revision + 1} | WANTED_NOTHING
        for case in writing.connection.scalars(found.values(values).returning(cases.c.id)).all():
            writing.audit("case.close", subject(case), reason="the detector sees no cluster there any more")
            closed += 1
    return closed


WANTED_NOTHING: Final[dict[str, object]] = {"wanted": "", "wanted_by": "", "wanted_why": "", "wanted_at": None}


def _by_another_name(writing: Writing, one: CaseRecord) -> sql.Row[Any] | None:
    """Its case, where another detector told of most of its accounts before: it goes on under the name of now, and what
    was decided of it stays decided.
    """
    state, strongest = one.id.partition("-")[2], [account for account, _ in one.members[:BESIDE]]
    if not state or not strongest:
        return None
    there = sql.func.count().label("there")
    held = (
        sql.select(cases.c.id, cases.c.cluster, cases.c.accounts, there)
        .join(members, members.c.case == cases.c.id)
        .where(members.c.account.in_(strongest), members.c.state.not_in((LEFT, SPLIT)), cases.c.state != MERGED)
        .where(cases.c.cluster.not_like(f"%-{state}"))
        .group_by(cases.c.id, cases.c.cluster, cases.c.accounts)
        .order_by(there.desc(), cases.c.updated.desc())
    )
    best = writing.connection.execute(held.limit(1)).first()
    share = best.there / len(strongest) if best is not None else 0.0
    if best is None or share < 0.5 or share * len(one.members) < 0.5 * best.accounts:
        return None
    writing.connection.execute(cases.update().where(cases.c.id == best.id).values(cluster=one.id))
    writing.audit("case.rename", subject(best.id), before=best.cluster, after=one.id, reason="another detector tells")
    return writing.connection.execute(sql.select(cases).where(cases.c.id == best.id)).one()


def _open(writing: Writing, one: CaseRecord) -> int:
    values = _values(one) | {"cluster": one.id, "state": OPEN, "opened": writing.now, "accounts": 0, "revision": 1}
    made: int = writing.connection.execute(cases.insert().values(values).returning(cases.c.id)).scalar_one()
    return made


def _follow(writing: Writing, there: sql.Row[Any], one: CaseRecord, accounts: int) -> bool:
    """What is new of a case that is there. Returns whether it was opened again."""
    values = _values(one) | {"accounts": accounts}
    why = ""
    if there.state == CLOSED:
        why = "the detector sees its cluster again"
    elif there.state in (APPROVED, REJECTED) and accounts >= GROWN * max(there.decided_accounts, 1):
        why = f"it has {accounts} accounts, and had {there.decided_accounts} when it was {there.state}"
    if why:
        values |= {"state": OPEN, "revision": cases.c.revision + 1}
        writing.audit("case.reopen", subject(there.id), before=there.state, reason=why)
    writing.connection.execute(cases.update().where(cases.c.id == there.id).values(values))
    return bool(why)


def _keep_members(writing: Writing, case: int, one: CaseRecord) -> int:
    """Write what differs. Returns how many accounts are in it, by the detector and by nobody's objection."""
    connection = writing.connection
    known = sql.select(members.c.account, members.c.nats, members.c.state).where(members.c.case == case)
    there = {row.account: row for row in connection.execute(known)}
    told = dict(one.members)
    new = [
        {"case": case, "account": account, "nats": nats, "joined": one.at, "state": IN}
        for account, nats in told.items()
        if account not in there
    ]
    if new:
        connection.execute(members.insert(), new)
    moved, left = [], []
    for account, row in there.items():
        nats = told.get(account)
        if nats is None:
            if row.state == IN:
                left.append(account)
        elif row.state == LEFT or abs(nats - row.nats) >= NOTED:
            moved.append({"whose": account, "to": nats, "is": IN if row.state == LEFT else row.state})
    if moved:
        to: dict[str, Any] = {"nats": sql.bindparam("to"), "state": sql.bindparam("is")}
        which = (members.c.case == case, members.c.account == sql.bindparam("whose"))
        connection.execute(members.update().where(*which).values(to), moved)
    for some in _some(left):
        mark(writing, case, some, LEFT)
    if not one.members:
        return one.accounts
    return sum(account not in there or there[account].state != SPLIT for account in told)


def _swallow(writing: Writing, case: int, merged: Sequence[str]) -> None:
    """Cases of clusters that went into this one by themselves."""
    for some in _some(merged):
        which = (cases.c.cluster.in_(some), cases.c.id != case, cases.c.state.in_((OPEN, CLOSED)))
        values = {"state": MERGED, "merged_into": case, "revision": cases.c.revision + 1} | WANTED_NOTHING
        found = cases.update().where(*which).values(values).returning(cases.c.id)
        for other in writing.connection.scalars(found).all():
            writing.audit("case.merge", subject(other), into=case, reason="the detector sees one cluster in both")


def _values(one: CaseRecord) -> dict[str, Any]:
    lists = {name: orjson.dumps(getattr(one, name), default=tuple).decode() for name in _LISTS}
    numbers = ("began", "exchanges", "score", "false_alarm")
    return lists | {name: getattr(one, name) for name in numbers} | {"updated": one.at, "most": int(one.most)}


def mark(writing: Writing, case: int, accounts: Sequence[str], state: str) -> int:
    """At most BESIDE of them. Returns how many there were."""
    which = (members.c.case == case, members.c.account.in_(accounts))
    return writing.connection.execute(members.update().where(*which).values(state=state)).rowcount


def _some(of: Iterable[str]) -> Iterator[list[str]]:
    everything = list(of)
    for start in range(0, len(everything), BESIDE):
        yield everything[start : start + BESIDE]


# -- what the detector learns -----------------------------------------------------------------------------------------


def rulings_after(connection: Connection, ruling: int, most: int = 1_000) -> list[Ruling]:
    """What people have said since, in its order; 0 for all. Where `most` come, there may be more."""
    found = sql.select(rulings).where(rulings.c.id > ruling).order_by(rulings.c.id).limit(most)
    return [
        Ruling(
            row.id, row.at, Ruled(row.ruled), row.cluster, tuple(orjson.loads(row.accounts)),
            tuple(orjson.loads(row.marks)), row.other, row.until,
        )
        for row in connection.execute(found)
    ]  # fmt: skip


def add_ruling(
    writing: Writing,
    ruled: Ruled,
    *,
    cluster: str = "",
    accounts: Sequence[str] = (),
    marks: Sequence[str] = (),
    other: str = "",
    until: float = 0.0,
    reason: str = "",
) -> int:
    """Members as `Ruling`. Leaves no line in the audit: what it follows from does. Returns its id."""
    values = {
        "at": writing.now,
        "ruled": ruled.value,
        "cluster": cluster,
        "accounts": orjson.dumps(list(accounts)).decode(),
        "marks": orjson.dumps(list(marks)).decode(),
        "other": other,
        "until": until,
        "by": writing.who,
        "reason": reason,
    }
    made: int = writing.connection.execute(rulings.insert().values(values).returning(rulings.c.id)).scalar_one()
    return made


# -- reading ----------------------------------------------------------------------------------------------------------


def one(connection: Connection, case: int) -> sql.Row[Any]:
    """Raises NoSuch."""
    found = connection.execute(sql.select(cases).where(cases.c.id == case)).first()
    if found is None:
        raise NoSuch(f"there is no case {case}")
    return found


def of_cluster(connection: Connection, cluster: str) -> int | None:
    """Its case; where that went into another one, the last of these."""
    case: int | None = connection.scalar(sql.select(cases.c.id).where(cases.c.cluster == cluster))
    seen: set[int] = set()
    while case is not None and case not in seen:
        seen.add(case)
        into = connection.scalar(sql.select(cases.c.merged_into).where(cases.c.id == case))
        if into is None:
            return case
        case = into
    return case


def counts(connection: Connection, case: int) -> dict[str, int]:
    """State of its accounts -> how many there are."""
    count = sql.select(members.c.state, sql.func.count().label("there")).where(members.c.case == case)
    return {row.state: row.there for row in connection.execute(count.group_by(members.c.state))}


def page(
    connection: Connection,
    case: int,
    limit: int,
    after: tuple[float, str] | None = None,
    states: Sequence[str] = (),
) -> list[sql.Row[Any]]:
    """Its accounts, those that belong the most first; `after` is (nats, account) of the last one seen."""
    found = sql.select(members).where(members.c.case == case)
    if states:
        found = found.where(members.c.state.in_(states))
    if after is not None:
        nats, account = after
        found = found.where(
            sql.or_(members.c.nats < nats, sql.and_(members.c.nats == nats, members.c.account > account))
        )
    return list(connection.execute(found.order_by(members.c.nats.desc(), members.c.account).limit(limit)))


def members_of(connection: Connection, clusters: Iterable[str]) -> dict[str, list[str]]:
    """Accounts of cases, by their clusters."""
    found: dict[str, list[str]] = {}
    for some in _some(clusters):
        named = (
            sql.select(cases.c.cluster, members.c.account)
            .join(cases, members.c.case == cases.c.id)
            .where(cases.c.cluster.in_(some), members.c.state != LEFT)
        )
        for row in connection.execute(named):
            found.setdefault(row.cluster, []).append(row.account)
    return found


def place_of(connection: Connection, case: int, account: str) -> tuple[float, str]:
    """Where a page begins that goes on after this account. Raises NoSuch."""
    which = (members.c.case == case, members.c.account == account)
    nats = connection.scalar(sql.select(members.c.nats).where(*which))
    if nats is None:
        raise NoSuch(f"case {case} has no account `{account}` to go on after")
    return nats, account


def of_account(connection: Connection, account: str) -> tuple[int | None, str]:
    """The case that has it, and its cluster; of several the one that was told of last. None and empty for none."""
    found = (
        sql.select(cases.c.id, cases.c.cluster)
        .join(members, members.c.case == cases.c.id)
        .where(members.c.account == account, members.c.state.not_in((LEFT, SPLIT)), cases.c.state != MERGED)
        .order_by(cases.c.updated.desc())
    )
    row = connection.execute(found.limit(1)).first()
    return (row.id, row.cluster) if row is not None else (None, "")


def meant(connection: Connection, case: int, seen: float, states: Sequence[str] = STILL) -> list[str]:
    """The accounts to which a decision applies whose author saw the case as of `seen`."""
    which = (members.c.case == case, members.c.joined <= seen, members.c.state.in_(states))
    return list(connection.scalars(sql.select(members.c.account).where(*which).order_by(members.c.account)))


# -- privacy ----------------------------------------------------------------------------------------------------------


def erase(writing: Writing, account: str, name: str) -> int:
    """An account is erased: it has its pseudonym, `name`, wherever a case or a ruling named it. Returns in how many
    cases it was.
    """
    connection = writing.connection
    stated, renamed = orjson.dumps(account).decode(), orjson.dumps(name).decode()
    drawn = sql.select(cases.c.id, cases.c.edges).where(cases.c.edges.contains(stated, autoescape=True))
    for row in connection.execute(drawn).all():
        edges = [
            [name if end == account else end for end in edge[:2]] + edge[2:] for edge in orjson.loads(row.edges)
        ]  # fmt: skip
        values = {"edges": orjson.dumps(edges).decode()}
        connection.execute(cases.update().where(cases.c.id == row.id).values(values))
    named = rulings.c.accounts.contains(stated, autoescape=True)
    replaced = sql.func.replace(rulings.c.accounts, stated, renamed)
    connection.execute(rulings.update().where(named).values(accounts=replaced))
    # Of what people wrote, only its whole name: an account may be called `a`.
    bounded = re.compile(rf"(?<![0-9A-Za-z_-]){re.escape(account)}(?![0-9A-Za-z_-])")
    for table, column in ((cases, "reason"), (cases, "wanted_why"), (rulings, "reason"), (notes, "text")):
        text = table.c[column]
        found = sql.select(table.c.id, text.label("text")).where(text.contains(account, autoescape=True))
        for row in connection.execute(found).all():
            values = {column: bounded.sub(name, row.text)}
            connection.execute(table.update().where(table.c.id == row.id).values(values))
    return connection.execute(members.update().where(members.c.account == account).values(account=name)).rowcount
