"""What is known of accounts, as commands and the admin port show it: never a hash, never a secret."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.ladder import Ladder, due, missing, standing
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import row
from gateway.accounts.sql.standing import profile
from gateway.control.account_shapes import PageShape

Shown = dict[str, Any]
"""As JSON has it; times are RFC 3339 in UTC, or null."""

SETTLED: Final = ("approved", "declined", "expired", "reversed")
"""States in which a verification waits for nothing."""
OPEN: Final = ("open", "seconded")
"""States in which a review does."""
NEAR: Final = 20
"""Accounts of the same identity that are named."""
LINES: Final = 10
"""Of the audit, in `shown`."""


def when(time: float | None) -> str | None:
    """None for never, and for a time that no calendar has."""
    if time is None or not math.isfinite(time) or not 0 <= time < 253402300800:
        return None
    return dt.datetime.fromtimestamp(int(time), dt.UTC).isoformat().replace("+00:00", "Z")


def listed(connection: Connection, page: PageShape) -> tuple[list[Shown], str]:
    """One page by id, and the id after which the next one begins; empty for the last."""
    accounts, keys = tables.accounts, tables.keys
    wanted = [accounts.c.id > page.after] if page.after else []
    if page.tier is not None:
        wanted.append(accounts.c.tier == page.tier)
    if page.organisation is not None:
        wanted.append(accounts.c.organisation == page.organisation)
    if page.suspended is not None:
        wanted.append(accounts.c.suspended.is_(page.suspended))
    found = sql.select(accounts).where(*wanted).order_by(accounts.c.id).limit(page.limit + 1)
    rows = connection.execute(found).all()
    more, rows = len(rows) > page.limit, rows[: page.limit]
    ids = [one.id for one in rows]
    count = sql.select(keys.c.account, sql.func.count().label("there"))
    count = count.where(keys.c.account.in_(ids), keys.c.revoked.is_(None)).group_by(keys.c.account)
    counted: dict[str, int] = {one.account: one.there for one in connection.execute(count)}
    return [_brief(one) | {"keys": counted.get(one.id, 0)} for one in rows], ids[-1] if more else ""


def shown(connection: Connection, account: str, now: float, ladder: Ladder | None = None) -> Shown:
    """Everything of one account that people may see. Raises NoSuch."""
    found = row(connection, account)
    overrides = _rows(connection, tables.overrides, account, tables.overrides.c.withdrawn.is_(None))
    in_force = [one for one in overrides if one.expires is None or one.expires > now]
    assigned = next((one.value for one in reversed(in_force) if one.name == "tier"), found.tier)
    return _brief(found) | {
        "suspended_for": found.suspended_for,
        "email_domain": found.email_domain,
        "signup_country": found.signup_country,
        "billing_country": found.billing_country,
        "signup_burst": found.signup_burst,
        "same_identity": _same_identity(connection, account, found.identity),
        "standing": None if ladder is None else _standing(connection, account, assigned, now, ladder),
        "overrides": [
            {"name": one.name, "value": one.value, "reason": one.reason, "by": one.by, "expires": when(one.expires)}
            for one in in_force
        ],
        "evidence": [_evidence(one, now) for one in _rows(connection, tables.evidence, account)],
        "falls": [_fall(one, now) for one in _rows(connection, tables.falls, account)],
        "keys": keys_of(connection, account, now),
        "members": len(_rows(connection, tables.members, account)),
        "verifications": [_verification(one) for one in _open(connection, tables.verifications, account)],
        "reviews": [_review(one) for one in _open(connection, tables.reviews, account)],
        "audit": audit_of(connection, account, LINES),
    }


def keys_of(connection: Connection, account: str, now: float) -> list[Shown]:
    """The newest first. Raises NoSuch."""
    row(connection, account)
    table = tables.keys
    found = connection.execute(
        sql.select(table).where(table.c.account == account).order_by(table.c.created.desc(), table.c.prefix)
    )
    return [
        {
            "prefix": one.prefix,
            "name": one.name,
            "state": _key_state(one, now),
            "models": orjson.loads(one.models),
            "features": orjson.loads(one.features),
            "created": when(one.created),
            "expires": when(one.expires),
            "revoked": when(one.revoked),
            "replaces": one.replaces,
        }
        for one in found
    ]


def audit_of(connection: Connection, subject: str, limit: int) -> list[Shown]:
    """The newest first."""
    table = tables.audit
    found = sql.select(table).where(table.c.subject == subject).order_by(table.c.id.desc()).limit(limit)
    return [
        {"at": when(one.at), "who": one.who, "did": one.did, "detail": orjson.loads(one.detail)}
        for one in connection.execute(found)
    ]


def secrets_in_use(connection: Connection) -> dict[str, dict[str, int]]:
    """Id of a secret -> what was made with it and would not be found without it: keys that hold, links, members."""
    keys, found = tables.keys, dict[str, dict[str, int]]()
    for table, column, wanted in (
        (keys, keys.c.pepper, [keys.c.revoked.is_(None)]),
        (tables.links, tables.links.c.secret, []),
        (tables.members, tables.members.c.secret, []),
    ):
        count = sql.select(column.label("secret"), sql.func.count().label("there")).where(*wanted).group_by(column)
        for one in connection.execute(count):
            found.setdefault(one.secret, {})[str(table.name)] = one.there
    return found


def _brief(found: sql.Row[Any]) -> Shown:
    return {
        "id": found.id,
        "organisation": found.organisation or "",
        "name": found.name,
        "tier": found.tier,
        "suspended": bool(found.suspended),
        "created": when(found.created),
        "erased": when(found.erased),
    }


def _standing(connection: Connection, account: str, assigned: str, now: float, ladder: Ladder) -> Shown:
    known = profile(connection, account, now)
    stands = standing(ladder, known, assigned, now)
    above = min(stands.rung + 1, len(ladder.rungs) - 1)
    return {
        "tier": stands.tier,
        "until": when(stands.until),
        "earned": ladder.rungs[stands.earned].name,
        "assigned": assigned,
        "fell": stands.fell,
        "next": ladder.rungs[above].name if above > stands.rung else "",
        "missing": list(missing(ladder, above, known, now)),
        "due": [{"kind": one.kind, "ends": when(one.ends), "goes": when(one.goes)} for one in due(ladder, known, now)],
    }


def _evidence(one: sql.Row[Any], now: float) -> Shown:
    state = "withdrawn" if one.withdrawn is not None else _over(one.expires, now, "ended", "holds")
    return {
        "kind": one.kind,
        "state": state,
        "provider": one.provider,
        "reference": one.reference,
        "obtained": when(one.obtained),
        "expires": when(one.expires),
        "withdrawn": when(one.withdrawn),
        "why": one.why,
        "by": one.by,
    }


def _fall(one: sql.Row[Any], now: float) -> Shown:
    state = "cleared" if one.cleared is not None else _over(one.until, now, "over", "holds")
    return {
        "reason": one.reason,
        "state": state,
        "note": one.note,
        "by": one.by,
        "at": when(one.at),
        "until": when(one.until),
        "cleared": when(one.cleared),
    }


def _verification(one: sql.Row[Any]) -> Shown:
    return {
        "id": one.id,
        "provider": one.provider,
        "kinds": orjson.loads(one.kinds),
        "state": one.state,
        "reason": one.reason,
        "created": when(one.created),
        "updated": when(one.updated),
    }


def _review(one: sql.Row[Any]) -> Shown:
    return {"id": one.id, "subject": one.subject, "state": one.state, "opened": when(one.opened), "first": one.first}


def _key_state(one: sql.Row[Any], now: float) -> str:
    return "revoked" if one.revoked is not None else _over(one.expires, now, "expired", "active")


def _over(end: float | None, now: float, over: str, holds: str) -> str:
    return over if end is not None and end <= now else holds


def _same_identity(connection: Connection, account: str, identity: str) -> list[str]:
    if not identity:
        return []
    table = tables.accounts
    found = sql.select(table.c.id).where(table.c.identity == identity, table.c.id != account).order_by(table.c.id)
    return list(connection.scalars(found.limit(NEAR)))


def _rows(
    connection: Connection, table: sql.Table, account: str, *wanted: sql.ColumnElement[bool]
) -> list[sql.Row[Any]]:
    return list(connection.execute(sql.select(table).where(table.c.account == account, *wanted).order_by(table.c.id)))


def _open(connection: Connection, table: sql.Table, account: str) -> list[sql.Row[Any]]:
    states: Mapping[sql.Table, sql.ColumnElement[bool]] = {
        tables.verifications: tables.verifications.c.state.not_in(SETTLED),
        tables.reviews: tables.reviews.c.state.in_(OPEN),
    }
    return _rows(connection, table, account, states[table])
