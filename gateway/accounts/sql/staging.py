"""Where a file of accounts waits until all of it is known to be right: temporary tables of one connection.

Temporary, because nobody else sees them, they take no lock of the directory's, and they are gone when the connection
is: whatever kills the process leaves nothing behind. SQLite keeps them in a file without a name, in SQLITE_TMPDIR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.evidence import KINDS, LINKS
from gateway.accounts.secrets import Hashed, Secrets
from gateway.accounts.sql.records import ACCOUNT, NOW, ORGANISATION, PARTS, RECORD, STATED, Problem, Shape, moment
from gateway.accounts.sql.standing import LINK
from gateway.accounts.sql.visits import MEMBER, normalised

SHOWN: Final = 100
"""Problems that are kept; the rest is counted."""


class Minted(NamedTuple):
    """What the directory keeps of a key that was made just now."""

    prefix: str
    digest: bytes
    pepper: str


Mint = Callable[[str, str], Minted]
"""Account and name -> a new key. Raises ValueError where there is nowhere to show it."""

_metadata: Final = sql.MetaData()


def _staged(name: str, shape: Shape, *extra: sql.Column[Any]) -> sql.Table:
    columns = [sql.Column(column, shape.table.c[column].type) for column in shape.checks]
    return sql.Table(f"staged_{name}", _metadata, *extra, *columns, prefixes=["TEMPORARY"])


def _line() -> sql.Column[int]:
    return sql.Column("line", sql.BigInteger)


ACCOUNTS: Final = _staged("accounts", ACCOUNT, _line(), sql.Column("stated", sql.Integer))
ORGANISATIONS: Final = _staged("organisations", ORGANISATION, _line(), sql.Column("stated", sql.Integer))
STAGED: Final[Mapping[str, sql.Table]] = {
    name: _staged(
        name, shape, _line(), sql.Column("number", sql.BigInteger), sql.Column("account", shape.table.c.account.type)
    )
    for name, shape in PARTS.items()
}
"""Part -> its rows in the order of the file: by `number`."""
MINTED: Final = sql.Table("staged_minted", _metadata, sql.Column("prefix", sql.Text), prefixes=["TEMPORARY"])

Rows = dict[str, list[tuple[Any, ...]]]


class Checker:
    """Checks rows and gathers what is to be staged. `problems` has the first of what is wrong, `wrong` counts all."""

    def __init__(self, secrets: Secrets, now: float, mint: Mint) -> None:
        self.problems: list[Problem] = []
        self.wrong = 0
        self.rows: Rows = {table.name: [] for table in (ACCOUNTS, ORGANISATIONS, MINTED, *STAGED.values())}
        self.taken = 0
        """Rows of accounts so far."""
        self._secrets = secrets
        self._mint = mint
        self._number = 0
        self._defaults = {
            shape.table.name: {name: now if value is NOW else value for name, value in shape.defaults.items()}
            for shape in (ACCOUNT, ORGANISATION, *PARTS.values())
        }

    def drain(self) -> Rows:
        """What has been gathered since the last time."""
        rows, self.rows = self.rows, {name: [] for name in self.rows}
        return rows

    def wrong_at(self, line: int, field: str, said: str) -> None:
        self.wrong += 1
        if len(self.problems) < SHOWN:
            self.problems.append(Problem(line, field, said))

    def take(self, line: int, row: object) -> None:
        """One row of the file. What is wrong with it is noted, and then it is not staged."""
        if type(row) is not dict:
            self.wrong_at(line, "", "must be an object")
            return
        before = self.wrong
        record = row.pop(RECORD, "account")
        if record not in {"account", "organisation"}:
            self.wrong_at(line, RECORD, "must be account or organisation")
            return
        whole = record == "account"
        parts = [(name, row.pop(name)) for name in PARTS if name in row] if whole else []
        values, stated = self._columns(ACCOUNT if whole else ORGANISATION, line, row, "")
        if not whole:
            if self.wrong == before:
                self.rows[ORGANISATIONS.name].append((line, stated, *values.values()))
            return
        found = [(name, self._part(line, values["id"], name, value)) for name, value in parts]
        if self.wrong > before:
            return
        self.taken += 1
        self.rows[ACCOUNTS.name].append((line, stated, *values.values()))
        for name, rows in found:
            self.rows[STAGED[name].name].extend(rows)

    def _columns(self, shape: Shape, line: int, stated: Mapping[str, Any], where: str) -> tuple[dict[str, Any], int]:
        """(the values of all columns in their order, the bits of those that were stated)."""
        values = self._defaults[shape.table.name].copy()
        checks, bits = shape.checks, 0
        for name, value in stated.items():
            if name not in checks:
                self.wrong_at(line, where + ascii(name)[1:-1][:64], "is not known")
                continue
            try:
                values[name] = checks[name](value)
            except ValueError as error:
                self.wrong_at(line, where + name, str(error))
            if not where:
                bits |= STATED[name]
        for name in shape.required:
            if name not in stated:
                self.wrong_at(line, where + name, "is missing")
        return values, bits

    def _part(self, line: int, account: Any, name: str, stated: object) -> Iterable[tuple[Any, ...]]:
        """The rows of one part of an account, each once."""
        shape = PARTS[name]
        found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        if type(stated) is dict and name in _SHORT:
            objects = _SHORT[name](self, line, stated)
        elif type(stated) is list:
            objects = self._objects(line, account, name, stated)
        else:
            self.wrong_at(line, name, "must be a list of objects")
            return ()
        for values in objects:
            self._number += 1
            same = tuple([values[column] for column in shape.known])
            found.setdefault(same, (line, self._number, account, *values.values()))
        return found.values()

    def _evidence(self, line: int, stated: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """`{kind: time}`."""
        for kind, obtained in stated.items():
            if kind not in KINDS:
                self.wrong_at(line, "evidence", f"must name kinds of evidence: {', '.join(KINDS)}")
                continue
            values = self._defaults["evidence"].copy()
            try:
                values["kind"], values["obtained"] = kind, moment(obtained)
            except ValueError as error:
                self.wrong_at(line, f"evidence.{kind}", str(error))
            yield values

    def _links(self, line: int, stated: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """`{kind: value}`, or several values of a kind."""
        for kind, several in stated.items():
            for value in several if type(several) is list else (several,):
                values = self._defaults["links"].copy()
                try:
                    hashed = self._hashed(kind, value)
                except ValueError as error:
                    self.wrong_at(line, f"links.{kind}" if kind in LINKS else "links", str(error))
                    continue
                values["kind"], values["secret"], values["digest"] = kind, hashed.secret, hashed.digest
                yield values

    def _objects(self, line: int, account: Any, name: str, stated: list[Any]) -> Iterator[dict[str, Any]]:
        shape, secret = PARTS[name], "pepper" if name == "keys" else "secret"
        for index, one in enumerate(stated):
            where = f"{name}.{index}"
            try:
                whole = self._whole(account, name, one)
            except ValueError as error:
                self.wrong_at(line, where, str(error))
                continue
            values, _ = self._columns(shape, line, whole, where + ".")
            if secret in whole and values[secret] not in self._secrets:
                self.wrong_at(line, f"{where}.{secret}", "names no secret of this directory")
            yield values

    def _whole(self, account: Any, name: str, one: Any) -> dict[str, Any]:
        """An entry of a list as its table has it. Raises ValueError."""
        if name == "members" and type(one) is str:
            address = self._secrets.hash(MEMBER, normalised(one))
            return {"secret": address.secret, "digest": address.digest.hex()}
        if type(one) is not dict:
            raise ValueError("must be an object")
        if name == "links" and "value" in one:
            hashed = self._hashed(one.get("kind"), one["value"])
            del one["value"]
            return one | {"secret": hashed.secret, "digest": hashed.digest.hex()}
        if name == "keys" and "digest" not in one and "prefix" not in one and "pepper" not in one:
            if type(account) is not str or type(one.get("name")) is not str:
                raise ValueError("must have a name")
            minted = self._mint(account, one["name"])
            self.rows[MINTED.name].append((minted.prefix,))
            return one | {"prefix": minted.prefix, "digest": minted.digest.hex(), "pepper": minted.pepper}
        return one

    def _hashed(self, kind: object, value: object) -> Hashed:
        """What is kept of a link. Raises ValueError."""
        if type(kind) is not str or kind not in LINKS:
            raise ValueError(f"must name kinds of links: {', '.join(LINKS)}")
        if type(value) is not str or not value:
            raise ValueError("must be text that is not empty")
        return self._secrets.hash(LINK + kind, value)


_SHORT: Final[Mapping[str, Callable[[Checker, int, dict[str, Any]], Iterator[dict[str, Any]]]]] = {
    "evidence": Checker._evidence,  # noqa: SLF001 - the class's own table
    "links": Checker._links,  # noqa: SLF001 - as above
}
"""Part -> its short form, an object by kind."""


def prepare(connection: Connection) -> None:
    """Make the tables."""
    with connection.begin():
        _metadata.create_all(connection, checkfirst=False)


def put(connection: Connection, rows: Rows) -> None:
    """Add rows: by prepared statements in SQLite, by COPY in PostgreSQL."""
    with connection.begin():
        for name, values in rows.items():
            if not values:
                continue
            if connection.dialect.name == "sqlite":
                marks = ", ".join("?" * len(values[0]))
                connection.exec_driver_sql(f"INSERT INTO temp.{name} VALUES ({marks})", values)  # noqa: S608 - our names
                continue
            driver: Any = connection.connection.dbapi_connection
            with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
                for one in values:
                    copy.write_row(one)


def order(connection: Connection) -> None:
    """What is looked up by its name is found by it: for checks, and so that pages are written in their order."""
    with connection.begin():
        connection.execute(sql.text("CREATE INDEX staged_accounts_id ON staged_accounts (id)"))
        connection.execute(sql.text("CREATE INDEX staged_keys_prefix ON staged_keys (prefix)"))
        if connection.dialect.name == "postgresql":
            connection.execute(sql.text("ANALYZE staged_accounts"))
            connection.execute(sql.text("ANALYZE staged_keys"))
