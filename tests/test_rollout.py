"""Who is in a part of the accounts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout import share_of
from gateway.testing import context


@given(st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_a_share_is_of_the_account_alone(name: str, account: str) -> None:
    """From 0 to less than 1, wherever the account calls from and whatever it asks for."""
    here = share_of(name, context(account=account))
    there = share_of(name, context(account=account, client_address="198.51.100.9", model="other", now=5.0))
    assert 0.0 <= here == there < 1.0


def test_whoever_is_not_known_is_told_by_the_address() -> None:
    """So that one caller is always on one side."""
    first, again, other = (
        share_of("r", context(account=None, client_address=address))
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    )
    assert first == again != other


def test_an_account_is_not_an_address() -> None:
    """An account whose id looks like an address does not share its place."""
    assert share_of("r", context(account="192.0.2.1")) != share_of(
        "r", context(account=None, client_address="192.0.2.1")
    )


def test_half_of_a_surrogate_pair_has_its_place_too() -> None:
    """JSON can write one, and so can the subject of a token."""
    assert 0.0 <= share_of("rule", context(account="a\ud800")) < 1.0
