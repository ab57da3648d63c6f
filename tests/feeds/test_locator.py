"""Where an address is, by all databases and lists together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.feeds.databases import Database
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import compile_list, open_list
from gateway.feeds.locator import Locator
from gateway.policy import NOWHERE, Location
from tests.feeds.geo import BUILT, database

PRIVATE = Location(private=True)
GB, NO, SE = Location("GB"), Location("NO"), Location("SE")


@pytest.fixture
def locator(tmp_path: Path) -> Locator:
    return Locator([Database(database(tmp_path / "a.mmdb"))])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("81.2.69.142", GB, id="v4"),
        pytest.param("::ffff:81.2.69.142", GB, id="mapped"),
        pytest.param("2002:5102:458e::1", GB, id="6to4"),
        pytest.param("64:ff9b::81.2.69.142", GB, id="NAT64"),
        pytest.param("2001:0:27d:a000:8000:63bf:aefd:ba71", GB, id="Teredo, whose server is in NO"),
        pytest.param("2a02:d500::1", SE, id="v6"),
        pytest.param("8.8.8.8", NOWHERE, id="unknown"),
        pytest.param("2606:4700::1", NOWHERE, id="unknown v6"),
        pytest.param("10.0.0.1", PRIVATE, id="private"),
        pytest.param("::ffff:10.0.0.1", PRIVATE, id="mapped private"),
        pytest.param("100.64.0.1", PRIVATE, id="CGNAT"),
        pytest.param("127.0.0.1", PRIVATE, id="loopback"),
        pytest.param("169.254.1.1", PRIVATE, id="link-local"),
        pytest.param("240.0.0.1", PRIVATE, id="reserved"),
        pytest.param("::1", PRIVATE, id="loopback v6"),
        pytest.param("fd00::1", PRIVATE, id="ULA"),
        pytest.param("fe80::1", PRIVATE, id="link-local v6"),
        pytest.param("2002:a00:1::1", NOWHERE, id="6to4 of a private address is a stranger"),
        pytest.param("64:ff9b::10.0.0.1", NOWHERE, id="NAT64 of a private address is a stranger"),
        pytest.param("fe80::1%eth0", NOWHERE, id="zone id"),
        pytest.param("", NOWHERE, id="empty"),
        pytest.param("unix:", NOWHERE, id="garbage"),
    ],
)
def test_where(locator: Locator, address: str, expected: Location) -> None:
    """Every form of an address is somewhere, private, or nowhere."""
    assert locator.locate(address) == expected


def test_teredo_is_never_its_server(tmp_path: Path) -> None:
    """2.125.160.0 is where the server of that address is, and in the databases, too."""
    found = Locator([Database(database(tmp_path / "a.mmdb"))])
    assert found.locate("2.125.160.1") == NO
    assert found.locate("2001:0:27d:a000:8000:63bf:aefd:ba71") != NO


def test_the_same_address_is_the_same_object(locator: Locator) -> None:
    """What is remembered by a location is remembered by a pointer."""
    assert locator.locate("81.2.69.142") is locator.locate("81.2.69.142")
    assert locator.remembered() == (1, 1, 1)


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    """A stranger with many addresses cannot fill our memory."""
    found = Locator([Database(database(tmp_path / "a.mmdb"))], remembered=100)
    for number in range(1000):
        found.locate(f"81.2.{number >> 8}.{number & 255}")
    assert found.remembered()[2] == 100


def test_closed(locator: Locator) -> None:
    """What it remembered is given back, and nobody gets an answer that is none."""
    locator.locate("81.2.69.142")
    locator.close()
    assert locator.remembered()[2] == 0
    with pytest.raises(ValueError, match="closed"):
        locator.locate("81.2.69.142")


def several(tmp_path: Path, *records: Mapping[str, Any], **lists: list[str]) -> Locator:
    databases = [
        Database(database(tmp_path / f"{index}.mmdb", {"81.2.69.0/24": record}, kind="GeoIP-Test"))
        for index, record in enumerate(records)
    ]
    networks = []
    for name, lines in lists.items():
        kind = ListKind.ASNS if lines[0].startswith("AS") else ListKind.NETWORKS
        compile_list(kind, lines, tmp_path / name)
        networks.append((name.rstrip("_"), open_list(tmp_path / name)))
    return Locator(databases, networks)


@pytest.mark.parametrize(
    ("records", "lists", "expected"),
    [
        pytest.param([{"country_code": "NO"}, {"country_code": "SE"}], {}, Location("NO"), id="the first counts"),
        pytest.param([{"asn": 7}, {"country_code": "SE", "asn": 8}], {}, Location("SE", 7), id="for each fact"),
        pytest.param(
            [{"vpn": True}, {"tor": True}],
            {"hosting": ["81.2.0.0/16"]},
            Location(network_kinds=frozenset({"vpn", "tor", "hosting"})),
            id="kinds are united",
        ),
        pytest.param(
            [{"asn": 7}], {"relay": ["AS7"]}, Location(asn=7, network_kinds=frozenset({"relay"})), id="list of ASNs"
        ),
        pytest.param([{"asn": 7}], {"relay": ["AS8"]}, Location(asn=7), id="list of other ASNs"),
        pytest.param([], {"vpn": ["81.2.69.142"]}, Location(network_kinds=frozenset({"vpn"})), id="a list alone"),
        pytest.param(
            [{"latitude": 1.0, "longitude": 2.0}, {"latitude": 3.0, "longitude": 4.0, "country_code": "NO"}],
            {},
            Location("NO", latitude=1.0, longitude=2.0),
            id="a place is one fact",
        ),
    ],
)
def test_together(tmp_path: Path, records: Any, lists: Any, expected: Location) -> None:
    """The first that states a fact wins; kinds of network are united."""
    assert several(tmp_path, *records, **lists).locate("81.2.69.142") == expected


def test_a_tunnel_is_in_a_list_by_either_side(tmp_path: Path) -> None:
    """A network kind sticks to the v4 address behind a v6 one, and to that itself."""
    found = several(tmp_path, {"country_code": "NO"}, vpn=["81.2.69.142"], tor=["2002::/24"])
    assert found.locate("2002:5102:458e::1") == Location("NO", network_kinds=frozenset({"vpn"}))


def test_ages(tmp_path: Path) -> None:
    """Age is counted from when the data was built; what may never be stale is not."""
    path = database(tmp_path / "a.mmdb")
    found = Locator([Database(path, "old", 100.0), Database(path, "new", 300.0), Database(path, "any")])
    assert [(one.name, one.age, one.stale) for one in found.ages(BUILT + 200.0)] == [
        ("old", 200.0, True),
        ("new", 200.0, False),
        ("any", 200.0, False),
    ]
    assert found.ages(BUILT - 5.0)[0].age == 0.0
    assert found.describe()[0] == {
        "name": "old",
        "type": "Test-Country",
        "build_epoch": BUILT,
        "records": ["country"],
        "path": str(path),
        "stale_after": 100.0,
        "corrupt": 0,
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_no_address_breaks_it(locator: Locator, address: str) -> None:
    """Never an exception."""
    assert isinstance(locator.locate(address), Location)


@pytest.mark.timing
def test_a_hit_is_nearly_free(locator: Locator) -> None:
    """Less than a microsecond, on a machine in a bad hour."""
    best = 1.0
    for _ in range(5):
        begin = time.process_time()
        for _ in range(10_000):
            locator.locate("81.2.69.142")
        best = min(best, (time.process_time() - begin) / 10_000)
    assert best < 1e-6
