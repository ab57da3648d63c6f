"""Organisations and accounts: made, changed, looked at."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Writing

accounts, organisations, overrides = tables.accounts, tables.organisations, tables.overrides


class NoSuch(LookupError):
    """There is no account, key or case of that name. The text is for people."""


class Exists(ValueError):
    """There is one of that name already. The text is for people."""


class NewAccount(NamedTuple):
    """What is known of an account when it is made. Shapes as in accounts.yaml (`gateway.accounts.model`)."""

    id: str
    organisation: str = ""
    name: str = ""
    tier: str = ""
    """Assigned; empty where evidence decides."""
    created: float = 0.0
    """Unix time; 0 for now."""
    email_domain: str = ""
    signup_country: str = ""
    billing_country: str = ""


def create(writing: Writing, account: NewAccount) -> None:
    """With its organisation, where that is new. Raises Exists."""
    if writing.connection.execute(sql.select(accounts.c.id).where(accounts.c.id == account.id)).first():
        raise Exists(f"there is an account `{account.id}` already")
    ensure_organisation(writing, account.organisation)
    row = account._asdict() | {
        "organisation": account.organisation or None,
        "created": account.created or writing.now,
    }
    writing.connection.execute(accounts.insert(), row)
    writing.changed(account.id)
    writing.audit("account.create", account.id, organisation=account.organisation, tier=account.tier)


def ensure(writing: Writing, account: str) -> None:
    """A row for an account that only tokens have named so far, once something of it must be remembered."""
    if not writing.connection.execute(sql.select(accounts.c.id).where(accounts.c.id == account)).first():
        create(writing, NewAccount(account))


def ensure_organisation(writing: Writing, organisation: str) -> None:
    if not organisation:
        return
    found = sql.select(organisations.c.id).where(organisations.c.id == organisation)
    if not writing.connection.execute(found).first():
        writing.connection.execute(organisations.insert(), {"id": organisation, "created": writing.now})
        writing.audit("organisation.create", organisation)


def row(connection: Connection, account: str) -> sql.Row[Any]:
    """Raises NoSuch."""
    found = connection.execute(sql.select(accounts).where(accounts.c.id == account)).first()
    if found is None:
        raise NoSuch(f"there is no account `{account}`")
    return found


def suspend(writing: Writing, account: str, reason: str) -> None:
    """Refused from now on, whatever its key. Raises NoSuch."""
    _change(writing, account, suspended=True, suspended_for=reason)
    writing.audit("account.suspend", account, reason=reason)


def restore(writing: Writing, account: str, reason: str) -> None:
    """Raises NoSuch."""
    _change(writing, account, suspended=False, suspended_for="")
    writing.audit("account.restore", account, reason=reason)


def move(
    writing: Writing, account: str, *, tier: str | None = None, organisation: str | None = None, reason: str
) -> None:
    """To another tier, assigned for good (empty: what evidence earns), or another organisation. Raises NoSuch."""
    values: dict[str, Any] = {}
    if tier is not None:
        values["tier"] = tier
    if organisation is not None:
        ensure_organisation(writing, organisation)
        values["organisation"] = organisation or None
    there = row(writing.connection, account)
    _change(writing, account, **values)
    before = {name: getattr(there, name) or "" for name in values}
    after = {name: value or "" for name, value in values.items()}
    writing.audit("account.move", account, before=before, after=after, reason=reason)


def override_tier(writing: Writing, account: str, tier: str, expires: float | None, reason: str) -> None:
    """For a while, whatever was assigned. One that was there is withdrawn. Raises NoSuch."""
    withdraw_override(writing, account, "tier")
    values = {"account": account, "name": "tier", "value": tier, "reason": reason, "by": writing.who}
    writing.connection.execute(overrides.insert(), values | {"created": writing.now, "expires": expires})
    writing.changed(account)
    writing.audit("account.override", account, tier=tier, expires=expires, reason=reason)


def withdraw_override(writing: Writing, account: str, name: str) -> None:
    """One that is not there is no error. Raises NoSuch for an account that is not there."""
    row(writing.connection, account)
    done = writing.connection.execute(
        overrides.update()
        .where(overrides.c.account == account, overrides.c.name == name, overrides.c.withdrawn.is_(None))
        .values(withdrawn=writing.now)
    )
    if done.rowcount:
        writing.changed(account)
        writing.audit("account.override_withdraw", account, name=name)


def _change(writing: Writing, account: str, **values: Any) -> None:
    done = writing.connection.execute(accounts.update().where(accounts.c.id == account).values(**values))
    if not done.rowcount:
        raise NoSuch(f"there is no account `{account}`")
    writing.changed(account)
