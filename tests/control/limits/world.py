"""The operators' port with limits: real HTTP, a real SQLite file, a real Redis; workers hold what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.control.limits.applied import Holds

TOKEN: Final = "sixteen bytes at least"
SECRETS: Final = Secrets({"s1": b"0123456789abcdef" * 2})
NOW: Final = 1_800_000_000.0

FILES: Final = {
    "chain": """\
chain:
  - {name: flood, kind: quota, on_failure: deny}
  - {name: auth, kind: auth, on_failure: deny}
  - {name: kyc, kind: kyc, on_failure: deny}
  - {name: quota, kind: quota, on_failure: degrade}
  - {name: trial, kind: quota, on_failure: degrade, mode: shadow}
""",
    "flood": """\
store: local
limits:
  - {name: flood, measure: requests, per: [client_address], capacity: 50, every: 1s}
""",
    "auth": "api_keys: true\n",
    "kyc": "tiers:\n  - {name: free}\n  - {name: pro, requires: [email]}\n",
    "quota": """\
limits:
  - {name: rpm, measure: requests, per: [account], capacity: 600, every: 1m}
  - {name: tpm, measure: total_tokens, per: [account, model], capacity: 10k, refill: 5k, every: 1m}
  - {name: usd, measure: spend, per: [organisation], capacity: $5, every: 1d}
  - {name: slots, measure: concurrency, per: [account], capacity: 4}
  - {name: pros, measure: requests, per: [account], capacity: 6k, every: 1m, tiers: [pro]}
  - {name: from, measure: requests, per: [account, country], capacity: 100, every: 1m}
""",
    "trial": """\
unmatched: allow
limits:
  - {name: trial, measure: requests, per: [account], capacity: 10, every: 1m}
""",
    "prices": "default: {input: 3, output: 15}\nm-large: {input: 3, output: 15}\n",
}


@dataclass
class Workers:
    """What workers hold: at once what is newest, unless told otherwise."""

    revision: int = 10**9
    late: list[str] = field(default_factory=list)
    others: list[Holds] = field(default_factory=list)
    away: bool = False

    async def ours(self) -> Sequence[Holds]:
        return [
            Holds("here", name, -1 if name in self.late else self.revision, NOW) for name in ("worker-0", "worker-1")
        ]

    async def theirs(self) -> Sequence[Holds]:
        if self.away:
            raise ConnectionError("gone")
        return self.others


@dataclass
class Port:
    """A client, and what is behind it."""

    http: TestClient[web.Request, web.Application]
    database: Database
    redis: Any
    clock: list[float]
    workers: Workers
    folder: Path
    file: list[Snapshot]
    models: list[str]
    tokens: dict[str, str]
    account: str
    """Of this test alone: tests share a Redis."""

    async def ask(
        self, method: str, path: str, content: Any = None, /, etag: int | str | None = None, token: str = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        if etag is not None:
            headers["If-Match"] = f'"{etag}"' if isinstance(etag, int) else etag
        async with self.http.request(method, URL(path, encoded=True), json=content, headers=headers) as answer:
            return answer.status, await answer.json()

    async def set(self, limit: str, change: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An override that can be set."""
        asked = {"limit": limit, "change": change, "reason": "ticket 7", **more}
        status, said = await self.ask("POST", "/overrides", asked)
        assert status == 201, said
        found: dict[str, Any] = said["override"]
        return found

    def write_rules(self, generation: int, **changes: str) -> None:
        """Another whole is in force."""
        write_rules(self.folder, generation, **changes)

    def audit(self) -> list[Any]:
        return list(
            self.database.read(
                lambda connection: connection.execute(tables.audit.select().order_by(tables.audit.c.id)).all()
            )
        )


def write_rules(folder: Path, generation: int, **changes: str) -> None:
    name = f"{generation}-abc"
    policies = folder / "wholes" / name / "policies"
    policies.mkdir(parents=True)
    for file, text in (FILES | changes).items():
        if text:
            (policies / f"{file}.yaml").write_text(text)
    (folder / "wholes" / "in-force").write_text(name)
