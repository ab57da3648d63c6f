"""The accounts of a case as they stand: in the directory, in accounts.yaml, or nowhere but in tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

from sqlalchemy.engine import Connection

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.ladder import Ladder, standing
from gateway.accounts.sql.lookup import AccountRow, read_accounts

BATCH: Final = 500
"""Accounts of one question."""
NOBODY: Final = "default"
"""The tier of whom nobody has given one."""


class Stands(NamedTuple):
    known: Literal["directory", "file", "token"]
    tier: str
    verification: int
    """Steps of the ladder that were earned; without a ladder, kinds of evidence that hold."""
    suspended: bool


def stands(
    connection: Connection, accounts: Sequence[str], now: float, ladder: Ladder | None, file: Snapshot
) -> dict[str, Stands]:
    """All of them: who is not in the directory is looked for in the file."""
    found: dict[str, Stands] = {}
    for start in range(0, len(accounts), BATCH):
        some = accounts[start : start + BATCH]
        rows = read_accounts(connection, some, now)
        for account in some:
            row = rows.get(account)
            found[account] = _of_row(row, now, ladder) if row is not None else _elsewhere(account, file)
    return found


def of_file(accounts: Collection[str], file: Snapshot) -> frozenset[str]:
    """Those that only accounts.yaml can suspend."""
    return frozenset(account for account in accounts if account in file.accounts)


def _of_row(row: AccountRow, now: float, ladder: Ladder | None) -> Stands:
    if ladder is None:
        kinds = {evidence.kind for evidence in row.profile.evidence if evidence.expires > now}
        return Stands("directory", row.tier or NOBODY, len(kinds), row.suspended)
    there = standing(ladder, row.profile, row.tier, now)
    return Stands("directory", there.tier, there.earned, row.suspended)


def _elsewhere(account: str, file: Snapshot) -> Stands:
    principal = file.accounts.get(account)
    if principal is None:
        return Stands("token", NOBODY, 0, suspended=False)
    return Stands("file", principal.tier, principal.profile.verification, account in file.suspended)
