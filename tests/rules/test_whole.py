"""A whole: the same bytes for every worker, or nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.accounts.live_directory import LiveDirectory
from gateway.feeds.folder import Feeds
from gateway.feeds.sources import FeedSet
from gateway.policies import Services
from gateway.rules import whole as module
from gateway.rules.build import FREE, build, policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import Ruleset
from gateway.rules.whole import OnDisk, Whole, forget, make, open_whole, point, pointed, read_whole, signature
from gateway.rules.whole_feeds import COMPILED

CHAIN = "chain: [{name: auth, kind: auth, on_failure: deny}]\n"
FEEDS = "lists: {blocked: {kind: networks, path: lists/blocked.txt}}\n"

KEYS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "%s", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
"""The public key of RFC 8037, appendix A."""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A folder that is right, with a list."""
    folder = tmp_path / "policies"
    (folder / "lists").mkdir(parents=True)
    (folder / "chain.yaml").write_text(CHAIN)
    (folder / "auth.yaml").write_text("api_keys: true\n")
    (folder / "feeds.yaml").write_text(FEEDS)
    (folder / "lists" / "blocked.txt").write_text("192.0.2.0/24\n")
    return folder


def services(ruleset: Ruleset, feeds: Feeds) -> Services:
    return Services(lambda: 0.0, LiveDirectory(), ruleset.prices or FREE, feeds.lists)


def made(policies: Path, generation: int = 1) -> Whole:
    beside = policies.parent
    return make(policies, beside / "data", beside / "wholes", generation, policy_kinds(), services, 1000.0, {})[0]


def left(policies: Path) -> list[str]:
    """What is in the folder of wholes, but for what lists were compiled to."""
    wholes = policies.parent / "wholes"
    return sorted(path.name for path in wholes.iterdir() if path.name != COMPILED) if wholes.exists() else []


def test_a_whole_is_what_was_checked(policies: Path) -> None:
    """Byte for byte, under its generation and digest; and its lists answer."""
    whole = made(policies)
    assert whole.folder.name == f"1-{whole.digest[:12]}"
    assert (whole.folder / "policies" / "auth.yaml").read_bytes() == (policies / "auth.yaml").read_bytes()
    assert read_whole(whole.folder) == whole
    opened = open_whole(whole.folder, policy_kinds(), {})
    assert opened.version == (1, whole.digest) and [entry.name for entry in opened.ruleset.entries] == ["auth"]
    assert "192.0.2.7" in opened.feeds.lists["blocked"] and "198.51.100.7" not in opened.feeds.lists["blocked"]
    opened.feeds.close()


