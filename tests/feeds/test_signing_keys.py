"""An issuer's keys, over a real server on loopback: fresh, bounded, and never asked for more than needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from gateway.feeds import signing_keys
from gateway.feeds.signing_keys import KeysAtAddress, KeysFile, KeysUnavailable, parse_keys
from tests.feeds.jwks_server import RSA_KEYS, Issuer, ec_jwk, jwk, serve


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serve() as running:
        yield running


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[KeysAtAddress]:
    source = KeysAtAddress(issuer.address, clock, max_age=600.0, timeout=0.5)
    yield source
    await source.close()


async def settled(keys: KeysAtAddress) -> None:
    """Let a fetch in the background end."""
    if keys._flight is not None:
        await asyncio.wait([keys._flight])


async def test_a_key_is_fetched_once(keys: KeysAtAddress, issuer: Issuer) -> None:
    """A hundred who wait share one fetch; afterwards it is there without waiting."""
    issuer.delay = 0.05
    assert keys.get("one") is None

    found = await asyncio.gather(*(keys.fetch("one") for _ in range(100)))

    assert all(key is not None for key in found)
    assert keys.get("one") == found[0]
    assert issuer.asked == 1


async def test_who_leaves_does_not_take_the_fetch_away(keys: KeysAtAddress, issuer: Issuer) -> None:
    """A client that hangs up cancels its own wait, and no other's."""
    issuer.delay = 0.05
    first, second = asyncio.ensure_future(keys.fetch("one")), asyncio.ensure_future(keys.fetch("one"))
    await asyncio.sleep(0.01)
    first.cancel()

    assert await second is not None
    assert issuer.asked == 1


