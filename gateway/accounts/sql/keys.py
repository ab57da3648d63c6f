"""API keys in the directory: minted, rotated with an overlap, revoked. A key is shown once and kept nowhere."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import orjson
import sqlalchemy as sql

from gateway.accounts.keys import MintedKey, digest, mint
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import NoSuch, row
from gateway.accounts.sql.database import Writing

keys = tables.keys
PEPPER = "api-keys"
"""Purpose of the key that is derived for digests."""


def create(
    writing: Writing,
    secrets: Secrets,
    account: str,
    name: str,
    *,
    models: Collection[str] = (),
    features: Collection[str] = (),
    expires: float | None = None,
    replaces: str = "",
) -> MintedKey:
    """Raises NoSuch."""
    row(writing.connection, account)
    minted = mint()
    values = {
        "prefix": minted.prefix,
        "account": account,
        "name": name,
        "digest": digest(secrets.key(PEPPER), minted.key.encode()),
        "pepper": secrets.newest,
        "models": orjson.dumps(sorted(models)).decode(),
        "features": orjson.dumps(sorted(features)).decode(),
        "created": writing.now,
        "expires": expires,
        "replaces": replaces,
    }
    writing.connection.execute(keys.insert(), values)
    writing.changed(account)
    writing.audit("key.create", account, prefix=minted.prefix, name=name, replaces=replaces)
    return minted


def find(writing: Writing, prefix: str) -> sql.Row[Any]:
    """Raises NoSuch."""
    found = writing.connection.execute(sql.select(keys).where(keys.c.prefix == prefix)).first()
    if found is None:
        raise NoSuch(f"there is no key `{prefix}`")
    return found


def rotate(writing: Writing, secrets: Secrets, prefix: str, overlap: float) -> MintedKey:
    """A new key with the same name, scopes and end; the old one holds for `overlap` seconds more. Raises NoSuch, also
    for a key that holds no longer, or whose end is that of an overlap already.
    """
    old = find(writing, prefix)
    if old.revoked is not None:
        raise NoSuch(f"the key `{prefix}` is revoked: make a new one")
    if old.expires is not None and old.expires <= writing.now:
        raise NoSuch(f"the key `{prefix}` has expired: make a new one")
    after = writing.connection.scalar(
        sql.select(keys.c.prefix).where(keys.c.account == old.account, keys.c.replaces == prefix)
    )
    if after is not None:
        raise NoSuch(f"the key `{prefix}` was rotated already: `{after}` took over, rotate that one")
    minted = create(
        writing, secrets, old.account, old.name,
        models=orjson.loads(old.models), features=orjson.loads(old.features), expires=old.expires, replaces=prefix,
    )  # fmt: skip
    ends = min(math.inf if old.expires is None else old.expires, writing.now + overlap)
    writing.connection.execute(keys.update().where(keys.c.prefix == prefix).values(expires=ends))
    writing.audit("key.rotate", old.account, prefix=prefix, by=minted.prefix, ends=ends)
    return minted


def revoke(writing: Writing, prefix: str, reason: str = "") -> str:
    """Returns the account. Raises NoSuch."""
    return _revoked(writing, prefix, writing.now, "key.revoke", reason)


def restore(writing: Writing, prefix: str, reason: str = "") -> str:
    """Returns the account. Raises NoSuch."""
    return _revoked(writing, prefix, None, "key.restore", reason)


def _revoked(writing: Writing, prefix: str, at: float | None, did: str, reason: str) -> str:
    key = find(writing, prefix)
    account = str(key.account)
    if (key.revoked is None) == (at is None):
        return account  # When it was revoked first is what counts.
    writing.connection.execute(keys.update().where(keys.c.prefix == prefix).values(revoked=at))
    writing.changed(account)
    writing.audit(did, account, prefix=prefix, reason=reason)
    return account
