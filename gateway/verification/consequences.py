"""What news of a provider does to a verification, its account's evidence and its falls.

`step` is the law, and pure: the provider's clock orders the news of a session, what is older never changes what is
newer, and nothing rises that the provider was not asked about. `settle` does what it says, in one transaction.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.evidence import IDENTIFYING, LINKS
from gateway.accounts.ladder import IdentityLimit
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import identities, standing, tables
from gateway.accounts.sql.accounts import row
from gateway.accounts.sql.database import Writing
from gateway.verification.provider import Identified, State, Verdict

log = logging.getLogger(__name__)
verifications, evidence, falls = tables.verifications, tables.evidence, tables.falls

DECIDED: Final = frozenset({State.APPROVED, State.DECLINED, State.REVERSED})
WEAK: Final = frozenset({State.CREATED, State.SUBMITTED, State.EXPIRED})
"""Say nothing of a session that is decided."""
RANK: Final[Mapping[State, int]] = {
    state: rank
    for rank, state in enumerate(
        (
            State.CREATED, State.SUBMITTED, State.EXPIRED, State.RETRY, State.REVIEW,
            State.APPROVED, State.DECLINED, State.REVERSED,
        )
    )
}  # fmt: skip
"""Of two with the same time the later here holds: clocks of providers go in seconds, and what lowers wins."""
IN_USE: Final = "identity_in_use"
CUSTOMER: Final = "customer"
"""The link that says whose a payment was."""


class Then(enum.Enum):
    """What has to happen with news."""

    APPLY = "applied"
    ASK = "ask"
    """The provider, for the decision as it stands; and then it is `asked`."""
    OLDER = "older"
    """Newer news is known."""
    SAME = "known"
    KEPT = "kept"
    """The session is decided, and this does not change it."""
    IGNORED = "ignored"


def step(known: State, stated: float, news: State, at: float, *, asked: bool = False) -> Then:
    """`known` as of `stated` by the provider's clock (0 for unknown), and news `at` (0 where it states no time)."""
    if news not in RANK:
        return Then.IGNORED
    if known in DECIDED and news in WEAK:
        return Then.KEPT
    if not at:
        return _undated(known, news, asked=asked)
    if at < stated:
        # What is under way says nothing against a decision, even if it is a little newer: that is for the provider.
        if known in DECIDED or news not in DECIDED:
            return Then.OLDER
        return Then.APPLY if asked else Then.ASK
    if at == stated and RANK[news] <= RANK[known]:
        return Then.SAME if news is known else Then.OLDER
    return Then.APPLY if asked or news is not State.APPROVED else Then.ASK


def _undated(known: State, news: State, *, asked: bool) -> Then:
    if (news is known and news is not State.APPROVED) or (known is State.REVERSED and news is State.DECLINED):
        return Then.SAME
    if news is State.REVERSED or (news in WEAK and known not in DECIDED):
        return Then.APPLY
    if not asked:
        return Then.ASK
    if news is known:
        return Then.SAME
    # Without a time nobody can tell whether this approval is the one that was taken back. A new session can.
    return Then.KEPT if known is State.REVERSED and news is State.APPROVED else Then.APPLY


class News(NamedTuple):
    """What is to be settled: an event, with what the provider has said when it was asked."""

    provider: str
    reference: str
    state: State
    at: float
    verdict: Verdict | None = None
    payer: tuple[Identified, ...] = ()
    """For DISPUTED: who has paid, as the provider names them."""


class Verification(NamedTuple):
    """A row of `verifications`."""

    id: str
    account: str
    provider: str
    kinds: tuple[str, ...]
    state: State
    reference: str
    reason: str
    created: float
    updated: float
    stated: float


class World(NamedTuple):
    """What consequences are drawn with."""

    secrets: Secrets
    limits: Callable[[], Mapping[str, IdentityLimit]]
    """Kind of link -> its limit, as the ladder's file states it now."""


class Changed(Exception):
    """The verification has changed since the provider was asked: ask again."""


def find(
    connection: Connection, provider: str, reference: str, ours: str = "", *, lock: bool = False
) -> Verification | None:
    """By the provider's id of the session; by ours where that was not kept any more before the process died."""
    found = None
    if reference:
        named = {"provider": provider, "reference": reference}
        found = connection.execute(_BY_REFERENCE_LOCKED if lock else _BY_REFERENCE, named).first()
    if found is None and ours:
        named = {"ours": ours, "provider": provider, "reference": reference}
        found = connection.execute(_OURS_LOCKED if lock else _OURS, named).first()
    return None if found is None else shaped(found)


def kinds_of(text: str | None) -> tuple[str, ...]:
    """As they are kept in `verifications.kinds`."""
    return tuple(orjson.loads(text)) if text else ()


def shaped(one: sql.Row[Any]) -> Verification:
    return Verification(
        one.id, one.account, one.provider, kinds_of(one.kinds), State(one.state), one.reference, one.reason,
        one.created, one.updated, one.stated,
    )  # fmt: skip


