"""What callers notice of a change of rules: `python -m loadtest.live [--entries 1000000] [--rounds 3] [--rate 300]`.

One run, some forty seconds, on loopback alone: a gateway of two workers under a steady load of requests that are due by
the clock, whether or not earlier ones were answered. First nothing happens; then a list of a million networks is
replaced by another of as many, some times; then somebody saves a broken file; then the rules go back by one; then
nothing happens again. Prints a
table, and a JSON object in the last line. The exit code is 1 where a request failed or a change did not arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from gateway.demo.children import Child
from gateway.stores.embedded import EmbeddedServer
from loadtest import payloads
from loadtest.generator import whole
from loadtest.machine import ROOT
from loadtest.processes import free_port
from loadtest.world import make_accounts

CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: rules, kind: rules, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
RULES: Final = """\
rules:
  - {name: blocked, when: client.address in lists.blocked, action: deny, reason: blocked_network}
"""
FEEDS: Final = "lists: {blocked: {kind: networks, path: lists/blocked.txt}}\n"
QUOTA: Final = "limits: [{name: requests, measure: requests, per: [account], capacity: 1M, every: 1h}]\n"
BROKEN: Final = "rules:\n  - {name: blocked, when: client.adress in lists.blocked, action: deny,\n"
TOKEN: Final = "a token of the load test"
WORKERS: Final = 2
CONNECTIONS: Final = 16
START_LIMIT: Final = 60.0
CHANGE_LIMIT: Final = 60.0
WINDOWS: Final = ("quiet", "list", "broken", "rollback", "quiet_again")
SETTLE: Final = 1.0
"""Seconds after a change that still count as under its influence."""


@dataclass
class Window:
    """What happened between two moments."""

    name: str
    seconds: list[float] = field(default_factory=list)
    """Of each request, from when it was due."""
    errors: int = 0
    changed: list[float] = field(default_factory=list)
    """Seconds from each edit to the last worker."""

    def figures(self, quiet: Window | None) -> dict[str, Any]:
        p99 = self.percentile(0.99)
        made: dict[str, Any] = {
            "requests": len(self.seconds),
            "errors": self.errors,
            "p50_ms": round(self.percentile(0.5) * 1000, 2),
            "p99_ms": round(p99 * 1000, 2),
            "longest_ms": round(max(self.seconds, default=0.0) * 1000, 2),
        }
        if quiet is not None and quiet.seconds:
            made["p99_to_quiet"] = round(p99 / quiet.percentile(0.99), 2)
        if self.changed:
            made["seconds_to_all_workers"] = [round(one, 3) for one in self.changed]
        return made

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Caller(asyncio.Protocol):
    """One connection; requests that are due wait for their turn on it."""

    def __init__(self, request: bytes, load: Load) -> None:
        self.request = request
        self.load = load
        self.transport: asyncio.Transport
        self.buffer = b""
        self.due: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def ask(self, due: float) -> None:
        self.due.append(due)
        if len(self.due) == 1:
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not whole(self.buffer):
            return
        self.load.note(time.monotonic() - self.due.pop(0), ok=self.buffer[9:12] == b"200")
        self.buffer = b""
        if self.due:
            self.transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        for due in self.due:
            self.load.note(time.monotonic() - due, ok=False)


class Load:
    """A steady rate over some connections."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.window = Window("before")

    def note(self, seconds: float, *, ok: bool) -> None:
        self.window.seconds.append(seconds)
        self.window.errors += not ok

    @contextlib.contextmanager
    def during(self, window: Window) -> Iterator[Window]:
        """What is answered from now on counts there."""
        self.window = window
        yield window
        self.window = Window("between")

    async def run(self, port: int, keys: tuple[str, ...]) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        body = payloads.body()
        callers = []
        for index in range(CONNECTIONS):
            request = payloads.request(body, "127.0.0.1", keys[index % len(keys)])
            factory = functools.partial(Caller, request, self)
            callers.append((await loop.create_connection(factory, "127.0.0.1", port))[1])
        due = time.monotonic()
        number = 0
        while True:
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            callers[number % CONNECTIONS].ask(due)
            number += 1


