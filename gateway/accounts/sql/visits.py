"""The owner of an account in a browser: links that work once, sessions, and the addresses of who may sign in.

Of a session's token and of an address only a keyed hash is kept. What was made under an older secret is found as long
as that secret is named.
"""

from __future__ import annotations

import secrets as random
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.secrets import Hashed, Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import row as existing
from gateway.accounts.sql.database import Writing

sessions, members, spent = tables.sessions, tables.members, tables.spent

SESSION: Final = "session"
MEMBER: Final = "member"
"""Purposes of the keyed hashes."""
TOKEN: Final = 32
"""Random bytes of a session's token."""


def spend(writing: Writing, mark: str, expires: float) -> bool:
    """True for the first who opens the link with this mark, also where two do at once; False ever after.

    `expires` is the link's own end, Unix time: until then the mark is kept.
    """
    return writing.add_new(spent, {"mark": mark, "expires": expires})


def open_session(writing: Writing, secrets: Secrets, account: str, scope: str, key: str = "", *, lasts: float) -> str:
    """A token for a cookie: 256 random bits, shown to nobody else. `lasts` in seconds, `key` the prefix of the key that
    was shown, where one was. Raises NoSuch.
    """
    existing(writing.connection, account)
    token = random.token_urlsafe(TOKEN)
    values = {"digest": secrets.hash(SESSION, token).digest, "account": account, "scope": scope, "key": key}
    writing.connection.execute(sessions.insert(), values | {"created": writing.now, "expires": writing.now + lasts})
    writing.audit("session.open", account, scope=scope, key=key)
    return token


def session(connection: Connection, secrets: Secrets, token: str, now: float) -> sql.Row[Any] | None:
    """The row of `sessions` of a token; None where it is none of ours or over."""
    found = sql.select(sessions).where(_is(secrets, token), sessions.c.expires > now)
    return connection.execute(found).first()


def end_session(writing: Writing, secrets: Secrets, token: str) -> None:
    """Its owner has signed out. One that is over already is no error."""
    ended = writing.connection.execute(sessions.delete().where(_is(secrets, token)).returning(sessions.c.account))
    for account in ended.scalars():
        writing.audit("session.end", account)


def end_sessions(writing: Writing, account: str) -> int:
    """All of the account, such as when somebody else has had its key. Returns how many."""
    ended = writing.connection.execute(sessions.delete().where(sessions.c.account == account)).rowcount
    if ended:
        writing.audit("session.end_all", account, sessions=ended)
    return ended


def normalised(address: str) -> str:
    """An e-mail address in the form that is hashed: no spaces around it, its domain in lower case.

    The part before the @ is the receiving host's business (RFC 5321, section 2.4) and stays. So does a domain beyond
    ASCII: folding would make one of two that are not the same (straße, strasse), and a link to the one would open the
    account of the other.
    """
    local, at, domain = address.strip().rpartition("@")
    return local + at + (domain.lower() if domain.isascii() else domain)


def add_member(writing: Writing, secrets: Secrets, account: str, address: str, role: str = "owner") -> None:
    """Who answers from this address may sign in. One that is there already stays as it is. Raises NoSuch."""
    existing(writing.connection, account)
    newest, *older = _addresses(secrets, address)
    there = sql.select(members.c.id).where(
        members.c.account == account, members.c.digest.in_([hashed.digest for hashed in older])
    )
    if older and writing.connection.execute(there).first():
        return
    values = {"account": account, "secret": newest.secret, "digest": newest.digest, "role": role}
    if writing.add_new(members, values | {"created": writing.now}):
        writing.audit("member.add", account, role=role)


def members_with(connection: Connection, secrets: Secrets, address: str) -> dict[str, str]:
    """The accounts that who has this address may sign in to, by name -> its hash as it is kept there, in hex: it may
    have been made by an older secret.
    """
    digests = [hashed.digest for hashed in _addresses(secrets, address)]
    found = sql.select(members.c.account, members.c.digest).where(members.c.digest.in_(digests))
    return {row.account: bytes(row.digest).hex() for row in connection.execute(found.order_by(members.c.account))}


def _addresses(secrets: Secrets, address: str) -> tuple[Hashed, ...]:
    return secrets.hashes(MEMBER, normalised(address))


def _is(secrets: Secrets, token: str) -> sql.ColumnElement[bool]:
    return sessions.c.digest.in_([hashed.digest for hashed in secrets.hashes(SESSION, token)])
