"""`tidegate key`: in the directory for good, in the fleet at once; with a real Valkey and real SQLite."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.accounts import keys
from gateway.accounts.announce import CHANNEL
from gateway.accounts.sql import tables
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import blocking
from tests import servers
from tests.cli.directories import NOBODY, Folder
from tests.cli.run import data, tidegate

OTHERS = "Prefix0001"
"""Of a key in accounts.yaml."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedServer]:
    if servers.missing("valkey"):
        pytest.skip(servers.missing("valkey"))
    with asyncio.Runner() as runner:
        server = servers.server("valkey")
        runner.run(server.__aenter__())
        yield server
        runner.run(server.__aexit__(None, None, None))


def revoked(server: EmbeddedServer) -> set[str]:
    """What the fleet has in Redis."""
    redis = blocking(server.url)
    try:
        return {name.decode() for name in redis.hkeys("tg:revoked") if name.startswith(b"key:")}
    finally:
        redis.close()


def states(folder: Folder) -> dict[str, str]:
    return {one["prefix"]: one["state"] for one in folder.data("key", "list", "acme")}


def test_a_key_has_a_name_scopes_and_an_end(acme: Folder) -> None:
    """It is shown once, whole, and is one that a gateway takes for a key."""
    options = [
        "--name",
        "ci",
        "--models",
        "m-a,m-b",
        "--models",
        "m-c",
        "--features",
        "tools",
        "--expires",
        "2027-01-31",
    ]

    said = acme.well("key", "create", "acme", *options)

    (key,) = re.findall(r"tg_\w+", said)
    (kept,) = acme.data("key", "list", "acme")
    assert keys.parse(key.encode()) == kept["prefix"]
    assert (kept["name"], kept["models"], kept["features"], kept["expires"]) == (
        "ci", ["m-a", "m-b", "m-c"], ["tools"], "2027-01-31T00:00:00Z",
    )  # fmt: skip
    lines = acme.well("key", "list", "acme").splitlines()
    assert lines[0].split()[:4] == ["prefix", "name", "state", "models"]
    assert lines[1].split()[:4] == [kept["prefix"], "ci", "active", "m-a,m-b,m-c"]


def test_what_is_wrong_is_said_at_once(acme: Folder) -> None:
    """By the option, and nothing is made."""
    said = acme.bad("key", "create", "acme", "--features", "flying", "--models", "a b", status=2)

    assert [line.partition(":")[0] for line in said.splitlines()] == ["--models", "--features"]
    assert acme.rows(tables.keys) == []
    assert "there is no account `nobody`" in acme.bad("key", "create", "nobody")
    assert "there is no account `nobody`" in acme.bad("key", "list", "nobody")


def test_a_key_is_rotated_with_an_overlap(acme: Folder) -> None:
    """The old one holds meanwhile, and has an end."""
    first = acme.data("key", "create", "acme", "--models", "m-a")

    second = acme.data("key", "rotate", first["key"], "--overlap", "1h")

    found = {one["prefix"]: one for one in acme.data("key", "list", "acme")}
    assert states(acme) == {first["prefix"]: "active", second["prefix"]: "active"}
    assert found[second["prefix"]]["replaces"] == first["prefix"]
    assert found[second["prefix"]]["models"] == ["m-a"]
    assert found[first["prefix"]]["expires"] is not None
    assert "must be a duration" in acme.bad("key", "rotate", first["prefix"], "--overlap", "60", status=2)
    assert "there is no key" in acme.bad("key", "rotate", OTHERS)


def test_a_key_of_the_directory_is_revoked_there_and_announced(tmp_path: Path, valkey: EmbeddedServer) -> None:
    """For good: Redis has nothing to remember, and workers are told at once. And back."""
    acme = Folder(tmp_path, valkey.url)
    acme.well("directory", "upgrade")
    acme.well("account", "create", "acme")
    made = acme.data("key", "create", "acme")
    redis = blocking(valkey.url)
    with redis.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(CHANNEL)
        listening.get_message(timeout=5.0)

        said = acme.well("key", "revoke", made["key"], "--reason", "leaked")

        told = json.loads(listening.get_message(timeout=5.0)["data"])
    redis.close()
    assert said == f"key {made['prefix']} of account acme is revoked in the directory, for good\n"
    assert told == {"version": acme.version(), "accounts": ["acme"]}
    assert states(acme) == {made["prefix"]: "revoked"}
    assert f"key:{made['prefix']}" not in revoked(valkey)
    assert acme.data("account", "audit", "acme")[0]["detail"] == {"prefix": made["prefix"], "reason": "leaked"}
    assert "in the directory and by the fleet" in acme.well("key", "restore", made["prefix"])
    assert states(acme) == {made["prefix"]: "active"}


