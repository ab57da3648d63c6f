"""What people decide of cases: each a transaction with its ruling, its line in the audit, and a reason.

Every decision needs the revision that its author has seen, so nobody decides over somebody else's head. What the
detector adds meanwhile changes no revision: accounts that joined after what the author saw (`seen`) are not meant.

To suspend more than `ALONE` accounts takes two people, told apart by what their credentials proved. That it was
decided is one thing, and carrying it out another: `carry_out` and `take_back` do some accounts at a time, can be ended
at any moment and begun again, and go through the directory's own code, so that owners can appeal as ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson
import sqlalchemy as sql

from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import ensure, restore, suspend
from gateway.accounts.sql.cases import (
    APPROVED,
    ASKED,
    CLOSED,
    IN,
    LEFT,
    MERGED,
    OPEN,
    REJECTED,
    RESTORED,
    SPLIT,
    STILL,
    SUSPENDED,
    WANTED_NOTHING,
    add_ruling,
    cases,
    mark,
    meant,
    members,
    notes,
    one,
    subject,
)
from gateway.accounts.sql.database import Writing
from gateway.accounts.sql.standing import add_fall
from gateway.campaigns.ruling import Ruled

Action = Literal["rules", "verify", "suspend"]
ALONE: Final = 100
"""So many accounts one person may suspend."""
FALL: Final = "detector"
ERASED: Final = "erased:"
"""What the pseudonym of an account that was erased begins with."""
NAMED: Final = 20
"""Accounts that a line of the audit names; the ruling has all."""


class Stale(RuntimeError):
    """Somebody else has changed it meanwhile."""

    def __init__(self, current: sql.Row[Any]) -> None:
        super().__init__(f"case {current.id} is at revision {current.revision} now")
        self.current = current


class NotSo(ValueError):
    """It cannot be decided so, as things are. The text is for people."""


class Wrong(ValueError):
    """What was stated does not fit the case."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field
        self.what = what


class By(NamedTuple):
    """Who decides, on what they saw, and why."""

    proven: str
    """What a credential proved: whose pair of eyes it is."""
    revision: int
    reason: str
    seen: float = 0.0
    """The case's `updated` as it was shown; 0 for as it is now."""


def approve(writing: Writing, case: int, action: Action, by: By) -> bool:
    """It is a campaign. Returns whether that holds now: False where a second person has to say the same.

    Raises NoSuch, Stale, NotSo.
    """
    there = _open_one(writing, case, by)
    seen = min(by.seen or there.updated, there.updated)  # Nobody has seen who will join.
    if action == "suspend" and (accounts := len(meant(writing.connection, case, seen))) > ALONE:
        if there.wanted != action:
            wanted = {"wanted": action, "wanted_by": by.proven, "wanted_why": by.reason, "wanted_at": writing.now}
            _change(writing, there, wanted | {"seen": seen})
            writing.audit("case.want", subject(case), action=action, accounts=accounts, reason=by.reason)
            return False
        if there.wanted_by == by.proven:
            raise NotSo(f"{by.proven} has said so already: a second person has to")
        # What the first saw is what both have said.
        seen = there.seen if there.seen is not None else seen
    _decide(writing, there, APPROVED, by, {"action": action, "seen": seen})
    add_ruling(writing, Ruled.APPROVED, cluster=there.cluster, marks=_marks(there), reason=by.reason)
    return True


def reject(writing: Writing, case: int, marks: Sequence[str], until: float, by: By) -> None:
    """It is none, and these of its marks count for nothing until then (0: for good). Raises as `approve`, and Wrong."""
    there = _open_one(writing, case, by)
    unknown = sorted(set(marks) - set(_marks(there)))
    if unknown:
        raise Wrong("marks", f"the case has no mark {unknown[0][:64]}")
    _decide(writing, there, REJECTED, by, {"action": ""}, marks=list(marks))
    # By name: a detector that takes over calls its clusters otherwise.
    accounts = meant(writing.connection, case, there.updated, (*STILL, SUSPENDED, ASKED))
    add_ruling(
        writing, Ruled.REJECTED, cluster=there.cluster, accounts=accounts, marks=marks, until=until, reason=by.reason
    )


