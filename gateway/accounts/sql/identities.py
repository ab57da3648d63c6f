"""One person, many accounts: who shares what one person has is one identity, named after its oldest account.

Only the kinds in `evidence.IDENTIFYING` make two accounts one. What very many share (a library's device, a test card,
a provider's word for "none") says nothing of who stands behind them: it groups nobody, and that is said.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.evidence import IDENTIFYING
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.accounts import row as existing
from gateway.accounts.sql.database import ALL, MOST, Writing
from gateway.accounts.sql.standing import LINK

log = logging.getLogger(__name__)
T = TypeVar("T")
accounts, links = tables.accounts, tables.links

CROWD: Final = 1000
"""An attribute that more accounts share groups none of them."""
WALK: Final = 20_000
"""Accounts that one walk looks at. A group that is larger stays as it is, and that is said."""
_BATCH: Final = 500


class Grouping(NamedTuple):
    """What became of the group of one account."""

    identity: str
    """Its identity; empty where it stands alone."""
    accounts: tuple[str, ...]
    """Who is in it, the oldest first; the account itself at least."""
    moved: tuple[str, ...]
    """Whose identity is another one now; also of those that are no longer with it."""
    crowds: tuple[str, ...]
    """The kinds of attributes that it shares with too many: these were left out."""
    cut: bool = False
    """The walk has met too many accounts: nothing was changed."""


class Groups:
    """Disjoint sets, by union with path halving."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, one: str) -> str:
        """Who stands for its set."""
        parents = self._parents
        while (parent := parents.setdefault(one, one)) != one:
            parents[one] = one = parents[parent]
        return one

    def join(self, several: Iterable[str]) -> None:
        """All of them are of one set."""
        first = ""
        for one in several:
            found = self.find(one)
            self._parents[found] = first = first or found

    def sets(self) -> list[list[str]]:
        """All of them."""
        found: dict[str, list[str]] = {}
        for one in self._parents:
            found.setdefault(self.find(one), []).append(one)
        return list(found.values())


def regroup(writing: Writing, account: str, *, crowd: int = CROWD, walk: int = WALK) -> Grouping:
    """After links of the account came or went: who is one with it, and who was and no longer is. Raises NoSuch.

    An attribute that comes to be shared by more than `crowd` accounts takes apart what it had joined. One that comes to
    be shared by fewer joins again when it is next seen, or by `regroup_all`.
    """
    was = existing(writing.connection, account).identity
    seen = _walk(writing.connection, account, crowd, walk)
    if seen.cut:
        log.warning("account %s: more than %d accounts hang together: their identities stay as they are", account, walk)
        return Grouping(was, (account,), (), tuple(sorted(seen.crowds)), cut=True)
    moved = _name(writing, seen.groups.sets())
    for one, others in sorted(moved.items()):
        writing.changed(one)
        writing.audit("account.identity", one, others=others)
    identity = existing(writing.connection, account).identity
    return Grouping(
        identity, tuple(same_identity(writing.connection, account)), tuple(sorted(moved)), tuple(sorted(seen.crowds))
    )


def regroup_all(writing: Writing, *, crowd: int = CROWD) -> int:
    """Every account, such as after an import. Returns how many identities are other ones now."""
    groups = Groups()
    connection = writing.connection
    known = sql.select(accounts.c.id).where(accounts.c.identity != "")
    for account in connection.scalars(known):
        groups.find(account)
    shared = (
        sql.select(links.c.kind, links.c.digest)
        .where(links.c.kind.in_(IDENTIFYING))
        .group_by(links.c.kind, links.c.digest)
        .having(sql.func.count().between(2, crowd))
        .subquery()
    )
    pairs = sql.select(links.c.kind, links.c.digest, links.c.account).join(
        shared, sql.and_(links.c.kind == shared.c.kind, links.c.digest == shared.c.digest)
    )
    first: dict[tuple[str, bytes], str] = {}
    for kind, digest, account in connection.execute(pairs):
        groups.join((first.setdefault((kind, digest), account), account))
    moved = _name(writing, groups.sets())
    for account in moved if len(moved) <= MOST else (ALL,):
        writing.changed(account)
    if moved:
        writing.audit("identity.regroup_all", "", moved=len(moved))
    return len(moved)


def same_identity(connection: Connection, account: str) -> list[str]:
    """The accounts of its identity, itself among them, the oldest first. Raises NoSuch."""
    identity = existing(connection, account).identity
    if not identity:
        return [account]
    found = sql.select(accounts.c.id).where(accounts.c.identity == identity)
    return list(connection.scalars(found.order_by(accounts.c.created, accounts.c.id)))


