"""What operators set beside limits: rows, each change of them with before and after, and who lost the race.

Each write needs the revision that its author has seen, so that two people never overwrite each other. A revision is the
id of a row of `override_changes`: one number for all overrides, that only grows. Nothing is ever deleted; what has
expired or was withdrawn stays a row, with its history.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import OVERRIDES, Writing
from gateway.overrides.override import Kind, Override, Scope
from gateway.overrides.written import (
    REASON_AT_MOST,
    Change,
    Wrong,
    change_of,
    change_text,
    check,
    clash,
    override_of,
    scope_of,
    scope_text,
)

rows, changes = tables.limit_overrides, tables.override_changes
SUBJECT: Final = "limits"
"""Of audit lines about overrides that name no account."""
WORD: Final = "erased"
_TEXTS: Final = (changes.c.before, changes.c.after, changes.c.reason)


class Stale(RuntimeError):
    """Somebody else has changed it meanwhile."""

    def __init__(self, current: Row) -> None:
        super().__init__(f"override {current.id} is at revision {current.revision} now")
        self.current = current


class There(RuntimeError):
    """For this limit and scope one holds already: change that."""

    def __init__(self, current: Row, why: str) -> None:
        super().__init__(f"override {current.id} {why}")
        self.current = current


class Ended(RuntimeError):
    """It was withdrawn: undo that first, or set another."""

    def __init__(self, current: Row) -> None:
        super().__init__(f"override {current.id} was withdrawn")
        self.current = current


@dataclass(frozen=True, slots=True)
class Row:
    """As it is kept: texts may be what nobody can read any more (`override`)."""

    id: int
    limit: str
    scope: str
    change: str
    reason: str
    by: str
    created: float
    expires: float | None
    revision: int
    withdrawn: float | None

    def holds(self, now: float) -> bool:
        """Neither withdrawn nor expired."""
        return self.withdrawn is None and not self.expired(now)

    def expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now

    @property
    def override(self) -> Override:
        """Raises Wrong."""
        return override_of(self.document())

    def document(self) -> dict[str, Any]:
        """As history and the audit have it."""
        return {
            "id": self.id,
            "limit": self.limit,
            "scope": _read(self.scope),
            "change": _read(self.change),
            "reason": self.reason,
            "by": self.by,
            "created": self.created,
            "expires": self.expires,
            "revision": self.revision,
            "withdrawn": self.withdrawn,
        }


class Found(NamedTuple):
    """All that is not withdrawn, and has not expired."""

    overrides: tuple[Override, ...]
    revision: int
    """Of the directory. What was read is at least as new."""
    unreadable: tuple[str, ...]
    """One sentence for each row that does not say what it should."""


class Past(NamedTuple):
    """One change of one override."""

    revision: int
    override: int
    at: float
    who: str
    did: str
    """set, change, withdraw, undo"""
    reason: str
    before: Mapping[str, Any] | None
    """As `Row.document`."""
    after: Mapping[str, Any] | None


# -- reading ----------------------------------------------------------------------------------------------------------


def read(connection: Connection, now: float = -math.inf) -> Found:
    """What holds at `now`: without, also what has expired."""
    # The revision first: what is committed in between makes the rows newer than they say, and never older.
    revision = newest(connection)
    found, unreadable = [], []
    for row in listed(connection, now):
        try:
            found.append(row.override)
        except Wrong as wrong:
            unreadable.append(f"override {row.id} cannot be read, and does not hold: {wrong}")
    return Found(tuple(found), revision, tuple(unreadable))


def newest(connection: Connection) -> int:
    """The revision of the directory; 0 before the first override."""
    return connection.execute(sql.select(sql.func.max(changes.c.id))).scalar_one() or 0


def listed(connection: Connection, now: float, *, ended: bool = False, kind: Kind | None = None) -> list[Row]:
    """Rows that hold at `now`; with `ended` all that ever did."""
    query = sql.select(rows).order_by(rows.c.id)
    if kind is not None:
        query = query.where(rows.c.change == change_text(Change(kind)))
    if not ended:
        query = query.where(rows.c.withdrawn.is_(None), rows.c.expires.is_(None) | (rows.c.expires > now))
    return [_row(row) for row in connection.execute(query)]


def one(connection: Connection, override: int) -> Row:
    """Raises NoSuch."""
    row = connection.execute(sql.select(rows).where(rows.c.id == override)).first()
    if row is None:
        raise NoSuch(f"there is no override {override}")
    return _row(row)


def history(connection: Connection, override: int | None = None, limit: int = 100, after: int = 0) -> list[Past]:
    """The newest first, of one or of all; those older than the revision `after`, where that is stated."""
    query = sql.select(changes).order_by(changes.c.id.desc()).limit(limit)
    if override is not None:
        query = query.where(changes.c.override == override)
    if after:
        query = query.where(changes.c.id < after)
    return [
        Past(row.id, row.override, row.at, row.who, row.did, row.reason, _kept(row.before), _kept(row.after))
        for row in connection.execute(query)
    ]


# -- writing ----------------------------------------------------------------------------------------------------------


def create(
    writing: Writing, limit: str, scope: Scope, change: Change, reason: str = "", expires: float = math.inf
) -> Row:
    """Raises There, and Wrong."""
    check(limit, scope, change, expires)
    text = scope_text(scope)
    _alone(writing, limit, text, change)
    values = {"limit": limit, "scope": text, "change": change_text(change), "revision": 0, "created": writing.now}
    values |= {"reason": _reason(reason), "by": writing.who, "expires": _expiry(writing, expires)}
    made = writing.connection.execute(rows.insert().values(values).returning(rows.c.id)).scalar_one()
    return _note(writing, None, one(writing.connection, made), "set", reason)


def change(
    writing: Writing, override: int, expected: int, to: Change, reason: str = "", expires: float = math.inf
) -> Row:
    """Other numbers, another end: limit and scope stay. One that has expired holds again, where no other does.

    Raises NoSuch, Stale, Ended, There, Wrong.
    """
    before = _expected(writing, override, expected)
    if before.withdrawn is not None:
        raise Ended(before)
    check(before.limit, scope_of(before.scope), to, expires)
    _alone(writing, before.limit, before.scope, to, but=override)
    values = {"change": change_text(to), "reason": _reason(reason), "by": writing.who}
    after = _update(writing, before, values | {"expires": _expiry(writing, expires)})
    return _note(writing, before, after, "change", reason)


def withdraw(writing: Writing, override: int, expected: int, reason: str = "") -> Row:
    """Raises NoSuch, Stale, Ended."""
    before = _expected(writing, override, expected)
    if before.withdrawn is not None:
        raise Ended(before)
    after = _update(writing, before, {"withdrawn": writing.now})
    return _note(writing, before, after, "withdraw", reason)


def undo(writing: Writing, override: int, expected: int, reason: str = "") -> Row:
    """What it was before its last change, to the digit: also another undo. One that was just made is withdrawn.

    Its end is what it was: where that has passed meanwhile it is back, and holds no more (`Row.expired`).
    Raises NoSuch, Stale, There.
    """
    before = _expected(writing, override, expected)
    last = writing.connection.execute(sql.select(changes.c.before).where(changes.c.id == before.revision)).scalar_one()
    past = _kept(last)
    values: dict[str, Any] = {"withdrawn": writing.now}
    if past is not None:
        values = {name: past[name] for name in ("limit", "reason", "by", "expires", "withdrawn")}
        values |= {name: _written(past[name]) for name in ("scope", "change")}
        if past["withdrawn"] is None and not (past["expires"] is not None and past["expires"] <= writing.now):
            _alone(writing, values["limit"], values["scope"], change_of(values["change"]), but=override)
    return _note(writing, before, _update(writing, before, values), "undo", reason)


def erase(writing: Writing, account: str, name: str) -> int:
    """An account is erased: what was for it alone is withdrawn, a cluster goes on without it, and history keeps numbers
    and has its pseudonym, `name`. Returns how many overrides named it.
    """
    connection = writing.connection
    erasing = _Erasing(account, name)
    named = sql.select(changes.c.override).where(
        sql.or_(*(column.contains(erasing.written, autoescape=True) for column in _TEXTS))
    )
    count = 0
    for override in sorted(set(connection.scalars(named))):
        for past in connection.execute(sql.select(changes).where(changes.c.override == override)).all():
            own = _is_for(_kept(past.after), account)
            kept = {column.name: erasing.of(getattr(past, column.name), own=own) for column in _TEXTS}
            connection.execute(changes.update().where(changes.c.id == past.id).values(kept))
        before = one(connection, override)
        document = before.document()
        own = _is_for(document, account)
        # The pseudonym is nobody's id: an account that is called so later is in no cluster.
        scope, reason = _written(erasing.scope(document["scope"])), erasing.text(before.reason, own=own)
        renamed = replace(before, scope=scope, reason=reason)
        if renamed != before:
            withdrawn = {"withdrawn": writing.now} if own and before.withdrawn is None else {}
            after = _update(writing, before, {"scope": scope, "reason": reason, **withdrawn})
            _note(writing, renamed, after, "withdraw" if withdrawn else "change", WORD)
            count += 1
    return count


class _Erasing:
    """Texts and documents without an account's name."""

    def __init__(self, account: str, name: str) -> None:
        self.account = account
        self.name = name
        self.written = orjson.dumps(account).decode()[1:-1]
        """As it stands in JSON."""
        self._bounded = re.compile(rf"(?<![0-9A-Za-z_-]){re.escape(account)}(?![0-9A-Za-z_-])")

    def text(self, text: str, *, own: bool) -> str:
        """What was written about itself may identify, whatever it says."""
        return WORD if own and text else self._bounded.sub(self.name, text)

    def scope(self, scope: Any) -> Any:
        if not isinstance(scope, dict):
            return scope
        found = dict(scope)
        if found.get("account") == self.account:
            found["account"] = self.name
        if self.account in found.get("accounts", ()):
            found["accounts"] = sorted({self.name if one == self.account else one for one in found["accounts"]})
        return found

    def of(self, text: str, *, own: bool) -> str:
        """A reason, or the JSON of a row."""
        document = _kept(text)
        if document is None:
            return self.text(text, own=own)
        reason = self.text(document["reason"], own=own)
        return _written({**document, "scope": self.scope(document["scope"]), "reason": reason})


