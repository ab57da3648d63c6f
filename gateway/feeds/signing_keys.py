"""An issuer's signing keys (JWK Set, RFC 7517), from its address or from a file.

`get` answers at once from memory; `fetch` is for a key that is not there. An issuer is never hammered: one fetch at a
time whoever waits, none within `COOLDOWN` of the last for a key id that it did not know (a stranger can make up any
number of those), none within `RETRY` of one that failed. While it is down its last keys stay good for `MAX_STALE`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from yarl import URL

from gateway.tasks import spawn

COOLDOWN = 30.0
"""Seconds after a good fetch in which an unknown key id starts no other."""
RETRY = 5.0
"""Seconds after a failed fetch in which nothing starts another."""
MAX_STALE = 86_400.0
"""Seconds for which the last good keys are used while the issuer is down."""

MAX_BYTES = 256 * 1024
MAX_KEYS = 100
MAX_REDIRECTS = 3
MIN_RSA_BITS = 2048
"""NIST SP 800-131A."""

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

_log = logging.getLogger(__name__)

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class KeysUnavailable(Exception):
    """An issuer's keys cannot be had, and none are known: nobody can say whether a token of it is good."""


class SigningKey(NamedTuple):
    """A public key, and the algorithms that it may be used with."""

    key: PublicKey
    algorithms: frozenset[str]


class KeySource(Protocol):
    """Where a room gets an issuer's keys."""

    def get(self, kid: str) -> SigningKey | None:
        """The key of that id, without waiting. An empty id is the only key of a set of one."""

    def worth_fetching(self) -> bool:
        """Whether `fetch` has more to say than `get`: a key that is new, or that none can be had."""

    async def fetch(self, kid: str) -> SigningKey | None:
        """The key of that id, asking the issuer if need be. Raises KeysUnavailable."""

    async def close(self) -> None: ...


def parse_keys(content: bytes) -> dict[str, SigningKey]:
    """A JWK Set -> key id -> key. Keys that cannot sign for us are left out. Raises ValueError if it is no set."""
    try:
        data = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    members = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(members, list):
        raise ValueError('no JWK Set: it has no list "keys"')  # noqa: TRY004  # what is wrong is a value from outside
    if len(members) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys")
    found: dict[str, SigningKey] = {}
    for member in members:
        key = _signing_key(member) if isinstance(member, dict) else None
        if key is not None:
            # The first of an id stays: a second one is the issuer's mistake (RFC 7517, section 4.5).
            found.setdefault(str(member.get("kid", "")), key)
    return found


def _signing_key(member: Mapping[str, Any]) -> SigningKey | None:
    operations = member.get("key_ops")
    if member.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    try:
        key = PyJWK(dict(member)).key
    except (PyJWTError, ValueError, TypeError, KeyError):
        # A key type or an algorithm of another world is no reason to lose the others.
        return None
    if isinstance(key, RSAPublicKey):
        algorithms = _RSA if key.key_size >= MIN_RSA_BITS else frozenset[str]()
    elif isinstance(key, EllipticCurvePublicKey):
        algorithms = frozenset({_CURVES[key.curve.name]}) if key.curve.name in _CURVES else frozenset()
    elif isinstance(key, Ed25519PublicKey):
        algorithms = frozenset({"EdDSA"})
    else:
        # A shared secret, or a private key that has no business here.
        return None
    if "alg" in member:
        algorithms &= {member["alg"]} if isinstance(member["alg"], str) else set()
    return SigningKey(key, algorithms) if algorithms else None


class KeysFile:
    """Keys of a file, read once."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError if the file is no key set."""
        self._keys = parse_keys(path.read_bytes())
        if not self._keys:
            raise ValueError(f"{path} has no key that can verify a signature")

    def get(self, kid: str) -> SigningKey | None:
        return _pick(self._keys, kid)

    def worth_fetching(self) -> bool:
        return False

    async def fetch(self, kid: str) -> SigningKey | None:
        return self.get(kid)

    async def close(self) -> None:
        """Nothing is open."""


