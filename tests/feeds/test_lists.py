"""Lists: what a line means, what is in and what is not, and which files are refused."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.feeds.kinds import ListKind
from gateway.feeds.list_file import VERSION
from gateway.feeds.lists import ListRefused, MappedList, compile_list, open_list, read_lines

NETWORKS, ASNS, COUNTRIES, ACCOUNTS, DOMAINS = (
    ListKind.NETWORKS,
    ListKind.ASNS,
    ListKind.COUNTRIES,
    ListKind.ACCOUNTS,
    ListKind.DOMAINS,
)


def made(folder: Path, kind: ListKind, lines: Iterable[str]) -> MappedList:
    compiled = compile_list(kind, lines, folder / "a.list")
    assert compiled.rejected == ()
    return open_list(folder / "a.list")


@pytest.mark.parametrize(
    ("kind", "lines", "inside", "outside"),
    [
        pytest.param(NETWORKS, ["8.8.8.0/24"], ["8.8.8.0", "8.8.8.255"], ["8.8.7.255", "8.8.9.0"], id="v4 network"),
        pytest.param(NETWORKS, ["8.8.8.8"], ["8.8.8.8", "::ffff:8.8.8.8"], ["8.8.8.9", "8.8.8.7"], id="v4 address"),
        pytest.param(
            NETWORKS,
            ["8.0.0.0/9", "8.0.0.0/8", "8.1.0.0/16", "9.0.0.0/8", "200.0.0.0/8"],
            ["8.0.0.0", "8.255.255.255", "9.255.255.255", "200.1.1.1"],
            ["7.255.255.255", "10.0.0.0", "199.255.255.255", "255.255.255.255", "0.0.0.0"],
            id="overlapping and touching",
        ),
        pytest.param(
            NETWORKS,
            ["8.8.8.9", "8.8.8.8", "8.8.8.10/31"],
            ["8.8.8.8", "8.8.8.9", "8.8.8.11"],
            ["8.8.8.12"],
            id="touching",
        ),
        pytest.param(NETWORKS, ["::ffff:8.8.8.0/120"], ["8.8.8.1", "::ffff:8.8.8.1"], ["8.8.9.1"], id="mapped network"),
        pytest.param(NETWORKS, ["2002:808:808::/48"], ["8.8.8.8", "2002:808:808::1"], ["8.8.8.9"], id="6to4 network"),
        pytest.param(NETWORKS, ["8.8.8.8"], ["2002:808:808::1", "64:ff9b::8.8.8.8"], ["2002:808:809::1"], id="tunnels"),
        pytest.param(
            NETWORKS,
            ["2002:808:808:5::/64"],
            ["2002:808:808:5::1"],
            ["2002:808:808:6::1", "8.8.8.8"],
            id="part of a 6to4 site",
        ),
        pytest.param(NETWORKS, ["10.0.0.0/8"], ["10.0.0.1"], ["2002:a00:1::1", "64:ff9b::10.0.0.1"], id="private"),
        pytest.param(
            NETWORKS,
            ["2a02::/32", "2a02:1::5", "2a02:1::10/124", "2a02:2::/64"],
            ["2a02::", "2a02:0:ffff:ffff:ffff:ffff:ffff:ffff", "2a02:1::5", "2a02:1::1f", "2a02:2::1"],
            ["2a01:ffff::1", "2a02:1::4", "2a02:1::6", "2a02:1::20", "2a02:2:0:1::", "8.8.8.8", "::"],
            id="v6",
        ),
        pytest.param(
            NETWORKS, ["8.8.8.8"], [], ["", "x", None, 8, "8.8.8.8/32", "8.8.8.8 ", "fe80::1%eth0"], id="junk"
        ),
        pytest.param(
            ASNS, ["AS64496", "as13335", "7"], [64496, "AS64496", 13335, 7], [64497, 0, -1, "x", None], id="ASN"
        ),
        pytest.param(COUNTRIES, ["NO", "se"], ["NO", "no", "SE"], ["", "DK", None, "NOR", "ÑO"], id="countries"),
        pytest.param(
            ACCOUNTS, ["acme", "a#1", "x;y"], ["acme", "a#1", "x;y"], ["ACME", "acm", "", "ä", 1], id="accounts"
        ),
        pytest.param(
            DOMAINS,
            ["Example.COM", "sub.example.org.", "münchen.example", "zz"],
            ["example.com", "a.b.EXAMPLE.com", "example.com.", "x.sub.example.org", "xn--mnchen-3ya.example", "a.zz"],
            ["badexample.com", "com", "example.org", "", ".", None, "e" * 300 + "ü.com", "a..b"],
            id="domains",
        ),
        pytest.param(DOMAINS, ["münchen.example"], ["a.MÜNCHEN.example"], ["munchen.example"], id="IDNA on both sides"),
    ],
)
def test_what_is_in(
    tmp_path: Path, kind: ListKind, lines: list[str], inside: list[object], outside: list[object]
) -> None:
    """In a list is what its lines say, however it is written, and nothing else."""
    found = made(tmp_path, kind, lines)
    assert [value for value in inside if value not in found] == []
    assert [value for value in outside if value in found] == []
    found.close()


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        pytest.param(ASNS, "AS45090 # Tencent, they dont\nAS3223 # VOXILITY, RO\n", 2, id="remarks with commas"),
        pytest.param(NETWORKS, "\ufeff8.8.8.8\r\n\r\n# c\r\n  9.9.9.9  \r\n", 2, id="BOM, CRLF, blank, comment"),
        pytest.param(NETWORKS, "; Spamhaus\n8.8.8.0/24 ; SBL1\n", 1, id="semicolons"),
        pytest.param(NETWORKS, "8.8.8.0/24,Acme Inc.,US\n", 1, id="CSV"),
        pytest.param(COUNTRIES, "NO,Norway\nSE Sweden\n", 2, id="remarks after a space"),
        pytest.param(ACCOUNTS, "# all\nacme # our own\nacme\n", 1, id="the same twice"),
        pytest.param(ACCOUNTS, "", 0, id="nothing"),
    ],
)
def test_how_it_may_be_written(tmp_path: Path, kind: ListKind, text: str, count: int) -> None:
    """What people and vendors write around items is not read as items."""
    (tmp_path / "list.txt").write_bytes(text.encode())
    found = made(tmp_path, kind, read_lines(tmp_path / "list.txt"))
    assert len(found) == count
    found.close()


@pytest.mark.parametrize(
    ("kind", "line", "why"),
    [
        pytest.param(NETWORKS, "10.0.0.1/8", "bits beyond its prefix", id="host bits"),
        pytest.param(NETWORKS, "2a02::1/64", "bits beyond its prefix", id="host bits v6"),
        pytest.param(NETWORKS, "8.8.8.0/33", "no length of a prefix", id="too long a prefix"),
        pytest.param(NETWORKS, "8.8.8.0/", "no length of a prefix", id="no prefix"),
        pytest.param(NETWORKS, "8.8.8.0/²", "no length of a prefix", id="prefix of no ASCII"),
        pytest.param(NETWORKS, "0.0.0.0/0", "every address", id="all of v4"),
        pytest.param(NETWORKS, "::/0", "every address", id="all of v6"),
        pytest.param(NETWORKS, "::ffff:0:0/96", "every address", id="all of v4, mapped"),
        pytest.param(NETWORKS, "8.8.8.8, 9.9.9.9", "two items", id="two networks"),
        pytest.param(NETWORKS, "8.8.8.8 9.9.9.9", "two items", id="two networks with a space"),
        pytest.param(NETWORKS, "example.com", "not an address", id="a name"),
        pytest.param(NETWORKS, "<html>", "not an address", id="HTML"),
        pytest.param(ASNS, "AS4294967296", "autonomous system", id="too large an ASN"),
        pytest.param(ASNS, "AS1,AS2", "two items", id="two ASNs"),
        pytest.param(ASNS, "٣", "autonomous system", id="digits of another script"),
        pytest.param(COUNTRIES, "UK", "GB", id="UK"),
        pytest.param(COUNTRIES, "NOR", "alpha-2", id="alpha-3"),
        pytest.param(ACCOUNTS, "acme globex", "two words", id="two accounts"),
        pytest.param(ACCOUNTS, "acme,globex", "character that none has", id="comma"),
        pytest.param(DOMAINS, "*.example.com", "all below it", id="wildcard"),
        pytest.param(DOMAINS, "me@example.com", "not a domain", id="address"),
        pytest.param(DOMAINS, "a..b", "not a domain", id="empty label"),
        pytest.param(DOMAINS, f"{'ü' * 64}.com", "IDNA", id="no ASCII form"),
    ],
)
def test_what_is_no_item(tmp_path: Path, kind: ListKind, line: str, why: str) -> None:
    """A line that is no item is told with its number, and no half of it is taken."""
    compiled = compile_list(kind, ["# head", line], tmp_path / "a.list")
    assert compiled.count == 0
    assert [(number, text) for number, text, _ in compiled.rejected] == [(2, line)]
    assert why in compiled.rejected[0][2]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """Latin-1 in a remark harms nobody; in an item it is refused."""
    (tmp_path / "l.txt").write_bytes(b"AS1 # caf\xe9\nAS2\xe9\n")
    compiled = compile_list(ASNS, read_lines(tmp_path / "l.txt"), tmp_path / "a.list")
    assert (compiled.count, [number for number, _, _ in compiled.rejected]) == (1, [2])


def test_the_same_content_has_the_same_digest(tmp_path: Path) -> None:
    """Neither order nor remarks make another list."""
    one = compile_list(DOMAINS, ["a.example", "b.example"], tmp_path / "a")
    other = compile_list(DOMAINS, ["# x", "B.example.", "a.example", "a.example"], tmp_path / "b")
    assert one.digest == other.digest
    assert open_list(tmp_path / "a").digest == one.digest


networks = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
        lambda t: ipaddress.ip_network((t[0], t[1]), strict=False)
    ),
    st.tuples(st.integers(0x2A00 << 112, (0x2A04 << 112) - 1), st.integers(17, 128)).map(
        lambda t: ipaddress.ip_network((t[0], t[1]), strict=False)
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(networks, max_size=60), st.data())
def test_networks_against_a_model(tmp_path: Path, items: list[ipaddress.IPv4Network], data: st.DataObject) -> None:
    """An address is in a list if it is in one of its networks: at every edge, too."""
    found = made(tmp_path, NETWORKS, [str(item) for item in items])
    edges = [int(item[at]) + step for item in items for at in (0, -1) for step in (-1, 0, 1)]
    v4 = [n for n in edges if 0 <= n < 2**32] + data.draw(st.lists(st.integers(0, 2**32 - 1), max_size=10))
    v6 = [n for n in edges if n >= 2**32]
    for address in [*map(ipaddress.IPv4Address, v4), *map(ipaddress.IPv6Address, v6)]:
        expected = any(address in item for item in items if item.version == address.version)
        assert (str(address) in found) is expected, address
    found.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.sets(st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True), max_size=400), st.sets(st.text(max_size=12)))
def test_accounts_against_a_model(tmp_path: Path, items: set[str], others: set[str]) -> None:
    """Membership is exact, not by hash."""
    found = made(tmp_path, ACCOUNTS, items)
    assert all(item in found for item in items)
    assert [one for one in others if (one in found) != (one in items)] == []
    assert len(found) == len(items)
    found.close()


def test_texts_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two items may have one hash, and a stranger's may be that of an item."""
    monkeypatch.setattr("gateway.feeds.lists._hash", lambda item: b"\x80" + b"\0" * 7)
    compile_list(ACCOUNTS, ["alpha", "beta", "gamma"], tmp_path / "a")
    found = open_list(tmp_path / "a")
    assert [one in found for one in ("alpha", "beta", "gamma", "delta", "alph")] == [True, True, True, False, False]


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    compile_list(NETWORKS, ["8.8.8.0/24", "2a02::/32"], tmp_path / "a.list")
    return tmp_path / "a.list"


