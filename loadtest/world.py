"""What Tidegate is started with: a folder with keys, policies and `tidegate.yaml`, made anew for every run."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.accounts.keys import digest, mint

POLICIES = Path(__file__).with_name("policies")
ROTATION = 256
"""Keys in turn."""


class Keys(NamedTuple):
    """API keys by what becomes of their requests. Each belongs to an account of its own."""

    allowed: tuple[str, ...]
    refused: tuple[str, ...]
    """Their accounts have used up what they have."""

    @property
    def mixed(self) -> tuple[str, ...]:
        """Every tenth is refused."""
        return tuple(
            self.refused[index % len(self.refused)] if index % 10 == 9 else key
            for index, key in enumerate(self.allowed)
        )


def make_accounts(path: Path, allowed: int = ROTATION, refused: int = 26) -> Keys:
    """Write accounts.yaml, readable by us alone."""
    pepper = secrets.token_hex(32)
    lines = [f"peppers: {{bench: {pepper}}}", "accounts:"]
    made: dict[str, list[str]] = {"bench": [], "spent": []}
    for tier, count in (("bench", allowed), ("spent", refused)):
        for number in range(count):
            key = mint()
            made[tier].append(key.key)
            proof = digest(pepper.encode(), key.key.encode()).hex()
            entry = {"name": "bench", "prefix": key.prefix, "digest": proof, "pepper": "bench"}
            lines.append("  - " + json.dumps({"id": f"{tier}-{number}", "tier": tier, "keys": [entry]}))
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return Keys(tuple(made["bench"]), tuple(made["spent"]))


def make(folder: Path, *, port: int, admin: int, redis: str, upstream: int, chain: str, accounts: Path) -> Path:
    """Write the folder and return its tidegate.yaml. `chain` is a file of loadtest/policies."""
    policies = folder / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    shutil.copy(POLICIES / chain, policies / "chain.yaml")
    # No file that no entry reads.
    asked = re.findall(r"name: (\w+)", (POLICIES / chain).read_text())
    for name in (*asked, "feeds", "prices"):
        shutil.copy(POLICIES / f"{name}.yaml", policies)
    config = folder / "tidegate.yaml"
    lines: Sequence[str] = (
        f"listen: 127.0.0.1:{port}",
        f"admin: 127.0.0.1:{admin}",
        f"redis: {json.dumps(redis)}",
        f"accounts: {json.dumps(str(accounts))}",
        "policies: policies",
        "access_log: access.log",
        # Two cores carry all: Redis waits for the generator to yield, and that is not to be measured as refusals.
        "timeouts: {drain: 1s, store: 500ms}",
        "upstreams:",
        f"  - {{name: inference, url: 'http://127.0.0.1:{upstream}', bearer: not-a-secret}}",
    )
    config.write_text("\n".join(lines) + "\n")
    return config
