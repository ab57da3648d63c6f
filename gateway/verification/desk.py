"""Where an owner begins to show something: which evidence is missing, who is asked for it, and the way there.

An attempt with a provider costs money, so one that is under way is gone on with, and new ones are few a day.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.evidence import KINDS
from gateway.accounts.ladder import Ladder, due, missing
from gateway.accounts.ladder import standing as stands
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import ensure
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.lookup import read_accounts
from gateway.policy import NO_PROFILE, Profile
from gateway.verification import review
from gateway.verification.consequences import DECIDED, Verification, mark, shaped
from gateway.verification.provider import Provider, ProviderUnavailable, State
from gateway.verification.review import APPEAL, PENDING, VERIFICATION, Manual

verifications, reviews, falls = tables.verifications, tables.reviews, tables.falls

DAY: Final = 86_400.0
NEW_A_DAY: Final = 5
"""Sessions that an account may begin within 24 hours."""
ROWS_A_DAY: Final = 20
"""The same with those that never came to be, because their provider was away."""
APPEALS_A_DAY: Final = 3
STARTING: Final = 30.0
"""Seconds in which a session that is just being started is not started twice."""
LONGEST_STATEMENT: Final = 2000
"""Characters of an appeal."""
NOT_STARTED: Final = "not_started"
"""Reason of a session that never came to be: it costs nothing, and counts for nothing."""
WITH_THE_PERSON: Final = (State.CREATED, State.RETRY)
"""Somebody has to do something, and has the address for it."""


class Begun(NamedTuple):
    """What an owner can go on with."""

    verification: str
    url: str | None
    """Where the person is sent. Secret. None where there is nothing for them to do now: people look at it."""
    state: State
    kinds: tuple[str, ...]
    """What it is to give."""

    def __repr__(self) -> str:
        return f"<Begun {self.verification} {self.state}>"


WORDS: Final[Mapping[str, str]] = {
    "nothing_missing": "There is nothing to show just now.",
    "no_provider": "What is missing is not shown here: ask support.",
    "too_many_today": "There were several attempts today. Please try again tomorrow.",
    "just_starting": "It is just being started. Please try again in half a minute.",
    "nothing_to_appeal": "There is no decision to appeal against.",
    "appeal_open": "An appeal is open already: somebody will look at it.",
    "empty": "Please write what happened, in a few sentences.",
    "too_long": f"Please shorten it to {LONGEST_STATEMENT} characters.",
}


class Declined(ValueError):
    """The desk does not do it: `reason` is a key of WORDS, and the text is for people."""

    def __init__(self, reason: str, kinds: Collection[str] = (), again: float = 0.0) -> None:
        super().__init__(WORDS[reason])
        self.reason = reason
        self.kinds = tuple(sorted(kinds))
        """For no_provider: what comes from the operator's own systems."""
        self.again = again
        """Unix time from which it may be tried again; 0 for unknown."""


