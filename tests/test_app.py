"""From a checked file to a worker: what cannot be made is said, and what runs stays."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.app import Worker, check_everything, policy_kinds, read_configuration
from gateway.rules.problems import Problems

QUOTA = "limits: [{name: requests, measure: requests, per: [account], capacity: 10, every: 1d}]\n"
KEYS_FILE = "jwt: [{issuer: i, audience: a, keys_file: /nowhere/keys.json}]\n"


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
    assert [entry.name for entry in check_everything(configuration)[1].entries] == ["auth"]


def test_a_policy_that_cannot_be_made_is_a_problem(configuration: Path) -> None:
    """`check` says it, and `serve` does not start workers that would die of it one after another."""
    (configuration.parent / "policies" / "auth.yaml").write_text(KEYS_FILE)
    with pytest.raises(Problems, match=r"auth\.yaml:1:1: policy `auth` cannot be made: .*keys\.json"):
        check_everything(configuration)


def test_an_address_of_no_redis_is_a_problem(configuration: Path) -> None:
    """Likewise, and without the password in it."""
    configuration.write_text(configuration.read_text().replace("redis://", "http://user:hidden-word@"))
    with pytest.raises(Problems, match="redis: not an address of a Redis") as raised:
        check_everything(configuration)
    assert "hidden-word" not in str(raised.value)


async def test_a_reload_that_cannot_be_made_keeps_what_runs(
    configuration: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One clear word in the log; the chain, the digest and the generation stay."""
    worker = Worker(read_configuration(configuration))
    chain = object()
    worker.edge = cast("Any", SimpleNamespace(chain=chain))
    (configuration.parent / "policies" / "auth.yaml").write_text(KEYS_FILE)
    with caplog.at_level(logging.ERROR):
        worker.reload()
    assert "those in force stay" in caplog.text and "keys.json" in caplog.text
    assert worker.edge.chain is chain and (worker.digest, worker.generation) == ("", 0)


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