def used_elsewhere(
    connection: Connection, secrets: Secrets, kind: str, value: str, organisation: str, account: str, since: float
) -> list[str]:
    """The accounts for which this value was shown since then, and which are of another organisation than this one.
    An account without an organisation is one of its own. However many share it: a limit never looks away.
    """
    digests = [hashed.digest for hashed in secrets.hashes(LINK + kind, value)]
    elsewhere = [accounts.c.id != account]
    if organisation:
        elsewhere.append(accounts.c.organisation.is_distinct_from(organisation))
    found = (
        sql.select(accounts.c.id)
        .join(links, links.c.account == accounts.c.id)
        .where(links.c.kind == kind, links.c.digest.in_(digests), links.c.seen >= since, *elsewhere)
    )
    return list(connection.scalars(found.distinct().order_by(accounts.c.id)))


class _Seen:
    """What a walk has met so far."""

    def __init__(self) -> None:
        self.groups = Groups()
        self.crowds: set[str] = set()
        self.cut = False


def _walk(connection: Connection, account: str, crowd: int, walk: int) -> _Seen:
    """From account to account over what they share; over an old identity too, which may have to be taken apart."""
    seen = _Seen()
    met = {account}
    attributes: set[tuple[str, bytes]] = set()
    identities = {""}
    frontier = [account]
    while frontier:
        found: set[str] = set()
        fresh = _attributes(connection, frontier) - attributes
        attributes |= fresh
        for kind, digest in _shared(connection, fresh):
            sharing = _sharing(connection, kind, digest, crowd + 2)
            if len(sharing) <= crowd:
                seen.groups.join(sharing)
                found.update(sharing)
                continue
            seen.crowds.add(kind)
            if len(sharing) == crowd + 1:  # It has just become one: what it had joined is looked at again.
                log.warning("more than %d accounts share a link of kind %s: it groups none of them", crowd, kind)
                found.update(sharing)
        for identity in _identities(connection, frontier) - identities:
            identities.add(identity)
            found.update(connection.scalars(sql.select(accounts.c.id).where(accounts.c.identity == identity)))
        for one in frontier:
            seen.groups.find(one)
        frontier = sorted(found - met)
        met |= found
        if len(met) > walk:
            seen.cut = True
            break
    return seen


def _attributes(connection: Connection, of: Sequence[str]) -> set[tuple[str, bytes]]:
    found: set[tuple[str, bytes]] = set()
    for batch in _batches(of):
        rows = sql.select(links.c.kind, links.c.digest).where(links.c.account.in_(batch), links.c.kind.in_(IDENTIFYING))
        found.update((kind, digest) for kind, digest in connection.execute(rows))
    return found


def _shared(connection: Connection, attributes: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Those that more than one account has: most have one, and nobody needs to look at each of these."""
    digests: dict[str, list[bytes]] = {}
    for kind, digest in attributes:
        digests.setdefault(kind, []).append(digest)
    for kind, several in digests.items():
        for batch in _batches(several):
            found = sql.select(links.c.digest).where(links.c.kind == kind, links.c.digest.in_(batch))
            shared = found.group_by(links.c.digest).having(sql.func.count() > 1)
            yield from ((kind, digest) for digest in connection.scalars(shared).all())


def _sharing(connection: Connection, kind: str, digest: bytes, limit: int) -> list[str]:
    same = sql.select(links.c.account).where(links.c.kind == kind, links.c.digest == digest)
    return list(connection.scalars(same.limit(limit)))


def _identities(connection: Connection, of: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for batch in _batches(of):
        found.update(connection.scalars(sql.select(accounts.c.identity).where(accounts.c.id.in_(batch)).distinct()))
    return found


def _name(writing: Writing, groups: Iterable[Sequence[str]]) -> dict[str, int]:
    """Give each account of these groups its identity. Whose is another one now -> how many others have the same."""
    wanted: dict[str, tuple[str, int]] = {}
    rows: dict[str, tuple[float, str]] = {}
    groups = list(groups)
    for batch in _batches([one for group in groups for one in group]):
        columns = sql.select(accounts.c.id, accounts.c.created, accounts.c.identity).where(accounts.c.id.in_(batch))
        rows.update({row.id: (row.created, row.identity) for row in writing.connection.execute(columns)})
    for group in groups:
        oldest = min(group, key=lambda one: (rows[one][0], one))
        for one in group:
            wanted[one] = (oldest if len(group) > 1 else "", len(group) - 1)
    moved = {one: others for one, (identity, others) in wanted.items() if rows[one][1] != identity}
    if moved:
        change = accounts.update().where(accounts.c.id == sql.bindparam("one")).values(identity=sql.bindparam("whose"))
        writing.connection.execute(change, [{"one": one, "whose": wanted[one][0]} for one in moved])
    return moved


def _batches(several: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(several), _BATCH):
        yield several[start : start + _BATCH]