FILE = """\
peppers: {p1: "0123456789abcdef"}
accounts: [{id: filed, keys: [{name: first, prefix: %s, digest: "%s", pepper: p1}]}]
"""


@pytest.mark.parametrize("filed", [True, False], ids=["others-filed", "no-file"])
def test_a_key_that_nobody_knows_is_said(acme: Folder, valkey: EmbeddedServer, filed: bool) -> None:
    """Whoever has mistyped a prefix must not believe that the leaked key is dead."""
    folder = Folder(acme.path, valkey.url)
    if filed:
        (acme.path / "accounts.yaml").write_text(FILE % (OTHERS, "0" * 64))

    said = folder.well("key", "revoke", "mistyped0")

    assert "Neither the directory nor accounts.yaml has such a key: look whether the prefix is right." in said
    assert "key:mistyped0" in revoked(valkey)


@pytest.mark.parametrize("there", [True, False], ids=["directory", "no-directory"])
def test_any_other_key_is_revoked_in_the_fleet(tmp_path: Path, valkey: EmbeddedServer, there: bool) -> None:
    """Those of accounts.yaml: it is said that this does not last by itself. And back."""
    folder = Folder(tmp_path, valkey.url)
    if there:
        folder.well("directory", "upgrade")

    (tmp_path / "accounts.yaml").write_text(FILE % (OTHERS, "0" * 64))

    said = folder.well("key", "revoke", OTHERS)

    last = "To make it last, set `revoked: true` in accounts.yaml, too."
    assert said == f"key {OTHERS} is revoked on every worker. {last}\n"
    assert f"key:{OTHERS}" in revoked(valkey)
    assert folder.well("key", "restore", OTHERS) == f"key {OTHERS} is no longer revoked by the fleet\n"
    assert f"key:{OTHERS}" not in revoked(valkey)
    assert (tmp_path / "directory.db").exists() is there


def test_a_directory_that_is_away_keeps_no_key_alive(tmp_path: Path, valkey: EmbeddedServer) -> None:
    """Whoever revokes is in a hurry: the fleet does it, and that it has to be done again is an error."""
    directory = (
        "directory: {url: 'postgresql://u:hidden@127.0.0.1:1/d', secrets: {s1: 0123456789abcdef0123456789abcdef}}\n"
    )
    folder = Folder(tmp_path, valkey.url, directory)

    said = folder.bad("key", "revoke", OTHERS)

    assert f"key {OTHERS} is revoked on every worker by Redis alone. Do it again when the directory answers" in said
    assert f"key:{OTHERS}" in revoked(valkey)
    assert "hidden" not in said
    assert "the directory cannot be used" in folder.bad("key", "restore", OTHERS)
    assert f"key:{OTHERS}" in revoked(valkey)


def test_without_redis_a_key_of_the_directory_is_revoked(acme: Folder) -> None:
    """Workers look at the directory twice a second. One that only Redis could revoke is an error."""
    made = acme.data("key", "create", "acme")

    acme.well("key", "revoke", made["prefix"])

    assert states(acme) == {made["prefix"]: "revoked"}
    assert "Redis did not take it" in acme.bad("key", "revoke", OTHERS)
    assert "Redis did not take it" in acme.bad("key", "restore", made["prefix"])
    assert NOBODY in acme.config.read_text()


def test_mint_asks_for_a_pepper() -> None:
    """For accounts.yaml, and only with one that deserves the name."""
    assert tidegate("key", "mint", TIDEGATE_PEPPER="short").exit_code == 1
    minted = data(tidegate("key", "mint", "--json", TIDEGATE_PEPPER="0123456789abcdef"))
    assert minted["digest"] == keys.digest(b"0123456789abcdef", minted["key"].encode()).hex()
