"""What the directory knows of one account, read for its page. Nothing that analysts have written is read."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import standing, tables
from gateway.policy import NO_PROFILE, Principal, Profile
from gateway.verification.provider import State

USUAL_TIER: Final = Principal("").tier
"""Of whom nobody has said anything."""
MANY: Final = 200
"""Keys that a page shows."""
OPEN: Final = frozenset({State.CREATED, State.SUBMITTED, State.REVIEW, State.RETRY})


class Key(NamedTuple):
    prefix: str
    name: str
    created: float
    expires: float | None
    revoked: float | None
    replaced_by: str
    """The prefix of the one that took over; empty for none that holds."""

    def holds(self, now: float) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > now)


class Case(NamedTuple):
    """The latest verification."""

    id: str
    provider: str
    kinds: tuple[str, ...]
    state: str
    """Of `gateway.verification.provider.State`."""
    updated: float

    @property
    def open(self) -> bool:
        return self.state in OPEN


class Appeal(NamedTuple):
    """The latest one."""

    state: str
    """open, seconded, approved or declined."""
    opened: float

    @property
    def open(self) -> bool:
        return self.state in {"open", "seconded"}


class Known(NamedTuple):
    """One account at one moment."""

    account: str
    name: str = ""
    organisation: str = ""
    assigned: str = ""
    """The tier that somebody set, for good or for a while; empty where evidence decides."""
    suspended: bool = False
    profile: Profile = NO_PROFILE
    keys: tuple[Key, ...] = ()
    case: Case | None = None
    appeal: Appeal | None = None


def read(connection: Connection, account: str, now: float) -> Known:
    """What there is; an account without a row has a name and no more."""
    accounts = tables.accounts
    row = connection.execute(sql.select(accounts).where(accounts.c.id == account)).first()
    if row is None:
        return Known(account)
    return Known(
        account=account,
        name=row.name,
        organisation=row.organisation or "",
        assigned=_override(connection, account, now) or row.tier,
        suspended=row.suspended,
        profile=standing.profile(connection, account, now),
        keys=_keys(connection, account, now),
        case=_case(connection, account),
        appeal=_appeal(connection, account),
    )


def with_principal(known: Known, principal: Principal | None, *, suspended: bool) -> Known:
    """What a file says of the account counts where the directory in SQL is silent."""
    suspended = known.suspended or suspended
    if principal is None:
        return known._replace(suspended=suspended)
    tier = principal.tier if principal.tier != USUAL_TIER else ""
    return known._replace(
        organisation=known.organisation or principal.organisation,
        assigned=known.assigned or tier,
        suspended=suspended,
        profile=known.profile if known.profile != NO_PROFILE else principal.profile,
    )


def _override(connection: Connection, account: str, now: float) -> str:
    overrides = tables.overrides
    found = (
        sql.select(overrides.c.value)
        .where(
            overrides.c.account == account,
            overrides.c.name == "tier",
            overrides.c.withdrawn.is_(None),
            sql.or_(overrides.c.expires.is_(None), overrides.c.expires > now),
        )
        .order_by(overrides.c.id.desc())
    )
    return connection.scalars(found).first() or ""


def _keys(connection: Connection, account: str, now: float) -> tuple[Key, ...]:
    """Those that hold first, the newest first."""
    keys = tables.keys
    rows = connection.execute(
        sql.select(keys).where(keys.c.account == account).order_by(keys.c.created.desc(), keys.c.prefix).limit(MANY)
    ).all()
    heirs = {row.replaces: row.prefix for row in rows if row.replaces and row.revoked is None}
    found = [
        Key(row.prefix, row.name, row.created, row.expires, row.revoked, heirs.get(row.prefix, "")) for row in rows
    ]
    return tuple(sorted(found, key=lambda key: not key.holds(now)))


def _case(connection: Connection, account: str) -> Case | None:
    table = tables.verifications
    row = connection.execute(
        sql.select(table).where(table.c.account == account).order_by(table.c.created.desc()).limit(1)
    ).first()
    if row is None:
        return None
    return Case(row.id, row.provider, tuple(json.loads(row.kinds)), row.state, row.updated)


def _appeal(connection: Connection, account: str) -> Appeal | None:
    table = tables.reviews
    row = connection.execute(
        sql.select(table.c.state, table.c.opened)
        .where(table.c.account == account, table.c.subject == "appeal")
        .order_by(table.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else Appeal(row.state, row.opened)
