"""The words for where a caller is."""

from __future__ import annotations

import pytest

from gateway.challenges import scopes
from gateway.challenges.scopes import Breadth, Scopes
from gateway.policy import NOWHERE, Ask, Context, Location, place

SOMEWHERE = Location(country="DE", asn=64496)
PRIVATE = Location(private=True)


def _context(address: str, location: Location = NOWHERE) -> Context:
    context = Context("x", 0.0, "POST", "/", {}, address, Ask("openai", "chat.completions"))
    place(context, location)
    return context


@pytest.mark.parametrize(
    ("breadth", "address", "location", "word"),
    [
        ("any", "192.0.2.7", SOMEWHERE, ""),
        ("address", "192.0.2.7", SOMEWHERE, "address=192.0.2.7"),
        ("address", "2001:DB8:0::1", SOMEWHERE, "address=2001:db8::1"),
        ("network", "192.0.2.7", SOMEWHERE, "network=192.0.2.0/24"),
        ("network", "2001:db8:1:2ff::1", SOMEWHERE, "network=2001:db8:1:200::/56"),
        ("network", "::ffff:192.0.2.7", SOMEWHERE, "network=192.0.2.0/24"),
        ("network", "fe80::1%eth0", NOWHERE, "network=fe80::/56"),
        ("network", "10.1.2.3", PRIVATE, "network=10.1.2.0/24"),
        ("network", "unknown", NOWHERE, "network=unknown"),
        ("network", "", NOWHERE, "network="),
        ("asn", "192.0.2.7", SOMEWHERE, "asn=64496"),
        ("asn", "192.0.2.7", NOWHERE, "network=192.0.2.0/24"),
        ("asn", "10.1.2.3", PRIVATE, "network=10.1.2.0/24"),
        ("country", "192.0.2.7", SOMEWHERE, "country=DE"),
        ("country", "192.0.2.7", NOWHERE, "network=192.0.2.0/24"),
        ("country", "::1", PRIVATE, "network=::/56"),
    ],
    ids=str,
)
def test_the_word_for_a_caller(breadth: Breadth, address: str, location: Location, word: str) -> None:
    """As wide as it is asked for, and narrower where nobody knows more."""
    known = Scopes(breadth)
    assert [known.of(_context(address, location)) for _ in range(2)] == [word, word]


def test_a_place_that_becomes_known_is_told_anew() -> None:
    """What is remembered of an address is its network, not where that is."""
    known = Scopes("asn")
    assert known.of(_context("192.0.2.7")) == "network=192.0.2.0/24"
    assert known.of(_context("192.0.2.7", SOMEWHERE)) == "asn=64496"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In addresses, and in the length of what is none."""
    monkeypatch.setattr(scopes, "REMEMBERED_AT_MOST", 8)
    known = Scopes("network")
    for number in range(100):
        assert known.of(_context(f"192.0.{number}.1")) == f"network=192.0.{number}.0/24"
    assert known._network_of.cache_info().currsize == 8
    assert len(known.of(_context("x" * 10_000))) < 100
