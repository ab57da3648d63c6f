"""What people decide: verifications of the provider `manual`, and appeals of owners.

Who approves what leads to the top of the ladder is never alone: a second person has to look at it. One is enough to
decline. Who somebody is, is what the audit calls them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, NoReturn

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.ladder import Ladder
from gateway.accounts.ladder import standing as stands
from gateway.accounts.sql import cases, tables
from gateway.accounts.sql.accounts import NoSuch, restore, row
from gateway.accounts.sql.cases import add_ruling
from gateway.accounts.sql.database import Writing
from gateway.accounts.sql.lookup import read_accounts
from gateway.campaigns.ruling import Ruled
from gateway.policy import Evidence
from gateway.verification.consequences import IN_USE, Verification, give, kinds_of, mark, shaped
from gateway.verification.provider import Event, Rejected, Started, State, Verdict

reviews, verifications, falls = tables.reviews, tables.verifications, tables.falls

OPEN: Final = "open"
SECONDED: Final = "seconded"
"""One has approved, and a second has to."""
APPROVED: Final = "approved"
DECLINED: Final = "declined"
PENDING: Final = (OPEN, SECONDED)
CLEARED_FOR: Final = 90 * 86_400.0
"""Seconds for which an approved appeal speaks for an account against the detector."""
IN_A_CASE: Final = (*cases.STILL, cases.SUSPENDED, cases.ASKED)
"""States of an account in a case that still means it."""
VERIFICATION: Final = "verification"
APPEAL: Final = "appeal"


class Review(NamedTuple):
    """A row of `reviews`. Times are Unix time; 0 for not yet."""

    id: int
    account: str
    subject: str
    """VERIFICATION or APPEAL."""
    verification: str
    kinds: tuple[str, ...]
    """What it is to give, for a verification."""
    statement: str
    """What the owner has written: for who decides, and for nobody else."""
    state: str
    opened: float
    first: str
    first_at: float
    second: str
    second_at: float
    reason: str

    def __repr__(self) -> str:
        return f"<Review {self.id} {self.subject} {self.state}>"


class Decided(ValueError):
    """It cannot be decided so. The text is for people."""


class Manual:
    """The provider `manual`: its sessions are cases for people, and it sends no webhooks."""

    dated = True

    def __init__(self, name: str, gives: Collection[str]) -> None:
        self.name = name
        self.gives = frozenset(gives)

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:  # noqa: ARG002 - as the others
        raise Rejected("missing_signature", "people decide here")

    async def start(self, verification: str, account: str, back: str) -> Started:  # noqa: ARG002 - as the others
        return Started(verification, "")

    async def resume(self, reference: str) -> Started | None:
        return Started(reference, "")

    async def fetch(self, reference: str) -> Verdict:  # noqa: ARG002 - as the others
        """What people decide is in the directory at once: there is nobody to ask."""
        return Verdict(State.REVIEW, 0.0)

    async def close(self) -> None:
        return


def open_reviews(connection: Connection, most: int = 200) -> list[Review]:
    """What waits for somebody, the oldest first."""
    found = _all().where(reviews.c.state.in_(PENDING)).order_by(reviews.c.id).limit(most)
    return [_shaped(one) for one in connection.execute(found)]


def review(connection: Connection, number: int) -> Review:
    """Raises NoSuch."""
    found = connection.execute(_all().where(reviews.c.id == number)).first()
    return _no(number) if found is None else _shaped(found)


def reviews_of(connection: Connection, account: str) -> list[Review]:
    """All of one account, the newest first."""
    found = _all().where(reviews.c.account == account).order_by(reviews.c.id.desc())
    return [_shaped(one) for one in connection.execute(found)]


def open_review(writing: Writing, account: str, subject: str, *, verification: str = "", statement: str = "") -> int:
    """Returns its number. The statement goes into no audit: people write what they like."""
    values = {"account": account, "subject": subject, "verification": verification, "statement": statement}
    done = writing.connection.execute(reviews.insert(), values | {"state": OPEN, "opened": writing.now})
    number = int(done.inserted_primary_key[0])  # type: ignore[index]  # One row was inserted.
    writing.audit("review.open", account, review=number, about=subject, verification=verification)
    return number


def decide(writing: Writing, ladder: Ladder | None, number: int, approve: bool, reason: str, by: str) -> Review:
    """With all that follows. Raises NoSuch, and Decided where it is decided already, or the same person comes twice."""
    locked = sql.select(reviews.c.state).where(reviews.c.id == number).with_for_update()
    writing.connection.execute(locked)
    case = review(writing.connection, number)
    if case.state not in PENDING:
        raise Decided(f"it is {case.state} already")
    if not reason.strip():
        raise Decided("it needs a reason: somebody will ask")
    if case.state == SECONDED and approve and case.first == by:
        raise Decided(f"{by} has approved it already: a second person has to")
    values: dict[str, Any] = {"reason": reason.strip()}
    values |= {"second": by, "second_at": writing.now} if case.first else {"first": by, "first_at": writing.now}
    if not approve:
        values["state"] = DECLINED
    elif case.state == OPEN and needs_second(writing.connection, ladder, case, writing.now):
        values["state"] = SECONDED
    else:
        values["state"] = APPROVED
    writing.connection.execute(reviews.update().where(reviews.c.id == number).values(**values))
    writing.audit("review.decide", case.account, review=number, state=values["state"], reason=values["reason"])
    if values["state"] != SECONDED:
        _follow(writing, case, approved=approve)
    return review(writing.connection, number)


def needs_second(connection: Connection, ladder: Ladder | None, case: Review, now: float) -> bool:
    """Whether an approval leads to the top rung, or gives what that alone requires. True where there is no ladder."""
    if ladder is None:
        return True
    *below, top = ladder.rungs
    kinds = _gives(connection, case)
    if kinds & (top.requires - frozenset().union(*(rung.requires for rung in below))):
        return True
    account = read_accounts(connection, (case.account,), now).get(case.account)
    if account is None:
        return True
    profile, assigned = account.profile, account.tier
    shown = (*profile.evidence, *(Evidence(kind, now) for kind in kinds))
    after = replace(profile, evidence=shown, falls=() if case.subject == APPEAL else profile.falls)
    highest = len(ladder.rungs) - 1
    return stands(ladder, after, assigned, now).rung == highest > stands(ladder, profile, assigned, now).rung


def _gives(connection: Connection, case: Review) -> frozenset[str]:
    """Kinds of evidence that an approval of it gives."""
    if case.subject == VERIFICATION:
        return frozenset(case.kinds)
    found = _verification(connection, case)
    return frozenset(found.kinds) if found is not None and found.reason == IN_USE else frozenset()


def _follow(writing: Writing, case: Review, *, approved: bool) -> None:
    found = _verification(writing.connection, case)
    if case.subject == VERIFICATION and found is not None:
        if approved:
            give(writing, found, frozenset(found.kinds), math.inf, writing.now)
        mark(
            writing, found, State.APPROVED if approved else State.DECLINED, "" if approved else "reviewed", writing.now
        )
    if case.subject == APPEAL and approved:
        _clear_falls(writing, case)
        _restore(writing, case)
        _speak_for(writing, case)
        if found is not None and found.reason == IN_USE:
            # Somebody has looked at it, and more organisations than usual may stand behind this person.
            give(writing, found, frozenset(found.kinds), math.inf, found.stated)
            mark(writing, found, State.APPROVED, "appeal", found.stated)


def _clear_falls(writing: Writing, case: Review) -> None:
    """What came after the appeal, such as a chargeback, it says nothing of."""
    before = (falls.c.account == case.account, falls.c.cleared.is_(None), falls.c.at <= case.opened)
    reasons = set(writing.connection.scalars(sql.select(falls.c.reason).where(*before)))
    if not reasons:
        return
    writing.connection.execute(falls.update().where(*before).values(cleared=writing.now))
    writing.changed(case.account)
    for reason in sorted(reasons):
        writing.audit("fall.clear", case.account, reason=reason, why=f"appeal {case.id}")


def _restore(writing: Writing, case: Review) -> None:
    """A suspension is over where the appeal came after it. One of its whole organisation is not the account's."""
    if not row(writing.connection, case.account).suspended:
        return
    audit = tables.audit
    suspended = sql.select(sql.func.max(audit.c.at)).where(
        audit.c.subject == case.account, audit.c.did == "account.suspend"
    )
    if (writing.connection.execute(suspended).scalar() or 0.0) <= case.opened:
        restore(writing, case.account, f"appeal {case.id}")


