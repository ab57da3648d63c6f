"""What a worker remembers of the accounts in the database: bounded, and void the moment that it is told of a change.

Each account has one cell, shared by all that was read of it, and found here as long as anybody holds it: also where
the account itself was forgotten for want of room, and only auth, or the ladder, still remembers something of it. So a
change always arrives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from gateway.accounts.directory import NO_CLAIMS, NOT_LOADED, AccountRecord, Cell, KeyRecord, NotLoaded
from gateway.accounts.recent import Recent
from gateway.accounts.sql.lookup import AccountRow, KeyRow
from gateway.policy import Principal

PEPPER: Final = "\0"
"""Before the id of a secret, where it makes digests of keys: no pepper of accounts.yaml is called so."""
TIER: Final = "default"
"""Where nobody has set one."""
ABSENT: Final = 10_000
"""Prefixes that are remembered as not there."""
ABSENT_FOR: Final = 5.0
"""Seconds."""


@dataclass(slots=True)
class Since:
    """What changed while something was being read: what was read of that may be from before."""

    accounts: set[str] = field(default_factory=set)
    everything: bool = False

    def changed(self, account: str) -> bool:
        return self.everything or account in self.accounts

    @property
    def anything(self) -> bool:
        return self.everything or bool(self.accounts)


class Remembered:
    """For one event loop. `size` is how many accounts, and how many keys, are always there; at most twice as many."""

    def __init__(
        self, size: int, now: Callable[[], float], absent: int = ABSENT, absent_for: float = ABSENT_FOR
    ) -> None:
        self._now = now
        self._keys: Recent[str, KeyRecord] = Recent(size)
        self._accounts: Recent[str, AccountRecord] = Recent(size)
        self._absent: Recent[str, float] = Recent(absent)
        self._absent_for = absent_for
        self._cells: WeakValueDictionary[str, Cell] = WeakValueDictionary()
        self._readings: list[Since] = []

    def __repr__(self) -> str:
        return f"<Remembered {len(self._keys)} keys, {len(self._accounts)} accounts, {len(self._absent)} absent>"

    def __len__(self) -> int:
        """Accounts of which somebody holds something."""
        return len(self._cells)

    def key(self, prefix: str) -> KeyRecord | NotLoaded | None:
        record = self._keys.get(prefix)
        if record is not None:
            return record if record.cell.current and self._now() < record.until else NOT_LOADED
        until = self._absent.get(prefix)
        return None if until is not None and self._now() < until else NOT_LOADED

    def account(self, account: str) -> AccountRecord | NotLoaded:
        record = self._accounts.get(account)
        return record if record is not None and record.cell.current and self._now() < record.until else NOT_LOADED

    def void(self, accounts: Collection[str]) -> None:
        """These have changed."""
        if not accounts:
            return
        for account in accounts:
            cell = self._cells.pop(account, None)
            if cell is not None:
                cell.current = False
        for since in self._readings:
            since.accounts.update(accounts)
        # One of them may have a new key.
        self._absent.clear()

    def void_all(self) -> None:
        """Everything may have changed."""
        for cell in list(self._cells.values()):
            cell.current = False
        for since in self._readings:
            since.everything = True
        for memory in (self._keys, self._accounts, self._absent):
            memory.clear()
        self._cells.clear()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Since]:
        """Around every look into the database that is to be kept."""
        since = Since()
        self._readings.append(since)
        try:
            yield since
        finally:
            self._readings.remove(since)

    def keep_key(self, prefix: str, row: KeyRow | None, since: Since) -> KeyRecord | None:
        """What was read is the answer to who asked before; it is kept only if nothing is known to have changed."""
        if row is None:
            if not since.anything:
                self._absent.put(prefix, self._now() + self._absent_for)
            return None
        account = row.account
        principal = Principal(
            account.id,
            account.organisation,
            row.prefix,
            account.tier or TIER,
            row.models,
            row.features,
            NO_CLAIMS,
            account.profile,
        )
        record = KeyRecord(
            row.digest,
            PEPPER + row.pepper,
            principal,
            row.expires,
            row.revoked,
            account.suspended,
            self._cell(account.id, since),
            account.until,
        )
        if record.cell.current:
            self._keys.put(prefix, record)
        return record

    def keep_account(self, account: str, row: AccountRow | None, since: Since) -> AccountRecord:
        """One that is not there is remembered as such: when it gets a row, its cell goes void as any other's."""
        cell = self._cell(account, since)
        record = AccountRecord(None, cell=cell)
        if row is not None:
            principal = Principal(
                row.id, row.organisation, tier=row.tier or TIER, claims=NO_CLAIMS, profile=row.profile
            )
            record = AccountRecord(principal, row.suspended, cell, row.until)
        if cell.current:
            self._accounts.put(account, record)
        return record

    def _cell(self, account: str, since: Since) -> Cell:
        if since.changed(account):
            void = Cell()
            void.current = False
            return void
        cell = self._cells.get(account)
        if cell is None:
            cell = self._cells[account] = Cell()
        return cell
