"""Accounts and keys as the hot path sees them: immutable snapshots in memory, never waited for once they are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from gateway.policy import Principal

NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})
"""One for all: a million accounts need no million empty dictionaries."""


class Cell:
    """Whether what was read of one account still holds. Who remembers something of it looks here: one attribute.

    The directory sets `current` to False when the account changes, and never back to True.
    """

    __slots__ = ("__weakref__", "current")

    def __init__(self) -> None:
        self.current = True

    def __repr__(self) -> str:
        return f"<Cell {'current' if self.current else 'void'}>"


LASTING: Final = Cell()
"""Of accounts that only change together with all others: by the directory's generation."""


class KeyRecord(NamedTuple):
    """A key as it is known: never the key itself."""

    digest: bytes
    """Keyed BLAKE2b of the whole key, 32 bytes."""
    pepper: str
    """Id of the pepper that made the digest."""
    principal: Principal
    expires: float | None = None
    """Unix time."""
    revoked: bool = False
    suspended: bool = False
    cell: Cell = LASTING
    until: float = math.inf
    """Unix time at which it has to be read again."""


class AccountRecord(NamedTuple):
    """An account as it is known, for callers who prove themselves by a token: its principal has no key."""

    principal: Principal | None
    """None where there is no such account."""
    suspended: bool = False
    cell: Cell = LASTING
    until: float = math.inf


class NotLoaded:
    """The answer of `find` and `account` where nobody knows without asking the database."""


NOT_LOADED: Final = NotLoaded()


class DirectoryUnavailable(Exception):
    """The database cannot be asked, and memory does not know. The text is for the log."""


class Directory(Protocol):
    generation: int
    """Goes up when everything may have changed: caches made from an older one are void. One account's change only
    voids its cell.
    """

    def find(self, prefix: str) -> KeyRecord | NotLoaded | None:
        """The key whose public prefix this is. Constant time is the caller's business: it compares digests."""

    async def load(self, prefix: str) -> KeyRecord | None:
        """The same, asking the database. Raises DirectoryUnavailable."""

    def pepper(self, name: str) -> bytes | None:
        """The pepper of that id."""

    def account(self, account: str) -> AccountRecord | NotLoaded:
        """The account of that id."""

    async def load_account(self, account: str) -> AccountRecord:
        """The same, asking the database. Raises DirectoryUnavailable."""
