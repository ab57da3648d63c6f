"""The directory's own secrets: keyed hashes of what must be compared and never read, peppers of keys, signatures.

`tidegate.yaml` names them, the newest first: that one is used for what is new, all of them for what is there. From
each a key is derived for each purpose, so that a hash made for one says nothing about another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

SHORTEST: Final = 32
"""Bytes of a secret."""
SIZE: Final = 32
"""Bytes of a hash."""


class Hashed(NamedTuple):
    """A keyed hash, and the id of the secret that made it."""

    secret: str
    digest: bytes


class Secrets:
    """Never empty: raises ValueError otherwise."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        if not secrets:
            raise ValueError("a directory needs a secret")
        self._secrets = dict(secrets)
        self._derived: dict[tuple[str, str], bytes] = {}
        self.newest = next(iter(secrets))
        """Id of the one for what is new."""

    def __repr__(self) -> str:
        return f"<Secrets {', '.join(self._secrets)}>"

    def __contains__(self, secret: object) -> bool:
        return secret in self._secrets

    def key(self, purpose: str, secret: str = "") -> bytes:
        """32 bytes for one purpose (at most 16 letters). Raises KeyError for a secret that is not known."""
        name = secret or self.newest
        key = self._derived.get((purpose, name))
        if key is None:
            derived = hashlib.blake2b(self._secrets[name], digest_size=SIZE, person=purpose.encode(), salt=b"tidegate")
            key = self._derived[purpose, name] = derived.digest()
        return key

    def hash(self, purpose: str, value: str) -> Hashed:
        """By the newest secret."""
        return Hashed(self.newest, _keyed(self.key(purpose), value))

    def hashes(self, purpose: str, value: str) -> tuple[Hashed, ...]:
        """By every secret, the newest first: what was hashed earlier is found again."""
        return tuple(Hashed(secret, _keyed(self.key(purpose, secret), value)) for secret in self._secrets)

    def sign(self, purpose: str, content: bytes, secret: str = "") -> bytes:
        """HMAC-SHA256 of the content, by the newest secret or the one that is named."""
        return hmac.digest(self.key(purpose, secret), content, "sha256")


def _keyed(key: bytes, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=key, digest_size=SIZE).digest()