def split(writing: Writing, case: int, accounts: Sequence[str], by: By) -> int:
    """These are not of it. Returns how many are left. Raises as `reject`."""
    there = _expected(writing, case, by)
    if there.state not in (OPEN, APPROVED):
        raise NotSo(f"it is {there.state}: reopen it first")
    names = sorted(set(accounts))
    states: dict[str, str] = {}
    for some in _some(names):
        which = (members.c.case == case, members.c.account.in_(some))
        states |= {row.account: row.state for row in writing.connection.execute(sql.select(members).where(*which))}
    for name in names:
        if states.get(name) not in (*STILL, LEFT):
            is_so = {SUSPENDED: "is suspended by it", ASKED: "was asked to verify by it", SPLIT: "was taken out before"}
            raise Wrong("accounts", f"{name[:128]} {is_so.get(states.get(name, ''), 'is not in this case')}")
    for some in _some(names):
        mark(writing, case, some, SPLIT)
    left: int = max(0, there.accounts - sum(states[name] in STILL for name in names))
    _change(writing, there, {"accounts": left})
    add_ruling(writing, Ruled.SPLIT, cluster=there.cluster, accounts=names, reason=by.reason)
    writing.audit("case.split", subject(case), count=len(names), accounts=names[:NAMED], reason=by.reason)
    return left


def merge(writing: Writing, case: int, other: int, by: By) -> None:
    """`other` goes into this one, with its accounts. Raises as `approve`, and Wrong."""
    there = _expected(writing, case, by)
    if other == case:
        raise Wrong("other", "is the case itself")
    gone = one(writing.connection, other)
    if gone.state not in (OPEN, CLOSED):
        raise NotSo(f"case {other} is {gone.state}: only one that is open can go into another")
    if there.state not in (OPEN, APPROVED):
        raise NotSo(f"it is {there.state}: reopen it first")
    connection = writing.connection
    here = sql.select(members.c.account).where(members.c.case == case)
    columns = (members.c.account, members.c.nats, members.c.joined, members.c.state)
    moved = sql.select(sql.literal(case), *columns).where(
        members.c.case == other, members.c.state == IN, members.c.account.not_in(here)
    )
    connection.execute(members.insert().from_select([members.c.case, *columns], moved))
    still = sql.select(sql.func.count()).where(members.c.case == case, members.c.state.in_((*STILL, SUSPENDED, ASKED)))
    _change(writing, there, {"accounts": connection.scalar(still) or 0})
    _change(writing, gone, {"state": MERGED, "merged_into": case} | WANTED_NOTHING)
    add_ruling(writing, Ruled.MERGED, cluster=there.cluster, other=gone.cluster, reason=by.reason)
    writing.audit("case.merge", subject(case), other=other, reason=by.reason)
    writing.audit("case.merge", subject(other), into=case, reason=by.reason)


def reopen(writing: Writing, case: int, by: By) -> None:
    """It is to be decided once more; also where a second person was waited for. What the detector has learnt stays
    learnt until another decision says otherwise. Raises as `approve`.
    """
    there = _expected(writing, case, by)
    if there.state == MERGED:
        raise NotSo(f"it went into case {there.merged_into}: split that")
    if there.state == OPEN and not there.wanted:
        raise NotSo("it is open")
    _change(writing, there, {"state": OPEN, **WANTED_NOTHING})
    writing.audit("case.reopen", subject(case), before=there.wanted or there.state, reason=by.reason)


def note(writing: Writing, case: int, text: str) -> int:
    """For whoever looks at it next. Not in the audit, which nobody can edit. Raises NoSuch."""
    one(writing.connection, case)
    values = {"case": case, "at": writing.now, "who": writing.who, "text": text}
    made: int = writing.connection.execute(notes.insert().values(values).returning(notes.c.id)).scalar_one()
    return made


# -- to many accounts -------------------------------------------------------------------------------------------------


def words(case: int) -> str:
    """Why an account is suspended, in `suspended_for`; and the note of its fall."""
    return f"case {case}"


def left_to_do(connection: sql.Connection, case: int) -> list[str]:
    """Accounts that a decision means and that were not reached yet. Those of a decision that was taken back are left
    alone: it has to be decided again. Raises NoSuch, NotSo.
    """
    there = _to_carry_out(connection, case)
    everybody = meant(connection, case, _seen(there))
    return [account for account in everybody if not account.startswith(ERASED)]


def _to_carry_out(connection: sql.Connection, case: int) -> sql.Row[Any]:
    there = one(connection, case)
    if there.state != APPROVED or there.action not in ("verify", "suspend"):
        raise NotSo("nothing is to be done to its accounts: it was not approved so")
    return there


def _seen(there: sql.Row[Any]) -> float:
    seen: float = there.seen if there.seen is not None else there.updated
    return seen


