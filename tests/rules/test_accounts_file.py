"""`accounts.yaml`: what is wrong has a place, and a change goes live whole or not at all."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from gateway.accounts.directory import AccountRecord
from gateway.accounts.live_directory import LiveDirectory
from gateway.policy import Principal
from gateway.rules.accounts_file import AccountsWatcher, read_accounts
from gateway.rules.problems import Problems

DIGEST = "0f" * 32
GOOD = f"""\
peppers:
  p1: ${{PEPPER}}
accounts:
  - id: acme
    tier: gold
    keys:
      - name: ci
        prefix: Prefix0001
        digest: "{DIGEST}"
        pepper: p1
        expires: 2027-01-31T00:00:00Z
        features: [tools]
"""
ENVIRONMENT = {"PEPPER": "0123456789abcdef"}


def principal(directory: LiveDirectory, account: str) -> Principal | None:
    found = directory.account(account)
    assert isinstance(found, AccountRecord)
    return found.principal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file(path: Path) -> None:
    """Peppers come from the environment, a date is a date, a scope is a set."""
    content = read_accounts(path, ENVIRONMENT)

    assert content.peppers == {"p1": b"0123456789abcdef"}
    assert content.keys["Prefix0001"].principal.features == {"tools"}
    assert content.keys["Prefix0001"].expires == 1801353600.0


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("${PEPPER}", "${NONE}", "2:7: `p1`: the environment variable `NONE` is not set, or empty"),
        ("${PEPPER}", "short", "2:7: `p1` must have 16 to 64 bytes"),
        ("pepper: p1", "pepper: p2", "10:17: `pepper` names no pepper of this file: `p2`"),
        ("id: acme", "id: a b", "4:9: `id` must match ^[!-+\\-.-<>-z|~]{1,128}$"),
        ("id: acme", "id: a,model=x", "4:9: `id` must match ^[!-+\\-.-<>-z|~]{1,128}$"),
        ("tier: gold", "teir: gold", "5:5: unknown key `teir`: did you mean `tier`?"),
        ("prefix: Prefix0001", "prefix: 12345678", "8:17: `prefix` must be text"),
        (DIGEST, DIGEST[2:], "9:17: `digest` must match ^[0-9a-f]{64}$"),
        (
            "[tools]",
            "[tolls]",
            "12:20: `features[0]` must be 'tools', 'vision', ",
        ),
        ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00", "11:18: `expires` must have a zone"),
    ],
)
def test_a_bad_file(path: Path, written: str, instead: str, problem: str) -> None:
    """Each at the line and column of what is wrong; secrets are not in the message."""
    path.write_text(GOOD.replace(written, instead))

    with pytest.raises(Problems) as found:
        read_accounts(path, ENVIRONMENT)

    assert len(found.value.problems) == 1
    assert str(found.value).startswith(f"{path}:{problem}")


def test_duplicates_are_found_all_at_once(path: Path) -> None:
    """Account ids and prefixes are names for the whole fleet."""
    account = GOOD[GOOD.index("  - id") :]
    path.write_text(GOOD + account)

    with pytest.raises(Problems) as found:
        read_accounts(path, ENVIRONMENT)

    assert [(problem.line, problem.column) for problem in found.value.problems] == [(13, 9), (17, 17)]


async def test_a_change_goes_live(path: Path) -> None:
    """The directory moves on by one generation; a look without a change does nothing."""
    directory = LiveDirectory()
    watcher = AccountsWatcher(path, directory, ENVIRONMENT)
    watcher.load()
    assert not await watcher.look()

    path.write_text(GOOD.replace("gold", "silver"))
    assert await watcher.look()
    account = principal(directory, "acme")

    assert account is not None
    assert account.tier == "silver"
    assert directory.generation == 2


async def test_a_bad_change_stays_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last good one stays, and it is said once, aloud, with its place: not at every look."""
    directory = LiveDirectory()
    watcher = AccountsWatcher(path, directory, ENVIRONMENT)
    watcher.load()
    path.write_text("accounts: 5\n")

    assert [await watcher.look() for _ in range(3)] == [False] * 3
    assert directory.find("Prefix0001") is not None
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "accounts.yaml:1:11: `accounts` must be a list" in caplog.text

    path.unlink()
    assert not await watcher.look()
    assert directory.find("Prefix0001") is not None

    path.write_text(GOOD)
    assert await watcher.look()


async def test_a_file_swapped_by_rename_is_seen(path: Path) -> None:
    """As editors and Kubernetes do it, even with the same size and time."""
    watcher = AccountsWatcher(path, LiveDirectory(), ENVIRONMENT)
    watcher.load()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    other = path.with_name("other.yaml")
    other.write_text(GOOD)
    os.utime(other, ns=times)
    other.replace(path)

    assert await watcher.look()


def test_a_gateway_does_not_start_on_a_bad_file(path: Path) -> None:
    """The first load raises."""
    path.write_text("accounts: 5\n")

    with pytest.raises(Problems, match="must be a list"):
        AccountsWatcher(path, LiveDirectory(), ENVIRONMENT).load()


def test_a_worker_that_starts_again_has_the_last_good_one(path: Path, tmp_path: Path) -> None:
    """A bad edit must not take away the workers that happen to start after it; the copy is its owner's alone."""
    last_good = tmp_path / "runtime.yaml"
    AccountsWatcher(path, LiveDirectory(), ENVIRONMENT, last_good=last_good).load()
    assert last_good.stat().st_mode & 0o777 == 0o600 and last_good.read_text() == GOOD
    path.write_text("accounts: [")
    directory = LiveDirectory()
    AccountsWatcher(path, directory, ENVIRONMENT, last_good=last_good).load()
    assert directory.account("acme") is not None and last_good.read_text() == GOOD
    with pytest.raises(Problems):
        AccountsWatcher(path, LiveDirectory(), ENVIRONMENT).load()


async def test_a_file_that_nobody_named_need_not_be_there(tmp_path: Path) -> None:
    """It is nobody's until it is written; one that was named has to be there, and a file that comes later counts."""
    path, directory = tmp_path / "accounts.yaml", LiveDirectory()
    with pytest.raises(Problems):
        AccountsWatcher(path, LiveDirectory(), ENVIRONMENT).load()
    watcher = AccountsWatcher(path, directory, ENVIRONMENT, required=False)
    watcher.load()
    assert not await watcher.look()

    path.write_text(GOOD)
    assert await watcher.look()
    assert principal(directory, "acme") is not None
