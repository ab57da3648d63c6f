"""Accounts as commands look them up that ask what an exchange would get: those of the file, then the directory's."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from gateway.accounts.directory import KeyRecord
from gateway.accounts.file_directory import EMPTY, Snapshot
from gateway.accounts.remembered import TIER
from gateway.accounts.sql import lookup
from gateway.app.configuration import Configuration
from gateway.app.directory import has_durable
from gateway.cli.directory_access import opened
from gateway.policy import Principal
from gateway.rules.accounts_file import read_accounts


def accounts_of(configuration: Configuration) -> Snapshot:
    """Those of the file, which need not be there unless somebody named it. Raises Problems."""
    if not configuration.accounts_required and not configuration.accounts.exists():
        return EMPTY
    return read_accounts(configuration.accounts)


def with_stored(
    configuration: Configuration, known: Snapshot, accounts: Collection[str] = (), prefixes: Collection[str] = ()
) -> Snapshot:
    """And these of the directory. The file goes first, and where it has all of them nothing is asked. Raises Problems;
    a directory that does not answer ends the command.
    """
    ids = [account for account in accounts if account not in known.accounts]
    public = [prefix for prefix in prefixes if prefix not in known.keys]
    if not (ids or public) or not has_durable(configuration):
        return known
    with opened(configuration.path) as access:
        now = access.database.now()
        found = access.read(lambda connection: lookup.read(connection, public, ids, now))
    keys, there, suspended = dict(known.keys), dict(known.accounts), set(known.suspended)
    for row in found.accounts.values():
        there.setdefault(row.id, _principal(row))
        suspended |= {row.id} if row.suspended else set()
    for key in found.keys.values():
        principal = dataclasses.replace(
            _principal(key.account), key=key.prefix, models=key.models, features=key.features
        )
        keys[key.prefix] = KeyRecord(key.digest, key.pepper, principal, key.expires, key.revoked, key.account.suspended)
    return Snapshot(keys, there, frozenset(suspended), known.peppers)


def _principal(row: lookup.AccountRow) -> Principal:
    return Principal(row.id, row.organisation, tier=row.tier or TIER, profile=row.profile)
