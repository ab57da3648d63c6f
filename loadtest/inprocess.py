"""What needs no load over sockets: `python -m loadtest.inprocess chain | redis URL | accounts URL COUNT`.

`chain`: µs of every policy and of what stands around them, with a store that grants at once.
`redis`: CPU of Redis for a take and for a settle, on 256 accounts, 64 in one tick of the event loop.
`accounts`: the same and our own CPU, on one account and on COUNT accounts, and what an account holds in memory.

Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from redis import Redis

from gateway import dialects
from gateway.accounts.directory import KeyRecord
from gateway.accounts.file_directory import Snapshot
from gateway.accounts.keys import digest, mint
from gateway.accounts.live_directory import LiveDirectory
from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, Takes
from gateway.policies import Services
from gateway.policy import ALLOW, Context, Outcome, Principal, Take, Taken, Usage
from gateway.rules.build import FREE, policy_kinds
from gateway.rules.ruleset import load
from gateway.stores.interface import StoreUnavailable
from gateway.stores.redis.connect import connect
from gateway.stores.redis.store import RedisStore
from loadtest import payloads, proc
from loadtest.world import POLICIES, ROTATION

PEPPER: Final = b"a pepper of the load test"
GROUP: Final = 16
REPEAT: Final = 40
"""Of all groups."""
TICK: Final = 64
"""Exchanges begun in one tick of the event loop."""
OUTCOME: Final = Outcome(200, Usage(input=180, output=52))
DEADLINE: Final = 5.0
"""Seconds. Not what a deployment has: nothing is to be lost in a measurement."""


class Granting:
    """A store that has everything, at once."""

    def take(self, exchange: str, takes: Sequence[Take], then: Callable[[Taken | StoreUnavailable], None]) -> None:
        del exchange
        then(Taken(True, (1e9,) * len(takes)))

    def more(self, exchange: str, takes: Sequence[Take], then: Callable[[Taken | StoreUnavailable], None]) -> None:
        self.take(exchange, takes, then)

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        """Nothing was taken."""

    @property
    def available(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing is open."""


class Callers:
    """A directory of so many accounts with a key each, and a request from each."""

    def __init__(self, count: int) -> None:
        keys: dict[str, KeyRecord] = {}
        accounts: dict[str, Principal] = {}
        self.fields: list[Mapping[bytes, bytes]] = []
        no_claims: Mapping[str, Any] = {}
        for number in range(count):
            key = mint()
            account = f"bench-{number}"
            principal = Principal(account, key=key.prefix, tier="bench", claims=no_claims)
            accounts[account] = principal
            keys[key.prefix] = KeyRecord(digest(PEPPER, key.key.encode()), "bench", principal)
            self.fields.append({b"authorization": b"Bearer " + key.key.encode(), b"host": b"localhost"})
        self.directory = LiveDirectory(Snapshot(keys, accounts, frozenset(), {"bench": PEPPER}))
        self.ask = dialects.OPENAI.read("POST", payloads.PATH, payloads.body())
        self.exchanges = 0

    def context(self, number: int) -> Context:
        """The next exchange of the account of that number."""
        self.exchanges += 1
        fields = self.fields[number % len(self.fields)]
        return Context(f"x{self.exchanges}", time.time(), "POST", payloads.PATH, fields, "127.0.0.1", self.ask)


def chain_of(callers: Callers, store: RedisStore | Granting) -> Chain:
    """The chain of loadtest/policies."""
    ruleset = load(POLICIES, policy_kinds(), os.environ)
    services = Services(now=time.time, directory=callers.directory, prices=ruleset.prices or FREE)
    entries = tuple(
        Entry.of(entry.name, entry.kind.name, entry.kind.build(entry.config, services), entry.on_failure)
        for entry in ruleset.entries
    )
    nowhere: Takes = Granting()
    return Chain(entries, store, nowhere, {})


Run = Callable[[Sequence[Context]], object]


def fastest(runs: Mapping[str, Run], groups: Sequence[Sequence[Context]]) -> dict[str, float]:
    """µs of each run for one context: the best of many groups, since noise only ever adds.

    A group takes less than a millisecond: on a busy machine the scheduler takes the core away every few. The runs take
    turns, so a phase of noise meets them all alike.
    """
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(REPEAT):
        for group in groups:
            for name, run in runs.items():
                began = time.perf_counter()
                run(group)
                best[name] = min(best[name], time.perf_counter() - began)
    return {name: seconds / len(groups[0]) * 1e6 for name, seconds in best.items()}


def measure_chain() -> dict[str, Any]:
    """µs an exchange, and of each part of it. The parts are timed alone: their sum is not the whole."""
    callers = Callers(ROTATION)
    chain = chain_of(callers, Granting())
    contexts = [callers.context(number) for number in range(ROTATION)]
    groups = [contexts[first : first + GROUP] for first in range(0, ROTATION, GROUP)]
    body, answer = payloads.body(), payloads.answer().encode()
    asked = [chain.begin(context, _ignore) for context in contexts]
    if not all(one.decision is ALLOW for one in asked):
        raise SystemExit("the chain of loadtest/policies refuses the load test's own requests")
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)  # As a worker does.

    def each(call: Callable[[Context], object]) -> Run:
        def run(group: Sequence[Context]) -> None:
            for context in group:
                call(context)

        return run

    pieces = fastest(
        {
            "whole": each(lambda context: chain.begin(context, _ignore).settle(OUTCOME)),
            "ask all and gather the takes": each(lambda context: chain.begin(context, _ignore)),
            **{f"`{entry.name}` decides": each(entry.decide) for entry in chain.entries},
            "beside the chain: make a Context": each(lambda _: callers.context(0)),
            "beside the chain: read the request (829 B)": each(
                lambda _: dialects.OPENAI.read("POST", payloads.PATH, body)
            ),
            "beside the chain: usage of the answer (1 KB)": each(lambda _: dialects.OPENAI.usage(callers.ask, answer)),
        },
        groups,
    )
    whole = pieces.pop("whole")
    pieces["settle all, by subtraction"] = whole - pieces["ask all and gather the takes"]
    return {"chain_us": whole, "pieces": pieces, "takes": len(asked[0].takes), "kinds": _kinds(chain)}


