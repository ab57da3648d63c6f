"""What the directory knows of one account, read for its page. Nothing that analysts have written is read."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.directory import LASTING, AccountRecord
from gateway.accounts.sql import lookup, tables
from gateway.policy import NO_PROFILE, Profile
from gateway.verification.desk import NOT_STARTED
from gateway.verification.provider import State

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
    """The prefix of the one that took over; empty for none."""

    def holds(self, now: float) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > now)


class Case(NamedTuple):
    """The latest verification that came to be."""

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
    decided: bool = False
    """There is a decision to appeal against."""
    filed: bool = False
    """Its tier is what the operator's file says of it: nothing that is shown here changes that."""


def read(connection: Connection, account: str, now: float) -> Known:
    """What there is; an account without a row has a name and no more."""
    row = lookup.read_accounts(connection, (account,), now).get(account)
    if row is None:
        return Known(account)
    name = sql.select(tables.accounts.c.name).where(tables.accounts.c.id == account)
    return Known(
        account=account,
        name=connection.scalars(name).first() or "",
        organisation=row.organisation,
        assigned=row.tier,
        suspended=row.suspended,
        profile=row.profile,
        keys=_keys(connection, account, now),
        case=_case(connection, account),
        appeal=_appeal(connection, account),
        decided=row.suspended or _decided(connection, account),
    )


def with_record(known: Known, record: AccountRecord) -> Known:
    """What auth goes by, where that is a file: it goes first (`gateway.accounts.live_directory`)."""
    suspended = known.suspended or record.suspended
    if record.principal is None or record.cell is not LASTING:
        return known._replace(suspended=suspended)
    principal = record.principal
    return known._replace(
        organisation=principal.organisation,
        assigned=principal.tier,
        suspended=suspended,
        profile=principal.profile,
        filed=True,
    )


def _keys(connection: Connection, account: str, now: float) -> tuple[Key, ...]:
    """Those that hold first, the newest first."""
    keys = tables.keys
    rows = connection.execute(
        sql.select(keys).where(keys.c.account == account).order_by(keys.c.created.desc(), keys.c.prefix).limit(MANY)
    ).all()
    heirs = {row.replaces: row.prefix for row in rows if row.replaces}
    found = [
        Key(row.prefix, row.name, row.created, row.expires, row.revoked, heirs.get(row.prefix, "")) for row in rows
    ]
    return tuple(sorted(found, key=lambda key: not key.holds(now)))


def _case(connection: Connection, account: str) -> Case | None:
    table = tables.verifications
    row = connection.execute(
        sql.select(table)
        .where(table.c.account == account, table.c.reason != NOT_STARTED)
        .order_by(table.c.created.desc(), table.c.id)
        .limit(1)
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


def _decided(connection: Connection, account: str) -> bool:
    """Whether the desk takes an appeal: a fall that nobody has cleared, or a verification that came to nothing."""
    falls, verifications = tables.falls, tables.verifications
    fell = sql.select(falls.c.id).where(falls.c.account == account, falls.c.cleared.is_(None)).limit(1)
    lost = (
        sql.select(verifications.c.id)
        .where(verifications.c.account == account, verifications.c.state.in_((State.DECLINED, State.REVERSED)))
        .limit(1)
    )
    return any(connection.execute(found).first() is not None for found in (fell, lost))
