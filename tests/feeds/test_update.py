"""Fetch, check, swap: only what is good takes the place of what is in use."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.feeds import update as module
from gateway.feeds.kinds import ListKind
from gateway.feeds.sources import (
    DatabaseFeed,
    FileSource,
    ListFeed,
    MaxMindSource,
    NpmSource,
    RedisSource,
    Unpack,
    UrlSource,
)
from gateway.feeds.update import World, last_checked, recall, update
from gateway.testing import Clock
from tests.feeds.elsewhere import Vendor, serve
from tests.feeds.geo import BUILT, COUNTRIES, database
from tests.feeds.test_unpack import archive
from tests.servers import missing, server

GOOD = "".join(f"8.{n}.0.0/16\n" for n in range(20)).encode()
OTHER = "".join(f"9.{n}.0.0/16\n" for n in range(20)).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock(1_795_000_000.0)


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> World:
    (tmp_path / "policies").mkdir()
    return World(tmp_path / "policies", tmp_path / "data", clock)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with serve() as found:
        found.files["/l.txt"] = GOOD
        yield found


def networks(source: Any, kind: ListKind = ListKind.NETWORKS) -> ListFeed:
    return ListFeed("l", kind, source=source)


def landed(world: World) -> dict[str, bytes]:
    folder = world.data / "lists"
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if not p.name.startswith(".")}


async def test_the_first_fetch(vendor: Vendor, world: World) -> None:
    """It lands where it is looked for, with what has to be remembered, and nothing is left lying about."""
    found = await update(networks(UrlSource(f"{vendor.address}/l.txt")), world)
    assert (found.what, found.entries, found.detail) == ("updated", 20, "")
    assert landed(world)["l.txt"] == GOOD
    assert sorted(landed(world)) == ["l.txt", "l.txt.json"]
    assert [p for p in (world.data / "lists").iterdir() if p.name.startswith(".fetch")] == []
    assert (world.data / "lists" / "l.txt").stat().st_mode & 0o777 == 0o644


async def test_the_one_before_is_kept(vendor: Vendor, world: World) -> None:
    """The last good one is there, under a name of its own."""
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    vendor.files["/l.txt"] = OTHER
    assert (await update(feed, world)).what == "updated"
    assert landed(world)["l.txt"] == OTHER
    assert landed(world)["l.txt.previous"] == GOOD


async def test_a_condition_is_remembered(vendor: Vendor, world: World, clock: Clock) -> None:
    """What did not change is not sent again, and counts as fresh."""
    vendor.etags["/l.txt"] = '"1"'
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    clock.turn(60)
    found = await update(feed, world)
    assert (found.what, found.entries) == ("unchanged", 20)
    assert vendor.asked[1][1]["If-None-Match"] == '"1"'
    memory = recall(world.data, feed)
    assert memory.checked - memory.fetched == 60


@pytest.mark.parametrize("how", ["edited", "gone", "other source"])
async def test_a_condition_is_only_for_what_is_there(vendor: Vendor, world: World, how: str) -> None:
    """Without the very content of that source, all of it is fetched."""
    vendor.etags["/l.txt"] = vendor.etags["/m.txt"] = '"1"'
    vendor.files["/m.txt"] = OTHER
    await update(networks(UrlSource(f"{vendor.address}/l.txt")), world)
    path = world.data / "lists" / "l.txt"
    if how == "edited":
        path.write_text("1.1.1.1\n")
    elif how == "gone":
        path.unlink()
    name = "m" if how == "other source" else "l"
    found = await update(networks(UrlSource(f"{vendor.address}/{name}.txt")), world)
    assert found.what == "updated"
    assert path.read_bytes() == vendor.files[f"/{name}.txt"]


async def test_the_same_bytes_are_unchanged(vendor: Vendor, world: World) -> None:
    """A vendor without validators costs a download, and no swap."""
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    before = (world.data / "lists" / "l.txt").stat()
    assert (await update(feed, world)).what == "unchanged"
    after = (world.data / "lists" / "l.txt").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    ("content", "said", "forced"),
    [
        pytest.param(b"<html>\n<body>Sorry\n", "lines are wrong, such as line 1, `<html>`", False, id="an error page"),
        pytest.param(b"", "has no items", True, id="empty"),
        pytest.param(b"# nothing\n", "has no items", True, id="remarks alone"),
        pytest.param(GOOD[: len(GOOD) // 3], "shrunk from 20 to", True, id="shrunk"),
        pytest.param(GOOD + b"bad\n" * 5, "5 of 25 lines are wrong", False, id="many bad lines"),
    ],
)
async def test_what_is_not_taken(vendor: Vendor, world: World, content: bytes, said: str, forced: bool) -> None:
    """The last good one stays, and it is said why; force takes what is only odd, not what is wrong."""
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    vendor.files["/l.txt"] = content
    found = await update(feed, world)
    assert found.what == "failed"
    assert said in found.detail
    assert "the last good one stays in use" in found.detail
    assert landed(world)["l.txt"] == GOOD
    assert (await update(feed, world, force=True)).what == ("updated" if forced else "failed")


async def test_a_few_bad_lines_are_taken_and_told(vendor: Vendor, world: World) -> None:
    """With a word."""
    vendor.files["/l.txt"] = b"network,asn\n" + GOOD
    found = await update(networks(UrlSource(f"{vendor.address}/l.txt")), world)
    assert (found.what, found.detail) == ("updated", "1 lines are left out, they are no networks")


@pytest.mark.parametrize("trouble", ["status", "cut", "down", "checksum"])
async def test_a_vendor_in_trouble(vendor: Vendor, world: World, trouble: str) -> None:
    """Nothing changes, whatever is the matter with it."""
    await update(networks(UrlSource(f"{vendor.address}/l.txt")), world)
    source = UrlSource(f"{vendor.address}/l.txt")
    vendor.files["/l.txt"] = OTHER
    if trouble == "status":
        vendor.status = 503
    elif trouble == "cut":
        vendor.cut = True
    elif trouble == "down":
        source = UrlSource("http://127.0.0.1:1/l.txt")
    else:
        source = UrlSource(f"{vendor.address}/l.txt", sha256="0" * 64)
    before = landed(world)
    found = await update(networks(source), world)
    assert found.what == "failed"
    assert found.detail.endswith("; the last good one stays in use")
    assert landed(world) == before


async def test_only_one_at_a_time(vendor: Vendor, world: World) -> None:
    """A command and a gateway do not swap under each other's hands."""
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    with (world.data / "lists" / ".l.txt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process" in (await update(feed, world)).detail
    assert (await update(feed, world)).what == "unchanged"


async def test_a_file_packed(world: World) -> None:
    """Beside feeds.yaml, out of an archive."""
    (world.base / "l.tgz").write_bytes(archive({"x/l.txt": GOOD, "x/m.txt": OTHER}))
    found = await update(networks(FileSource("l.tgz", Unpack.TAR, "/m.txt")), world)
    assert (found.what, landed(world)["l.txt"]) == ("updated", OTHER)
    assert (world.base / "l.tgz").exists()


def country(source: Any) -> DatabaseFeed:
    return DatabaseFeed("geo", source=source)


async def test_a_database(world: World, clock: Clock) -> None:
    """It lands when it opens and says something."""
    database(world.base / "a.mmdb")
    found = await update(country(FileSource("a.mmdb")), world)
    assert (found.what, found.built, found.detail) == ("updated", BUILT, "Test-Country: country")
    assert (world.data / "databases" / "geo.mmdb").exists()


@pytest.mark.parametrize(
    ("records", "built", "said", "forced"),
    [
        pytest.param(COUNTRIES, BUILT - 1, "older than what is in use", True, id="older"),
        pytest.param({"81.2.69.0/24": {"asn": 7}}, BUILT + 1, "does not say country", True, id="another kind"),
        pytest.param({"::/1": {"country_code": "NO"}}, BUILT + 1, "shrunk from", True, id="shrunk"),
        pytest.param({"81.2.69.0/24": {"x": 7}}, BUILT + 1, "says nothing that rules ask for", False, id="useless"),
        pytest.param(None, 0, "not a database", False, id="no database"),
    ],
)
async def test_what_database_is_not_taken(world: World, records: Any, built: int, said: str, forced: bool) -> None:
    """The last good one stays."""
    path = database(world.base / "a.mmdb")
    good = path.read_bytes()
    await update(country(FileSource("a.mmdb")), world)
    if records is None:
        path.write_bytes(good[: len(good) // 2])
    else:
        database(path, records, built=built)
    found = await update(country(FileSource("a.mmdb")), world)
    assert found.what == "failed"
    assert said in found.detail
    assert (world.data / "databases" / "geo.mmdb").read_bytes() == good
    assert (await update(country(FileSource("a.mmdb")), world, force=True)).what == ("updated" if forced else "failed")


async def test_a_maxmind_account(vendor: Vendor, world: World) -> None:
    """The permalinks as they are documented, with Basic authentication; nothing is downloaded twice."""
    packed = archive({"GeoLite2-Country_20260101/x.mmdb": database(world.base / "x.mmdb").read_bytes()})
    address = "/geoip/databases/GeoLite2-Country/download?suffix=tar.gz"
    vendor.files[address] = packed
    vendor.files[f"{address}.sha256"] = f"{hashlib.sha256(packed).hexdigest()}  GeoLite2-Country_2026.tar.gz\n".encode()
    vendor.wants = "Basic NDI6a2V5"
    feed = country(MaxMindSource("42", "key", "GeoLite2-Country", vendor.address))
    assert (await update(feed, world)).what == "updated"
    assert (await update(feed, world)).what == "unchanged"
    assert [path for path, _ in vendor.asked] == [f"{address}.sha256", address, f"{address}.sha256"]
    wrong = country(MaxMindSource("42", "wrong-key", "GeoLite2-Country", vendor.address))
    found = await update(wrong, world)
    assert "does not take our credentials" in found.detail
    assert "wrong-key" not in f"{found} {wrong} {(world.data / 'databases' / 'geo.mmdb.json').read_text()}"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm on PATH that notes how it was called, and packs what lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "npm"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {folder}/called\n'
        f'if [ -f {folder}/fail ]; then echo "npm ERR! code E404" ; exit 1; fi\n'
        f"if [ -f {folder}/hang ]; then sleep 60 & wait; fi\n"
        f'while [ "$1" != --pack-destination ]; do shift; done\ncp {folder}/p.tgz "$2/p-1.0.0.tgz"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


async def test_an_npm_package(world: World, npm: Path) -> None:
    """By the npm client, without running anything of it."""
    (npm / "p.tgz").write_bytes(archive({"package/geo.mmdb": database(world.base / "x").read_bytes()}))
    feed = country(NpmSource("@x/geo-mmdb", "geo.mmdb", "1.x"))
    found = await update(feed, world)
    assert found.what == "updated", found
    called = (npm / "called").read_text().split()
    assert called[:2] == ["pack", "@x/geo-mmdb@1.x"]
    assert "--ignore-scripts" in called
    assert (await update(feed, world)).what == "unchanged"


async def test_npm_in_trouble(world: World, npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word is told; one that hangs is ended with its children; none at all is told, too."""
    feed = country(NpmSource("geo-mmdb", "geo.mmdb"))
    (npm / "fail").touch()
    assert (await update(feed, world)).detail == "npm ended with 1: npm ERR! code E404"
    (npm / "fail").unlink()
    (npm / "hang").touch()
    monkeypatch.setattr("gateway.feeds.npm.fetch_package.__defaults__", (0.3,))
    assert (await update(feed, world)).detail == "npm did not end within 0.3 s"
    monkeypatch.setenv("PATH", "/nowhere")
    assert (await update(feed, world)).detail == "there is no npm on PATH"


@pytest.mark.skipif(bool(missing("valkey")), reason=missing("valkey"))
async def test_a_set_in_redis(world: World) -> None:
    """Its members are the items; one with a line break in it is none; a SET that is gone is empty, and that is odd."""
    async with server("valkey") as one:
        redis = Redis(unix_socket_path=one.socket)
        at_hand = World(world.base, world.data, world.now, redis)
        feed = networks(RedisSource("blocked"), ListKind.ACCOUNTS)
        assert (await update(feed, at_hand)).entries == 0
        await redis.sadd("blocked", *(f"acct-{n}" for n in range(3000)), "two\nlines")
        found = await update(feed, at_hand)
        assert (found.what, found.entries) == ("updated", 3000)
        assert (await update(feed, at_hand)).what == "unchanged"
        await redis.delete("blocked")
        assert "shrunk from 3000 to 0" in (await update(feed, at_hand)).detail
        assert (await update(feed, at_hand, force=True)).what == "updated"
        await redis.set("blocked", "text")
        assert "WRONGTYPE" in (await update(feed, at_hand)).detail
        await redis.aclose()
    assert (await update(feed, at_hand)).what == "failed"


async def test_without_redis(world: World) -> None:
    """It is said."""
    assert "no Redis" in (await update(networks(RedisSource("x")), world)).detail


async def test_a_memory_that_is_no_memory(vendor: Vendor, world: World) -> None:
    """What cannot be read is as if it were not there."""
    feed = networks(UrlSource(f"{vendor.address}/l.txt"))
    await update(feed, world)
    for content in ("", "{}", "[]", json.dumps({"other": 1}), "\0"):
        (world.data / "lists" / "l.txt.json").write_text(content)
        assert recall(world.data, feed).checked == 0.0
        assert (await update(feed, world)).what == "unchanged"


async def test_when_it_was_checked_last_is_known_without_reading_it(
    vendor: Vendor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each scrape of the metrics asks: a digest of a long list would be a pause of the supervisor."""
    feed = ListFeed("l", ListKind.NETWORKS, source=UrlSource(f"{vendor.address}/l.txt"))
    assert last_checked(world.data, feed) == 0.0
    await update(feed, world)

    def never(_: Path) -> str:
        raise AssertionError("it was read")

    monkeypatch.setattr(module, "file_digest", never)
    assert last_checked(world.data, feed) == 1_795_000_000.0
    assert last_checked(world.data, replace(feed, kind=ListKind.ASNS)) == 0.0
    path = world.data / "lists" / "l.txt"
    os.utime(path, (path.stat().st_mtime + 60, path.stat().st_mtime + 60))
    assert last_checked(world.data, feed) == 0.0
