"""Accounts and keys as the hot path sees them: immutable snapshots in memory, swapped whole, never waited for."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gateway.policy import Principal


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


class Directory(Protocol):
    generation: int
    """Goes up with every change: caches made from an older one are void."""

    def find(self, prefix: str) -> KeyRecord | None:
        """The key whose public prefix this is. Constant time is the caller's business: it compares digests."""

    def pepper(self, name: str) -> bytes | None:
        """The pepper of that id."""

    def account(self, account: str) -> Principal | None:
        """The account of that id, with no key, for callers who prove themselves by a token."""

    def suspended(self, account: str) -> bool:
        """Whether the account of that id is suspended, in the file or in the fleet; False for one that is not known."""