class Desk:
    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        ladder: Callable[[], Ladder | None],
        now: Callable[[], float],
    ) -> None:
        """`ladder` is that of the rules in force; None where they have none."""
        self._database = database
        self._providers = providers
        self._ladder = ladder
        self._now = now

    @property
    def by_hand(self) -> frozenset[str]:
        """The providers where people decide: nobody is sent anywhere."""
        return frozenset(name for name, one in self._providers.items() if isinstance(one, Manual))

    async def begin(self, account: str, back: str, kinds: Collection[str] | None = None) -> Begun:
        """Start a session for what the next rung requires, or for these kinds; or go on with one that is open.

        `back` is the address to which the person returns. Raises Declined, ProviderUnavailable.
        """
        wanted = await self._wanted(account, kinds)
        name, wanted = self._asked(wanted)
        provider = self._providers[name]
        open_ones = await self._database.reading(lambda connection: _open(connection, account, name))
        for one in open_ones:
            if one.reference and set(wanted) <= set(one.kinds):
                if one.state not in WITH_THE_PERSON:
                    return Begun(one.id, None, one.state, one.kinds)
                resumed = await provider.resume(one.reference)
                if resumed is not None:
                    return Begun(one.id, resumed.url or None, one.state, one.kinds)
        return await self._start(provider, account, wanted, back)

    async def appeal(self, account: str, statement: str, *, suspected: bool = False) -> int:
        """An owner says why a fall, a decline or a suspension is wrong; or, where the account is `suspected`, what its
        use was. Returns the case's number. Raises Declined.

        The statement is stored as it is written, until the account is erased: say so where it is written.
        """
        text = "".join(letter for letter in statement.strip() if letter.isprintable() or letter == "\n")
        if not text:
            raise Declined("empty")
        if len(text) > LONGEST_STATEMENT:
            raise Declined("too_long")
        return await self._database.writing("owner", lambda writing: _appeal(writing, account, text, suspected))

    async def _wanted(self, account: str, kinds: Collection[str] | None) -> tuple[str, ...]:
        if kinds is not None:
            return tuple(sorted(kind for kind in kinds if kind in KINDS))
        ladder = self._ladder()
        if ladder is None:
            raise Declined("nothing_missing")
        now = self._now()
        profile, assigned = await self._database.reading(lambda connection: _known(connection, account, now))
        return wanted(ladder, profile, assigned, now)

    def _asked(self, wanted: Collection[str]) -> tuple[str, tuple[str, ...]]:
        """The provider who gives the first of them, and all of them that it gives."""
        ladder = self._ladder()
        if ladder is None or not wanted:
            raise Declined("nothing_missing")
        asked = {kind: ladder.proofs[kind].provider for kind in wanted if kind in ladder.proofs}
        by = {kind: name for kind, name in asked.items() if kind in _gives(self._providers.get(name))}
        if not by:
            raise Declined("no_provider", wanted)
        name = by[min(by)]
        return name, tuple(sorted(kind for kind in by if by[kind] == name))

    async def _start(self, provider: Provider, account: str, kinds: tuple[str, ...], back: str) -> Begun:
        made = f"ver_{random.token_hex(12)}"
        by_hand = isinstance(provider, Manual)

        def place(writing: Writing) -> None:
            _place(writing, made, account, provider.name, kinds, by_hand=by_hand)
            if by_hand:
                review.open_review(writing, account, VERIFICATION, verification=made)

        await self._database.writing("owner", place)
        if by_hand:
            return Begun(made, None, State.REVIEW, kinds)
        try:
            started = await provider.start(made, account, back)
        except ProviderUnavailable:
            await self._database.writing("owner", lambda writing: _not_started(writing, made))
            raise
        await self._database.writing("owner", lambda writing: _started(writing, made, started.reference))
        return Begun(made, started.url or None, State.CREATED, kinds)


def wanted(ladder: Ladder, profile: Profile, assigned: str, now: float) -> tuple[str, ...]:
    """What the next rung requires and is not there; where nothing is, what should be shown again soon."""
    stand = stands(ladder, profile, assigned, now)
    for rung in range(max(stand.rung, stand.earned) + 1, len(ladder.rungs)):
        if lacks := missing(ladder, rung, profile, now):
            return lacks
    return tuple(one.kind for one in due(ladder, profile, now))


def _gives(provider: Provider | None) -> frozenset[str]:
    return frozenset() if provider is None else provider.gives


def _known(connection: Connection, account: str, now: float) -> tuple[Profile, str]:
    """An account that only tokens have named so far has shown nothing."""
    found = read_accounts(connection, (account,), now).get(account)
    return (NO_PROFILE, "") if found is None else (found.profile, found.tier)