def test_a_key_set_is_part_of_the_rules(policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the policies wherever the gateway was started, copied with them, and a new one is a new ruleset."""
    monkeypatch.chdir("/")
    (policies / "auth.yaml").write_text("jwt: [{issuer: i, audience: a, keys_file: keys/issuer.json}]\n")
    (policies / "keys").mkdir()
    file = policies / "keys" / "issuer.json"
    file.write_text(KEYS % "one")
    before, seen = made(policies), signature(policies)
    file.unlink()
    opened = open_whole(before.folder, policy_kinds(), {})
    assert build(opened.ruleset, services(opened.ruleset, opened.feeds))[0].name == "auth"
    file.write_text(KEYS % "two")
    assert made(policies, 2).digest != before.digest and signature(policies) != seen


def test_only_its_owner_reads_it(policies: Path) -> None:
    """Policies may hold secrets."""
    whole = made(policies)
    assert {path.stat().st_mode & 0o077 for path in (whole.folder, whole.folder / "policies" / "auth.yaml")} == {0}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("chain.yaml", "chain: [", "chain.yaml:1:", id="half an edit"),
        pytest.param("auth.yaml", "api_kyes: true\n", "auth.yaml:1:1: unknown key `api_kyes`", id="a key that is not"),
        pytest.param("auth.yaml", None, "no file `auth.yaml`", id="a file that is gone"),
        pytest.param("lists/blocked.txt", "192.0.2.0/24\nnonsense\n", "blocked.txt:2:", id="a line that is no network"),
        pytest.param("lists/blocked.txt", None, "feeds.yaml:1:", id="a list that is gone"),
        pytest.param(
            "auth.yaml", "jwt: [{issuer: i, audience: a, keys_file: chain.yaml}]\n", "cannot be made", id="not makeable"
        ),
        pytest.param(
            "auth.yaml",
            "jwt: [{issuer: i, audience: a, keys_file: keys.json}]\n",
            "auth.yaml:1:43: file `keys.json`: No such file",
            id="a key set that is not there",
        ),
        pytest.param(
            "auth.yaml",
            "jwt: [{issuer: i, audience: a, keys_file: ../keys.json}]\n",
            "must be in the folder of chain.yaml or below it",
            id="a key set elsewhere",
        ),
    ],
)
def test_what_is_wrong_makes_no_whole(policies: Path, name: str, text: str | None, said: str) -> None:
    """Every error at its place in the file that its author knows, and nothing is left behind."""
    if text is None:
        (policies / name).unlink()
    else:
        (policies / name).write_text(text)
    with pytest.raises(Problems) as raised:
        made(policies)
    assert said in str(raised.value) and str(policies) in str(raised.value)
    assert left(policies) == []


def test_every_error_of_every_file_at_once(policies: Path) -> None:
    """Nobody likes to be told one by one."""
    (policies / "auth.yaml").write_text("api_kyes: true\njtw: []\n")
    (policies / "feeds.yaml").write_text("lists: {blocked: {kind: nothings, path: x}}\n")
    with pytest.raises(Problems) as raised:
        made(policies)
    assert {problem.path.name for problem in raised.value.problems} == {"auth.yaml", "feeds.yaml"}


def changing(times: int) -> Iterator[frozenset[tuple[str, int, int, int]]]:
    """Signatures of files in which somebody writes so many times while they are read."""
    for number in range(times):
        yield frozenset({(str(number), 0, 0, 0)})
        yield frozenset({(str(number), 1, 0, 0)})
    while True:
        yield frozenset()


@pytest.mark.parametrize(("times", "whole"), [(0, True), (1, True), (2, True), (3, False)])
def test_files_that_change_while_they_are_read_are_read_again(
    policies: Path, monkeypatch: pytest.MonkeyPatch, times: int, whole: bool
) -> None:
    """Half of one edit and half of the next is no ruleset; and whoever never rests is told so."""
    signatures = changing(times)
    monkeypatch.setattr(module, "signature", lambda *_: next(signatures))
    if whole:
        assert left(policies) == [] and made(policies).folder.is_dir()
    else:
        with pytest.raises(Problems, match="keep changing"):
            made(policies)
        assert left(policies) == []


def test_the_digest_covers_lists(policies: Path) -> None:
    """The same policies with another list are another ruleset."""
    one = made(policies, 1)
    (policies / "lists" / "blocked.txt").write_text("198.51.100.0/24\n")
    other = made(policies, 2)
    assert (one.policies, one.digest != other.digest) == (other.policies, True)
    (policies / "lists" / "blocked.txt").write_text("192.0.2.0/24\n")
    assert made(policies, 3).digest == one.digest


def test_a_list_that_did_not_change_is_compiled_once(policies: Path) -> None:
    """A whole holds a link to it; with the last whole it goes."""
    compiled = policies.parent / "wholes" / COMPILED
    one = made(policies, 1)
    (policies / "auth.yaml").write_text("api_keys: true\n\n")
    other = made(policies, 2)
    assert [path.stat().st_nlink for path in compiled.iterdir()] == [3]
    forget(one)
    assert [path.stat().st_nlink for path in compiled.iterdir()] == [2]
    forget(other)
    assert list(compiled.iterdir()) == [] and left(policies) == []


@pytest.mark.parametrize("name", ["policies/auth.yaml", "whole.json", "feeds/feeds.json"])
@pytest.mark.parametrize("text", ["", "{}", "api_keys: false\njwt: []\n"])
def test_other_bytes_than_those_that_were_checked_are_refused(policies: Path, name: str, text: str) -> None:
    """A worker serves by nothing that the supervisor did not check."""
    whole = made(policies)
    (whole.folder / name).write_text(text)
    with pytest.raises(Problems):
        open_whole(whole.folder, policy_kinds(), {})


def test_a_worker_that_starts_is_told_which(policies: Path) -> None:
    """By a file that is swapped as a whole."""
    wholes = policies.parent / "wholes"
    whole = made(policies)
    with pytest.raises(OSError, match="in-force"):
        pointed(wholes)
    point(wholes, whole)
    assert pointed(wholes) == whole.folder


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("auth.yaml", True),
        ("new.yaml", True),
        ("lists/blocked.txt", True),
        (".auth.yaml.swp", False),
        ("auth.yaml~", False),
        ("tests/a.yaml", False),
    ],
)
def test_the_signature_sees_what_counts(policies: Path, name: str, seen: bool) -> None:
    """An edit of a rule or a list; not what an editor hides, and not tests of policies."""
    (policies / "tests").mkdir()
    before = signature(policies)
    (policies / name).write_text("other\n")
    assert (signature(policies) != before) is seen


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_seen(policies: Path) -> None:
    """As `mv` and package managers do it: it is another file."""
    before = signature(policies)
    path, draft = policies / "auth.yaml", policies / ".draft"
    draft.write_text("api_keys: True\n"[: path.stat().st_size])
    os.utime(draft, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    draft.replace(path)
    assert signature(policies) != before


def test_lists_elsewhere_are_watched_and_have_an_age(policies: Path) -> None:
    """A list beside the folder is as much a part of the rules."""
    elsewhere = policies.parent / "elsewhere.txt"
    elsewhere.write_text("192.0.2.0/24\n")
    (policies / "feeds.yaml").write_text(
        "lists: {blocked: {kind: networks, path: ../elsewhere.txt, stale_after: 1h}}\n"
    )
    wholes = policies.parent / "wholes"
    _, ruleset = make(policies, policies.parent / "data", wholes, 1, policy_kinds(), services, 0.0, {})
    disk = OnDisk(policies, policies.parent / "data", ruleset.feeds.plain())
    os.utime(elsewhere, (1000.0, 1000.0))
    assert disk.list_ages(1060.0) == [("blocked", 60.0, False)]
    assert disk.list_ages(1000.0 + 3601.0) == [("blocked", 3601.0, True)]
    before = disk.signature()
    elsewhere.write_text("192.0.2.0/25\n")
    assert disk.signature() != before


def test_what_is_fetched_is_seen_though_the_rules_that_want_it_are_refused(policies: Path) -> None:
    """The author is told to fetch it, and then need not touch the rules once more."""
    disk = OnDisk(policies, policies.parent / "data", FeedSet())
    before = disk.signature()
    (policies.parent / "data" / "lists").mkdir(parents=True)
    (policies.parent / "data" / "lists" / "new.txt").write_text("192.0.2.0/24\n")
    assert disk.signature() != before


def test_what_refused_rules_compiled_goes_in_time(policies: Path) -> None:
    """A list that is fetched each minute while the rules are refused must not fill the disk."""
    (policies / "auth.yaml").write_text("jwt: [{issuer: i, audience: a, keys_file: chain.yaml}]\n")
    compiled = policies.parent / "wholes" / COMPILED
    with pytest.raises(Problems):
        made(policies)
    assert len(list(compiled.iterdir())) == 1
    (policies / "feeds.yaml").unlink()
    later = time.time() + module.UNUSED + 60.0
    with pytest.raises(Problems):
        make(policies, policies.parent, policies.parent / "wholes", 1, policy_kinds(), services, later, {})
    assert list(compiled.iterdir()) == []


def test_a_mounted_folder_changes_by_a_link(policies: Path) -> None:
    """As Kubernetes does it: every file is a link through `..data`, which is swapped, and the folders behind go."""
    mount = policies.parent / "mount"
    mount.mkdir()
    shutil.copytree(policies, mount / "..one")
    (mount / "..data").symlink_to("..one")
    for path in policies.iterdir():
        (mount / path.name).symlink_to(Path("..data") / path.name)
    wholes = policies.parent / "wholes"
    first, _ = make(mount, policies.parent, wholes, 1, policy_kinds(), services, 0.0, {})
    before = signature(mount)
    shutil.copytree(policies, mount / "..two")
    (mount / "..two" / "auth.yaml").write_text("api_keys: true\nremember: 100\n")
    (mount / "..new").symlink_to("..two")
    (mount / "..new").replace(mount / "..data")
    shutil.rmtree(mount / "..one")
    assert signature(mount) != before
    second, _ = make(mount, policies.parent, wholes, 2, policy_kinds(), services, 0.0, {})
    assert second.digest != first.digest
    assert not any(path.is_symlink() for path in second.folder.rglob("*"))
