"""feeds.yaml: each error at its place, secrets that nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.feeds.folder import prepare
from gateway.feeds.kinds import ListKind
from gateway.feeds.sources import (
    DatabaseFeed,
    FeedSet,
    FeedsRefused,
    FileSource,
    ListFeed,
    MaxMindSource,
    NpmSource,
    RedisSource,
    Unpack,
    UrlSource,
)
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile, placed
from gateway.rules.problems import Problems
from gateway.rules.read import parse, read

DIGEST = "ab" * 32


def load(text: str) -> FeedsFile:
    return check(parse(Path("feeds.yaml"), text.encode()), FeedsFile, {"KEY": "s3cret"})


def source(text: str) -> str:
    return f"lists: {{x: {{kind: asns, source: {{{text}}}}}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("url: https://a.example/l", UrlSource("https://a.example/l"), id="url"),
        pytest.param(
            f'url: http://127.0.0.1/l, sha256: "{DIGEST.upper()}", unpack: gzip, bearer: "${{KEY}}", every: 1h',
            UrlSource("http://127.0.0.1/l", DIGEST, unpack=Unpack.GZIP, bearer="s3cret", every=3600.0),
            id="url with all",
        ),
        pytest.param(
            'url: https://a, checksum_url: https://b, unpack: tar, member: m, username: u, password: "${KEY}"',
            UrlSource("https://a", "", "https://b", Unpack.TAR, "m", "u", "s3cret"),
            id="url with other things",
        ),
        pytest.param('npm: "@a/b", file: c.txt', NpmSource("@a/b", "c.txt"), id="npm"),
        pytest.param("npm: b, file: c.txt, version: ^1.2", NpmSource("b", "c.txt", "^1.2"), id="npm with a version"),
        pytest.param("redis: k, every: 1m", RedisSource("k", 60.0), id="redis"),
        pytest.param("file: ../x.gz, unpack: gzip", FileSource("../x.gz", Unpack.GZIP), id="file"),
    ],
)
def test_sources(text: str, expected: object) -> None:
    """What is written becomes plain values."""
    assert load(source(text)).plain().lists[0].source == expected


def test_the_whole_file() -> None:
    """Databases in their order, lists by their names."""
    text = """
databases:
  - {name: a, path: a.mmdb, stale_after: 10d}
  - {name: b, source: {maxmind: {account_id: "42", licence_key: "${KEY}", edition: GeoLite2-City}, every: 1d}}
lists:
  few: {kind: countries, items: [NO]}
  bad: {kind: networks, path: lists/bad.txt, network_kind: vpn, stale_after: 2d}