async def test_unknown_ids_do_not_hammer_the_issuer(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """A thousand made-up ids cost no more than one fetch in COOLDOWN seconds."""
    await keys.fetch("one")
    for number in range(1000):
        assert await keys.fetch(f"made-up-{number}") is None
    assert issuer.asked == 1
    assert not keys.worth_fetching()

    clock.time += signing_keys.COOLDOWN
    for number in range(1000):
        assert await keys.fetch(f"made-up-{number}") is None
    assert issuer.asked == 2


async def test_a_new_key_is_found_after_the_cooldown(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """An issuer that rotates is asked as soon as a token names its new key."""
    await keys.fetch("one")
    issuer.keys = [jwk("one"), jwk("two")]
    clock.time += signing_keys.COOLDOWN

    assert keys.get("two") is None
    assert keys.worth_fetching()
    assert await keys.fetch("two") is not None


async def test_a_withdrawn_key_goes(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """After max_age the set is fetched in the background: the old one serves that once, and not again."""
    await keys.fetch("one")
    issuer.keys = [jwk("two")]
    clock.time += 600.0

    assert keys.get("one") is not None
    await settled(keys)
    assert keys.get("one") is None
    assert keys.get("two") is not None


async def test_a_dead_issuer_leaves_its_last_keys(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """They serve for MAX_STALE, with one try in RETRY seconds; then nobody can say what is good."""
    await keys.fetch("one")
    issuer.status = 503
    clock.time += 600.0
    for _ in range(50):
        assert keys.get("one") is not None
        await settled(keys)
    assert issuer.asked == 2
    clock.time += signing_keys.RETRY
    assert keys.get("one") is not None
    await settled(keys)
    assert issuer.asked == 3

    clock.time += signing_keys.MAX_STALE
    assert keys.get("one") is None
    with pytest.raises(KeysUnavailable):
        await keys.fetch("one")


async def test_without_any_keys_it_is_said(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """A broken issuer at the start is an exception, at once in the seconds after a failure."""
    issuer.status = 500
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await keys.fetch("one")
    assert issuer.asked == 1

    issuer.status = 200
    clock.time += signing_keys.RETRY
    assert await keys.fetch("one") is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": []}', b"[" * 100_000, b" " * (signing_keys.MAX_BYTES + 1), b"\xff"],
    ids=["nothing", "list", "object", "number", "no keys", "deep", "huge", "binary"],
)
async def test_what_is_no_key_set(keys: KeysAtAddress, issuer: Issuer, body: bytes) -> None:
    """It counts as a failure, whatever it is, and takes bounded memory."""
    issuer.body = body

    with pytest.raises(KeysUnavailable):
        await keys.fetch("one")


async def test_a_slow_issuer(keys: KeysAtAddress, issuer: Issuer) -> None:
    """No wait is longer than the time-out."""
    issuer.delay = 5.0

    async with asyncio.timeout(2.0):
        with pytest.raises(KeysUnavailable):
            await keys.fetch("one")


async def test_redirects_are_few_and_safe(keys: KeysAtAddress, issuer: Issuer, clock: Clock) -> None:
    """One to the same machine is followed; a loop ends, and so does a way out of https."""
    issuer.redirect = issuer.address.replace("/jwks", "/moved")
    assert await keys.fetch("one") is not None
    asked = issuer.asked

    for number, target in enumerate((issuer.address, "http://192.0.2.1/jwks", "file:///etc/passwd"), 1):
        issuer.redirect = target
        clock.time += signing_keys.COOLDOWN
        assert await keys.fetch(f"new-{number}") is None
        assert issuer.asked - asked <= 1 + signing_keys.MAX_REDIRECTS
        asked = issuer.asked


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://id.example.com/jwks", True),
        ("http://127.0.0.1:9/jwks", True),
        ("http://[::1]:9/jwks", True),
        ("http://localhost/jwks", True),
        ("http://id.example.com/jwks", False),
        ("http://localhost.example.com/jwks", False),
        ("http://10.0.0.1/jwks", False),
        ("ftp://127.0.0.1/jwks", False),
        ("file:///etc/jwks", False),
    ],
)
def test_where_keys_may_come_from(address: str, safe: bool, clock: Clock) -> None:
    """https, and http on this machine."""
    assert (signing_keys.unsafe_address(address) == "") is safe
    if not safe:
        with pytest.raises(ValueError, match="not safe"):
            KeysAtAddress(address, clock)


def test_no_redirect_leads_home_from_outside() -> None:
    """An issuer out there does not get us to ask our own machine."""
    with pytest.raises(ValueError, match="not safe"):
        signing_keys._check_address(URL("https://127.0.0.1/admin"), from_loopback=False)


def test_only_keys_that_verify_are_taken() -> None:
    """Shared secrets, encryption keys, short keys and strange ones are left out; the others stay."""
    short = rsa.generate_private_key(65537, 1024)
    private = {**jwk("private"), "d": "AQAB"} if "private" in RSA_KEYS else jwk("private", RSA_KEYS["one"])
    members = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        jwk("enc", RSA_KEYS["one"], use="enc"),
        jwk("ops", RSA_KEYS["one"], key_ops=["encrypt"]),
        jwk("short", short),
        jwk("hs", RSA_KEYS["one"], alg="HS256"),
        jwk("odd", RSA_KEYS["one"], alg="RSA-OAEP"),
        {"kty": "new", "kid": "new"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        "text",
        private,
        jwk("any", RSA_KEYS["one"]),
        jwk("pinned", RSA_KEYS["one"], alg="PS256"),
        ec_jwk("ec"),
    ]

    found = {kid: sorted(key.algorithms) for kid, key in parse_keys(json.dumps({"keys": members}).encode()).items()}

    every = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    assert found == {"private": every, "any": every, "pinned": ["PS256"], "ec": ["ES256"]}


def test_a_file_of_keys(tmp_path: Path) -> None:
    """Read once; a set of one needs no id; a file without a key is an error at the start."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [jwk("one")]}))
    keys = KeysFile(path)
    assert keys.get("one") == keys.get("")
    assert keys.get("two") is None
    assert not keys.worth_fetching()

    path.write_text(json.dumps({"keys": [jwk("one"), jwk("two")]}))
    assert KeysFile(path).get("") is None
    path.write_text('{"keys": []}')
    with pytest.raises(ValueError, match="no key"):
        KeysFile(path)
