"""A gateway of one worker over a large directory: what cold accounts cost, and many against one."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from gateway.demo.children import Child
from gateway.stores.embedded import EmbeddedServer
from loadtest import payloads
from loadtest.generator import whole
from loadtest.live import ready
from loadtest.machine import ROOT
from loadtest.proc import PROC, Neighbours, rss_kib, tree
from loadtest.processes import free_port

CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
QUOTA: Final = "limits: [{name: requests, measure: requests, per: [account], capacity: 1M, every: 1h}]\n"
CONNECTIONS: Final = 8
PAIRS: Final = 2_000
"""Cold accounts whose first request is timed."""
LIMIT: Final = 900.0
"""Seconds for all requests of one go."""


class Caller(asyncio.Protocol):
    """One connection: sends what comes next as soon as it was answered."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.requests = requests
        self.done = done
        self.transport: asyncio.Transport
        self.buffer = b""
        self.began = 0.0
        self.seconds: list[float] = []
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.send()

    def send(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            return
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if whole(self.buffer):
            self.seconds.append(time.perf_counter() - self.began)
            self.refused += self.buffer[9:12] != b"200"
            self.buffer = b""
            self.send()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.done.done():
            self.done.set_result(None)


async def ask(port: int, keys: Iterable[str], connections: int = CONNECTIONS) -> list[float]:
    """A request for each key, over some connections; the seconds of each. Raises RuntimeError where one is refused."""
    body = payloads.body()
    requests = (payloads.request(body, "127.0.0.1", key) for key in keys)
    loop = asyncio.get_running_loop()
    callers = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        _, caller = await loop.create_connection(lambda done=done: Caller(requests, done), "127.0.0.1", port)  # type: ignore[misc]
        callers.append(caller)
    await asyncio.wait_for(asyncio.gather(*(caller.done for caller in callers)), LIMIT)
    refused = sum(caller.refused for caller in callers)
    if refused:
        raise RuntimeError(f"{refused} requests were refused")
    return [seconds for caller in callers for seconds in caller.seconds]


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and all its threads, to the nanosecond where the kernel counts them."""
    found = 0
    for task in (PROC / str(pid) / "task").iterdir():
        found += int((task / "schedstat").read_text().split()[0])
    return found / 1e9


def worker(root: int) -> int:
    """The one process below the supervisor that serves: others may use more of the CPU when they begin."""
    return _started_as(root, b"worker")


def gateway_below(root: int) -> int:
    """Its supervisor, among what a process has started."""
    return _started_as(root, b"serve")


def _started_as(root: int, command: bytes) -> int:
    found = (stat.pid for stat in tree(root))
    return next(pid for pid in found if b"\0%b\0" % command in (PROC / str(pid) / "cmdline").read_bytes())


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(seconds)
    return {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
        for name, share in {"p50": 0.5, "p99": 0.99}.items()
    }


async def _measured(port: int, pid: int, keys: list[str], rounds: int, requests: int) -> dict[str, Any]:
    # An account of the first is asked for until all is warm that is not an account.
    await ask(port, itertools.repeat(keys[0], 1_000))
    serving = worker(pid)
    memory = rss_kib(serving)
    cold = min(PAIRS, len(keys) // 2)
    pairs = [await ask(port, (key, key), connections=1) for key in keys[1 : cold + 1]]
    began = time.monotonic()
    await ask(port, keys)
    touching = time.monotonic() - began
    grown = rss_kib(serving) - memory
    several = random.Random(1)
    ratios, ones = [], []
    for _ in range(rounds):
        spent = []
        for chosen in (itertools.repeat(keys[0], requests), several.choices(keys, k=requests)):
            before = cpu(serving)
            await ask(port, chosen)
            spent.append((cpu(serving) - before) / requests * 1e6)
        ones.append(spent[0])
        ratios.append(spent[1] / spent[0])
    return {
        "pairs": cold,
        "cold_ms": percentiles([one[0] for one in pairs]),
        "warm_ms": percentiles([one[1] for one in pairs]),
        "added_ms": percentiles([one[0] - one[1] for one in pairs]),
        "seen": len(keys),
        "seen_seconds": touching,
        "memory_mib": memory / 1024,
        "grown_mib": grown / 1024,
        "one_us": statistics.median(ones),
        "ratio": statistics.median(ratios),
        "ratios": [min(ratios), max(ratios)],
        "rounds": rounds,
        "requests": requests,
    }


async def _run(folder: Path, secret: str, keys: list[str], rounds: int, requests: int) -> dict[str, Any]:
    policies = folder / "policies"
    policies.mkdir()
    for name, text in {"chain": CHAIN, "quota": QUOTA, "auth": "api_keys: true\n"}.items():
        (policies / f"{name}.yaml").write_text(text)
    upstream = free_port()
    async with EmbeddedServer(port=0) as redis:
        settings = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "workers": 1,
            "redis": redis.tcp_url,
            "directory": {
                "url": "sqlite:///directory.db",
                "secrets": {"load": secret},
                "remember": max(100, len(keys)),
            },
            "upstreams": [{"url": f"http://127.0.0.1:{upstream}"}],
            "access_log": "off",
            "timeouts": {"store": "1s", "drain": "1s"},
        }
        config = folder / "tidegate.yaml"
        config.write_text(json.dumps(settings))
        os.chdir(ROOT)
        noise = Neighbours()
        stand_in = await Child.start(
            "upstream", [sys.executable, "-m", "loadtest.upstream", str(upstream)], folder / "upstream.log"
        )
        gateway = await Child.start(
            "gateway", [sys.executable, "-m", "gateway", "serve", "--config", str(config)], folder / "gateway.log"
        )
        try:
            async with aiohttp.ClientSession() as http:
                port, _ = await ready(http, folder / "gateway.log")
            found = await _measured(port, gateway_below(os.getpid()), keys, rounds, requests)
        finally:
            await gateway.stop(patience=10.0)
            await stand_in.stop(patience=10.0)
        others, stolen = noise.look()
        return found | {"others_cores": others, "stolen": stolen}


def measure(folder: Path, secret: str, keys: list[str], rounds: int, requests: int) -> dict[str, Any]:
    """Starts Redis, a stand-in upstream and a gateway, and ends them."""
    return uvloop.run(_run(folder, secret, keys, rounds, requests))
