"""Who stands behind an address, and which addresses are nobody's."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.addresses import NO_ADDRESS, inside, is_special_v4, is_special_v6, is_tunnel, read_address, v4_text

TEREDO = "2001:0:4136:e378:8000:63bf:aefd:ba71"
"""Its server is 65.54.227.120, its client 81.2.69.142."""


@pytest.mark.parametrize(
    ("text", "v4"),
    [
        pytest.param("81.2.69.142", "81.2.69.142", id="plain"),
        pytest.param("::ffff:81.2.69.142", "81.2.69.142", id="mapped"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", id="mapped private"),
        pytest.param("2002:5102:458e::1", "81.2.69.142", id="6to4"),
        pytest.param("64:ff9b::81.2.69.142", "81.2.69.142", id="NAT64"),
        pytest.param(TEREDO, "81.2.69.142", id="Teredo: the client, not the server"),
        pytest.param("2002:0a00:0001::1", "", id="6to4 of a private address"),
        pytest.param("64:ff9b::10.0.0.1", "", id="NAT64 of a private address"),
        pytest.param("2001:0:4136:e378:8000:63bf:f5ff:fffe", "", id="Teredo of a private address"),
        pytest.param("2a02:d500::1", "", id="v6"),
    ],
)
def test_the_address_behind(text: str, v4: str) -> None:
    """An address in an address is the caller's, if it can be."""
    found = read_address(text)
    assert (v4_text(found.v4) if found.v4 >= 0 else "") == v4


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/32", " 1.2.3.4", "fe80::1%eth0", "1.2.3.4\0", "ü", "::g"],
)
def test_what_is_no_address(text: str) -> None:
    """Garbage is no address, and no exception."""
    assert read_address(text) == NO_ADDRESS


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a field holds, there is an answer, and it agrees with ipaddress about what an address is."""
    found = read_address(text)
    if found != NO_ADDRESS:
        ipaddress.ip_address(text)


@given(st.integers(0, 2**32 - 1))
def test_special_v4(number: int) -> None:
    """What the registry calls not global is special; the relay anycast of 6to4 and the like are the exception."""
    address = ipaddress.IPv4Address(number)
    if address.is_global and not address.is_multicast:
        assert not is_special_v4(number)
    elif number >> 8 != 0xC00000:  # 192.0.0.0/24 has exceptions in the registry that nobody calls from.
        assert is_special_v4(number)


@pytest.mark.parametrize(
    ("text", "special"),
    [
        ("::", True),
        ("::1", True),
        ("fc00::1", True),
        ("fdff::1", True),
        ("fe80::1", True),
        ("ff02::1", True),
        ("2001:db8::1", True),
        ("3fff::1", True),
        ("100::1", True),
        ("64:ff9b:1::1", True),
        ("4000::1", True),
        ("2a02:d500::1", False),
        ("2606:4700::1", False),
        ("2001:218::1", False),
        ("3ffe::1", False),
    ],
)
def test_special_v6(text: str, special: bool) -> None:
    """Only global unicast is of the public internet."""
    assert is_special_v6(int(ipaddress.IPv6Address(text))) is special


def test_a_tunnel_is_one_even_without_a_public_address() -> None:
    """Nobody gets the trust of a private address by writing one into a tunnelled one."""
    number = int(ipaddress.IPv6Address("2002:0a00:0001::1"))
    assert is_tunnel(number)
    assert inside(number) == -1
