"""From a checked file to a worker: what cannot be made is said, and what runs stays."""

from __future__ import annotations

import asyncio
import signal
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.app import worker
from gateway.app.configuration import read_configuration
from gateway.app.supervisor import check_everything, make_whole
from gateway.app.worker import Worker
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.whole import point

QUOTA = "limits: [{name: requests, measure: requests, per: [account], capacity: 10, every: 1d}]\n"
KEYS_FILE = "jwt: [{issuer: i, audience: a, keys_file: keys.json}]\n"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A whole configuration that is right."""
    path = tmp_path / "tidegate.yaml"
    path.write_text("redis: redis://127.0.0.1:1\nupstreams: [{url: 'http://127.0.0.1:2'}]\n")
    (tmp_path / "accounts.yaml").write_text("accounts: []\n")
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "chain.yaml").write_text("chain: [{name: auth, kind: auth, on_failure: deny}]\n")
    (policies / "auth.yaml").write_text("api_keys: true\n")
    (policies / "quota.yaml").write_text(QUOTA)
    return path


def test_what_is_right_has_no_problems(configuration: Path) -> None:
    """The same files, without a fault."""
    assert [entry.name for entry in check_everything(configuration)[2].entries] == ["auth"]


def test_a_policy_that_cannot_be_made_is_a_problem(configuration: Path) -> None:
    """`check` says it, and `serve` does not start workers that would die of it one after another."""
    (configuration.parent / "policies" / "auth.yaml").write_text(KEYS_FILE)
    (configuration.parent / "policies" / "keys.json").write_text("{}")
    with pytest.raises(Problems, match=r"auth\.yaml:1:1: policy `auth` cannot be made: no JWK Set"):
        check_everything(configuration)


def test_a_captcha_that_nobody_has_stated_is_a_problem(configuration: Path, tmp_path: Path) -> None:
    """Nobody could pass what it asks: it is refused, also while the gateway serves."""
    policies = configuration.parent / "policies"
    (policies / "chain.yaml").write_text("chain: [{name: captcha, kind: captcha, on_failure: deny}]\n")
    (policies / "captcha.yaml").write_text("ladders: [{name: usual, steps: {captcha: 50}}]\nproviders: [turnstil]\n")
    for look in (check_everything, lambda path: make_whole(read_configuration(path), tmp_path / "wholes", 1)):
        with pytest.raises(Problems, match=r"captcha\.yaml:2:13: `providers\[0\]` names no captcha of tidegate.yaml"):
            look(configuration)


def test_an_address_of_no_redis_is_a_problem(configuration: Path) -> None:
    """Likewise, and without the password in it."""
    configuration.write_text(configuration.read_text().replace("redis://", "http://user:hidden-word@"))
    with pytest.raises(Problems, match="redis: not an address of a Redis") as raised:
        check_everything(configuration)
    assert "hidden-word" not in str(raised.value)


async def test_a_ruleset_that_cannot_be_made_keeps_what_runs(configuration: Path, tmp_path: Path) -> None:
    """The worker says what is wrong with it; the chain, the digest and the generation stay. The next good one holds."""
    read = read_configuration(configuration)
    worker = Worker(read)
    worker.store = worker._local = cast("Any", None)
    worker._challenging = cast("Any", SimpleNamespace(offered=None))
    first, _ = make_whole(read, tmp_path / "wholes", 1)
    worker.edge = cast("Any", SimpleNamespace(chain=await worker.rules.begin(first.folder)))
    (configuration.parent / "policies" / "auth.yaml").write_text("api_keys: true\n\n")
    other, _ = make_whole(read, tmp_path / "wholes", 2)
    (other.folder / "policies" / "auth.yaml").write_text("api_keys: true\n# Written by somebody else.\n")
    said = await worker.rules.prepare(other.folder, other.version)
    assert "not those that were checked" in said[0] and not worker.rules.commit(other.version)
    assert worker.edge.chain.version == worker.rules.version == (1, first.digest)

    (configuration.parent / "policies" / "auth.yaml").write_text("api_keys: true\n\n\n")
    third, _ = make_whole(read, tmp_path / "wholes", 3)
    assert await worker.rules.prepare(third.folder, third.version) == []
    assert worker.edge.chain.version == (1, first.digest)
    assert worker.rules.commit(third.version) and worker.edge.chain.version == (3, third.digest)
    await worker.rules.close()


async def test_a_worker_that_starts_during_a_change_catches_up(configuration: Path, tmp_path: Path) -> None:
    """It began to load the one before: it does not serve before it has what is in force."""
    read = read_configuration(configuration)
    worker = Worker(read)
    worker.store = worker._local = cast("Any", None)
    worker._challenging = cast("Any", SimpleNamespace(offered=None))
    wholes = tmp_path / "wholes"
    first, _ = make_whole(read, wholes, 1)
    worker._began = first.folder
    worker.edge = cast("Any", SimpleNamespace(chain=await worker.rules.begin(first.folder)))
    (configuration.parent / "policies" / "auth.yaml").write_text("api_keys: true\n\n")
    other, _ = make_whole(read, wholes, 2)
    point(wholes, other)
    await worker.catch_up(wholes)
    assert worker.edge.chain.version == (2, other.digest)
    await worker.rules.close()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("admin_token: fifteen bytes..", "must have at least 16 bytes"),
        ("admin_token: ${TIDEGATE_NO_SUCH}", "is not set"),
        ("audit_log: nowhere/audit.log", "audit_log: nothing can be written beside"),
    ],
)
def test_what_guards_changes_is_checked(configuration: Path, key: str, said: str) -> None:
    """A token that can be guessed is none, and changes that leave no trace are not taken for granted."""
    configuration.write_text(f"{configuration.read_text()}{key}\n")
    with pytest.raises(Problems, match=said) as raised:
        check_everything(configuration, {})
    assert "fifteen" not in str(raised.value)


def test_files_that_cannot_be_used_are_problems(configuration: Path) -> None:
    """All at once: the certificate of the port, the authority of an upstream, and the folder of the log."""
    (configuration.parent / "key.pem").write_text("no key\n")
    configuration.write_text(
        "redis: redis://127.0.0.1:1\nupstreams: [{url: 'https://127.0.0.1:2', ca: nowhere.pem}]\n"
        "tls: {certificate: key.pem, key: key.pem}\naccess_log: nowhere/access.log\n"
    )
    with pytest.raises(Problems) as raised:
        check_everything(configuration)
    said = [problem.message for problem in raised.value.problems]
    assert [text.split(":")[0] for text in sorted(said)] == ["access_log", "tls", "upstream inference"]


def test_a_kind_that_cannot_be_loaded_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger's broken package is said; it takes no other kind with it."""
    points = [
        EntryPoint("auth", "gateway.policies.auth:KIND", "tidegate.policies"),
        EntryPoint("gone", "no_such_package:KIND", "tidegate.policies"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert list(policy_kinds()) == ["auth"]
    assert "policy kind gone (no_such_package:KIND) cannot be loaded" in caplog.text


def test_a_worker_that_starts_again_goes_by_the_same_configuration(configuration: Path, tmp_path: Path) -> None:
    """An edit of tidegate.yaml waits for a restart of all: neither a mixed fleet, nor a worker that cannot start."""
    read = read_configuration(configuration)
    copy = tmp_path / "runtime" / "tidegate.yaml"
    copy.parent.mkdir()
    copy.write_bytes(read.source)
    configuration.write_text("redis: [")
    again = read_configuration(configuration, copy=copy)
    assert again == read and again.policies == configuration.parent / "policies"


@pytest.mark.parametrize("fault", [True, False], ids=["a fault of ours", "cancelled"])
async def test_a_worker_that_hears_of_no_revocation_ends(fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the fleet ends by being cancelled, or the worker ends with it: another one hears."""
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)

    async def follow() -> None:
        if fault:
            raise KeyError("nobody thought of this")
        await asyncio.Event().wait()

    following = asyncio.get_running_loop().create_task(follow())
    following.add_done_callback(worker._end_with)
    await asyncio.sleep(0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await asyncio.sleep(0)
    assert raised == ([signal.SIGTERM] if fault else [])
