"""A whole deployment for the console: a gateway of two workers, Redis, a stand-in, a directory with thirty accounts, a
geo database, tokens of operators, and traffic of which a part is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, migrate
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.control.access.roles import Role
from gateway.demo.children import Child
from gateway.demo.world import shipped_policies
from gateway.rules.directory_file import open_directory
from gateway.stores.embedded import EmbeddedServer
from tests import servers
from tests.feeds import geo
from tests.journeys import harness
from tests.journeys.harness import CHAT, Gateway

ADMIN_TOKEN: Final = "the-admin-token-of-the-console-tests"
HOSTILE: Final = '<img src=x onerror="window.broken=1">'
PLACES: Final[Mapping[str, str]] = {
    "US": "8.8.8", "DE": "91.12.7", "GB": "81.2.69", "NO": "2.125.160", "BR": "177.10.4", "IN": "49.36.1",
    "SG": "8.128.1", "JP": "1.72.3", "NG": "41.58.9", "FR": "90.5.5", "MT": "78.133.2", "AU": "1.128.4",
}  # fmt: skip
"""Country -> the first three parts of addresses in it."""
TIERS: Final[Mapping[str, int]] = {"pro": 14, "free": 10, "default": 4, "unlimited": 2}
FEEDS: Final = """
databases:
  - {name: country, path: country.mmdb}
"""


@dataclass
class Deployment:
    """`origin` is the operators' port."""

    gateway: Gateway
    keys: Mapping[str, str]
    """Account -> its API key."""
    redis: EmbeddedServer
    http: aiohttp.ClientSession
    tokens: dict[Role, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.gateway.admin

    async def chat(self, account: str, country: str = "DE", *, key: str = "", **body: Any) -> tuple[int, str]:
        """Status and request id of a chat completion."""
        wish = CHAT | body
        fields = {
            "Authorization": f"Bearer {key or self.keys[account]}",
            "X-Forwarded-For": f"{PLACES[country]}.{sum(account.encode()) % 200}",
        }
        async with self.http.post(f"{self.gateway.url}/v1/chat/completions", json=wish, headers=fields) as answer:
            await answer.read()
            return answer.status, answer.headers.get("x-request-id", "")

    async def ask(self, method: str, path: str, content: Any = None, **fields: str) -> Any:
        """The API, as whoever has the token of tidegate.yaml. Raises where it is refused."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", **fields}
        async with self.http.request(method, f"{self.origin}{path}", json=content, headers=headers) as answer:
            assert answer.status < 400, f"{method} {path}: {answer.status} {await answer.text()}"
            return await answer.json()

    async def token(self, role: Role) -> str:
        """Of an operator with that role: made once."""
        if role is Role.ADMIN:
            return ADMIN_TOKEN
        if role not in self.tokens:
            made = await self.ask("POST", "/operators", {"name": f"night-{role}", "role": role})
            self.tokens[role] = made["token"]
        return self.tokens[role]

    async def traffic(self, rounds: int = 2) -> None:
        """Of everybody, from everywhere: some above their quota, some with a wrong key, one whose model is markup."""
        places = list(PLACES)
        for turn in range(rounds):
            await asyncio.gather(
                *(self.chat(name, places[(at + turn) % len(places)]) for at, name in enumerate(self.keys)),
                *(self.chat("default-1", "NG") for _ in range(20)),
                *(self.chat("pro-1", "US", max_tokens=400) for _ in range(8)),
                self.chat("pro-2", "FR", model=HOSTILE),
                self.chat("pro-3", "JP", key="tg_wrong"),
            )


@contextlib.asynccontextmanager
async def deployment(folder: Path) -> AsyncIterator[Deployment]:
    """Ready, with its first traffic gone through."""
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(servers.server("valkey", port=0))
        standin = await stack.enter_async_context(harness.standin())
        config = _written(folder, redis.tcp_url, standin.url)
        made = _directory(config)
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", "2"]
        child = await Child.start("gateway", command, config.with_suffix(".log"))
        stack.push_async_callback(child.stop, 15.0)
        serving = await harness._ready(child, config)
        connector = aiohttp.TCPConnector(limit=64, force_close=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        one = Deployment(serving, made, redis, http)
        await one.traffic()
        yield one


def _written(folder: Path, redis: str, upstream: str) -> Path:
    shutil.copytree(shipped_policies(), folder / "policies")
    records = {f"{place}.0/24": {"country": {"iso_code": code}} for code, place in PLACES.items()}
    geo.database(folder / "policies" / "country.mmdb", records, built=int(time.time()) - 3 * 86_400)
    feeds = folder / "policies" / "feeds.yaml"
    feeds.write_text(feeds.read_text() + FEEDS)
    config = folder / "tidegate.yaml"
    content = {
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "admin_token": ADMIN_TOKEN, "redis": redis,
        "policies": "policies", "directory": {"url": "sqlite:///directory.db"}, "trusted_hops": ["127.0.0.0/8"],
        "public_url": "http://127.0.0.1:1", "upstreams": [{"url": upstream, "bearer": "upstream-secret"}],
        "exchange_log": {"folder": "exchanges"}, "timeouts": {"drain": "1s", "store": "2s"},
    }  # fmt: skip
    config.write_text(json.dumps(content))
    return config


def _directory(config: Path) -> dict[str, str]:
    database, secrets = open_directory(read_configuration(config), time.time)
    try:
        migrate.upgrade(database)
        return database.write("test", lambda writing: _fill(writing, secrets))
    finally:
        database.close()


def _fill(writing: Writing, secrets: Secrets) -> dict[str, str]:
    made = {}
    for tier, count in TIERS.items():
        for number in range(1, count + 1):
            account = f"{tier}-{number}"
            name = HOSTILE if account == "pro-2" else f"Customer {account}"
            organisation = "globex" if number % 3 == 0 else ""
            accounts.create(writing, accounts.NewAccount(account, organisation=organisation, name=name, tier=tier))
            made[account] = keys.create(writing, secrets, account, "first").key
    return made
