"""The live directory: whole snapshots, with the fleet's revocations laid over them."""

from __future__ import annotations

import pytest

from gateway.accounts.directory import AccountRecord, KeyRecord
from gateway.accounts.file_directory import snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.model import AccountsFile
from gateway.policy import Principal

DIGEST = "ab" * 32
FILE = {
    "peppers": {"p1": "x" * 32},
    "accounts": [
        {
            "id": "acme",
            "organisation": "acme-corp",
            "tier": "gold",
            "keys": [
                {"name": "ci", "prefix": "Prefix0001", "digest": DIGEST, "pepper": "p1", "models": ["m-small"]},
                {
                    "name": "old",
                    "prefix": "Prefix0002",
                    "digest": DIGEST,
                    "pepper": "p1",
                    "expires": "2027-01-01T00:00:00Z",
                    "revoked": True,
                },
            ],
        },
        {
            "id": "gone",
            "suspended": True,
            "keys": [{"name": "k", "prefix": "Prefix0003", "digest": DIGEST, "pepper": "p1"}],
        },
    ],
}


@pytest.fixture
def directory() -> LiveDirectory:
    return LiveDirectory(snapshot(AccountsFile.model_validate(FILE)))


def account(directory: LiveDirectory, name: str) -> AccountRecord:
    found = directory.account(name)
    assert isinstance(found, AccountRecord)
    return found


def test_a_key_is_found_by_its_prefix(directory: LiveDirectory) -> None:
    """With its account's organisation and tier, its own scopes, and never the key."""
    record = directory.find("Prefix0001")

    assert isinstance(record, KeyRecord)
    assert record.digest == bytes.fromhex(DIGEST)
    assert record.principal == Principal("acme", "acme-corp", "Prefix0001", "gold", frozenset({"m-small"}))
    assert (record.expires, record.revoked, record.suspended) == (None, False, False)
    assert directory.find("Prefix0009") is None
    assert directory.pepper("p1") == b"x" * 32
    assert directory.pepper("p2") is None


def test_what_the_file_forbids(directory: LiveDirectory) -> None:
    """Expiry, revocation and suspension come through, the last to every key of the account."""
    old, gone = directory.find("Prefix0002"), directory.find("Prefix0003")

    assert isinstance(old, KeyRecord)
    assert isinstance(gone, KeyRecord)
    assert (old.expires, old.revoked) == (1798761600.0, True)
    assert gone.suspended
    assert account(directory, "gone").suspended
    assert not account(directory, "acme").suspended
    assert account(directory, "acme").principal == Principal("acme", "acme-corp", tier="gold")
    assert account(directory, "nobody").principal is None


def test_an_overlay_forbids_and_never_allows(directory: LiveDirectory) -> None:
    """A key revoked in the fleet is revoked here; taking that back does not undo what the file says."""
    directory.overlay(frozenset({"Prefix0001"}), frozenset({"acme"}))
    record = directory.find("Prefix0001")
    assert isinstance(record, KeyRecord)
    assert (record.revoked, record.suspended, account(directory, "acme").suspended) == (True, True, True)

    directory.overlay(frozenset(), frozenset())
    first, old = directory.find("Prefix0001"), directory.find("Prefix0002")
    assert isinstance(first, KeyRecord)
    assert isinstance(old, KeyRecord)
    assert (first.revoked, first.suspended, old.revoked) == (False, False, True)


def test_every_change_is_a_generation(directory: LiveDirectory) -> None:
    """And what changes nothing is none: caches stay."""
    seen = [directory.generation]
    directory.overlay(frozenset({"Prefix0001"}), frozenset())
    seen.append(directory.generation)
    directory.overlay(frozenset({"Prefix0001"}), frozenset())
    seen.append(directory.generation)
    directory.replace(snapshot(AccountsFile.model_validate(FILE)))
    seen.append(directory.generation)

    assert seen == [0, 1, 1, 2]
    record = directory.find("Prefix0001")
    assert isinstance(record, KeyRecord)
    assert record.revoked
