"""What waits for people to decide, and the letters of providers, as the admin API shows them.

Never what a person has handed in: of a verification there is the provider, its session and its verdict, and of a letter
what was read of it. What an owner has written stands with its case alone, for who decides.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

import sqlalchemy as sql
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql import tables
from gateway.control.account_shapes import ONE_LINE, Reason, Shape
from gateway.control.account_shown import shown as account_shown
from gateway.verification import inbox, review
from gateway.verification.consequences import IN_USE, kinds_of

Subject = Literal["verification", "appeal"]
State = Literal["open", "seconded", "approved", "declined"]

MOST: Final = 1000
LETTERS: Final = 20
"""Of one session that stand beside a case."""
STATES: Final[dict[str, tuple[str, ...]]] = {
    "pending": review.PENDING,
    "open": (review.OPEN,),
    "seconded": (review.SECONDED,),
    "approved": (review.APPROVED,),
    "declined": (review.DECLINED,),
    "decided": (review.APPROVED, review.DECLINED),
    "all": (),
}
cases, verifications = tables.reviews, tables.verifications


class ReviewsQuery(Shape):
    """Which cases: what waits the oldest first, all others the newest first."""

    state: Literal["pending", "open", "seconded", "approved", "declined", "decided", "all"] = "pending"
    limit: Annotated[int, Field(ge=1, le=MOST)] = 200
    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    """`next` of the page before."""


class DecideShape(Shape):
    decision: Literal["approve", "decline"]
    reason: Reason


class InboxQuery(Shape):
    """Which letters, the newest first."""

    state: Literal["all", "waiting", "dead", "done"] = "all"
    provider: Annotated[str, Field(max_length=64, pattern=ONE_LINE)] = ""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 200


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LetterShown(Answer):
    """News from a provider. Times are Unix seconds, null for not."""

    number: int
    state: Literal["waiting", "dead", "done"]
    provider: str
    event: str
    kind: str
    says: str
    """What it says of the verification; empty where its content was not understood."""
    reference: str
    received: float
    stated: float | None
    attempts: int
    due: float | None
    done: float | None
    dead: float | None
    outcome: str
    digest: str


class InboxShown(Answer):
    letters: list[LetterShown]
    counts: dict[str, int]


class CaseBrief(Answer):
    """One line of the queue."""

    number: int
    account: str
    subject: Subject
    kinds: list[str]
    provider: str
    state: State
    opened: float
    first: str
    first_at: float | None
    second: str
    second_at: float | None
    reason: str
    """Of the latest decision."""


class CasesShown(Answer):
    reviews: list[CaseBrief]
    counts: dict[str, int]
    """State -> how many there are."""
    next: int | None


class VerificationShown(Answer):
    """What the provider said."""

    id: str
    provider: str
    state: str
    reason: str
    reference: str
    created: float
    updated: float
    letters: list[LetterShown]


class StandingShown(Answer):
    tier: str
    next: str
    missing: list[str]


class CaseShown(CaseBrief):
    """One case, with what somebody needs who decides it."""

    statement: str
    """What the owner has written. Untrusted."""
    verification: VerificationShown | None
    needs_second: bool
    """Whether an approval leads so high that two people have to give it."""
    gives: list[str]
    """Kinds of evidence that an approval gives."""
    clears: list[str]
    """Falls that an approval of an appeal clears."""
    suspended: bool
    standing: StandingShown | None
    you: str
    """Who asks, as a second pair of eyes is counted."""
    you_were_first: bool
    """You have approved it already: somebody else has to."""


def listed(connection: Connection, asked: ReviewsQuery) -> CasesShown:
    """One page."""
    waits = asked.state in {"pending", "open", "seconded"}
    wanted: list[sql.ColumnElement[bool]] = []
    if STATES[asked.state]:
        wanted.append(cases.c.state.in_(STATES[asked.state]))
    if asked.after:
        wanted.append(cases.c.id > asked.after if waits else cases.c.id < asked.after)
    order = cases.c.id if waits else cases.c.id.desc()
    joined = cases.outerjoin(verifications, verifications.c.id == cases.c.verification)
    found = sql.select(cases, verifications.c.kinds, verifications.c.provider).select_from(joined)
    rows = connection.execute(found.where(*wanted).order_by(order).limit(asked.limit + 1)).all()
    more, rows = len(rows) > asked.limit, rows[: asked.limit]
    count = sql.select(cases.c.state, sql.func.count().label("there")).group_by(cases.c.state)
    counts = dict.fromkeys(("open", "seconded", "approved", "declined"), 0)
    counts |= {one.state: one.there for one in connection.execute(count)}
    return CasesShown(reviews=[_brief(one) for one in rows], counts=counts, next=rows[-1].id if more else None)


def case(connection: Connection, number: int, ladder: Ladder | None, now: float, you: str) -> CaseShown:
    """Raises NoSuch."""
    found = review.review(connection, number)
    verified = _verification(connection, found)
    known = account_shown(connection, found.account, now, ladder)
    appeal = found.subject == review.APPEAL
    stands = known["standing"]
    pending = found.state in review.PENDING
    in_use = verified is not None and verified.reason == IN_USE
    subject, state = cast("Subject", found.subject), cast("State", found.state)
    return CaseShown(
        number=found.id, account=found.account, subject=subject, kinds=list(found.kinds),
        provider=verified.provider if verified is not None else "", state=state, opened=found.opened,
        first=found.first, first_at=found.first_at or None, second=found.second, second_at=found.second_at or None,
        reason=found.reason, statement=found.statement, verification=verified,
        needs_second=pending and review.needs_second(connection, ladder, found, now),
        gives=sorted(found.kinds) if not appeal or in_use else [],
        clears=_falls(connection, found) if appeal and pending else [],
        suspended=known["suspended"],
        standing=None if stands is None else StandingShown(
            tier=stands["tier"], next=stands["next"], missing=stands["missing"]
        ),
        you=you,
        you_were_first=found.state == review.SECONDED and found.first == you,
    )  # fmt: skip


def letter(found: inbox.Shown) -> LetterShown:
    return LetterShown(
        number=found.id, state="done" if found.done else "dead" if found.dead else "waiting", provider=found.provider,
        event=found.event, kind=found.kind, says=found.state, reference=found.reference, received=found.received,
        stated=found.stated or None, attempts=found.attempts, due=found.due or None, done=found.done or None,
        dead=found.dead or None, outcome=found.outcome, digest=found.digest,
    )  # fmt: skip


def _brief(one: sql.Row[Any]) -> CaseBrief:
    return CaseBrief(
        number=one.id, account=one.account, subject=one.subject, kinds=list(kinds_of(one.kinds)),
        provider=one.provider or "", state=one.state, opened=one.opened, first=one.first, first_at=one.first_at,
        second=one.second, second_at=one.second_at, reason=one.reason,
    )  # fmt: skip


def _verification(connection: Connection, found: review.Review) -> VerificationShown | None:
    """Of its own account alone."""
    if not found.verification:
        return None
    wanted = (verifications.c.id == found.verification, verifications.c.account == found.account)
    one = connection.execute(sql.select(verifications).where(*wanted)).first()
    if one is None:
        return None
    return VerificationShown(
        id=one.id, provider=one.provider, state=one.state, reason=one.reason, reference=one.reference,
        created=one.created, updated=one.updated, letters=_letters(connection, one.provider, one.reference),
    )  # fmt: skip


def _letters(connection: Connection, provider: str, reference: str) -> list[LetterShown]:
    if not reference:
        return []
    table = tables.inbox
    found = sql.select(table.c.id).where(table.c.provider == provider, table.c.reference == reference)
    numbers = connection.scalars(found.order_by(table.c.id.desc()).limit(LETTERS)).all()
    return [letter(inbox.letter(connection, number)) for number in numbers]


def _falls(connection: Connection, found: review.Review) -> list[str]:
    """Those that came before the appeal: it says nothing of later ones."""
    falls = tables.falls
    wanted = (falls.c.account == found.account, falls.c.cleared.is_(None), falls.c.at <= found.opened)
    return sorted(set(connection.scalars(sql.select(falls.c.reason).where(*wanted))))