"""
    assert load(text).plain() == FeedSet(
        (
            DatabaseFeed("a", "a.mmdb", stale_after=864_000.0),
            DatabaseFeed("b", source=MaxMindSource("42", "s3cret", "GeoLite2-City", every=86_400.0)),
        ),
        (
            ListFeed("few", ListKind.COUNTRIES, ("NO",)),
            ListFeed("bad", ListKind.NETWORKS, path="lists/bad.txt", network_kind="vpn", stale_after=172_800.0),
        ),
    )


def test_no_secret_is_shown() -> None:
    """Neither by what was read nor by what is made of it."""
    maxmind = '{maxmind: {account_id: "42", licence_key: "${KEY}", edition: X}}'
    texts = [
        f"databases: [{{name: b, source: {maxmind}}}]",
        source('url: https://a, bearer: "${KEY}"'),
        source('url: https://a, username: u, password: "${KEY}"'),
    ]
    for text in texts:
        feeds = load(text)
        assert "s3cret" not in f"{feeds} {feeds!r} {feeds.plain()} {feeds.plain()!r}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("lists: {x: {kind: asns}}", ["1:12: `x` needs one of `items`, `path` and `source`"], id="none"),
        pytest.param(
            "lists: {x: {kind: asns, items: [], path: a}}",
            ["1:42: `path` must not stand beside `items`: only one of `items`, `path` and `source` may"],
            id="two",
        ),
        pytest.param(
            "databases: [{name: a}, {name: b, path: a, source: {redis: k}}]",
            [
                "1:13: `databases[0]` needs one of `path` and `source`",
                "1:51: `source` must not stand beside `path`: only one of `path` and `source` may",
            ],
            id="databases",
        ),
        pytest.param(
            "databases: [{name: a, path: x}, {name: a, path: y}]",
            ["1:40: `name`: two databases are named a"],
            id="twice",
        ),
        pytest.param(
            "databases: [{name: a, source: {redis: k}}]",
            ["1:39: `redis` has lists, not databases"],
            id="database in redis",
        ),
        pytest.param(
            source('maxmind: {account_id: "1", licence_key: k, edition: e}'),
            ["1:43: `maxmind` has databases, not lists"],
            id="list of MaxMind",
        ),
        pytest.param(
            source(""), ["1:33: `source` needs one of `url`, `maxmind`, `npm`, `redis` and `file`"], id="nowhere"
        ),
        pytest.param(
            source("url: https://a, redis: k"),
            ["1:57: `redis` must not stand beside `url`: only one of `url`, `maxmind`, `npm`, `redis` and `file` may"],
            id="two sources",
        ),
        pytest.param(
            source("url: http://a.example"), ["1:39: `url` must be https://…; http:// only on loopback"], id="http"
        ),
        pytest.param(source("npm: a"), ["1:39: `npm` needs `file`: which one of the package it is"], id="npm, no file"),
        pytest.param(
            source("npm: --evil, file: x"),
            ["1:39: `npm` must match ^(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*$"],
            id="npm, an option",
        ),
        pytest.param(
            source("redis: k, unpack: gzip, version: 1.x"),
            [
                "1:52: `unpack` is for `url` and `file`, not for redis",
                "1:67: `version` is for `npm`, not for redis",
            ],
            id="keys of others",
        ),
        pytest.param(
            source(f'url: https://a, sha256: "{DIGEST}", checksum_url: https://b'),
            ["1:140: `checksum_url`: the checksum is stated already, by `sha256`"],
            id="two checksums",
        ),
        pytest.param(
            source("url: https://a, member: m"), ["1:58: `member` needs `unpack: tar`"], id="member of nothing"
        ),
        pytest.param(source("url: https://a, username: m"), ["1:60: `username` needs `password`"], id="no password"),
        pytest.param(
            source("url: https://a, username: m, password: p, bearer: b"),
            ["1:84: `bearer` is one way to say who we are, `username` another: choose"],
            id="two ways",
        ),
        pytest.param(source("redis: k, every: 5s"), ["1:51: `every` must be 1m or more"], id="too often"),
        pytest.param(
            "lists: {x: {kind: countries, items: [], network_kind: vpn}}",
            ["1:55: `network_kind` is for kind networks or asns, not for countries"],
            id="countries are no network",
        ),
        pytest.param(
            "lists: {x: {kind: asns, items: [], network_kind: vnp}}",
            [
                "1:50: `network_kind` must be 'hosting', 'vpn', 'tor', 'residential_proxy' or 'relay'"
                ": did you mean `vpn`?"
            ],
            id="network kind",
        ),
        pytest.param(source("urll: https://a"), ["1:34: unknown key `urll`: did you mean `url`?"], id="unknown key"),
    ],
)
def test_what_is_wrong(text: str, said: list[str]) -> None:
    """Every error, at its key or value."""
    with pytest.raises(Problems) as refused:
        load(text)
    assert [str(problem) for problem in refused.value.problems] == [f"feeds.yaml:{one}" for one in said]


def test_what_cannot_be_prepared_has_a_place(tmp_path: Path) -> None:
    """In the list, or where feeds.yaml names it; a list and a database may have one name."""
    (tmp_path / "feeds.yaml").write_text(
        "databases:\n"
        "  - {name: x, source: {file: a}}\n"
        "  - {name: y, path: bad.txt}\n"
        "lists:\n"
        "  x: {kind: countries, items: [NO, UK]}\n"
        "  y: {kind: asns, path: bad.txt}\n"
        "  z: {kind: asns, path: no.txt}\n"
    )
    (tmp_path / "bad.txt").write_text("AS1\nAS2 AS3\n")
    document = read(tmp_path / "feeds.yaml")
    feeds = check(document, FeedsFile)
    with pytest.raises(FeedsRefused) as refused:
        prepare(feeds.plain(), tmp_path, tmp_path / "data", tmp_path / "into")
    found = [str(problem).removeprefix(f"{tmp_path}/") for problem in placed(refused.value, feeds, document).problems]
    assert [line.partition(": ")[0] for line in found] == [
        "bad.txt:2:1",
        "feeds.yaml:2:23",
        "feeds.yaml:3:21",
        "feeds.yaml:5:36",
        "feeds.yaml:7:25",
    ]
    assert "run `tidegate feeds update x`" in found[1]
    assert "database `y`: " in found[2]
    assert "list `x`: `UK`: not an ISO 3166-1 alpha-2" in found[3]