# -- how --------------------------------------------------------------------------------------------------------------


def _expected(writing: Writing, override: int, revision: int) -> Row:
    row = one(writing.connection, override)
    if row.revision != revision:
        raise Stale(row)
    return row


def _alone(writing: Writing, limit: str, scope: str, change: Change, but: int = 0) -> None:
    same = sql.select(rows).where(rows.c.limit == limit, rows.c.scope == scope, rows.c.id != but)
    for row in map(_row, writing.connection.execute(same.order_by(rows.c.id.desc()))):
        if row.holds(writing.now) and (why := clash(change, row.change)):
            raise There(row, why)


def _update(writing: Writing, row: Row, values: Mapping[str, Any]) -> Row:
    changed = rows.update().where(rows.c.id == row.id).values(created=writing.now, **values)
    writing.connection.execute(changed)
    return one(writing.connection, row.id)


def _note(writing: Writing, before: Row | None, after: Row, did: str, reason: str) -> Row:
    """The row of history, whose id is the revision; the line of the audit; and workers are told."""
    connection = writing.connection
    values = {"override": after.id, "at": writing.now, "who": writing.who, "did": did, "reason": _reason(reason)}
    values["before"] = "" if before is None else orjson.dumps(before.document()).decode()
    revision = connection.execute(changes.insert().values(values).returning(changes.c.id)).scalar_one()
    connection.execute(rows.update().where(rows.c.id == after.id).values(revision=revision))
    after = one(connection, after.id)
    document = after.document()
    connection.execute(changes.update().where(changes.c.id == revision).values(after=orjson.dumps(document).decode()))
    subject = document["scope"].get("account", "") if isinstance(document["scope"], dict) else ""
    writing.audit(
        f"override.{did}",
        subject or SUBJECT,
        id=after.id,
        revision=revision,
        before=None if before is None else before.document(),
        after=document,
        reason=reason,
    )
    writing.changed(OVERRIDES)
    return after


def _row(row: sql.Row[Any]) -> Row:
    return Row(*(getattr(row, field.name) for field in fields(Row)))


def _reason(reason: str) -> str:
    if len(reason) > REASON_AT_MOST or "\0" in reason:
        raise Wrong("reason", f"is a text of at most {REASON_AT_MOST} letters")
    return reason


def _expiry(writing: Writing, expires: float) -> float | None:
    if expires <= writing.now:
        raise Wrong("expires", "has passed already")
    return None if expires == math.inf else expires


def _read(text: str) -> Any:
    """What a text says; the text itself where that is not JSON."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _written(value: Any) -> str:
    """The other way round: the same text, to the digit."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _kept(text: str) -> dict[str, Any] | None:
    """The JSON of a row."""
    found = _read(text) if text else None
    return found if isinstance(found, dict) else None


def _is_for(document: Mapping[str, Any] | None, account: str) -> bool:
    """For this account alone."""
    scope = document["scope"] if document is not None else None
    return isinstance(scope, dict) and scope.get("account") == account
