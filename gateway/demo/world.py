"""The demo's folder: a directory of accounts with fresh keys, a copy of the shipped policies, and a tidegate.yaml that
fits them.

A folder that is there already keeps its accounts, keys and policies, so that what people tried in it stays;
`tidegate.yaml` is written anew each time, since addresses change.
"""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import NamedTuple

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, migrate
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.demo.verification.world import CREDENTIALS
from gateway.rules.directory_file import open_directory

ACCOUNTS: Mapping[str, str] = {"free": "", "pro": "pro", "unlimited": "unlimited"}
"""Account -> the tier that is assigned to it; empty where it stands where its evidence says. `unlimited` is for load
tests.
"""
PROVIDER = "identity"
"""As the shipped ladder calls who verifies people."""
KIND = "veriff"
"""Whose protocol that is, in the demo."""


class Places(NamedTuple):
    """Where everything is: HOST:PORT to listen on, URLs of what is asked."""

    listen: str
    admin: str
    redis: str
    upstream: str
    provider: str = "http://127.0.0.1:9100"
    """The stand-in for a provider of verifications."""


class World(NamedTuple):
    """What was made."""

    config: Path
    """tidegate.yaml."""
    keys: Mapping[str, str]
    """Account -> its API key."""


def make(folder: Path, places: Places, workers: int, policies: Path) -> World:
    """Make the folder, or what is missing in it. Nobody else may read it: it holds keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "policies").exists():
        shutil.copytree(policies, folder / "policies")
    config = folder / "tidegate.yaml"
    write_private(config, _tidegate_yaml(places, workers))
    return World(config, _accounts(config))


def shipped_policies() -> Path:
    """The policies that came with us: beside the package in a checkout, else where a wheel puts its data."""
    beside = Path(__file__).parents[2] / "policies"
    installed = Path(sysconfig.get_path("data")) / "share" / "tidegate" / "policies"
    return beside if (beside / "chain.yaml").is_file() else installed


def write_private(path: Path, text: str) -> None:
    """Write whole or not at all (a reader never sees half of it), readable by its owner alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _accounts(config: Path) -> dict[str, str]:
    """The keys of the folder's accounts. They stand in keys.json because the directory does not hold them."""
    kept = config.with_name("keys.json")
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    database, secrets = open_directory(read_configuration(config), time.time)
    try:
        migrate.upgrade(database)
        keys = database.write("demo", lambda writing: _fill(writing, secrets))
    finally:
        database.close()
    write_private(kept, json.dumps(keys, indent=2) + "\n")
    return keys


def _fill(writing: Writing, secrets: Secrets) -> dict[str, str]:
    made = {}
    for account, tier in ACCOUNTS.items():
        accounts.create(writing, accounts.NewAccount(account, tier=tier))
        made[account] = keys.create(writing, secrets, account, "demo").key
    return made


def _tidegate_yaml(places: Places, workers: int) -> str:
    return f"""\
# Made by `tidegate demo`, and written anew at each start. Every key: docs/configuration.md
listen: {json.dumps(places.listen)}
admin: {json.dumps(places.admin)}
workers: {workers}
admin_token: {json.dumps(token_urlsafe(24))}
redis: {json.dumps(places.redis)}
public_url: {json.dumps(f"http://{places.listen}")}
policies: policies
directory:
  url: sqlite:///directory.db
providers:  # A stand-in, which speaks the protocol of one.
  - name: {PROVIDER}
    kind: {KIND}
    url: {json.dumps(places.provider)}
    key: {json.dumps(CREDENTIALS[KIND].key)}
    secret: {json.dumps(CREDENTIALS[KIND].secret)}
trusted_hops: [127.0.0.0/8]  # So that X-Forwarded-For plays a caller from anywhere.
upstreams:
  - name: inference
    url: {json.dumps(places.upstream)}
    bearer: ${{TIDEGATE_UPSTREAM_KEY:-upstream-secret}}
detector: {{}}  # Accounts that act as one are looked for.
exchange_log:  # For `tidegate replay` and `tidegate shadow report`.
  folder: exchanges
timeouts:
  drain: 1s  # Ctrl-C ends a demo at once.
"""