def _speak_for(writing: Writing, case: Review) -> None:
    """To the detector, where the account is in a case of its: somebody has looked, and nothing soft counts any more."""
    members = tables.case_accounts
    in_one = sql.select(members.c.case).where(members.c.account == case.account, members.c.state.in_(IN_A_CASE))
    if writing.connection.execute(in_one.limit(1)).first() is None:
        return
    until = writing.now + CLEARED_FOR
    add_ruling(writing, Ruled.CLEARED, accounts=(case.account,), until=until, reason=f"appeal {case.id}")
    writing.audit("account.clear", case.account, review=case.id, until=until)


def _verification(connection: Connection, case: Review) -> Verification | None:
    found = sql.select(verifications).where(
        verifications.c.id == case.verification, verifications.c.account == case.account
    )
    one = connection.execute(found.with_for_update()).first() if case.verification else None
    return None if one is None else shaped(one)


def _all() -> sql.Select[Any]:
    joined = reviews.outerjoin(verifications, verifications.c.id == reviews.c.verification)
    return sql.select(reviews, verifications.c.kinds).select_from(joined)


def _shaped(one: sql.Row[Any]) -> Review:
    return Review(
        one.id, one.account, one.subject, one.verification, kinds_of(one.kinds), one.statement, one.state, one.opened,
        one.first, one.first_at or 0.0, one.second, one.second_at or 0.0, one.reason,
    )  # fmt: skip


def _no(number: int) -> NoReturn:
    raise NoSuch(f"there is no case {number} for review")
