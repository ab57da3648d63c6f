"""What a bucket is called."""

from __future__ import annotations

import pytest

from gateway.partitions import Dimension, partition
from gateway.policy import Location, Profile
from gateway.testing import context


@pytest.mark.parametrize(
    ("per", "tag", "name"),
    [
        (("account",), "account=acme", "account=acme"),
        (("model", "account"), "account=acme", "account=acme,model=m-large"),
        (("country", "tier"), "country=NO", "country=NO,tier=gold"),
        (("network",), "network=192.0.2.0/24", "network=192.0.2.0/24"),
        (("client_address", "key"), "key=k1", "key=k1,client_address=192.0.2.1"),
    ],
    ids=["one", "the account leads", "of a place", "of a network", "the key leads"],
)
def test_a_partition_begins_with_its_tag(per: tuple[Dimension, ...], tag: str, name: str) -> None:
    """And its tag does not depend on the order in which a file names the dimensions."""
    case = context(tier="gold", key="k1", location=Location("NO"))
    assert partition(per, case) == partition(tuple(reversed(per)), case) == (tag, name)


def test_linked_accounts_share_a_partition() -> None:
    """An account that nobody is known to share has its own, which no identity can be called."""
    linked = [context(account=name, profile=Profile(identity="i1")) for name in ("a", "b")]
    alone = context(account="i1")

    assert [partition(("identity",), case)[1] for case in (*linked, alone)] == [
        "identity=i1", "identity=i1", "identity=account=i1",
    ]  # fmt: skip
    named = context(account="a", profile=Profile(identity="account:b"))
    assert partition(("identity",), named)[1] != partition(("identity",), context(account="b"))[1]
    assert partition(("identity", "model"), linked[0]) == ("identity=i1", "identity=i1,model=m-large")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.77", "198.51.100.0/24"),
        ("2001:db8:1:2345:6::7", "2001:db8:1:2300::/56"),
        ("not an address", "not an address"),
        ("", ""),
    ],
)
def test_a_network_is_what_a_household_has(address: str, network: str) -> None:
    """A /24 or a /56; what is no address is itself."""
    assert partition(("network",), context(client_address=address)) == (f"network={network}",) * 2


def test_a_stranger_has_a_partition_too() -> None:
    """Nobody is unlimited for want of a name."""
    assert partition(("account",), context(account=None)) == ("account=", "account=")