class KeysAtAddress:
    """Keys of an issuer's address, kept fresh."""

    def __init__(self, address: str, now: Callable[[], float], max_age: float = 600.0, timeout: float = 5.0) -> None:
        """`now` is any clock that moves on, in seconds. Raises ValueError for an address that is not safe."""
        self._url = URL(address)
        _check_address(self._url, from_loopback=True)
        self._now = now
        self._max_age = max_age
        self._timeout = timeout
        self._keys: dict[str, SigningKey] = {}
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._flight: asyncio.Task[None] | None = None
        self.fetches = 0
        """How many were begun."""

    def get(self, kid: str) -> SigningKey | None:
        if self._is_lost():
            return None
        if self._now() - self._fetched >= self._max_age and self._may_begin():
            # The old ones still serve while new ones are on their way.
            self._begin()
        return _pick(self._keys, kid)

    def worth_fetching(self) -> bool:
        return self._flight is not None or self._may_begin() or self._is_lost()

    def _may_begin(self) -> bool:
        now = self._now()
        return now - self._fetched >= min(COOLDOWN, self._max_age) and now - self._failed >= RETRY

    def _is_lost(self) -> bool:
        """Whether there are no keys that may still be used."""
        return self._now() - self._fetched >= self._max_age + MAX_STALE

    async def fetch(self, kid: str) -> SigningKey | None:
        found = self.get(kid)
        if found is not None:
            return found
        if self._flight is not None or self._may_begin():
            # Whoever leaves does not take the flight from the others.
            await asyncio.shield(self._begin())
        if self._is_lost():
            raise KeysUnavailable(f"no keys from {self._url}")
        return _pick(self._keys, kid)

    async def close(self) -> None:
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _begin(self) -> asyncio.Task[None]:
        if self._flight is None:
            self.fetches += 1
            self._flight = spawn(self._fly(), name="signing keys")
        return self._flight

    async def _fly(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                keys = parse_keys(await self._download())
            if not keys:
                raise ValueError("the set has no key that can verify a signature")
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            if self._failed < self._fetched or not self._keys:
                said = str(error) or type(error).__name__
                _log.warning("signing keys not fetched from %s, the last ones stay in use: %s", self._url, said)
            self._failed = self._now()
        else:
            if self._failed > self._fetched and self._keys:
                _log.warning("signing keys are fetched again from %s", self._url)
            self._keys = keys
            self._fetched = self._now()
        finally:
            self._flight = None

    async def _download(self) -> bytes:
        url = self._url
        # Compressed content is not asked for and not taken, so that the bound on bytes is a bound on memory.
        fields = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
            for _ in range(MAX_REDIRECTS + 1):
                async with session.get(url, headers=fields, allow_redirects=False) as answer:
                    if answer.status in {301, 302, 303, 307, 308}:
                        target = url.join(URL(answer.headers.get("Location", "")))
                        _check_address(target, from_loopback=_is_loopback(url))
                        url = target
                        continue
                    if answer.status != 200:
                        raise ValueError(f"status {answer.status}")
                    return await _bounded(answer.content.iter_chunked(16 * 1024))
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")


async def _bounded(chunks: AsyncIterable[bytes]) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
    return bytes(content)


def _pick(keys: Mapping[str, SigningKey], kid: str) -> SigningKey | None:
    if kid or len(keys) != 1:
        return keys.get(kid) if kid else None
    return next(iter(keys.values()))


def _check_address(url: URL, *, from_loopback: bool) -> None:
    """https, or http to this very machine; no redirect leads from outside to this machine. Raises ValueError."""
    if url.scheme == "https" and url.host and (from_loopback or not _is_loopback(url)):
        return
    if url.scheme == "http" and _is_loopback(url) and from_loopback:
        return
    raise ValueError(f"{url.scheme}://{url.host} is not safe for keys: https is, and http on loopback")


def _is_loopback(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host or "").is_loopback
    except ValueError:
        return False


def unsafe_address(address: str) -> str:
    """Why keys may not come from there; empty if they may. For the check of a config."""
    try:
        _check_address(URL(address), from_loopback=True)
    except ValueError as error:
        return str(error)
    return ""
