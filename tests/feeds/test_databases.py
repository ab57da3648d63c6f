"""Databases are read by what is in them, and a damaged one harms nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.databases import SAMPLED, SILENCE, Database, DatabaseRefused, Fact, Said, read_record
from tests.feeds.geo import BUILT, database


@pytest.mark.parametrize(
    ("record", "said"),
    [
        pytest.param({"country": {"iso_code": "NO"}}, Said("NO"), id="MaxMind country"),
        pytest.param({"registered_country": {"iso_code": "NO"}}, Said("NO"), id="registered, where nothing else is"),
        pytest.param(
            {"country": {"iso_code": "SE"}, "registered_country": {"iso_code": "NO"}}, Said("SE"), id="country first"
        ),
        pytest.param(
            {"country": {"names": {}}, "registered_country": {"iso_code": "NO"}},
            Said("NO"),
            id="country without a code",
        ),
        pytest.param({"country_code": "no"}, Said("NO"), id="flat, lower case"),
        pytest.param({"country": "NO", "country_name": "Norway"}, Said("NO"), id="flat country"),
        pytest.param({"country_code": "ZZ"}, SILENCE, id="no country"),
        pytest.param({"country_code": 7, "country": ["NO"]}, SILENCE, id="not even text"),
        pytest.param(
            {"location": {"latitude": 59.9, "longitude": 10.7, "accuracy_radius": 20}},
            Said(latitude=59.9, longitude=10.7, radius=20.0),
            id="MaxMind city",
        ),
        pytest.param({"latitude": "59.9", "longitude": "10.7"}, Said(latitude=59.9, longitude=10.7), id="flat place"),
        pytest.param({"latitude": 0.0, "longitude": 0.0}, Said(latitude=0.0, longitude=0.0), id="0, 0 is a place"),
        pytest.param({"latitude": 91.0, "longitude": 0.0}, SILENCE, id="off the globe"),
        pytest.param({"latitude": "nan", "longitude": 0.0}, SILENCE, id="not a number"),
        pytest.param({"location": {"latitude": 1.0}}, SILENCE, id="half a place"),
        pytest.param({"location": "Oslo"}, SILENCE, id="a place in words"),
        pytest.param({"autonomous_system_number": 64496}, Said(asn=64496), id="MaxMind ASN"),
        pytest.param({"traits": {"autonomous_system_number": 64496}}, Said(asn=64496), id="in traits"),
        pytest.param({"asn": "AS64496"}, Said(asn=64496), id="flat ASN as text"),
        pytest.param({"asn": 64496}, Said(asn=64496), id="flat ASN"),
        pytest.param({"asn": "none"}, SILENCE, id="no ASN"),
        pytest.param({"asn": -5}, SILENCE, id="negative ASN"),
        pytest.param(
            {"is_anonymous": True, "is_anonymous_vpn": True, "is_hosting_provider": True},
            Said(network_kinds=frozenset({"vpn", "hosting"})),
            id="anonymous IP",
        ),
        pytest.param({"is_tor_exit_node": True}, Said(network_kinds=frozenset({"tor"})), id="Tor"),
        pytest.param({"is_public_proxy": True}, Said(network_kinds=frozenset({"vpn"})), id="public proxy"),
        pytest.param(
            {"traits": {"is_residential_proxy": True}},
            Said(network_kinds=frozenset({"residential_proxy"})),
            id="traits",
        ),
        pytest.param({"relay": "true", "vpn": "", "tor": False}, Said(network_kinds=frozenset({"relay"})), id="flat"),
        pytest.param({"is_anonymous_vpn": False, "ip_risk": 99.0}, SILENCE, id="a flag that is not set"),
        pytest.param({}, SILENCE, id="empty"),
        pytest.param("NO", SILENCE, id="text"),
        pytest.param(None, SILENCE, id="nothing"),
    ],
)
def test_what_a_record_says(record: object, said: Said) -> None:
    """By its keys, whoever made the database."""
    assert read_record(record) == said


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["country", "location", "traits", "asn", "latitude", "longitude", "iso_code", "vpn"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_no_record_breaks_it(record: object) -> None:
    """A database may hold anything."""
    read_record(record)


@pytest.mark.parametrize(
    ("record", "kind", "facts"),
    [
        ({"country_code": "NO"}, "whatever", {Fact.COUNTRY}),
        ({"country": {"iso_code": "NO"}, "latitude": 1.0, "longitude": 2.0}, "x", {Fact.COUNTRY, Fact.PLACE}),
        ({"autonomous_system_number": 1, "isp": "x"}, "GeoIP2-ISP", {Fact.ASN}),
        ({"is_anonymous_vpn": True}, "Anything", {Fact.NETWORK_KINDS}),
        ({"provider_name": "x", "network_last_seen": "2026-01-01"}, "GeoIP-Residential-Proxy", {Fact.NETWORK_KINDS}),
    ],
)
def test_what_a_database_knows(tmp_path: Path, record: Any, kind: str, facts: set[Fact]) -> None:
    """Found out from its records, under whatever name its file goes."""
    found = Database(database(tmp_path / "country.mmdb", {"81.2.69.0/24": record}, kind=kind), "one")
    assert found.facts == facts
    assert found.build_epoch == BUILT
    found.close()


def test_being_there_says_it_in_a_database_of_residential_proxies(tmp_path: Path) -> None:
    """Its records have no flag; the type is in the metadata."""
    record = {"81.2.69.0/24": {"provider_name": "x"}}
    proxies = Database(database(tmp_path / "a", record, kind="GeoIP-Residential-Proxy"))
    assert proxies.look_up("81.2.69.1", v6=False).network_kinds == {"residential_proxy"}
    assert proxies.look_up("8.8.8.8", v6=False) == SILENCE


@pytest.mark.parametrize(
    ("records", "why"),
    [
        pytest.param(
            {"81.2.69.0/24": {"city_name": "Oslo", "zip": "1"}}, "records hold city_name, zip", id="other keys"
        ),
        pytest.param({"81.2.69.0/24": {"country_code": "-"}}, "records hold country_code", id="no country in it"),
    ],
)
def test_a_database_without_a_use_is_refused(tmp_path: Path, records: Any, why: str) -> None:
    """A rule that asks it would never match: better said at once."""
    with pytest.raises(DatabaseRefused, match=why):
        Database(database(tmp_path / "a", records))


def test_a_v4_database_knows_no_v6(tmp_path: Path) -> None:
    """Asking it is no error."""
    found = Database(database(tmp_path / "a", {"81.2.69.0/24": {"country_code": "NO"}}, v=4))
    assert found.look_up("2a02:d500::1", v6=True) == SILENCE
    assert found.look_up("81.2.69.1", v6=False).country == "NO"
    assert found.corrupt == 0


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, b"\xab\xcd\xefMaxMind.com", b"\xab\xcd\xefMaxMind.com\xe1"])
def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    """Refused, with a word."""
    (tmp_path / "a.mmdb").write_bytes(content)
    with pytest.raises(DatabaseRefused):
        Database(tmp_path / "a.mmdb")


def try_out(path: Path) -> None:
    """Refused when it is opened, or it answers, and counts what it could not read."""
    try:
        found = Database(path)
    except DatabaseRefused:
        return
    for number in range(0, 2**32, 2**24 + 12345):
        found.look_up(".".join(str(byte) for byte in number.to_bytes(4, "big")), v6=False)
    found.look_up("81.2.69.1", v6=False)
    found.look_up("2a02:d500::1", v6=True)
    found.close()


def test_databases_that_are_cut_short(tmp_path: Path) -> None:
    """At whatever byte it ends: no crash."""
    whole = database(tmp_path / "whole.mmdb").read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "cut.mmdb").write_bytes(whole[:size])
        try_out(tmp_path / "cut.mmdb")


def test_a_corrupt_record_is_counted(tmp_path: Path) -> None:
    """It says nothing, and it is seen that it could not be read."""
    # So many before it that the sample does not come to it.
    many = {f"2003:{n:x}::/32": {"country_code": "NO"} for n in range(2 * SAMPLED)}
    path = database(tmp_path / "a.mmdb", {**many, "2a00::/32": {"country_code": "SE"}})
    content = path.read_bytes()
    at = content.rindex(b"BSE")
    path.write_bytes(content[:at] + b"B\xff\xff" + content[at + 3 :])
    found = Database(path)
    assert found.look_up("2a00::1", v6=True) == SILENCE
    assert found.corrupt == 1
    assert found.look_up("2003::1", v6=True).country == "NO"
