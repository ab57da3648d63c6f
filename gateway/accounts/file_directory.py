"""The accounts of one file, `accounts.yaml`, as the hot path wants them. A `Snapshot` never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.accounts.directory import NO_CLAIMS, KeyRecord
from gateway.accounts.model import AccountEntry, AccountsFile
from gateway.policy import Principal, Profile


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
            account.id, account.organisation, tier=account.tier, claims=NO_CLAIMS, profile=profile
        )
        for key in account.keys:
            principal = Principal(
                account=account.id,
                organisation=account.organisation,
                key=key.prefix,
                tier=account.tier,
                models=key.models,
                features=frozenset(key.features),
                claims=NO_CLAIMS,
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