def test_no_file_that_is_cut_short_is_read(compiled: Path) -> None:
    """At whatever byte it ends: refused."""
    whole = compiled.read_bytes()
    for size in range(len(whole)):
        compiled.write_bytes(whole[:size])
        with pytest.raises(ListRefused):
            open_list(compiled)


def test_no_file_that_was_changed_is_read(compiled: Path) -> None:
    """Each bit counts."""
    whole = compiled.read_bytes()
    for at in range(len(whole)):
        compiled.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ListRefused):
            open_list(compiled)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "too short", id="empty"),
        pytest.param(b"8.8.8.8\n" * 100, "no compiled list", id="text"),
        pytest.param(b"TIDELIST" + (VERSION + 1).to_bytes(2, "little") + b"\0" * 200, "another version", id="version"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, why: str) -> None:
    """What is no compiled list is told to be none."""
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ListRefused, match=why):
        open_list(tmp_path / "a")


def test_a_closed_list_answers_nobody(compiled: Path) -> None:
    """It raises: a wrong no would let somebody in."""
    found = open_list(compiled)
    assert repr(found).startswith("<MappedList a.list: networks, 2 items, digest ")
    found.close()
    with pytest.raises(ValueError, match="released"):
        _ = "8.8.8.8" in found


def test_a_list_outlives_its_file(compiled: Path) -> None:
    """Who has it open keeps it, when the next one takes its name."""
    found = open_list(compiled)
    compile_list(NETWORKS, ["9.9.9.9"], compiled)
    assert "8.8.8.8" in found
    assert "9.9.9.9" in open_list(compiled)


@pytest.mark.timing
def test_it_is_quick(tmp_path: Path) -> None:
    """100,000 networks compile within two seconds, and a look takes less than 20 µs, on a machine in a bad hour."""
    lines = [f"{n % 200 + 1}.{n >> 8 & 255}.{n & 255}.{n % 16 * 16}/28" for n in range(100_000)]
    begin = time.process_time()
    found = made(tmp_path, NETWORKS, lines)
    assert time.process_time() - begin < 2.0
    begin = time.process_time()
    assert sum(f"7.7.7.{n % 256}" in found for n in range(10_000)) >= 0
    assert time.process_time() - begin < 0.2
