"""An account is erased, as privacy law asks (GDPR, article 17): what is of it goes, and the audit keeps a pseudonym.

`erase` is the write. Its account's row goes, with keys, links, members, sessions, evidence, falls, overrides,
verifications and reviews, and its organisation where nobody else is in it. Where its id stood in the audit there is
`erased:` and a keyed hash of it: who holds the directory's secrets and is given the id can still find what was done,
and nobody else. Of the texts in these lines only codes stay; that they were changed, and what they say now, the line of
the erasing binds (`gateway.accounts.sql.audit`). An account of the same id is a new one afterwards, also
where the old one was suspended: who has to be kept out is not erased (article 17(3)(e)), or is kept out by a rule.

Two traces are left until later, for cause. Workers are told by `changes`, which holds the id until `forget` is called,
some seconds later; one that was cut off meanwhile notices the gap and reads all again. And a database keeps old bytes:
SQLite is told to overwrite what is deleted (`secure_delete`), yet what its pages left behind when they were split, and
all that PostgreSQL has deleted, stays on disk until `scrub` writes the files anew. It keeps writers out as long as it
runs, so it belongs into a quiet hour. `ELSEWHERE` is what no command here reaches.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import audit, cases, overrides, tables
from gateway.accounts.sql.accounts import row as existing
from gateway.accounts.sql.database import ALL, OVERRIDES, Database, Writing
from gateway.accounts.sql.identities import regroup

PURPOSE: Final = "erased"
WORD: Final = "erased"
"""In place of a text that may identify."""
HEARD: Final = 10.0
"""Seconds after which every worker that lives has seen a change: they look twice a second."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "redis": "buckets, leases, sightings, refusals, networks of its keys, and what is held of its challenges are kept "
    "by the account's id, and expire by themselves; a revocation or a suspension for the fleet (`tg:revoked`) has to "
    "be taken back",
    "exchange log": "an exchange names its account and the prefix of its key, for as long as `exchange_log.keep` says",
    "logs": "the access log and the log of the process, for as long as whoever rotates them keeps them",
    "accounts.yaml": "an account that stands there as well is not touched",
    "provider": "who verified it has its own copy, and its own way to erase it",
    "backups": "copies of the database, its write-ahead log and exports, for as long as they are kept",
}
"""Store -> what of an erased account remains there."""

_OF_ACCOUNTS: Final = (
    tables.sessions,
    tables.keys,
    tables.links,
    tables.members,
    tables.evidence,
    tables.falls,
    tables.overrides,
    tables.reviews,
)
_CODES: Final = frozenset(
    {"about", "kind", "kinds", "on_conflict", "provider", "role", "scope", "sha256", "state", "tier"}
)  # fmt: skip
"""Members of the audit's detail whose texts are words of ours."""


class Erased(NamedTuple):
    """What is left of it, and what went."""

    pseudonym: str
    counts: Mapping[str, int]
    """Table -> rows that went, or that have the pseudonym now (`audit`)."""


def pseudonym(secrets: Secrets, name: str) -> tuple[str, ...]:
    """What an id is called once it is erased, by each secret, the newest first."""
    return tuple(f"erased:{hashed.digest.hex()}" for hashed in secrets.hashes(PURPOSE, name))


def erase(writing: Writing, secrets: Secrets, account: str) -> Erased:
    """Raises NoSuch. Call `forget` some seconds after it is committed."""
    connection = writing.connection
    if connection.dialect.name == "sqlite":
        # Stays on for this connection: what is deleted later is overwritten as well, for the price of a write.
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    row = existing(connection, account)
    name = pseudonym(secrets, account)[0]
    mates = _mates(connection, account, row.identity)
    counts: dict[str, int] = {"inbox": _letters(writing, account)}
    for table in _OF_ACCOUNTS:
        counts[str(table.name)] = _delete(connection, table, table.c.account == account)
    verifications = tables.verifications
    counts["verifications"] = _delete(connection, verifications, verifications.c.account == account)
    _delete(connection, tables.changes, tables.changes.c.account == account)
    counts["accounts"] = _delete(connection, tables.accounts, tables.accounts.c.id == account)
    _regroup(writing, account, mates)
    counts["limit_overrides"] = overrides.erase(writing, account, name)
    counts["cases"] = cases.erase(writing, account, name)
    writing.append_lines()  # Those of this transaction may name it as well.
    touched = {name}
    counts["audit"] = _rename(connection, account, name, touched)
    counts["organisations"] = _empty_organisation(writing, secrets, row.organisation, touched)
    writing.changed(account)
    there = {table: count for table, count in counts.items() if count}
    writing.audit(audit.ERASE, name, **there, **{audit.SEALED: audit.seals(connection, touched)})
    return Erased(name, counts)


def forget(writing: Writing) -> int:
    """Drop changes of accounts that are there no more, once every worker has heard of them. Returns how many."""
    changes, accounts = tables.changes, tables.accounts
    gone = ~sql.exists().where(accounts.c.id == changes.c.account)
    of_account = changes.c.account.not_in((ALL, OVERRIDES))
    return _delete(writing.connection, changes, of_account, changes.c.at <= writing.now - HEARD, gone)


