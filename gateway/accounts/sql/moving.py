"""What was staged (`gateway.accounts.sql.staging`) into the directory, within one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Writing
from gateway.accounts.sql.records import ACCOUNT, ORGANISATION, PARTS, STATED, Shape
from gateway.accounts.sql.staging import ACCOUNTS, MINTED, ORGANISATIONS, SHOWN, STAGED

Conflict = Literal["refuse", "skip", "update"]
WrongAt = Callable[[int, str, str], None]
_GLOBAL: Final = ("keys", "verifications")
"""Parts whose names are of the whole directory."""


class Moved(NamedTuple):
    """How many there are of what was moved in."""

    accounts: int
    updated: int
    keys: int
    organisations: int
    skipped: int
    links: int


def move_in(writing: Writing, on_conflict: Conflict, wrong_at: WrongAt, tell: Callable[[int], None]) -> Moved:
    """Nothing is moved where something is told to `wrong_at`: then the transaction has to be taken back."""
    connection = writing.connection
    wrong = _twice(connection, wrong_at)
    there = _count(connection, sql.select(ACCOUNTS.c.id).join(tables.accounts, tables.accounts.c.id == ACCOUNTS.c.id))
    if on_conflict == "refuse":
        wrong += _conflicts(connection, wrong_at)
    elif on_conflict == "skip" and there:
        _leave_out(connection)
    else:
        _have_already(connection)
    wrong += _taken(connection, wrong_at)
    if wrong:
        return Moved(0, 0, 0, 0, 0, 0)
    organisations = _organisations(writing, on_conflict)
    if on_conflict == "update" and there:
        _update(connection, ACCOUNT, ACCOUNTS)
    accounts = _insert(connection, ACCOUNT, ACCOUNTS, fresh=True)
    tell(moved := accounts)
    made = {}
    for name, shape in PARTS.items():
        # What is new cannot be there: only an update has to look.
        made[name] = _insert(connection, shape, STAGED[name], fresh=on_conflict == "update" and bool(there))
        moved += made[name]
        tell(moved)
    updated = there if on_conflict == "update" else 0
    return Moved(accounts, updated, made["keys"], organisations, there if on_conflict == "skip" else 0, made["links"])


def _count(connection: Connection, found: sql.Select[Any]) -> int:
    return int(connection.execute(sql.select(sql.func.count()).select_from(found.subquery())).scalar_one())


def _tell(connection: Connection, found: sql.Select[Any], wrong_at: WrongAt, field: str, said: str) -> int:
    """Problems of the lines that are found. Returns how many; a few thousand more than are shown are told as one."""
    lines = connection.execute(found.order_by(sql.text("line")).limit(SHOWN * 100)).scalars().all()
    for line in lines:
        wrong_at(line, field, said)
    return len(lines)


def _twice(connection: Connection, wrong_at: WrongAt) -> int:
    """What one file states more than once."""
    wrong = 0
    for staged, column, field in (
        (ACCOUNTS, ACCOUNTS.c.id, "id"),
        (ORGANISATIONS, ORGANISATIONS.c.id, "id"),
        (STAGED["keys"], STAGED["keys"].c.prefix, "keys.prefix"),
        (STAGED["verifications"], STAGED["verifications"].c.id, "verifications.id"),
    ):
        first = sql.func.min(staged.c.line).label("first")
        many = sql.select(column.label("name"), first).group_by(column).having(sql.func.count() > 1).subquery()
        later = sql.select(staged.c.line).join(many, many.c.name == column).where(staged.c.line > many.c.first)
        wrong += _tell(connection, later, wrong_at, field, "is in this file already")
        within = sql.select(first).group_by(column, staged.c.line).having(sql.func.count() > 1).subquery()
        wrong += _tell(connection, sql.select(within.c.first.label("line")), wrong_at, field, "is in this row twice")
    return wrong


def _conflicts(connection: Connection, wrong_at: WrongAt) -> int:
    wrong = 0
    for staged, table in ((ACCOUNTS, tables.accounts), (ORGANISATIONS, tables.organisations)):
        found = sql.select(staged.c.line).join(table, table.c.id == staged.c.id)
        wrong += _tell(connection, found, wrong_at, "id", "is in the directory already")
    return wrong


def _taken(connection: Connection, wrong_at: WrongAt) -> int:
    """Names of the whole directory that another account has."""
    wrong = 0
    for name in _GLOBAL:
        shape, staged = PARTS[name], STAGED[name]
        same = shape.same[0]
        found = (
            sql.select(staged.c.line)
            .join(shape.table, shape.table.c[same] == staged.c[same])
            .where(shape.table.c.account != staged.c.account)
        )
        wrong += _tell(connection, found, wrong_at, f"{name}.{same}", "is another account's in the directory")
    return wrong


def _leave_out(connection: Connection) -> None:
    """Rows of accounts that are there."""
    there = sql.select(tables.accounts.c.id)
    for staged in STAGED.values():
        connection.execute(staged.delete().where(staged.c.account.in_(there)))
    connection.execute(ACCOUNTS.delete().where(ACCOUNTS.c.id.in_(there)))


def _have_already(connection: Connection) -> None:
    """A key that a row asks for by name is not made again for an account that has one of that name."""
    staged, keys = STAGED["keys"], tables.keys
    has = sql.exists().where(keys.c.account == staged.c.account, keys.c.name == staged.c.name, keys.c.revoked.is_(None))
    connection.execute(staged.delete().where(staged.c.prefix.in_(sql.select(MINTED.c.prefix)), has))


def _organisations(writing: Writing, on_conflict: Conflict) -> int:
    """Those that are stated, and those that accounts name."""
    connection, table = writing.connection, tables.organisations
    if on_conflict == "update":
        _update(connection, ORGANISATION, ORGANISATIONS)
    made = _insert(connection, ORGANISATION, ORGANISATIONS, fresh=True)
    named = sql.select(ACCOUNTS.c.organisation, sql.literal(writing.now, sql.Double)).distinct()
    unknown = ACCOUNTS.c.organisation.not_in(sql.select(table.c.id))
    values = named.where(ACCOUNTS.c.organisation != "", unknown)
    return made + _inserted(connection, table.insert().from_select(["id", "created"], values))


def _update(connection: Connection, shape: Shape, staged: sql.Table) -> None:
    """What rows state of those that are there."""
    table = shape.table
    values: dict[str, Any] = {
        name: sql.case((staged.c.stated.bitwise_and(STATED[name]) != 0, _value(staged, name)), else_=table.c[name])
        for name in shape.checks
        if name != "id"
    }
    connection.execute(table.update().where(table.c.id == staged.c.id).values(values))


def _insert(connection: Connection, shape: Shape, staged: sql.Table, *, fresh: bool) -> int:
    """Returns how many. `fresh`: only what is not there yet."""
    table, columns = shape.table, [name for name in ("account", *shape.checks) if name in shape.table.c]
    chosen = sql.select(*(_value(staged, name) for name in columns))
    if fresh:
        same = (table.c[name] == staged.c[name] for name in shape.same)
        chosen = chosen.where(~sql.exists().where(*same).correlate(staged))
    # In the order of what they are found by: pages are written once, and one after the other.
    ordered = chosen.order_by(staged.c.number if "number" in staged.c else staged.c.id)
    return _inserted(connection, table.insert().from_select(columns, ordered))


def _inserted(connection: Connection, insert: sql.Insert) -> int:
    """How many. SQLAlchemy asks the driver for the count of an INSERT only when told."""
    return connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount


def _value(staged: sql.Table, name: str) -> sql.ColumnElement[Any]:
    column = staged.c[name]
    return sql.func.nullif(column, "") if staged is ACCOUNTS and name == "organisation" else column
