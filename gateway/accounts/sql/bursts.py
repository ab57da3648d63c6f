"""Sign-ups that come together: from one network, or with one e-mail domain, within a day."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import row as existing
from gateway.accounts.sql.database import Writing

accounts, links = tables.accounts, tables.links

WITHIN: Final = 86_400.0
"""Seconds before and after an account was made."""
MOST: Final = 1000
"""Counted up to here: it stands for this many and more."""
TOLD: Final = 20
"""So many of the others get their own count again, those with the lowest first: a burst makes no work of its own."""
ENOUGH: Final = 100
"""Whose count is that high need not know better."""
SIGNUP: Final = "signup_address"


def signup_burst(writing: Writing, account: str, public_domains: Collection[str] = ()) -> int:
    """How many other accounts were made within a day of it from the same network, or with the same e-mail domain where
    that is none of `public_domains` (where everybody has an address). It is stored, with some of the others too.

    To be called when an account was made and its link `signup_address` is there. Raises NoSuch.
    """
    others = _others(writing.connection, account, public_domains)
    _store(writing, account, len(others))
    lowest = sorted((burst, other) for other, burst in others.items() if burst < ENOUGH)
    for _, other in lowest[:TOLD]:
        _store(writing, other, len(_others(writing.connection, other, public_domains)))
    return len(others)


def _others(connection: Connection, account: str, public_domains: Collection[str]) -> dict[str, int]:
    """Account -> its own count, as stored. At most MOST."""
    row = existing(connection, account)
    mine = links.alias()
    near = accounts.c.created.between(row.created - WITHIN, row.created + WITHIN) & (accounts.c.id != account)
    columns = (accounts.c.id, accounts.c.signup_burst)
    from_there = (
        sql.select(*columns)
        .join(links, links.c.account == accounts.c.id)
        .join(mine, (mine.c.kind == links.c.kind) & (mine.c.digest == links.c.digest))
        .where(mine.c.account == account, mine.c.kind == SIGNUP, near)
        .limit(MOST)
    )
    found = {other.id: other.signup_burst for other in connection.execute(from_there)}
    if row.email_domain and row.email_domain not in public_domains:
        same = sql.select(*columns).where(accounts.c.email_domain == row.email_domain, near).limit(MOST)
        found.update({other.id: other.signup_burst for other in connection.execute(same)})
    return dict(itertools.islice(found.items(), MOST))


def _store(writing: Writing, account: str, burst: int) -> None:
    change = accounts.update().where(accounts.c.id == account, accounts.c.signup_burst != burst)
    if writing.connection.execute(change.values(signup_burst=burst)).rowcount:
        writing.changed(account)