def _open(connection: Connection, account: str, provider: str = "") -> list[Verification]:
    over = [state.value for state in (*DECIDED, State.EXPIRED)]
    found = sql.select(verifications).where(verifications.c.account == account, verifications.c.state.not_in(over))
    if provider:
        found = found.where(verifications.c.provider == provider)
    newest = found.order_by(verifications.c.created.desc(), verifications.c.id)
    return [shaped(one) for one in connection.execute(newest)]


def _place(writing: Writing, made: str, account: str, provider: str, kinds: tuple[str, ...], *, by_hand: bool) -> None:
    """The row of a session, before its provider hears of it. Raises Declined."""
    ensure(writing, account)
    _one_at_a_time(writing, account)
    counted = sql.select(verifications).where(
        verifications.c.account == account, verifications.c.created > writing.now - DAY
    )
    lately = [shaped(one) for one in writing.connection.execute(counted.order_by(verifications.c.created))]
    for one in lately:
        starting = one.state is State.CREATED and not one.reference and one.created > writing.now - STARTING
        if one.provider == provider and starting:
            raise Declined("just_starting", again=one.created + STARTING)
    begun = [one for one in lately if one.reason != NOT_STARTED]
    if len(begun) >= NEW_A_DAY:
        raise Declined("too_many_today", again=begun[-NEW_A_DAY].created + DAY)
    if len(lately) >= ROWS_A_DAY:
        raise Declined("too_many_today", again=lately[-ROWS_A_DAY].created + DAY)
    state = State.REVIEW if by_hand else State.CREATED
    values = {
        "id": made, "account": account, "provider": provider, "kinds": orjson.dumps(kinds).decode(),
        "state": state.value, "reference": made if by_hand else "", "created": writing.now, "updated": writing.now,
    }  # fmt: skip
    writing.connection.execute(verifications.insert(), values)
    writing.audit("verification.begin", account, verification=made, provider=provider, kinds=kinds)


def _one_at_a_time(writing: Writing, account: str) -> None:
    """Who comes twice at once is counted twice: SQLite has one writer anyway."""
    accounts = tables.accounts
    writing.connection.execute(sql.select(accounts.c.id).where(accounts.c.id == account).with_for_update())


def _started(writing: Writing, made: str, reference: str) -> None:
    """A webhook may have been faster, and have found the row by our id: then the reference is there."""
    mine = verifications.update().where(verifications.c.id == made, verifications.c.reference == "")
    writing.connection.execute(mine.values(reference=reference, updated=writing.now))


def _not_started(writing: Writing, made: str) -> None:
    found = sql.select(verifications).where(verifications.c.id == made, verifications.c.reference == "")
    one = writing.connection.execute(found.with_for_update()).first()
    if one is not None and one.state == State.CREATED.value:
        mark(writing, shaped(one), State.EXPIRED, NOT_STARTED)


def _appeal(writing: Writing, account: str, text: str, suspected: bool) -> int:
    connection = writing.connection
    if suspected:
        ensure(writing, account)
    _one_at_a_time(writing, account)
    past = [one for one in review.reviews_of(connection, account) if one.subject == APPEAL]
    if any(one.state in PENDING for one in past):
        raise Declined("appeal_open")
    lately = [one.opened for one in past if one.opened > writing.now - DAY]
    if len(lately) >= APPEALS_A_DAY:
        raise Declined("too_many_today", again=lately[-1] + DAY)
    fell = sql.select(falls.c.id).where(falls.c.account == account, falls.c.cleared.is_(None)).limit(1)
    declined = sql.select(verifications.c.id).where(
        verifications.c.account == account,
        verifications.c.state.in_([State.DECLINED.value, State.REVERSED.value]),
    )  # fmt: skip
    latest = connection.execute(declined.order_by(verifications.c.updated.desc()).limit(1)).scalar()
    if not suspected and latest is None and connection.execute(fell).first() is None:
        found = read_accounts(connection, (account,), writing.now).get(account)
        if found is None or not found.suspended:
            raise Declined("nothing_to_appeal")
    return review.open_review(writing, account, APPEAL, verification=latest or "", statement=text)
