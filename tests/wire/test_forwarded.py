"""Addresses as they are compared, and the hops whose word is taken."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.forwarded import LONGEST_CHAIN, TrustedHops, forwarded_fields, normal_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4\t", "1.2.3.4"),
        ("1.2.3.4:80", "1.2.3.4"),
        ('"1.2.3.4"', "1.2.3.4"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::1", "::1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("1.2.3", None),
        ("1.2.3.4.5", None),
        ("01.2.3.4", None),
        ("1.2.3.256", None),
        ("[::1", "::1"),
        ("1.2.3.4, 5.6.7.8", None),
        ("localhost", None),
    ],
)
def test_normal_address(text: str, address: str | None) -> None:
    """One spelling for one address, or none."""
    assert normal_address(text) == address


@given(st.text(max_size=30))
def test_normal_address_of_anything(text: str) -> None:
    """It never raises, and what it gives is an address in its own spelling."""
    address = normal_address(text)
    assert address is None or (str(ipaddress.ip_address(address)) == address == normal_address(address))


@given(st.ip_addresses())
def test_normal_address_of_addresses(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Every address is itself, but for IPv4 mapped into IPv6."""
    mapped = getattr(address, "ipv4_mapped", None)
    assert normal_address(address.exploded) == str(mapped or address.__class__(int(address)))


@pytest.mark.parametrize(
    ("networks", "address", "trusted"),
    [
        ([], "10.0.0.1", False),
        ([], "", False),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "10.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["10.0.0.0/8"], "", True),
    ],
)
def test_trusts(networks: list[str], address: str, trusted: bool) -> None:
    """Only the networks that were named; a Unix socket where any is."""
    hops = TrustedHops(networks)
    assert hops.trusts(address) is trusted
    assert hops.trusts_anyone is bool(networks)


def test_chains_are_bounded() -> None:
    """Of a chain without end only the last hops are looked at."""
    hops = TrustedHops(["10.0.0.0/8"])
    chain = b", ".join([b"1.1.1.1", *[b"10.0.0.1"] * LONGEST_CHAIN])
    assert hops.client("10.0.0.9", {b"x-forwarded-for": chain}) == "10.0.0.1"
    assert hops.client("10.0.0.9", {b"x-forwarded-for": b"1.1.1.1, 10.0.0.1"}) == "1.1.1.1"


@pytest.mark.parametrize(
    ("client", "peer", "before", "chain", "node"),
    [
        ("1.1.1.1", "1.1.1.1", None, b"1.1.1.1", b"1.1.1.1"),
        ("1.1.1.1", "10.0.0.1", b"1.1.1.1", b"1.1.1.1, 10.0.0.1", b"1.1.1.1"),
        ("2001:db8::1", "2001:db8::1", None, b"2001:db8::1", b'"[2001:db8::1]"'),
        ("", "", None, b"unknown", b"unknown"),
        ("1.1.1.1", "", b"1.1.1.1", b"1.1.1.1", b"1.1.1.1"),
    ],
    ids=["plain", "behind-a-hop", "ipv6", "unix", "unix-behind-a-hop"],
)
def test_lines(client: str, peer: str, before: bytes | None, chain: bytes, node: bytes) -> None:
    """X-Forwarded-For is the chain and our peer, Forwarded the client (RFC 7239: IPv6 in quotes and brackets)."""
    assert forwarded_fields(client, peer, "https", before) == (
        b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: https\r\nForwarded: for=%b;proto=https\r\nVia: 1.1 tidegate\r\n"
        % (chain, node)
    )
