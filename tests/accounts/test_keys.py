"""API keys: unmistakable, checked without asking anyone, and kept only as a digest."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts import keys


def test_a_minted_key_has_its_form() -> None:
    """Prefix of letters and digits that begins with a letter, 34 characters of secret (202 bits), 6 of checksum."""
    minted = keys.mint()

    assert re.fullmatch(r"tg_[A-Za-z][0-9A-Za-z]{9}_[0-9A-Za-z]{40}", minted.key)
    assert keys.parse(minted.key.encode()) == minted.prefix
    assert minted.key not in repr(minted)


def test_no_two_keys_are_alike() -> None:
    """Neither as a whole nor in their prefix."""
    minted = [keys.mint() for _ in range(200)]

    assert len({key.key for key in minted}) == len({key.prefix for key in minted}) == 200


KEY = b"tg_Abcdefgh12_0123456789012345678901234567890123"


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"tg_",
        KEY[:-1],
        KEY + b"0",
        KEY + b"\n",
        b" " + KEY,
        KEY.upper(),
        KEY.replace(b"tg_", b"sk_"),
        b"\xff" * 50,
    ],
    ids=repr,
)
def test_what_is_no_key(wrong: bytes) -> None:
    """Cut, longer, padded, of another sort."""
    assert keys.parse(wrong) is None


@given(st.binary(max_size=100) | st.from_regex(rb"tg_[0-9A-Za-z]{8,12}_[0-9A-Za-z]{39,60}", fullmatch=True))
def test_any_bytes_are_parsed(key: bytes) -> None:
    """No input raises, and a prefix is what stands between the underscores."""
    prefix = keys.parse(key)

    assert prefix is None or key.startswith(f"tg_{prefix}_".encode())


@given(st.integers(3, 49), st.sampled_from(keys.ALPHABET))
def test_one_wrong_character_is_seen(place: int, character: str) -> None:
    """The checksum finds every mistake in a single character, so a mistyped key costs no lookup."""
    minted = keys.mint()
    wrong = minted.key[:place] + character + minted.key[place + 1 :]

    assert (keys.parse(wrong.encode()) is not None) == (wrong == minted.key)


def test_a_digest_is_keyed() -> None:
    """BLAKE2b-256 with the pepper as its key: with another pepper it is another."""
    assert keys.digest(b"p" * 16, KEY) == hashlib.blake2b(KEY, key=b"p" * 16, digest_size=32).digest()
    assert keys.digest(b"p" * 16, KEY) != keys.digest(b"q" * 16, KEY)
