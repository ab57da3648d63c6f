"""The whole operators' port, as the composition root puts it together, in the test's own process on a real port."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.accounts.sql import operators
from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.directory import Directory, open_durable
from gateway.app.operators import OperatorsPort
from gateway.app.schema import prepare_durable
from gateway.app.supervisor import prepare_everything, rulesets
from gateway.control.access.roles import Role
from gateway.control.audit import Notes
from gateway.control.fleet import Fleet

ADMIN_TOKEN: Final = "sixteen bytes at least"
FILES: Final = {
    "chain": "chain:\n"
    "  - {name: auth, kind: auth, on_failure: deny}\n"
    "  - {name: quota, kind: quota, on_failure: deny}\n",
    "auth": "api_keys: true\n",
    "quota": "assumed_output: 512\nlimits:\n"
    "  - {name: requests, measure: requests, per: [account], capacity: 100, every: 1m}\n",
    "prices": "default: {input: 1, cached_input: 0.1, cache_creation: 1.25, output: 10}\n",
}


@dataclass
class WholePort:
    """An origin, a session that asks it, and a token of each role."""

    url: str
    http: aiohttp.ClientSession
    port: OperatorsPort
    tokens: dict[Role, str]
    folder: Path
    """Of tidegate.yaml."""

    async def ask(
        self, method: str, path: str, token: str = ADMIN_TOKEN, content: Any = None, **more: Any
    ) -> tuple[int, Any]:
        """Status and content; no more than the head of a feed."""
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(
            method, f"{self.url}{path}", headers=fields, json=content, allow_redirects=False, **more
        ) as answer:
            if answer.content_type != "application/json":
                return answer.status, None
            return answer.status, await answer.json()


def write(folder: Path, redis: str, **settings: Any) -> Path:
    """A configuration with a small set of rules. JSON is YAML."""
    (folder / "policies").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / "policies" / f"{name}.yaml").write_text(text)
    path = folder / "tidegate.yaml"
    stated = {
        "redis": redis, "upstreams": [{"url": "http://127.0.0.1:9"}], "admin_token": ADMIN_TOKEN,
        "exchange_log": {"folder": "exchanges"}, **settings,
    }  # fmt: skip
    path.write_text(json.dumps(stated))
    return path


@contextlib.asynccontextmanager
async def whole_port(folder: Path, redis: str, **settings: Any) -> AsyncIterator[WholePort]:
    """Without workers: what is asked of them is answered by none."""
    configuration, whole, ruleset = prepare_everything(write(folder, redis, **settings), folder / "wholes")
    prepare_durable(configuration)
    durable = open_durable(configuration)
    assert durable is not None
    fleet = Fleet(lambda: (), lambda: 0)
    notes = Notes(durable.database)
    rules, refresh = rulesets(configuration, whole, ruleset, fleet, notes)
    accounts = AccountsAdmin(configuration, whole.folder.parent, durable)
    port = OperatorsPort(configuration, fleet, rules, accounts, notes, (), refresh)
    bound = socket.create_server(("127.0.0.1", 0))
    await port.serve(bound)
    tokens = {role: _minted(durable, role) for role in Role}
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        yield WholePort(f"http://127.0.0.1:{bound.getsockname()[1]}", http, port, tokens, folder)
    await port.close()
    await accounts.close()
    rules.close()
    never = refresh()
    never.close()


def _minted(durable: Directory, role: Role) -> str:
    """A token of this role."""
    database, secrets = durable.database, durable.secrets
    return database.write(
        "test", lambda writing: operators.create(writing, secrets, f"a-{role}", str(role), None)
    ).token
