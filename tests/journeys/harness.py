"""Gateways as people run them: processes with a folder of YAML, a Redis and a stand-in behind them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.accounts import keys
from gateway.demo.children import Child
from gateway.policies.quota.config import QuotaConfig
from gateway.policy import Bucket, Limit, Take, Taken
from gateway.rules.build import policy_kinds
from gateway.rules.ruleset import load
from gateway.stores.redis.connect import connect

PEPPER: Final = "a pepper of thirty two characters"
START_LIMIT: Final = 40.0
"""Seconds for a process to serve, on a machine that does other things."""
CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
AUTH: Final = "api_keys: true\n"
PRICES: Final = "default: {input: 1, cached_input: 0.1, cache_creation: 1.25, output: 10}\n"


@dataclass(frozen=True)
class Account:
    """Who asks: an account of its own, and its key."""

    name: str
    key: str
    prefix: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


@dataclass
class World:
    """A folder: accounts.yaml with fresh accounts of each tier, policies/ as a test wrote them, one YAML a gateway."""

    folder: Path
    redis: str
    upstream: str
    accounts: dict[str, list[Account]] = field(default_factory=dict)
    _gateways: Iterable[int] = field(default_factory=itertools.count)

    def write(self, policies: Mapping[str, str], tiers: Mapping[str, int]) -> None:
        """Policies by the name of their file, and how many accounts there are to be of each tier."""
        for name, text in {"chain": CHAIN, "auth": AUTH, "prices": PRICES, **policies}.items():
            self.write_policy(name, text)
        for tier, count in tiers.items():
            self.accounts[tier] = [_account(f"{tier}-{secrets.token_hex(4)}") for _ in range(count)]
        self.write_accounts()

    def write_policy(self, name: str, text: str) -> None:
        """One file of policies/, as a whole."""
        (self.folder / "policies").mkdir(exist_ok=True)
        (self.folder / "policies" / f"{name}.yaml").write_text(text)

    def write_accounts(self, revoked: Sequence[Account] = ()) -> None:
        """accounts.yaml, as editors write it: a new file under the old name."""
        entries = []
        for tier, accounts in self.accounts.items():
            for account in accounts:
                digest = keys.digest(PEPPER.encode(), account.key.encode()).hex()
                key = {"name": "first", "prefix": account.prefix, "digest": digest, "pepper": "p1"}
                entries.append({"id": account.name, "tier": tier, "keys": [key | {"revoked": account in revoked}]})
        draft = self.folder / "accounts.draft"
        draft.write_text(json.dumps({"peppers": {"p1": PEPPER}, "accounts": entries}, indent=1))
        draft.replace(self.folder / "accounts.yaml")

    def account(self, tier: str) -> Account:
        """One that no other test has."""
        return self.accounts[tier].pop()

    def config(self, **settings: Any) -> Path:
        """A tidegate.yaml. JSON is YAML."""
        path = self.folder / f"tidegate-{next(iter(self._gateways))}.yaml"
        content = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "redis": self.redis,
            "upstreams": [{"url": self.upstream, "bearer": "upstream-secret"}],
            "access_log": f"{path.stem}.access.log",
            **settings,
        }
        path.write_text(json.dumps(content))
        return path

    def limit(self, name: str) -> Limit:
        """A limit of the policies, as the gateways know it."""
        for entry in load(self.folder / "policies", policy_kinds(), {}).entries:
            if isinstance(entry.config, QuotaConfig):
                for limit in entry.config.limits:
                    if limit.name == name:
                        return limit.limit()
        raise KeyError(name)

    async def left(self, account: Account, *limits: str) -> tuple[float, ...]:
        """What the account's buckets hold now: by a take of nothing, so that the real script answers."""
        tag = f"account={account.name}"
        store = await connect(self.redis, deadline=2.0, worker="test")
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        takes = [Take(Bucket(tag, tag, self.limit(name)), 0.0) for name in limits]
        store.more(f"look-{secrets.token_hex(4)}", takes, answered.set_result)
        taken = await answered
        await store.close()
        assert isinstance(taken, Taken), taken
        return taken.remaining


def _account(name: str) -> Account:
    key, prefix = keys.mint()
    return Account(name, key, prefix)


