"""Ids that tell, to us alone, for whom they were made."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.minted import LIVES, SIZE, Mint

NOW = 1_790_000_000.0
HOUR = 3600.0
MINT = Mint(b"k" * 32)
OTHER = Mint(b"o" * 32)
USUAL = "call_abcdefghijklmnopqrstuvwx"

tails = st.text(string.ascii_letters + string.digits, min_size=SIZE, max_size=60)
heads = st.sampled_from(["call_", "toolu_", "chatcmpl-tool-", "toolu_bdrk_", ""])


@given(heads, tails, st.text(max_size=40), st.text(max_size=20), st.floats(0, 4e9))
def test_whose_it_is_can_be_read(head: str, tail: str, account: str, exchange: str, now: float) -> None:
    """By us: of any id that has room, for any account; length and head stay."""
    minted = MINT.mint(head + tail, account, exchange, now)
    read = MINT.read(minted, now)
    assert read is not None
    assert (read.tag, read.age) == (MINT.tag(account), 0)
    assert len(minted) == len(head + tail)
    assert minted.startswith(head)
    assert minted[len(head) :].isalnum()


@given(st.text(max_size=200))
def test_what_is_not_ours_says_nothing(presented: str) -> None:
    """Whatever it is, and whatever is made of it."""
    assert MINT.read(presented, NOW) is None


@given(st.integers(0, SIZE - 1), st.sampled_from(string.ascii_letters + string.digits))
def test_one_letter_changed_and_it_is_not_ours(place: int, letter: str) -> None:
    """A relay cannot move an id to another account, nor make one up."""
    minted = MINT.mint(USUAL, "acme", "e1", NOW)
    at = len(minted) - SIZE + place
    if minted[at] != letter:
        assert MINT.read(minted[:at] + letter + minted[at + 1 :], NOW) is None


@pytest.mark.parametrize(
    "given_id", ["", "call_1", "9charstool", "call_8f2e1b2c-3d4e-5f60-7a8b-9c0d1e2f3a4b", "ümläut" * 10, "x" * 200]
)
def test_what_has_no_room_stays(given_id: str) -> None:
    """An id that cannot hold ours goes on as it is."""
    assert MINT.mint(given_id, "acme", "e1", NOW) == given_id


@pytest.mark.parametrize(
    ("account", "hours", "expected"),
    [
        pytest.param("acme", 0, "", id="its-own"),
        pytest.param("other", 0, MINT.tag("acme"), id="another"),
        pytest.param("other", LIVES, MINT.tag("acme"), id="another-a-day-later"),
        pytest.param("other", LIVES + 2, "", id="published-by-now"),
        pytest.param("other", 256, "", id="published-long-ago"),
        pytest.param("other", 24 * 365, "", id="published-a-year-ago"),
    ],
)
def test_who_brings_it_back(account: str, hours: int, expected: str) -> None:
    """Only what was made lately for somebody else has wandered."""
    assert MINT.wandered(MINT.mint(USUAL, "acme", "e1", NOW), account, NOW + hours * HOUR) == expected


def test_ids_are_different_and_stay() -> None:
    """Two calls, or two exchanges, never get one id; the same call gets the same."""
    ids = {MINT.mint(f"{USUAL}{n:02d}", "acme", f"e{e}", NOW) for n in range(30) for e in range(30)}
    assert len(ids) == 900
    assert MINT.mint(USUAL, "acme", "e1", NOW) == MINT.mint(USUAL, "acme", "e1", NOW)


def test_nobody_else_can_read_it() -> None:
    """Another fleet, or who has no key, sees neither the account nor that two ids are of one."""
    minted = MINT.mint(USUAL, "acme", "e1", NOW)
    assert OTHER.read(minted, NOW) is None
    again = MINT.mint(USUAL, "acme", "e2", NOW)
    assert sum(a == b for a, b in zip(minted[-SIZE:], again[-SIZE:], strict=True)) < SIZE // 2
