"""The directory that comes from one file, and the live one that stands before it.

A `Snapshot` never changes. `LiveDirectory` is what policies hold: it swaps snapshots whole, and lays over them what
cannot wait for a file: the keys and accounts that were revoked in the whole fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.accounts.directory import AccountRecord, KeyRecord
from gateway.accounts.model import AccountEntry, AccountsFile
from gateway.policy import Principal, Profile

_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})
"""One for all: a million accounts need no million empty dictionaries."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Accounts and keys at one moment."""

    keys: Mapping[str, KeyRecord]
    accounts: Mapping[str, Principal]
    suspended: frozenset[str]
    peppers: Mapping[str, bytes]


EMPTY = Snapshot({}, {}, frozenset(), {})


def snapshot(file: AccountsFile) -> Snapshot:
    """The file's content as the hot path wants it."""
    keys: dict[str, KeyRecord] = {}
    accounts: dict[str, Principal] = {}
    for account in file.accounts:
        profile = _profile(account)
        accounts[account.id] = Principal(
            account.id, account.organisation, tier=account.tier, claims=_NO_CLAIMS, profile=profile
        )
        for key in account.keys:
            principal = Principal(
                account=account.id,
                organisation=account.organisation,
                key=key.prefix,
                tier=account.tier,
                models=key.models,
                features=frozenset(key.features),
                claims=_NO_CLAIMS,
                profile=profile,
            )
            keys[key.prefix] = KeyRecord(
                digest=bytes.fromhex(key.digest),
                pepper=key.pepper,
                principal=principal,
                expires=key.expires.timestamp() if key.expires else None,
                revoked=key.revoked,
                suspended=account.suspended,
            )
    peppers = {name: secret.get_secret_value().encode() for name, secret in file.peppers.items()}
    suspended = frozenset(account.id for account in file.accounts if account.suspended)
    return Snapshot(keys, accounts, suspended, peppers)


def _profile(account: AccountEntry) -> Profile:
    return Profile(
        created=account.created.timestamp() if account.created else 0.0,
        email_domain=account.email_domain,
        signup_country=account.signup_country,
        billing_country=account.billing_country,
        verification=account.verification,
    )


class LiveDirectory:
    """A Directory (`gateway.accounts.directory`) whose content changes under its readers, always whole."""

    def __init__(self, content: Snapshot = EMPTY) -> None:
        self.generation = 0
        self._content = content
        self._revoked_keys: frozenset[str] = frozenset()
        self._suspended_accounts: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        content = self._content
        return (
            f"<LiveDirectory generation {self.generation}: {len(content.accounts)} accounts, {len(content.keys)} keys, "
            f"{len(self._revoked_keys)} revoked, {len(self._suspended_accounts)} suspended>"
        )

    def replace(self, content: Snapshot) -> None:
        """Swap what the file says. Revocations stay in force."""
        self._content = content
        self.generation += 1

    def overlay(self, revoked_keys: frozenset[str], suspended_accounts: frozenset[str]) -> None:
        """Swap what the fleet says: prefixes of keys and ids of accounts. What the file forbids stays forbidden."""
        if (revoked_keys, suspended_accounts) == (self._revoked_keys, self._suspended_accounts):
            return
        self._revoked_keys = revoked_keys
        self._suspended_accounts = suspended_accounts
        self.generation += 1

    def find(self, prefix: str) -> KeyRecord | None:
        record = self._content.keys.get(prefix)
        if record is None:
            return None
        revoked = record.revoked or prefix in self._revoked_keys
        suspended = record.suspended or record.principal.account in self._suspended_accounts
        if revoked == record.revoked and suspended == record.suspended:
            return record
        return record._replace(revoked=revoked, suspended=suspended)

    def pepper(self, name: str) -> bytes | None:
        return self._content.peppers.get(name)

    async def load(self, prefix: str) -> KeyRecord | None:
        return self.find(prefix)

    def account(self, account: str) -> AccountRecord:
        suspended = account in self._content.suspended or account in self._suspended_accounts
        return AccountRecord(self._content.accounts.get(account), suspended)

    async def load_account(self, account: str) -> AccountRecord:
        return self.account(account)