def carry_out(writing: Writing, case: int, accounts: Sequence[str], of_file: Collection[str] = ()) -> int:
    """What was decided, to these: at most `cases.BESIDE`. Those of accounts.yaml, `of_file`, cannot be suspended here.
    Whoever has left the case meanwhile, or was taken out of it, is spared. Returns to how many it was done.

    Raises NoSuch, NotSo.
    """
    there = _to_carry_out(writing.connection, case)
    which = (members.c.case == case, members.c.account.in_(accounts), members.c.state.in_(STILL))
    still = set(
        writing.connection.scalars(sql.select(members.c.account).where(*which, members.c.joined <= _seen(there)))
    )
    done = []
    for account in accounts:
        if account not in still or account in of_file:
            continue
        if there.action == "suspend":
            ensure(writing, account)
            if not _is_suspended(writing, account):
                suspend(writing, account, words(case))
        add_fall(writing, account, FALL, words(case))
        done.append(account)
    if done:
        mark(writing, case, done, SUSPENDED if there.action == "suspend" else ASKED)
    return len(done)


def undone(writing: Writing, case: int, by: By) -> None:
    """It was wrong: the case is open again, and what was done to its accounts is to be taken back. Raises as
    `approve`.
    """
    there = _expected(writing, case, by)
    if not meant(writing.connection, case, writing.now, (SUSPENDED, ASKED)):
        raise NotSo("nothing was done to its accounts that could be taken back")
    _change(writing, there, {"state": OPEN, **WANTED_NOTHING})
    writing.audit("case.undo", subject(case), before=there.action, reason=by.reason)


def take_back(writing: Writing, case: int, accounts: Sequence[str], reason: str) -> int:
    """Whoever was suspended for something else since stays suspended. Returns for how many."""
    falls = tables.falls
    done = []
    found = sql.select(members.c.account).where(
        members.c.case == case, members.c.account.in_(accounts), members.c.state.in_((SUSPENDED, ASKED))
    )
    for account in writing.connection.scalars(found).all():
        if _is_suspended(writing, account) == words(case):
            restore(writing, account, reason)
        which = (falls.c.account == account, falls.c.reason == FALL, falls.c.note == words(case))
        cleared = falls.update().where(*which, falls.c.cleared.is_(None)).values(cleared=writing.now)
        if writing.connection.execute(cleared).rowcount:
            writing.changed(account)
            writing.audit("fall.clear", account, reason=FALL, why=reason)
        done.append(account)
    if done:
        mark(writing, case, done, RESTORED)
    return len(done)


def _is_suspended(writing: Writing, account: str) -> str:
    """Why; empty where it is not."""
    table = tables.accounts
    row = writing.connection.execute(
        sql.select(table.c.suspended, table.c.suspended_for).where(table.c.id == account)
    ).first()
    return (row.suspended_for or "suspended") if row is not None and row.suspended else ""


# -- how --------------------------------------------------------------------------------------------------------------


def _expected(writing: Writing, case: int, by: By) -> sql.Row[Any]:
    there = one(writing.connection, case)
    if there.revision != by.revision:
        raise Stale(there)
    return there


def _open_one(writing: Writing, case: int, by: By) -> sql.Row[Any]:
    there = _expected(writing, case, by)
    if there.state != OPEN:
        raise NotSo(f"it is {there.state} already: reopen it to decide once more")
    return there


def _decide(writing: Writing, there: sql.Row[Any], state: str, by: By, values: dict[str, Any], **said: object) -> None:
    decided = {"state": state, "decided": writing.now, "decided_accounts": there.accounts, "by": writing.who}
    _change(writing, there, decided | {"reason": by.reason, **WANTED_NOTHING, **values})
    said |= {"first": there.wanted_by} if there.wanted_by else {}
    action = {"action": values["action"]} if values["action"] else {}
    did = "case.approve" if state == APPROVED else "case.reject"
    writing.audit(did, subject(there.id), **action, accounts=there.accounts, reason=by.reason, **said)


def _change(writing: Writing, there: sql.Row[Any], values: dict[str, Any]) -> None:
    changed = cases.update().where(cases.c.id == there.id).values(revision=there.revision + 1, **values)
    writing.connection.execute(changed)


def _marks(there: sql.Row[Any]) -> list[str]:
    return [mark[0] for mark in orjson.loads(there.marks)]


def _some(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + 500] for start in range(0, len(names), 500)]
