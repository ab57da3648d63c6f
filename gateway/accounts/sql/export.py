"""The directory as a file that `gateway.accounts.sql.bulk.load` takes again: one moment of it, streamed.

All is read in one transaction, so the file is whole whatever is written meanwhile; while it runs SQLite's WAL cannot be
emptied and grows by what is written. Links and members stand in it as the keyed hashes that they are, keys as their
digests: it is of use to a directory that has the same secrets. Identities are not in it: they follow from links.
Reviews, sessions, the inbox and the audit are not accounts, and stay. CSV has a cell for each part; the reader of CSV
takes no cell above 128 KiB, which is some 300 keys of one account: JSONL takes those.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables
from gateway.accounts.sql.bulk import Progress, Tell, quietly
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.reading import Format
from gateway.accounts.sql.records import ACCOUNT, ORGANISATION, PARTS, RECORD, Shape

PAGE: Final = 500
"""Accounts that are in memory at once."""
_JSON: Final = frozenset({"models", "features", "kinds"})
"""Columns that hold JSON."""

Object = dict[str, Any]


class Dumped(NamedTuple):
    """How many were written."""

    accounts: int
    organisations: int


def dump(database: Database, out: BinaryIO, format: Format = "jsonl", *, progress: Tell = quietly) -> Dumped:  # noqa: A002
    """Write all of it. It holds what lets its readers try keys and hashes: 0600 is the mode for it. Raises OSError and
    SQLAlchemyError.
    """
    write = _jsonl if format == "jsonl" else _Csv()
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            whole = connection.execute(sql.select(sql.func.count()).select_from(tables.accounts)).scalar_one()
            organisations = accounts = 0
            for page in _pages(connection, ORGANISATION):
                objects = [{RECORD: "organisation"} | _object(ORGANISATION, row) for row in page]
                out.write(write(objects))
                organisations += len(page)
            for page in _pages(connection, ACCOUNT):
                out.write(write(_accounts(connection, page)))
                accounts += len(page)
                progress(Progress("writing", accounts, accounts, whole))
    return Dumped(accounts, organisations)


def _pages(connection: Connection, shape: Shape) -> Iterator[list[sql.Row[Any]]]:
    """Rows in the order of their ids, as the database orders them."""
    table = shape.table
    columns = sql.select(*(table.c[name] for name in shape.checks)).order_by(table.c.id).limit(PAGE)
    page = connection.execute(columns).all()
    while page:
        yield list(page)
        page = connection.execute(columns.where(table.c.id > page[-1].id)).all()


def _accounts(connection: Connection, page: list[sql.Row[Any]]) -> list[Object]:
    """With all that belongs to them."""
    objects: dict[str, Object] = {}
    for row in page:
        objects[row.id] = _object(ACCOUNT, row)
        objects[row.id]["organisation"] = row.organisation or ""
    for name, shape in PARTS.items():
        table = shape.table
        columns = (table.c.account, *(table.c[column] for column in shape.checks))
        within = table.c.account.between(page[0].id, page[-1].id)
        for row in connection.execute(sql.select(*columns).where(within).order_by(*table.primary_key)):
            objects[row.account].setdefault(name, []).append(_object(shape, row))
    return list(objects.values())


def _object(shape: Shape, row: sql.Row[Any]) -> Object:
    """What is not said anyway."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    found = {}
    for name, default in shape.defaults.items():
        value: Any = values[name]
        if value == default:
            continue
        if type(value) is bytes:
            value = value.hex()
        elif name in _JSON:
            value = orjson.loads(value)
        found[name] = value
    return found


def _jsonl(objects: list[Object]) -> bytes:
    return b"".join([orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in objects])


class _Csv:
    """Lines of CSV (RFC 4180), the names of the columns before the first."""

    def __init__(self) -> None:
        self.columns = [RECORD, *ACCOUNT.checks, *PARTS]
        self.begun = False

    def __call__(self, objects: list[Object]) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not self.begun:
            writer.writerow(self.columns)
            self.begun = True
        writer.writerows([[_cell(one.get(column, "")) for column in self.columns] for one in objects])
        return text.getvalue().encode()


def _cell(value: Any) -> str:
    if type(value) is list:
        return orjson.dumps(value).decode()
    if type(value) is bool:
        return "true" if value else "false"
    return str(value)
