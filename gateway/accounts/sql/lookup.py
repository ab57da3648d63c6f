"""What the hot path needs of keys and accounts: a whole batch in a handful of statements, however many there are."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.standing import profiles
from gateway.policy import Profile

accounts, keys, organisations, overrides = tables.accounts, tables.keys, tables.organisations, tables.overrides

NO_WORDS: Final[frozenset[str]] = frozenset()

_BATCH: Final = 500

_log = logging.getLogger(__name__)


class AccountRow(NamedTuple):
    """An account that is there. One that was erased is not."""

    id: str
    organisation: str
    tier: str
    """As somebody set it, for a while or for good; empty where evidence decides."""
    suspended: bool
    """It, or its organisation."""
    profile: Profile
    until: float
    """Unix time at which what was set for a while ends: it has to be read again."""


class KeyRow(NamedTuple):
    """A key whose account is there."""

    prefix: str
    account: AccountRow
    digest: bytes
    pepper: str
    """Id of the secret."""
    models: frozenset[str]
    features: frozenset[str]
    expires: float | None
    revoked: bool


class Found(NamedTuple):
    """Who is not in it is not there."""

    keys: Mapping[str, KeyRow]
    """By prefix."""
    accounts: Mapping[str, AccountRow]
    """Those that were asked for, and those of the keys."""


def read(connection: Connection, prefixes: Collection[str], ids: Collection[str], now: float) -> Found:
    """Some hundred names at a time: each is a parameter of a statement."""
    rows = connection.execute(_KEYS, {"prefixes": list(prefixes)}).all() if prefixes else ()
    there = read_accounts(connection, {*ids, *(row.account for row in rows)}, now)
    found = {}
    for row in rows:
        account = there.get(row.account)
        if account is None:
            continue
        try:
            models, features = _words(row.models), _words(row.features)
        except ValueError:
            # Not written by us. Nobody can say what the key is for, so it is for nothing; the other names go on.
            _log.error("key %s: its scopes in the database cannot be read: it is refused", row.prefix)
            continue
        found[row.prefix] = KeyRow(
            row.prefix, account, bytes(row.digest), row.pepper, models, features, row.expires, row.revoked is not None
        )
    return Found(found, there)


def read_accounts(connection: Connection, ids: Collection[str], now: float) -> dict[str, AccountRow]:
    """Id -> account, for those that are there."""
    if not ids:
        return {}
    names = {"ids": list(ids)}
    rows = connection.execute(_ACCOUNTS, names).all()
    known = profiles(connection, names["ids"], now)
    tiers: dict[str, str] = {}
    until: dict[str, float] = {}
    for override in connection.execute(_OVERRIDES, names | {"now": now}):
        if override.name == "tier":
            tiers[override.account] = override.value
        if override.expires is not None:
            until[override.account] = min(override.expires, until.get(override.account, math.inf))
    return {
        row.id: AccountRow(
            row.id,
            row.organisation or "",
            tiers.get(row.id, row.tier),
            bool(row.suspended or row.organisation_suspended),
            known[row.id],
            until.get(row.id, math.inf),
        )
        for row in rows
        if row.id in known
    }


def suspended(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of them that are suspended here: they, or their organisations."""
    found: set[str] = set()
    names = sorted(ids)
    for start in range(0, len(names), _BATCH):
        found.update(connection.scalars(_SUSPENDED, {"ids": names[start : start + _BATCH]}))
    return frozenset(found)


def _words(text: str) -> frozenset[str]:
    """Of a JSON array of strings. Raises ValueError for anything else."""
    if text == "[]":
        return NO_WORDS
    words = orjson.loads(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("no list of words")
    return frozenset(words)


_KEYS: Final = sql.select(keys).where(keys.c.prefix.in_(sql.bindparam("prefixes", expanding=True)))

_ACCOUNTS: Final = (
    sql.select(
        accounts.c.id,
        accounts.c.organisation,
        accounts.c.tier,
        accounts.c.suspended,
        organisations.c.suspended.label("organisation_suspended"),
    )
    .outerjoin_from(accounts, organisations, accounts.c.organisation == organisations.c.id)
    .where(accounts.c.id.in_(sql.bindparam("ids", expanding=True)), accounts.c.erased.is_(None))
)

_SUSPENDED: Final = (
    sql.select(accounts.c.id)
    .outerjoin_from(accounts, organisations, accounts.c.organisation == organisations.c.id)
    .where(
        accounts.c.id.in_(sql.bindparam("ids", expanding=True)),
        sql.or_(accounts.c.suspended, organisations.c.suspended),
    )
)

_OVERRIDES: Final = (
    sql.select(overrides.c.account, overrides.c.name, overrides.c.value, overrides.c.expires)
    .where(
        overrides.c.account.in_(sql.bindparam("ids", expanding=True)),
        overrides.c.withdrawn.is_(None),
        sql.or_(overrides.c.expires.is_(None), overrides.c.expires > sql.bindparam("now")),
    )
    .order_by(overrides.c.id)  # Of two the later one stands.
)