def settle(writing: Writing, world: World, news: News, before: Verification | None) -> str:
    """All effects of one piece of news. Returns what came of it: a code. Raises Changed.

    `before` is the verification as it was when the provider was asked.
    """
    if news.state is State.DISPUTED:
        return _disputed(writing, world, news)
    ours = news.verdict.ours if news.verdict is not None else ""
    current = find(writing.connection, news.provider, news.reference, ours, lock=True)
    if current is None:
        return _reversed_without_session(writing, news) if news.state is State.REVERSED else "unknown_reference"
    state: State = news.state
    at, reason = news.at, ""
    if news.verdict is not None:
        if before is not None and before != current:
            raise Changed
        state, at, reason = news.verdict.state, _dated(news), news.verdict.reason
    then = step(current.state, current.stated, state, at, asked=news.verdict is not None)
    if then is Then.ASK:
        raise Changed
    if then is not Then.APPLY:
        return str(then.value)
    return _apply(writing, world, news, current._replace(reference=news.reference), state, at, reason)


def _dated(news: News) -> float:
    """When the verdict came about: the event says it where the verdict does not, if both say the same."""
    verdict = news.verdict
    if verdict is None:
        return news.at
    return verdict.at or (news.at if verdict.state is news.state else 0.0)


def _apply(
    writing: Writing, world: World, news: News, current: Verification, state: State, at: float, reason: str
) -> str:
    if state is State.APPROVED and news.verdict is not None:
        used = _identify(writing, world, current, news.verdict.identified)
        if used:
            state, reason = State.DECLINED, IN_USE
            writing.audit("identity.limit", current.account, kind=used, verification=current.id)
        else:
            give(writing, current, news.verdict.gives, news.verdict.expires, at)
    if state in (State.DECLINED, State.REVERSED):
        state = _take_back(writing, current, state, reason)
    mark(writing, current, state, reason, at)
    return f"{state.value} {reason}".strip()


def mark(writing: Writing, current: Verification, state: State, reason: str, at: float = 0.0) -> None:
    """The state of a verification, with its line in the audit. `at` is 0 where the provider states no time."""
    values: dict[str, Any] = {"state": state.value, "reason": reason, "updated": writing.now}
    values |= {"reference": current.reference, "stated": at or current.stated, "marked": current.id}
    writing.connection.execute(_MARK, values)
    writing.audit("verification.state", current.account, verification=current.id, state=state.value, reason=reason)


def give(writing: Writing, current: Verification, kinds: frozenset[str], expires: float, at: float) -> None:
    """The evidence of an approval, once; and the fall of an earlier reversal of the same session is over."""
    named = {"account": current.account, "provider": current.provider, "reference": current.reference}
    there = set(writing.connection.scalars(_GIVEN, named))
    for kind in sorted(kinds - there):
        standing.add_evidence(
            writing, current.account, kind, provider=current.provider, reference=current.reference,
            obtained=min(at, writing.now) if at else 0.0, expires=None if math.isinf(expires) else expires,
        )  # fmt: skip
    fell = {"fallen": current.account, "because": _note(current.provider, current.reference), "cleared": writing.now}
    done = writing.connection.execute(_CLEAR, fell)
    if done.rowcount:
        writing.changed(current.account)
        writing.audit("fall.clear", current.account, reason="reversal", why="approved again")


def _identify(writing: Writing, world: World, current: Verification, identified: tuple[Identified, ...]) -> str:
    """Keep the links, also of who is declined for them. Returns the kind of the first that is over its limit."""
    limits = world.limits()
    over = ""
    known = [one for one in identified if one.kind in LINKS and one.value]
    for one in known:
        limit = limits.get(one.kind)
        if limit is not None and not over:
            others = _others(writing, world.secrets, current.account, one, writing.now - limit.within)
            over = one.kind if others >= limit.organisations else ""
        standing.add_link(writing, world.secrets, current.account, one.kind, one.value, current.provider)
    if any(one.kind in IDENTIFYING for one in known):
        identities.regroup(writing, current.account)
    for kind in sorted(limits.keys() & frozenset(current.kinds) - {one.kind for one in known}):
        # The person has shown it, and the provider says no number: the limit cannot hold, and nobody is to believe so.
        log.warning("%s names no %s that it approves: no limit is looked at", current.provider, kind)
        writing.audit("identity.unknown", current.account, kind=kind, verification=current.id)
    return over


