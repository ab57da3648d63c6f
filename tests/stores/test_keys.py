"""Keys: nothing that a caller says breaks out of its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores import keys
from tests.stores.harness import bucket


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("account=acme", "account=acme", id="plain"),
        pytest.param("a}b{c", "a%7Db%7Bc", id="braces"),
        pytest.param("a\r\nb\x00", "a%0D%0Ab%00", id="controls"),
        pytest.param("100%", "100%25", id="the escape itself"),
        pytest.param("2001:db8::1", "2001%3Adb8%3A%3A1", id="colons"),
        pytest.param("", "*", id="empty"),
        pytest.param("*", "%2A", id="what empty becomes"),
        pytest.param("modèle", "modèle", id="letters of any script"),
    ],
)
def test_safe(text: str, expected: str) -> None:
    """What could break out is percent-encoded; the rest is readable."""
    assert keys.safe(text) == expected


@given(st.text(max_size=300), st.text(max_size=300))
def test_one_to_one(one: str, other: str) -> None:
    """Different names have different keys, of bounded length, without braces."""
    assert (keys.safe(one) == keys.safe(other)) == (one == other)
    assert len(keys.safe(one)) <= keys.LONGEST
    assert not set(keys.safe(one)) & set("{}\r\n \x00")


def test_spelling() -> None:
    """The spelling of each key is pinned: to change one is to forget all usage."""
    one = bucket("acme", "rpm", rest=",model=m")
    assert keys.hash_of(one) == b"tg:q:{account=acme},model=m"
    assert keys.field_of(one) == b"rpm"
    assert keys.lease_of(one) == b"tg:l:{account=acme},model=m:rpm"
    assert keys.marks_of("account=acme") == b"tg:x:{account=acme}"
    assert keys.batches_of("account=acme") == b"tg:b:{account=acme}"


def test_slot() -> None:
    """CRC16 as the Cluster specification has it: its own test vector, and one from `CLUSTER KEYSLOT`."""
    assert keys.slot_of_key(b"123456789") == 0x31C3
    assert keys.slot_of_key(b"foo") == 12182
