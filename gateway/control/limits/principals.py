"""Who an account is, as a worker would find: the file goes first, then the directory; else what a token may name."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.directory import NO_CLAIMS
from gateway.accounts.file_directory import Snapshot
from gateway.accounts.remembered import TIER
from gateway.accounts.sql import lookup, tables
from gateway.accounts.sql.database import Database
from gateway.policy import Principal


class Found(NamedTuple):
    """An account, and the keys by which it may ask."""

    principal: Principal
    known: bool
    """False for one that only tokens may name."""
    keys: tuple[str, ...]
    """Public parts, and the empty one: who comes with a token has no key."""


async def find(account: str, file: Callable[[], Snapshot], database: Database | None, now: float) -> Found:
    """Raises what SQLAlchemy raises."""
    # A file that has changed is read again: not in the event loop.
    content = await asyncio.to_thread(file)
    stated = content.accounts.get(account)
    keys = {record.principal.key for record in content.keys.values() if record.principal.account == account}
    principal, known = stated or Principal(account, tier=TIER), stated is not None
    if database is not None:
        row, prefixes = await database.reading(lambda connection: _read(connection, account, now))
        keys.update(prefixes)
        if stated is None and row is not None:
            principal = Principal(
                row.id, row.organisation, tier=row.tier or TIER, claims=NO_CLAIMS, profile=row.profile
            )
            known = True
    return Found(dataclasses.replace(principal, key=""), known, ("", *sorted(keys - {""})))


def _read(connection: Connection, account: str, now: float) -> tuple[lookup.AccountRow | None, list[str]]:
    found = lookup.read_accounts(connection, [account], now).get(account)
    keys = tables.keys
    prefixes = sql.select(keys.c.prefix).where(keys.c.account == account, keys.c.revoked.is_(None))
    return found, list(connection.scalars(prefixes.limit(1000)))
