"""The directory that policies hold: the accounts of a file, those of the database as far as they are in memory, and
over both what the fleet has revoked.

The file goes first. It is what its operator has reviewed, and it is there when the database is not; and nobody who may
make accounts through a command or an API takes over one of the file by giving another its name. So what the file says
of an account holds for keys of the database, too. Only a suspension counts wherever it stands: who follows the database
says which accounts of the file are suspended there, so that nobody has to ask.

While the database is away, what is in memory and was not said to have changed stays in force. What has changed, or is
not in memory, cannot be answered: DirectoryUnavailable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from gateway.accounts.directory import AccountRecord, DirectoryUnavailable, KeyRecord, NotLoaded
from gateway.accounts.file_directory import EMPTY, Snapshot

if TYPE_CHECKING:
    # A directory without a database, as tests of policies have it, does not pay for SQLAlchemy.
    from gateway.accounts.stored import StoredAccounts


class LiveDirectory:
    """A Directory (`gateway.accounts.directory`) whose content changes under its readers, always whole."""

    def __init__(self, content: Snapshot = EMPTY, stored: StoredAccounts | None = None) -> None:
        self.generation = 0
        self.stored = stored
        self._content = content
        self._revoked_keys: frozenset[str] = frozenset()
        self._suspended_accounts: frozenset[str] = frozenset()
        self._suspended_there: frozenset[str] = frozenset()
        """Of the file's accounts: those that the database suspends."""

    def __repr__(self) -> str:
        content = self._content
        return (
            f"<LiveDirectory generation {self.generation}: {len(content.accounts)} accounts, {len(content.keys)} keys, "
            f"{len(self._revoked_keys)} revoked, {len(self._suspended_accounts)} suspended, {self.stored!r}>"
        )

    def replace(self, content: Snapshot) -> None:
        """Swap what the file says. Revocations stay in force."""
        self._content = content
        self.generation += 1

    def overlay(self, revoked_keys: frozenset[str], suspended_accounts: frozenset[str]) -> None:
        """Swap what the fleet says: prefixes of keys and ids of accounts. What others forbid stays forbidden."""
        if (revoked_keys, suspended_accounts) == (self._revoked_keys, self._suspended_accounts):
            return
        self._revoked_keys = revoked_keys
        self._suspended_accounts = suspended_accounts
        self.generation += 1

    @property
    def file_accounts(self) -> Collection[str]:
        """Ids; another object whenever the file was read anew."""
        return self._content.accounts

    def suspend_of_file(self, accounts: frozenset[str]) -> None:
        """Swap which accounts of the file the database suspends."""
        if accounts != self._suspended_there:
            self._suspended_there = accounts
            self.generation += 1

    def void(self, accounts: Collection[str]) -> None:
        """These have changed in the database: what anybody remembers of them is void at once."""
        if self.stored is not None:
            self.stored.void(accounts)

    def void_all(self) -> None:
        """Everything may have changed in the database."""
        if self.stored is not None:
            self.stored.void_all()
        self.generation += 1

    def find(self, prefix: str) -> KeyRecord | NotLoaded | None:
        record = self._content.keys.get(prefix)
        if record is not None:
            return self._forbidden(record)
        if self.stored is None:
            return None
        known = self.stored.memory.key(prefix)
        return self._known(known) if isinstance(known, KeyRecord) else known

    async def load(self, prefix: str) -> KeyRecord | None:
        found = self.find(prefix)
        if not isinstance(found, NotLoaded):
            return found
        if self.stored is None:
            raise DirectoryUnavailable("there is no database")
        loaded = await self.stored.keys.load(prefix)
        # Meanwhile a new file may have been read.
        if prefix in self._content.keys:
            return self._forbidden(self._content.keys[prefix])
        return None if loaded is None else self._known(loaded)

    def pepper(self, name: str) -> bytes | None:
        stored = None if self.stored is None else self.stored.pepper(name)
        return self._content.peppers.get(name) if stored is None else stored

    def account(self, account: str) -> AccountRecord | NotLoaded:
        if self.stored is None or account in self._content.accounts:
            return self._of_file(account)
        known = self.stored.memory.account(account)
        return self._suspended(account, known) if isinstance(known, AccountRecord) else known

    def has_in_file(self, account: str) -> bool:
        return account in self._content.accounts

    async def load_account(self, account: str) -> AccountRecord:
        found = self.account(account)
        if not isinstance(found, NotLoaded):
            return found
        if self.stored is None:
            raise DirectoryUnavailable("there is no database")
        loaded = await self.stored.accounts.load(account)
        return self._of_file(account) if account in self._content.accounts else self._suspended(account, loaded)

    def _of_file(self, account: str) -> AccountRecord:
        suspended = account in self._content.suspended or account in self._suspended_accounts
        return AccountRecord(self._content.accounts.get(account), suspended or account in self._suspended_there)

    def _suspended(self, account: str, record: AccountRecord) -> AccountRecord:
        return record._replace(suspended=True) if account in self._suspended_accounts else record

    def _known(self, record: KeyRecord) -> KeyRecord:
        """A key of the database, with what the file says of its account."""
        stated = self._content.accounts.get(record.principal.account)
        if stated is not None:
            principal = dataclasses.replace(
                record.principal, organisation=stated.organisation, tier=stated.tier, profile=stated.profile
            )
            suspended = record.suspended or stated.account in self._content.suspended
            record = record._replace(principal=principal, suspended=suspended)
        return self._forbidden(record)

    def _forbidden(self, record: KeyRecord) -> KeyRecord:
        """With what the fleet has revoked."""
        principal = record.principal
        revoked = record.revoked or principal.key in self._revoked_keys
        account = principal.account
        suspended = record.suspended or account in self._suspended_accounts or account in self._suspended_there
        if revoked == record.revoked and suspended == record.suspended:
            return record
        return record._replace(revoked=revoked, suspended=suspended)
