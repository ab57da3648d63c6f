"""Tokens of operators: made, found, noted as used, revoked. A token is shown once and kept nowhere.

`tgo_<id>_<secret><checksum>`: id, 10 letters and digits, public; secret, 43 of base62: 256 bits; checksum, CRC-32 in
8 hexadecimal digits, so that a secret scanner or a form can tell one from something alike without asking. What is kept
is a keyed BLAKE2b digest, as of API keys (`gateway.accounts.keys`).
"""

from __future__ import annotations

import hmac
import re
import secrets as random
import zlib
from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.keys import ALPHABET, digest
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import Exists, NoSuch
from gateway.accounts.sql.database import Writing

operators = tables.operators
PEPPER: Final = "operators"
"""Purpose of the key that is derived for digests."""
SUBJECT: Final = "operator:"
"""Before the id of a token, in the audit."""

_LETTERS: Final = ALPHABET[10:]
_FORM: Final = re.compile(r"(tgo_([0-9A-Za-z]{10})_[0-9A-Za-z]{43})([0-9a-f]{8})")


class Minted(NamedTuple):
    """A new token: `token` is shown to its bearer once."""

    token: str
    id: str

    def __repr__(self) -> str:
        return f"<Minted tgo_{self.id}_…>"


def mint() -> Minted:
    named = random.choice(_LETTERS) + _random(9)
    body = f"tgo_{named}_{_random(43)}"
    return Minted(f"{body}{zlib.crc32(body.encode()):08x}", named)


def parse(token: str) -> str | None:
    """The id of a well-formed token, else None."""
    found = _FORM.fullmatch(token)
    if found is None or zlib.crc32(found[1].encode()) != int(found[3], 16):
        return None
    return found[2]


def is_same(secrets: Secrets, row: sql.Row[Any], token: str) -> bool:
    """Whether it is the token of this row. One made with a secret that is gone is no token any more."""
    if row.secret not in secrets:
        return False
    return hmac.compare_digest(digest(secrets.key(PEPPER, row.secret), token.encode()), row.digest)


def create(writing: Writing, secrets: Secrets, name: str, role: str, expires: float | None, reason: str = "") -> Minted:
    """Raises Exists where a token of this name holds: the audit must not mean two by one name."""
    held = sql.select(operators.c.id).where(operators.c.name == name, holds(writing.now))
    if writing.connection.execute(held).first() is not None:
        raise Exists(f"there is a token `{name}` already: revoke it first, or choose another name")
    minted = mint()
    values = {
        "id": minted.id,
        "name": name,
        "role": role,
        "secret": secrets.newest,
        "digest": digest(secrets.key(PEPPER), minted.token.encode()),
        "created": writing.now,
        "by": writing.who,
        "expires": expires,
    }
    writing.connection.execute(operators.insert(), values)
    writing.audit("operator.create", f"{SUBJECT}{minted.id}", name=name, role=role, expires=expires, reason=reason)
    return minted


def find(connection: Connection, named: str) -> sql.Row[Any] | None:
    return connection.execute(sql.select(operators).where(operators.c.id == named)).first()


def listed(connection: Connection) -> list[sql.Row[Any]]:
    """The newest first; those that are revoked as well."""
    newest = sql.select(operators).order_by(operators.c.created.desc(), operators.c.id)
    return list(connection.execute(newest))


def revoke(writing: Writing, named: str, reason: str) -> sql.Row[Any]:
    """As it was before. When it was revoked first is what counts. Raises NoSuch."""
    row = find(writing.connection, named)
    if row is None:
        raise NoSuch(f"there is no token `{named}`")
    if row.revoked is None:
        writing.connection.execute(operators.update().where(operators.c.id == named).values(revoked=writing.now))
        writing.audit("operator.revoke", f"{SUBJECT}{named}", name=row.name, role=row.role, reason=reason)
    return row


def change_role(writing: Writing, named: str, role: str, reason: str) -> None:
    """Raises NoSuch."""
    row = find(writing.connection, named)
    if row is None:
        raise NoSuch(f"there is no token `{named}`")
    writing.connection.execute(operators.update().where(operators.c.id == named).values(role=role))
    writing.audit("operator.role", f"{SUBJECT}{named}", name=row.name, before=row.role, after=role, reason=reason)


def note_used(writing: Writing, used: dict[str, float]) -> None:
    """Id -> Unix time of each."""
    for named, at in used.items():
        writing.connection.execute(operators.update().where(operators.c.id == named).values(used=at))


def count(connection: Connection, role: str, now: float) -> int:
    """How many tokens of this role hold."""
    held = sql.select(sql.func.count()).select_from(operators).where(operators.c.role == role, holds(now))
    return int(connection.execute(held).scalar_one())


def holds(now: float) -> sql.ColumnElement[bool]:
    expires = operators.c.expires
    return sql.and_(operators.c.revoked.is_(None), sql.or_(expires.is_(None), expires > now))


def _random(length: int) -> str:
    return "".join(random.choice(ALPHABET) for _ in range(length))