@dataclass
class Served:
    """A gateway, its folder, and its operators' port."""

    folder: Path
    port: int
    admin: str
    http: aiohttp.ClientSession
    keys: tuple[str, ...]

    async def status(self) -> dict[str, Any]:
        async with self.http.get(f"{self.admin}/policies") as answer:
            said: dict[str, Any] = await answer.json()
            return said

    async def changes(self, draft: Path, name: str, *, refused: bool = False) -> float:
        """Put the draft in place; seconds until every worker has it, or until it is refused."""
        before = (await self.status())["generation"]
        began = time.monotonic()
        os.replace(draft, self.folder / "policies" / name)  # noqa: PTH105 - one call, and the clock runs
        while time.monotonic() - began < CHANGE_LIMIT:
            said = await self.status()
            served = {worker["generation"] for worker in said["workers"].values()}
            if (refused and said["files"] == "refused") or (len(said["workers"]) == WORKERS and min(served) > before):
                return time.monotonic() - began
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{name} was not taken in {CHANGE_LIMIT:g} s: {said['problems']}")

    async def goes_back(self) -> float:
        """Seconds until every worker has the ruleset before."""
        began = time.monotonic()
        fields = {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.post(f"{self.admin}/policies/rollback", headers=fields) as answer:
            answer.raise_for_status()
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def serving(folder: Path, entries: int) -> AsyncIterator[Served]:
    """Redis, an upstream and a gateway, for as long as it is open."""
    policies = folder / "policies"
    (policies / "lists").mkdir(parents=True)
    for name, text in {"chain": CHAIN, "rules": RULES, "feeds": FEEDS, "quota": QUOTA}.items():
        (policies / f"{name}.yaml").write_text(text)
    (policies / "auth.yaml").write_text("api_keys: true\n")
    write_list(policies / "lists" / "blocked.txt", entries, 0)
    keys = make_accounts(folder / "accounts.yaml", allowed=CONNECTIONS, refused=1).allowed
    upstream = free_port()
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(EmbeddedServer(port=0))
        config = folder / "tidegate.yaml"
        settings = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "workers": WORKERS,
            "redis": redis.tcp_url,
            "upstreams": [{"url": f"http://127.0.0.1:{upstream}"}],
            "access_log": "off",
            "admin_token": TOKEN,
            "timeouts": {"store": "1s", "drain": "1s"},
        }
        config.write_text(json.dumps(settings))
        os.chdir(ROOT)
        commands = {
            "upstream": [sys.executable, "-m", "loadtest.upstream", str(upstream)],
            "gateway": [sys.executable, "-m", "gateway", "serve", "--config", str(config)],
        }
        for name, command in commands.items():
            child = await Child.start(name, command, folder / f"{name}.log")
            stack.push_async_callback(child.stop, patience=10.0)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port, admin = await ready(http, folder / "gateway.log")
        yield Served(folder, port, admin, http, keys)


async def ready(http: aiohttp.ClientSession, log: Path) -> tuple[int, str]:
    """Port and operators' address, once all workers serve."""
    until, said = time.monotonic() + START_LIMIT, ""
    while time.monotonic() < until:
        said = await asyncio.to_thread(log.read_text)
        found = re.search(r"serving on \S+:(\d+) with .* admin on (\S+)", said)
        if found:
            async with http.get(f"http://{found[2]}/readyz") as answer:
                if answer.status == 200:
                    return int(found[1]), f"http://{found[2]}"
        await asyncio.sleep(0.1)
    raise TimeoutError(f"it does not serve:\n{said}")


def write_list(path: Path, entries: int, number: int) -> Path:
    """So many /32 networks of 10.0.0.0/8, other ones for another number: none of them is ours."""
    first = (10 << 24) + number
    lines = (f"{at >> 24}.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}\n" for at in range(first, first + 8 * entries, 8))
    path.write_text("".join(lines))
    return path


async def measure(entries: int, rounds: int, rate: float, quiet: float) -> dict[str, Any]:
    """The whole story."""
    with tempfile.TemporaryDirectory(prefix="tidegate-live-") as name:
        folder = Path(name)
        drafts = [write_list(folder / f"list-{number}.txt", entries, number) for number in range(1, rounds + 1)]
        broken = folder / "broken.yaml"
        broken.write_text(BROKEN)
        load = Load(rate)
        windows = {key: Window(key) for key in WINDOWS}
        async with serving(folder, entries) as served:
            asking = asyncio.ensure_future(load.run(served.port, served.keys))
            await asyncio.sleep(2.0)
            with load.during(windows["quiet"]):
                await asyncio.sleep(quiet)
            for draft in drafts:
                with load.during(windows["list"]) as window:
                    window.changed.append(await served.changes(draft, "lists/blocked.txt"))
                    await asyncio.sleep(SETTLE)
            with load.during(windows["broken"]) as window:
                window.changed.append(await served.changes(broken, "rules.yaml", refused=True))
                await asyncio.sleep(quiet / 2)
            with load.during(windows["rollback"]) as window:
                window.changed.append(await served.goes_back())
                await asyncio.sleep(SETTLE)
            with load.during(windows["quiet_again"]):
                await asyncio.sleep(quiet)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        figures = {key: one.figures(windows["quiet"] if key != "quiet" else None) for key, one in windows.items()}
        return {"entries": entries, "rate": rate, "workers": WORKERS, "cores": os.cpu_count()} | figures


def table(found: dict[str, Any]) -> str:
    lines = [f"{'':<12}{'requests':>9}{'errors':>8}{'p50 ms':>9}{'p99 ms':>9}{'longest':>9}  to all workers, s"]
    for name in WINDOWS:
        one = found[name]
        numbers = f"{one['requests']:>9}{one['errors']:>8}{one['p50_ms']:>9}{one['p99_ms']:>9}{one['longest_ms']:>9}"
        lines.append(f"{name:<12}{numbers}  {', '.join(map(str, one.get('seconds_to_all_workers', [])))}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="how often the list is replaced, at most 20")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second, at most 2000")
    parser.add_argument("--quiet", type=float, default=6.0, help="seconds in which nothing happens, at most 60")
    chosen = parser.parse_args()
    rounds, rate, quiet = min(chosen.rounds, 20), min(chosen.rate, 2000.0), min(chosen.quiet, 60.0)
    found = uvloop.run(measure(chosen.entries, rounds, rate, quiet))
    print(table(found))
    print(json.dumps(found))
    return 1 if any(found[name]["errors"] for name in WINDOWS) else 0


if __name__ == "__main__":
    sys.exit(main())