def _ignore(_: Asked) -> None:
    """The answer is in what `begin` returns: nothing here waits."""


def _kinds(chain: Chain) -> dict[str, bool]:
    """Every kind that is installed, and whether the chain asks it."""
    asked = {entry.kind for entry in chain.entries}
    return {name: name in asked for name in sorted(policy_kinds())}


def redis_cpu(redis: Redis) -> float:
    """Seconds of CPU that the server has used: getrusage(2), to the microsecond."""
    info: Any = redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


class Driver:
    """Exchanges through a chain on a real Redis, some in each tick of the event loop."""

    def __init__(self, callers: Callers, chain: Chain, redis: Redis) -> None:
        self.callers = callers
        self.chain = chain
        self.redis = redis
        self.refused = 0

    async def begin(self, numbers: Sequence[int]) -> list[Asked]:
        """Ask for these accounts at once, and wait for all."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(numbers)

        def decided(asked: Asked) -> None:
            nonlocal left
            left -= 1
            self.refused += asked.decision is not ALLOW
            if not left:
                done.set_result(None)

        asked = [self.chain.begin(self.callers.context(number), decided) for number in numbers]
        await done
        return asked

    async def exchanges(self, numbers: Sequence[int]) -> dict[str, float]:
        """Begin and settle each; CPU of ours and of Redis, µs an exchange."""
        ours, theirs = time.process_time(), redis_cpu(self.redis)
        for first in range(0, len(numbers), TICK):
            for asked in await self.begin(numbers[first : first + TICK]):
                asked.settle(OUTCOME)
        await self.settled()
        count = len(numbers)
        return {
            "cpu_us": (time.process_time() - ours) / count * 1e6,
            "redis_us": (redis_cpu(self.redis) - theirs) / count * 1e6,
        }

    async def settled(self) -> None:
        """A take behind the settles in the same connection: when it is answered they are done."""
        for asked in await self.begin([0]):
            asked.settle(Outcome(0, reached=False))
        await asyncio.sleep(0.02)


async def measure_redis(url: str) -> dict[str, Any]:
    """CPU of Redis for each half of an exchange: µs."""
    callers = Callers(ROTATION)
    redis = Redis.from_url(url)
    store = await connect(url, deadline=DEADLINE, worker="loadtest")
    driver = Driver(callers, chain_of(callers, store), redis)
    numbers = [number % ROTATION for number in range(TICK * 40)]
    await driver.exchanges(numbers)
    halves: dict[str, list[float]] = {"take": [], "settle": []}
    for _ in range(5):
        before = redis_cpu(redis)
        begun = [await driver.begin(numbers[first : first + TICK]) for first in range(0, len(numbers), TICK)]
        between = redis_cpu(redis)
        for group in begun:
            for asked in group:
                asked.settle(OUTCOME)
            await asyncio.sleep(0)
        await driver.settled()
        after = redis_cpu(redis)
        halves["take"].append((between - before) / len(numbers) * 1e6)
        halves["settle"].append((after - between) / len(numbers) * 1e6)
    await store.close()
    version: Any = redis.info("server")
    return halves | {"refused": driver.refused, "server": version.get("redis_version", "")}


async def measure_accounts(url: str, count: int) -> dict[str, Any]:
    """One account and many, on the same number of exchanges."""
    redis = Redis.from_url(url)
    found: dict[str, Any] = {"count": count}
    chosen = random.Random(7)
    exchanges = min(count, 30_000)
    for name, accounts in (("one", 1), ("many", count)):
        redis.flushall()
        empty: Any = redis.info("memory")
        resident = proc.rss_kib(os.getpid())
        callers = Callers(accounts)
        resident = proc.rss_kib(os.getpid()) - resident
        store = await connect(url, deadline=DEADLINE, worker="loadtest")
        driver = Driver(callers, chain_of(callers, store), redis)
        await driver.exchanges(range(accounts) if accounts > 1 else [0] * 1000)
        full: Any = redis.info("memory")
        best = [await driver.exchanges([chosen.randrange(accounts) for _ in range(exchanges)]) for _ in range(3)]
        found[name] = {key: min(one[key] for one in best) for key in best[0]} | {"refused": driver.refused}
        if accounts > 1:
            found["redis_bytes"] = (full["used_memory"] - empty["used_memory"]) / accounts
            found["worker_bytes"] = resident * 1024 / accounts
        await store.close()
    return found


def main(what: str, url: str = "", count: str = "0") -> None:
    """As the module's docstring says."""
    if what == "chain":
        found = measure_chain()
    elif what == "redis":
        found = uvloop.run(measure_redis(url))
    else:
        found = uvloop.run(measure_accounts(url, int(count)))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(*sys.argv[1:])