def scrub(database: Database) -> None:
    """Write the database anew, without what was deleted, and empty SQLite's WAL. Raises SQLAlchemyError, also where
    somebody reads on for so long that the old pages have to stay: an export, such as it is.
    """
    with database.engine.connect() as connection:
        connection.detach()
        driver: Any = connection.connection.dbapi_connection
        try:
            if connection.dialect.name == "sqlite":
                driver.execute("VACUUM")
                busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy:
                    raise sqlite3.OperationalError("it is being read: what was deleted is on disk still, try again")
                return
            driver.autocommit = True
            for table in reversed(tables.metadata.sorted_tables):
                driver.execute(f"VACUUM FULL {table.name}")
        except connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError("scrub", None, error) from error


def _delete(connection: Connection, table: sql.Table, *where: sql.ColumnElement[bool]) -> int:
    return connection.execute(table.delete().where(*where)).rowcount


def _letters(writing: Writing, account: str) -> int:
    """What providers said of it. That something was said stays: the same news, sent again, is no new one."""
    inbox, verifications = tables.inbox, tables.verifications
    columns = (verifications.c.provider, verifications.c.reference)
    sessions = sql.select(*columns).where(verifications.c.account == account, verifications.c.reference != "")
    count = 0
    for provider, reference in writing.connection.execute(sessions).all():
        done = sql.func.coalesce(inbox.c.done, writing.now)
        about = inbox.update().where(inbox.c.provider == provider, inbox.c.reference == reference)
        about = about.values(reference="", outcome=WORD, due=None, dead=None, done=done)
        count += writing.connection.execute(about).rowcount
    return count


def _mates(connection: Connection, account: str, identity: str) -> list[str]:
    """Who was one with it."""
    table = tables.accounts
    if not identity:
        return []
    same = sql.select(table.c.id).where(table.c.identity == identity, table.c.id != account)
    return list(connection.scalars(same.order_by(table.c.created, table.c.id)))


def _regroup(writing: Writing, account: str, mates: Collection[str]) -> None:
    """Who is one without it; and no group goes on under its name."""
    table = tables.accounts
    for mate in mates:
        if regroup(writing, mate).cut:
            break
    same = sql.select(table.c.id).where(table.c.identity == account)
    left = list(writing.connection.scalars(same.order_by(table.c.created, table.c.id)))
    if left:
        writing.connection.execute(table.update().where(table.c.identity == account).values(identity=left[0]))
        for one in left:
            writing.changed(one)


def _empty_organisation(writing: Writing, secrets: Secrets, organisation: str | None, touched: set[str]) -> int:
    """One that nobody is in goes with its last account: its name may be a person's."""
    connection, table = writing.connection, tables.organisations
    others = sql.select(tables.accounts.c.id).where(tables.accounts.c.organisation == organisation)
    if not organisation or connection.execute(others.limit(1)).first():
        return 0
    _delete(connection, table, table.c.id == organisation)
    name = pseudonym(secrets, organisation)[0]
    if _rename(connection, organisation, name, touched):
        touched.add(name)
    return 1


def _rename(connection: Connection, name: str, to: str, touched: set[str]) -> int:
    """In the audit: lines of its own keep codes and numbers; in others' lines its name is another one. Each loses the
    salt that its digest was made with, and is marked. `touched` gets the pseudonyms of those that had been marked.
    """
    table = tables.audit
    stated = orjson.dumps(name).decode()[1:-1]
    mentions = table.c.detail.contains(stated, autoescape=True) | table.c.who.endswith(":" + name, autoescape=True)
    lines = connection.execute(sql.select(table).where((table.c.subject == name) | mentions)).all()
    bounded = re.compile(rf"(?<![0-9A-Za-z_-]){re.escape(name)}(?![0-9A-Za-z_-])")
    renamed = []
    for line in lines:
        own = line.subject == name
        detail = orjson.loads(line.detail)
        after = _codes(detail) if own else _without(detail, bounded, to)
        if line.did == audit.ERASE and audit.SEALED in detail:
            after[audit.SEALED] = detail[audit.SEALED]  # What is stated of other lines goes on to hold.
        who = to.join(line.who.rsplit(name, 1)) if line.who.endswith(":" + name) else line.who
        if own or after != detail or who != line.who:
            marks = dict.fromkeys([*line.erased.split(), to])
            touched.update(marks)
            renamed.append(
                {
                    "line": line.id,
                    "of": to if own else line.subject,
                    "by": who,
                    "as": orjson.dumps(after).decode(),
                    "marks": " ".join(marks),
                }
            )
    if renamed:
        change = table.update().where(table.c.id == sql.bindparam("line"))
        values: dict[str, Any] = {
            "subject": sql.bindparam("of"),
            "who": sql.bindparam("by"),
            "detail": sql.bindparam("as"),
            "erased": sql.bindparam("marks"),
            "salt": sql.null(),
        }
        connection.execute(change.values(values), renamed)
    return len(renamed)


def _codes(value: Any, *, code: bool = False) -> Any:
    """Without texts that may identify."""
    if isinstance(value, dict):
        return {name: _codes(inner, code=name in _CODES) for name, inner in value.items()}
    if isinstance(value, list):
        return [_codes(inner, code=code) for inner in value]
    return WORD if isinstance(value, str) and value and not code else value


def _without(value: Any, name: re.Pattern[str], to: str, *, code: bool = False) -> Any:
    """With another name for it. A code stays, also where an account was called `free`."""
    if isinstance(value, dict):
        return {member: _without(inner, name, to, code=member in _CODES) for member, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, name, to, code=code) for inner in value]
    return name.sub(to, value) if isinstance(value, str) and not code else value
