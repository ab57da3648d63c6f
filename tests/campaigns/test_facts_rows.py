"""What is known of accounts, read from a file."""

from __future__ import annotations

import pytest

from gateway.accounts import evidence
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.facts_rows import LINKS, NETWORK, facts_of, link_of


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        pytest.param({"account": "a"}, AccountFacts("a"), id="least"),
        pytest.param(
            {
                "account": "a", "organisation": "o", "created": "2026-01-01", "tier": "pro", "verification": "2",
                "paid": 12.5, "email_domain": "x.example", "signup_country": "DE", "path": "research",
                "contract": "yes", "cleared": 5, "colour": "red",
            },
            AccountFacts(
                "a", "o", 1_767_225_600.0, "pro", 2, 12.5, "x.example", "DE", "research", contract=True, cleared=5.0
            ),
            id="all",
        ),
        pytest.param({"account": "a", "trusted": True}, AccountFacts("a", contract=True), id="trusted"),
        pytest.param({"account": "a", "trusted": 0}, AccountFacts("a"), id="not trusted"),
        pytest.param(
            {"account": "a", "contract": False, "trusted": True}, AccountFacts("a", contract=True), id="either will do"
        ),
        pytest.param(
            {"account": "a", "payment": ["c1", " C1 ", ""], "phone": None},
            AccountFacts("a", links=(link_of("payment", "c1"),)),
            id="links once",
        ),
        pytest.param(
            {"account": "a", "device": 77},
            AccountFacts("a", links=(link_of("device", "77"),)),
            id="a number",
        ),
        pytest.param(
            {"account": "a", "email": "P@Uni.Example"},
            AccountFacts("a", email_domain="uni.example", links=(link_of("email", "p@uni.example"),)),
            id="the domain of an address",
        ),
        pytest.param(
            {"account": "a", "links": {"payment": ["c1"], "phone": "5"}},
            AccountFacts("a", links=(link_of("payment", "c1"), link_of("phone", "5"))),
            id="links as an object",
        ),
        pytest.param(
            {"account": "a", "links": [["payment", "c1"]]},
            AccountFacts("a", links=(link_of("payment", "c1"),)),
            id="links as pairs",
        ),
    ],
)  # fmt: skip
def test_a_row_is_read(row: dict[str, object], facts: AccountFacts) -> None:
    """Tolerantly; what is not known is left out, what is not there is unknown."""
    assert facts_of(row) == facts


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param("192.0.2.7", "192.0.2.200", True, id="one /24"),
        pytest.param("192.0.2.7", "192.0.2.0/24", True, id="the network itself"),
        pytest.param("192.0.2.7", "192.0.3.7", False, id="another /24"),
        pytest.param("2001:db8:0:1::5", "2001:db8:0:ff::", True, id="one /56"),
        pytest.param("2001:db8::5", "2001:db8:1::5", False, id="another /56"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", True, id="IPv4 in IPv6"),
        pytest.param("n1", "N1", True, id="what is hashed already"),
    ],
)
def test_networks_of_addresses(one: str, other: str, alike: bool) -> None:
    """A link is the network of an address, in either column."""
    first = facts_of({"account": "a", "signup_address": one}).links
    assert (first == facts_of({"account": "b", NETWORK: other}).links) is alike
    assert first[0][0] == "signup_address"


def test_a_link_of_one_kind_is_none_of_another() -> None:
    """The same value is no link then; and no value can be read from a link."""
    payment, phone = link_of("payment", "5550199"), link_of("phone", "5550199")
    assert payment[1] != phone[1]
    assert "5550199" not in payment[1]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"payment": "c1"}, "“account” is missing", id="nobody"),
        pytest.param({"account": "a", "trusted": "perhaps"}, "“trusted” must be true or false", id="trusted"),
        pytest.param({"account": "a", "created": "long ago"}, "“created” must be Unix time", id="created"),
        pytest.param({"account": "a", "payment": [{"id": 1}]}, "“payment” must be a string", id="a link"),
        pytest.param({"account": "a", "links": {"shoe": "42"}}, "“links” must be of these kinds", id="a kind"),
        pytest.param({"account": "a", "links": [["payment"]]}, "“links” must hold pairs", id="no pair"),
        pytest.param({"account": "a", "paid": -5}, "“paid” must be a number from 0 on", id="paid"),
    ],
)
def test_a_bad_row_is_refused_by_its_member(row: dict[str, object], said: str) -> None:
    """With a ValueError that names it."""
    with pytest.raises(ValueError, match=r".") as caught:
        facts_of(row)
    assert said in str(caught.value)


def test_the_kinds_are_those_of_the_directory() -> None:
    """But for the domain of an address, which is a fact of its own."""
    assert set(LINKS) == set(evidence.LINKS) - {"email_domain"}
