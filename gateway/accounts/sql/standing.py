"""What moves an account on the ladder: evidence, falls, and the links that say whose it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.secrets import Hashed, Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import NoSuch, ensure
from gateway.accounts.sql.database import Writing
from gateway.policy import Evidence, Fall, Profile

evidence, falls, links = tables.evidence, tables.falls, tables.links
LINK: Final = "l:"
"""Before the kind: purpose of a link's keyed hash. As short as it is because a purpose has at most 16 letters."""


def add_evidence(
    writing: Writing,
    account: str,
    kind: str,
    *,
    provider: str = "",
    reference: str = "",
    obtained: float = 0.0,
    expires: float | None = None,
) -> None:
    """An account that only tokens have named so far gets a row. `obtained` 0 is now."""
    ensure(writing, account)
    values = {"account": account, "kind": kind, "provider": provider, "reference": reference, "by": writing.who}
    writing.connection.execute(evidence.insert(), values | {"obtained": obtained or writing.now, "expires": expires})
    writing.changed(account)
    writing.audit("evidence.add", account, kind=kind, provider=provider, reference=reference)


def withdraw_evidence(writing: Writing, account: str, kinds: Iterable[str], why: str, *, reference: str = "") -> int:
    """Of these kinds, all that is there, or what one session of a provider gave. Returns how many."""
    found: list[sql.ColumnElement[bool]] = [evidence.c.kind.in_(list(kinds)), evidence.c.withdrawn.is_(None)]
    if reference:
        found.append(evidence.c.reference == reference)
    done = writing.connection.execute(
        evidence.update().where(evidence.c.account == account, *found).values(withdrawn=writing.now, why=why)
    )
    if done.rowcount:
        writing.changed(account)
        writing.audit("evidence.withdraw", account, kinds=sorted(kinds), why=why, reference=reference)
    return done.rowcount


def add_fall(writing: Writing, account: str, reason: str, note: str = "", until: float | None = None) -> None:
    """As `add_evidence`: an account without a row gets one."""
    ensure(writing, account)
    values = {"account": account, "reason": reason, "note": note, "by": writing.who, "at": writing.now}
    writing.connection.execute(falls.insert(), values | {"until": until})
    writing.changed(account)
    writing.audit("fall.add", account, reason=reason, note=note, until=until)


def clear_falls(writing: Writing, account: str, reason: str, why: str) -> int:
    """All that are there for this reason. Returns how many."""
    done = writing.connection.execute(
        falls.update()
        .where(falls.c.account == account, falls.c.reason == reason, falls.c.cleared.is_(None))
        .values(cleared=writing.now)
    )
    if done.rowcount:
        writing.changed(account)
        writing.audit("fall.clear", account, reason=reason, why=why)
    return done.rowcount


def add_link(writing: Writing, secrets: Secrets, account: str, kind: str, value: str, source: str = "") -> None:
    """`value` is what identifies: only its keyed hash is kept. One that is there is seen again.

    Whoever has the same value, hashed by an older secret, gets the newest hash of it: `identities` compares rows, and
    the value is never there again. Who is grouped with whom by it is for `identities.regroup` to say.
    """
    ensure(writing, account)
    newest, *older = secrets.hashes(LINK + kind, value)
    for hashed in older:
        _rehash(writing, kind, hashed, newest)
    row = {"account": account, "kind": kind, "secret": newest.secret, "digest": newest.digest}
    if writing.add_new(links, row | {"seen": writing.now, "source": source}):
        writing.audit("link.add", account, kind=kind, source=source)
        return
    same = (links.c.account == account, links.c.kind == kind, links.c.digest == newest.digest)
    writing.connection.execute(links.update().where(*same).values(seen=writing.now))


def _rehash(writing: Writing, kind: str, old: Hashed, new: Hashed) -> None:
    there = sql.select(links.c.account).where(links.c.kind == kind, links.c.digest == new.digest)
    has_both = links.c.account.in_(there)
    is_old = (links.c.kind == kind, links.c.digest == old.digest)
    writing.connection.execute(links.delete().where(*is_old, has_both))
    writing.connection.execute(links.update().where(*is_old).values(secret=new.secret, digest=new.digest))


def accounts_linked_by(connection: Connection, secrets: Secrets, kind: str, value: str) -> list[str]:
    """The accounts that have this attribute."""
    digests = [hashed.digest for hashed in secrets.hashes(LINK + kind, value)]
    found = sql.select(links.c.account).where(links.c.kind == kind, links.c.digest.in_(digests)).distinct()
    return list(connection.scalars(found))


def profiles(connection: Connection, accounts: Iterable[str], now: float) -> dict[str, Profile]:
    """Account -> what the hot path knows of it, for those that are there."""
    ids = list(accounts)
    table = tables.accounts
    shown = _by_account(connection, evidence, ids, evidence.c.withdrawn.is_(None))
    fell = _by_account(connection, falls, ids, falls.c.cleared.is_(None))
    found = {}
    for row in connection.execute(sql.select(table).where(table.c.id.in_(ids))):
        found[row.id] = Profile(
            created=row.created,
            email_domain=row.email_domain,
            signup_country=row.signup_country,
            billing_country=row.billing_country,
            evidence=_outdone_by_none(shown.get(row.id, ())),
            falls=tuple(
                Fall(fall.reason, math.inf if fall.until is None else fall.until)
                for fall in fell.get(row.id, ())
                if fall.until is None or fall.until > now
            ),
            identity=row.identity,
            signup_burst=row.signup_burst,
        )
    return found


def profile(connection: Connection, account: str, now: float) -> Profile:
    """Raises NoSuch."""
    found = profiles(connection, (account,), now)
    if account not in found:
        raise NoSuch(f"there is no account `{account}`")
    return found[account]


def _by_account(
    connection: Connection, table: sql.Table, accounts: list[str], holds: sql.ColumnElement[bool]
) -> Mapping[str, list[sql.Row[Any]]]:
    found: dict[str, list[sql.Row[Any]]] = {}
    for row in connection.execute(sql.select(table).where(table.c.account.in_(accounts), holds).order_by(table.c.id)):
        found.setdefault(row.account, []).append(row)
    return found


def _outdone_by_none(rows: Iterable[sql.Row[Any]]) -> tuple[Evidence, ...]:
    """Of a kind what is later, or ends later, than any other: a card with an early end hides no passport that still
    holds, and which of them counts for how long is the ladder's to say.
    """
    shown = [Evidence(row.kind, row.obtained, math.inf if row.expires is None else row.expires) for row in rows]
    # The latest first, so that whatever outdoes one is kept before it.
    kept: list[Evidence] = []
    for one in sorted(shown, key=lambda one: (-one.obtained, -one.expires)):
        if not any(other.kind == one.kind and other.expires >= one.expires for other in kept):
            kept.append(one)
    return tuple(kept)