@dataclass
class Gateway:
    """A supervisor that runs, with its workers."""

    url: str
    admin: str
    child: Child
    config: Path

    @property
    def pid(self) -> int:
        return self.child._process.pid

    @property
    def log(self) -> str:
        return self.child._log.read_text()

    @property
    def access_log(self) -> list[dict[str, Any]]:
        """Lines that workers wrote; they write now and then."""
        path = self.config.with_suffix(".access.log")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def workers(self) -> list[int]:
        """Their process ids."""
        return children_of(self.pid)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self, limit: float = 20.0) -> int:
        """Its exit status, once it has ended."""
        return await asyncio.wait_for(self.child._process.wait(), limit)


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def lives(pid: int) -> bool:
    """Whether the process runs: one that has ended and is not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.asynccontextmanager
async def gateway(world: World, workers: int = 1, **settings: Any) -> AsyncIterator[Gateway]:
    """`tidegate serve`, ready. Settings are keys of tidegate.yaml."""
    config = world.config(**settings)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", str(workers)]
    child = await Child.start(config.stem, command, config.with_suffix(".log"))
    try:
        yield await _ready(child, config)
    except BaseException:
        print(f"--- {config.stem}\n{child._log.read_text()}")
        raise
    finally:
        await child.stop(patience=15.0)


@contextlib.asynccontextmanager
async def gateways(world: World, count: int, workers: int = 1, **settings: Any) -> AsyncIterator[list[Gateway]]:
    """Several at once."""
    async with contextlib.AsyncExitStack() as stack:
        starting = [stack.enter_async_context(gateway(world, workers, **settings)) for _ in range(count)]
        yield await asyncio.gather(*starting)


_SERVES: Final = re.compile(r"serving on (\S+) with .* admin on (\S+)")


async def _ready(child: Child, config: Path) -> Gateway:
    log = config.with_suffix(".log")
    until = time.monotonic() + START_LIMIT
    async with aiohttp.ClientSession() as http:
        while child.running and time.monotonic() < until:
            found = _SERVES.search(log.read_text())
            if found:
                serving = Gateway(f"http://{found[1]}", f"http://{found[2]}", child, config)
                async with http.get(f"{serving.admin}/readyz") as answer:
                    if answer.status == 200:
                        return serving
            await asyncio.sleep(0.02)
    raise AssertionError(f"it does not serve:\n{log.read_text()}")


@dataclass
class Standin:
    """The inference API, in a process of its own."""

    url: str
    process: asyncio.subprocess.Process

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def stats(self) -> dict[str, Any]:
        """What it saw."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/standin/stats") as answer:
            stats: dict[str, Any] = await answer.json()
            return stats


@contextlib.asynccontextmanager
async def standin(port: int = 0) -> AsyncIterator[Standin]:
    """A stand-in that answers at once with five tokens, if a request wishes nothing else."""
    command = [sys.executable, "-m", "gateway.demo.inference", "--port", str(port), "--tokens", "5"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        address = await asyncio.wait_for(process.stdout.readline(), START_LIMIT)
        yield Standin(address.decode().strip(), process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


@contextlib.contextmanager
def scratch(factory: pytest.TempPathFactory, name: str) -> Any:
    """A folder that is gone afterwards: keys stand in it."""
    folder = factory.mktemp(name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


CHAT: Final = {"model": "m-large", "max_tokens": 5, "messages": [{"role": "user", "content": "When is high tide?"}]}


@dataclass
class Reply:
    """A whole answer."""

    status: int
    fields: Mapping[str, str]
    content: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def reason(self) -> str:
        error = self.json["error"]
        return str(error.get("reason") or error["code"])

    def left(self, limit: str) -> int:
        """`r` of the RateLimit field for a limit."""
        found = re.search(rf'"{limit}";r=(\d+)', self.fields["RateLimit"])
        assert found, self.fields
        return int(found[1])


class Caller:
    """Raw requests on as many connections as it takes."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def chat(
        self, base: str, account: Account | None, /, *, path: str = "/v1/chat/completions", **wishes: Any
    ) -> Reply:
        """One chat completion. `x_standin_…` are wishes, the rest are members of the body."""
        body = {**CHAT, **{name: value for name, value in wishes.items() if not name.startswith("x_")}}
        fields = {name.replace("_", "-"): str(value) for name, value in wishes.items() if name.startswith("x_")}
        if account is not None:
            fields |= account.bearer
        began = time.monotonic()
        async with self.http.post(f"{base}{path}", json=body, headers=fields) as answer:
            content = await answer.read()
            return Reply(answer.status, answer.headers, content, time.monotonic() - began)

    async def many(self, bases: Sequence[str], account: Account, count: int, **wishes: Any) -> list[Reply]:
        """So many at once, shared out over the gateways."""
        return await asyncio.gather(
            *(self.chat(bases[number % len(bases)], account, **wishes) for number in range(count))
        )


@contextlib.asynccontextmanager
async def caller() -> AsyncIterator[Caller]:
    """A client that keeps nothing alive: each request may meet another worker."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        yield Caller(http)


def statuses(replies: Iterable[Reply]) -> Counter[int]:
    """How many of each."""
    return Counter(reply.status for reply in replies)


async def until(true: Callable[[], Any], limit: float = 10.0, every: float = 0.02) -> float:
    """Wait until it is true (it may be a coroutine function); the seconds that it took. Fails after `limit`."""
    began = time.monotonic()
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return time.monotonic() - began
        assert time.monotonic() - began < limit, f"not so after {limit:g} s"
        await asyncio.sleep(every)
