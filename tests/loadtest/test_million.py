"""The million, with a few accounts: each step does what its figures say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.keys import parse
from gateway.accounts.sql import migrate
from loadtest import million, million_served
from loadtest.million import checksum, exporting, going_back, going_forward, importing, opened, step, write
from loadtest.million_page import page
from tests.servers import missing

ACCOUNTS = 60
SERVED: dict[str, Any] = {
    "pairs": 50,
    "cold_ms": {"p50": 2.0, "p99": 4.0},
    "warm_ms": {"p50": 1.0, "p99": 1.5},
    "added_ms": {"p50": 1.25, "p99": 2.75},
    "seen": 1024,
    "memory_mib": 100.0,
    "grown_mib": 2.0,
    "one_us": 100.0,
    "ratio": 1.125,
    "ratios": [1.0, 1.25],
    "rounds": 3,
    "requests": 500,
    "others_cores": 0.25,
    "stolen": 0.125,
}
STEP: dict[str, Any] = {"accounts": 2000, "seconds": 4.0, "cpu": 3.5, "memory_mib": 64.0, "mib": 1.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a file of accounts, and an empty directory."""
    keys = write(tmp_path / "accounts.jsonl", ACCOUNTS, 20)
    assert all(parse(key.encode()) for key in keys)
    migrate.upgrade(opened(tmp_path))
    return tmp_path


def test_every_step_does_its_work(folder: Path) -> None:
    """Import, the schema back and forward without loss, export; the checksum sees a change."""
    found = importing(folder)
    assert found["accounts"] == ACCOUNTS
    assert 0 < found["moving"] < found["seconds"]
    before, counts = checksum(folder)
    assert (counts["accounts"], counts["keys"], counts["links"]) == (ACCOUNTS, ACCOUNTS, ACCOUNTS / million.LINKED)
    going_back(folder)
    assert migrate.status(opened(folder)).current == million.BEFORE
    assert checksum(folder)[0] != before
    going_forward(folder)
    assert checksum(folder) == (before, counts)
    assert exporting(folder)["accounts"] == ACCOUNTS


def test_a_step_that_is_killed_finds_nothing(folder: Path) -> None:
    """And leaves nothing."""
    _, empty = checksum(folder)
    assert step("import", folder, kill=0.001) == {}
    assert checksum(folder)[1] == empty


@pytest.mark.skipif(bool(missing("valkey")), reason=missing("valkey"))
def test_a_gateway_serves_from_it(folder: Path) -> None:
    """Every account's key is known, cold and warm, and nothing is refused."""
    keys = write(folder / "accounts.jsonl", ACCOUNTS, 20)
    importing(folder)
    found = million_served.measure(folder, million.SECRET, keys, rounds=1, requests=300)
    assert found["pairs"] == 10
    assert found["seen"] == 20
    assert found["ratio"] > 0
    assert set(found) == set(SERVED) | {"seen_seconds"}


def test_every_figure_stands_on_the_page() -> None:
    """Also when it is bad."""
    found = {
        "load": 1.5,
        "accounts": 2000,
        "rows": 5000,
        "file_mib": 1.0,
        "sql_mib": 3.0,
        "import": STEP | {"moving": 1.5, "wal_mib": 7.0},
        "export": STEP,
        "migration": {"back": STEP, "forward": STEP | {"seconds": 5.0}, "same": False},
        "kills": [{"what": "import, while reading", "hit": True, "whole": False}],
        "served": SERVED,
    }
    text = page(json.loads(json.dumps(found)))
    for said in (
        "2,000 accounts, each with a key",
        "| import | 4.0 s, 500 accounts a second (3.5 s of CPU) |",
        "| of that with the writer's place held | at most 1.5 s |",
        "Back 4.0 s, forward 5.0 s. All rows the same afterwards, by SHA-256: no.",
        "| import, while reading | yes | no |",
        "| the difference, account by account | 1.25 | 2.75 |",
        "2.0 KiB an account",
        "**1.125x**",
        "(1.000 to 1.250 in 3 rounds of 500 requests each, in turn; one account: 100 µs)",
    ):
        assert said in text
    assert "{" not in text
