"""The demo's folder: accounts with fresh keys, a copy of the shipped policies, and a tidegate.yaml that fits them.

A folder that is there already keeps its accounts, keys and policies, so that what people tried in it stays;
`tidegate.yaml` is written anew each time, since addresses change.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.accounts.keys import digest, mint

ACCOUNTS: Mapping[str, str] = {"free": "free", "pro": "pro", "unlimited": "unlimited"}
"""Account -> its tier in the shipped quotas. `unlimited` is for load tests."""


class Places(NamedTuple):
    """Where everything is: HOST:PORT to listen on, URLs of what is asked."""

    listen: str
    admin: str
    redis: str
    upstream: str


class World(NamedTuple):
    """What was made."""

    config: Path
    """tidegate.yaml."""
    keys: Mapping[str, str]
    """Account -> its API key."""


def make(folder: Path, places: Places, workers: int, policies: Path) -> World:
    """Make the folder, or what is missing in it. Nobody else may read it: it holds keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = _accounts(folder)
    if not (folder / "policies").exists():
        shutil.copytree(policies, folder / "policies")
    config = folder / "tidegate.yaml"
    write_private(config, _tidegate_yaml(places, workers))
    return World(config, keys)


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


def _accounts(folder: Path) -> dict[str, str]:
    """The keys of the folder's accounts. They stand in keys.json because accounts.yaml does not hold them."""
    kept = folder / "keys.json"
    if kept.exists() and (folder / "accounts.yaml").exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    pepper = secrets.token_urlsafe(32)
    lines = ["# Made by `tidegate demo`. The keys themselves are in keys.json: a real directory has no such file."]
    lines += ["peppers:", f"  demo: {json.dumps(pepper)}", "accounts:"]
    keys: dict[str, str] = {}
    for account, tier in ACCOUNTS.items():
        key, prefix = mint()
        keys[account] = key
        lines += [
            f"  - id: {account}",
            f"    tier: {tier}",
            "    keys:",
            "      - name: demo",
            f"        prefix: {json.dumps(prefix)}",
            f"        digest: {json.dumps(digest(pepper.encode(), key.encode()).hex())}",
            "        pepper: demo",
        ]
    write_private(folder / "accounts.yaml", "\n".join(lines) + "\n")
    write_private(kept, json.dumps(keys, indent=2) + "\n")
    return keys


def _tidegate_yaml(places: Places, workers: int) -> str:
    return f"""\
# Made by `tidegate demo`, and written anew at each start. Every key: docs/configuration.md
listen: {json.dumps(places.listen)}
admin: {json.dumps(places.admin)}
workers: {workers}
admin_token: {json.dumps(secrets.token_urlsafe(24))}
redis: {json.dumps(places.redis)}
accounts: accounts.yaml
policies: policies
trusted_hops: [127.0.0.0/8]  # So that X-Forwarded-For plays a caller from anywhere.
upstreams:
  - name: inference
    url: {json.dumps(places.upstream)}
    bearer: ${{TIDEGATE_UPSTREAM_KEY:-upstream-secret}}
exchange_log:  # For `tidegate replay` and `tidegate shadow report`.
  folder: exchanges
timeouts:
  drain: 1s  # Ctrl-C ends a demo at once.
"""
