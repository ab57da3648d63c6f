"""The audit is a chain: each line is bound to all before it, so that nobody changes the past unseen.

A line has a digest of its content and a link, both SHA-256:

    digest = H(salt, at, who, did, subject, detail)        each text with its length before it
    link   = H(link of the line before, id, digest)        32 zero bytes before the first

Lines are linked in the order in which their transactions commit: whoever appends has the writers' turn. The salt is a
line's own, so that its digest does not tell what stood there once the texts are erased.

Erasing an account changes old lines, as law asks (`gateway.accounts.sql.erase`). Such a line loses its salt and its
texts, keeps digest and link, and names in `erased` the pseudonyms by which it was changed. The line of the erasing
states under `sealed`, for each pseudonym, how many lines have it and a digest of all of these as they are now, so what
is left of them cannot be changed either. The last such statement of a pseudonym holds.

What a chain cannot show: who may write to the database can cut the newest lines off, or make the whole chain anew.
Whoever has noted a `head` elsewhere sees both: `verify` looks for it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import tables

SALT: Final = 16
FIRST: Final = bytes(32)
"""What the first line is linked to."""
ERASE: Final = "account.erase"
SEALED: Final = "sealed"
CHUNK: Final = 2_000
"""Lines that are read at once."""
NAMED: Final = 10
"""Pseudonyms that the database looks for; of more all erased lines are read."""
SHOWN: Final = 100
"""Broken lines that are named; the rest are counted."""

Tell = Callable[[int, int], None]
"""Lines so far, and how many there are."""

CHANGED: Final = "it does not say what it said when it was written"
MISPLACED: Final = "it does not follow the line before it: one was taken out, put in, or moved"
UNSEALED: Final = "it is marked as erased, and no erasing says so"
UNREADABLE: Final = "a column holds what no line has"
NOT_THERE: Final = "the head that was noted is no line's: the newest lines were cut off, or the chain was made anew"


class Line(NamedTuple):
    """What somebody did. `detail` is JSON."""

    at: float
    who: str
    did: str
    subject: str
    detail: str


class Head(NamedTuple):
    """The newest line."""

    id: int
    link: bytes

    def __str__(self) -> str:
        return self.link.hex()


class Verified(NamedTuple):
    """What came of looking at all lines."""

    lines: int
    head: str
    """The link of the newest line in hex, to be noted elsewhere; empty where there is none."""
    broken: tuple[tuple[int, str], ...]
    """Id and what is wrong with it: the first of them. 0 for what is of no single line."""
    wrong: int
    """How many there are in all."""
    erased: int
    """Lines whose texts were erased, as an erasing says."""

    @property
    def ok(self) -> bool:
        return not self.wrong


def digest_of(salt: bytes, line: Line) -> bytes:
    """Commits to the content of a line."""
    content = _counted(line.who, line.did, line.subject, line.detail)
    return hashlib.sha256(salt + struct.pack(">d", line.at) + content).digest()


def link_of(previous: bytes, number: int, digest: bytes) -> bytes:
    return hashlib.sha256(previous + struct.pack(">q", number) + digest).digest()


def chained(head: Head, lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
    """Rows to be inserted after the newest."""
    for line in lines:
        salt = os.urandom(SALT)
        digest = digest_of(salt, line)
        head = Head(head.id + 1, link_of(head.link, head.id + 1, digest))
        yield line._asdict() | {"id": head.id, "salt": salt, "digest": digest, "link": head.link}


def head(connection: Connection) -> Head:
    """Of the chain now; (0, FIRST) where nothing was ever written."""
    table = tables.audit
    found = connection.execute(sql.select(table.c.id, table.c.link).order_by(table.c.id.desc()).limit(1)).first()
    return Head(0, FIRST) if found is None else Head(found.id, bytes(found.link or FIRST))


def append(connection: Connection, lines: Sequence[Line]) -> None:
    """The writers' turn has to be the caller's."""
    connection.execute(tables.audit.insert(), list(chained(head(connection), lines)))


def seals(connection: Connection, names: Iterable[str]) -> dict[str, list[int | str]]:
    """Pseudonym -> how many lines have it, and a digest of these as they are."""
    found = {name: _Seal() for name in sorted(set(names))}
    # In one walk, whatever their number: the writers' turn is held meanwhile.
    where = [tables.audit.c.erased != ""]
    if len(found) <= NAMED:
        marks = sql.literal(" ").concat(tables.audit.c.erased).concat(" ")
        where.append(sql.or_(*(marks.contains(f" {name} ", autoescape=True) for name in found)))
    for row in _raw(connection, *where):
        for name in row.erased.split(" "):
            if name in found:
                found[name].take(row)
    return {name: [seal.lines, seal.digest.hexdigest()] for name, seal in found.items()}


def verify(connection: Connection, tell: Tell = lambda *_: None, noted: str = "") -> Verified:
    """Look at every line, in one view of the database. `noted` is a head from before, in hex. Memory is bounded but for
    some bytes an erased account. For a connection that nothing was asked of yet; runs long, so in a thread.
    """
    if connection.dialect.name != "sqlite":
        # SQLite's deferred transaction is one view as it is.
        connection.execution_options(isolation_level="REPEATABLE READ")
    whole = connection.scalar(sql.select(sql.func.count()).select_from(tables.audit)) or 0
    check = _Check(noted.strip().lower())
    for row in _raw(connection):
        check.take(row)
        if check.lines % CHUNK == 0:
            tell(check.lines, whole)
    found = check.end()
    tell(found.lines, whole)
    return found


@dataclass(slots=True)
class _Seal:
    """Of the lines that have one pseudonym."""

    lines: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    first: int = 0

    def take(self, row: _Row) -> None:
        self.lines += 1
        self.first = self.first or row.id
        texts = _counted(row.who, row.did, row.subject, row.detail, row.erased)
        self.digest.update(struct.pack(">qd", row.id, row.at) + texts + row.digest)


class _Row(NamedTuple):
    id: int
    at: float
    who: str
    did: str
    subject: str
    detail: str
    salt: bytes | None
    digest: bytes
    link: bytes
    erased: str

    @property
    def line(self) -> Line:
        return Line(self.at, self.who, self.did, self.subject, self.detail)


class _Check:
    """A walk along the chain. A line that is amiss is named once: the walk goes on from what stands there."""

    def __init__(self, noted: str) -> None:
        self.lines = 0
        self._noted = noted
        self._seen = not noted
        self._before: set[bytes] = {FIRST}
        self._last = b""
        self._broken: list[tuple[int, str]] = []
        self._wrong = 0
        self._erased = 0
        self._sealed: dict[str, _Seal] = {}
        self._stated: dict[str, tuple[int, Any, Any]] = {}

    def take(self, row: _Row) -> None:
        self.lines += 1
        if not _readable(row):
            self._say(row.id, UNREADABLE)
            self._before = {row.link} if isinstance(row.link, bytes) else {FIRST}
            return
        self._content(row)
        wanted = {link_of(before, row.id, row.digest) for before in self._before}
        if row.link not in wanted:
            self._say(row.id, MISPLACED)
        # Where this link itself was changed, the next line still follows what it was.
        self._before = {row.link} if row.link in wanted else wanted | {row.link}
        self._last = row.link
        self._seen = self._seen or row.link.hex() == self._noted
        if row.did == ERASE:
            self._note(row)

    def _content(self, row: _Row) -> None:
        if not row.erased:
            if row.salt is None or digest_of(row.salt, row.line) != row.digest:
                self._say(row.id, CHANGED)
            return
        self._erased += 1
        for name in row.erased.split(" "):
            self._sealed.setdefault(name, _Seal()).take(row)
        if row.salt is not None:
            self._say(row.id, CHANGED)

    def _note(self, row: _Row) -> None:
        """An erasing. It is a line as any other, so what it states is bound as well."""
        try:
            stated = orjson.loads(row.detail).get(SEALED, {})
            self._stated |= {name: (row.id, count, digest) for name, (count, digest) in stated.items()}
        except (ValueError, TypeError, AttributeError):
            self._say(row.id, UNREADABLE)

    def end(self) -> Verified:
        for name, seal in self._sealed.items():
            if name not in self._stated:
                self._say(seal.first, UNSEALED)
        for name, (number, count, digest) in self._stated.items():
            there = self._sealed.get(name, _Seal())
            if there.lines != count:
                self._say(number, f"it says that {count} lines are erased as {name}, and {there.lines} are")
            elif there.digest.hexdigest() != digest:
                self._say(number, f"one of the {count} lines that it erased as {name} was changed since")
        if not self._seen:
            self._say(0, NOT_THERE)
        broken = tuple(sorted(self._broken))
        return Verified(self.lines, self._last.hex(), broken, self._wrong, self._erased)

    def _say(self, number: int, what: str) -> None:
        self._wrong += 1
        if len(self._broken) < SHOWN:
            self._broken.append((number, what))


def _counted(*texts: str) -> bytes:
    parts = [text.encode() for text in texts]
    return b"".join(struct.pack(">q", len(part)) + part for part in parts)


_KINDS: Final = (int, float, str, str, str, str, bytes, bytes, bytes, str)
_ERASED: Final = (int, float, str, str, str, str, type(None), bytes, bytes, str)


def _readable(row: _Row) -> bool:
    """SQLite keeps anything in any column; who broke in may have, too."""
    kinds = tuple(map(type, row))
    return kinds in (_KINDS, _ERASED)


def _raw(connection: Connection, *where: sql.ColumnElement[bool]) -> Iterator[_Row]:
    """Lines in their order, a chunk at a time, as the database has them: nothing is converted, so nothing fails."""
    columns = tables.audit.c
    found = sql.select(*(sql.type_coerce(columns[name], sql.types.NullType()).label(name) for name in _Row._fields))
    after = -(2**63)
    while True:
        page = connection.execute(found.where(columns.id > after, *where).order_by(columns.id).limit(CHUNK)).all()
        for row in page:
            yield _Row._make(row)
        if len(page) < CHUNK:
            return
        after = page[-1].id