def _others(writing: Writing, secrets: Secrets, account: str, one: Identified, since: float) -> int:
    """Other organisations that this person stands behind. An account without one is one.

    Who was declined for this very limit does not count: or a second account could lock the first one out. Nor does
    anybody for whom it was given to already: showing a document again is no other organisation.
    """
    connection, table = writing.connection, tables.accounts
    organisation = row(connection, account).organisation or ""
    users = identities.used_elsewhere(connection, secrets, one.kind, one.value, organisation, account, since)
    mine = account in standing.accounts_linked_by(connection, secrets, one.kind, one.value)
    states = sql.select(verifications.c.account, verifications.c.state, verifications.c.reason)
    declined, approved = set(), set()
    for found in connection.execute(states.where(verifications.c.account.in_([*users, account]))):
        if found.state == State.APPROVED.value:
            approved.add(found.account)
        elif found.reason == IN_USE:
            declined.add(found.account)
    if mine and account in approved - declined:
        return 0
    counted = set(users) - (declined - approved)
    named = sql.select(table.c.id, table.c.organisation).where(table.c.id.in_(counted))
    return len({found.organisation or f"account {found.id}" for found in connection.execute(named)})


def _take_back(writing: Writing, current: Verification, state: State, reason: str) -> State:
    """A decline of what was approved is a reversal, whatever the provider calls it."""
    taken = _withdraw(writing, current.account, current.provider, current.reference, reason or state.value)
    if not taken and current.state is State.REVERSED:
        return State.REVERSED
    if not taken and state is not State.REVERSED:
        return state
    _fall(writing, current.account, "reversal", _note(current.provider, current.reference), again=True)
    return State.REVERSED


def _withdraw(writing: Writing, account: str, provider: str, reference: str, why: str) -> int:
    if not reference:
        return 0
    given = sql.select(evidence.c.kind).where(
        evidence.c.account == account, evidence.c.provider == provider, evidence.c.reference == reference
    )
    kinds = set(writing.connection.scalars(given))
    return standing.withdraw_evidence(writing, account, kinds, why, reference=reference) if kinds else 0


def _reversed_without_session(writing: Writing, news: News) -> str:
    """Evidence may have come with an import: then its reference is all there is."""
    given = sql.select(evidence.c.account).where(
        evidence.c.reference == news.reference, evidence.c.provider == news.provider, evidence.c.withdrawn.is_(None)
    )
    accounts = sorted(set(writing.connection.scalars(given)))
    for account in accounts:
        _withdraw(writing, account, news.provider, news.reference, State.REVERSED.value)
        _fall(writing, account, "reversal", _note(news.provider, news.reference), again=True)
    return State.REVERSED.value if accounts else "unknown_reference"


def _disputed(writing: Writing, world: World, news: News) -> str:
    """A fall for each account of who has paid. One that somebody has cleared does not come again.

    The customer says who that is. A card alone does not: whoever disputes what a thief has paid with their card may
    have an account here as well. It counts where no account is known by the customer.
    """
    accounts: set[str] = set()
    for one in sorted(news.payer, key=lambda one: one.kind != CUSTOMER):
        if accounts and one.kind != CUSTOMER:
            break
        accounts.update(standing.accounts_linked_by(writing.connection, world.secrets, one.kind, one.value))
    for account in sorted(accounts):
        _fall(writing, account, "chargeback", _note(news.provider, news.reference), again=False)
    return f"chargeback {len(accounts)}" if accounts else "no_account"


def _fall(writing: Writing, account: str, reason: str, note: str, *, again: bool) -> None:
    """Once; `again`: also where one was cleared."""
    same = [falls.c.account == account, falls.c.reason == reason, falls.c.note == note]
    if again:
        same.append(falls.c.cleared.is_(None))
    if writing.connection.execute(sql.select(falls.c.id).where(*same)).first() is None:
        standing.add_fall(writing, account, reason, note)


def _note(provider: str, reference: str) -> str:
    return f"{provider} {reference}"


# Made once: to make a statement costs as much as to run it.
_BY_REFERENCE: Final = (
    sql.select(verifications)
    .where(
        verifications.c.provider == sql.bindparam("provider"), verifications.c.reference == sql.bindparam("reference")
    )
    .order_by(verifications.c.created.desc())
    .limit(1)
)
_BY_REFERENCE_LOCKED: Final = _BY_REFERENCE.with_for_update()
_OURS: Final = sql.select(verifications).where(
    verifications.c.id == sql.bindparam("ours"),
    verifications.c.provider == sql.bindparam("provider"),
    verifications.c.reference.in_(("", sql.bindparam("reference"))),
)
_OURS_LOCKED: Final = _OURS.with_for_update()
_MARK: Final = (
    verifications.update()
    .where(verifications.c.id == sql.bindparam("marked"))
    .values({name: sql.bindparam(name) for name in ("state", "reason", "updated", "reference", "stated")})
)
_GIVEN: Final = sql.select(evidence.c.kind).where(
    evidence.c.account == sql.bindparam("account"),
    evidence.c.provider == sql.bindparam("provider"),
    evidence.c.reference == sql.bindparam("reference"),
    evidence.c.withdrawn.is_(None),
)
_CLEAR: Final = (
    falls.update()
    .where(
        falls.c.account == sql.bindparam("fallen"),
        falls.c.reason == "reversal",
        falls.c.note == sql.bindparam("because"),
        falls.c.cleared.is_(None),
    )
    .values(cleared=sql.bindparam("cleared"))
)
