"""Two workers over one Redis: what one has seen, the other goes by; and what becomes of callers when Redis is away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.feeds.networks_fleet import PATIENCE, FleetNetworks
from gateway.feeds.refusals_fleet import FleetRefusals
from gateway.policies.risk import KIND
from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.policy import RENEWED
from gateway.policy import ALLOW, Action, Context, Decision, Facts, Location, Outcome
from gateway.stores.embedded import EmbeddedServer, free_port
from gateway.stores.memory import MemoryStore
from gateway.tasks import spawn
from gateway.testing import Clock, context, services
from tests import servers
from tests.policies.risk.callers import HOME, HOUR, THIEF

redis_7 = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))

CONFIG: Final = RiskConfig.model_validate(
    {"new_network": {}, "key_shared": {"networks": 4, "weight": 25}, "refused": {"from": 20}}
)
DONE: Final = Outcome(200)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Denies:
    """An entry after it that refuses whom it is told to."""

    def __init__(self) -> None:
        self.refuses: Action = Action.ALLOW
        self.passed: bool = False

    def decide(self, context: Context) -> Decision:
        if self.passed:
            return Decision(Action.ALLOW, facts=Facts(captcha=True, passed=frozenset({"captcha/any"})))
        return ALLOW if self.refuses is Action.ALLOW else Decision(self.refuses, "no")


class Worker:
    """A chain of its own: risk, and an entry that may refuse."""

    def __init__(self, clock: Clock, rollout: float = 1.0) -> None:
        self.clock = clock
        self.networks = FleetNetworks(clock)
        self.refusals = FleetRefusals(clock)
        offered = dataclasses.replace(
            services(clock), networks=self.networks, refusals=self.refusals, entry="risk", rollout=rollout
        )
        self.denies = Denies()
        entries = (
            Entry.of("risk", "risk", KIND.build(CONFIG, offered), OnFailure.ALLOW, rollout=rollout),
            Entry.of("denies", "denies", self.denies, OnFailure.DENY),
        )
        self.failures: dict[tuple[str, str], int] = {}
        self.chain = Chain(entries, MemoryStore(clock), MemoryStore(clock), self.failures)
        self._number = 0

    async def ask(self, place: dict[str, Any], **call: Any) -> Asked:
        """One exchange, to its end."""
        self._number += 1
        exchange = context(exchange=f"{id(self)}-{self._number}", now=self.clock(), **{"key": "k1", **place, **call})
        answer: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        chain = self.chain
        chain.locate = lambda _: exchange.location
        chain.begin(exchange, answer.set_result)
        asked = await answer
        asked.settle(DONE)
        return asked

    async def weight(self, place: dict[str, Any], **call: Any) -> int:
        return (await self.ask(place, **call)).context.weight


@contextlib.asynccontextmanager
async def serving(clock: Clock, redis: Redis, rollout: float = 1.0) -> AsyncIterator[Worker]:
    worker = Worker(clock, rollout)
    tasks = [spawn(worker.networks.run(redis), "networks"), spawn(worker.refusals.run(redis), "refusals")]
    try:
        await until(lambda: worker.networks._running)
        yield worker
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock(float(int(time.time())))


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with servers.server("redis") as running:
        yield running


@contextlib.asynccontextmanager
async def two(clock: Clock, server: EmbeddedServer) -> AsyncIterator[tuple[Worker, Worker]]:
    def connected() -> Redis:
        return Redis(unix_socket_path=server.socket, socket_timeout=5.0)

    async with serving(clock, connected()) as one, serving(clock, connected()) as other:
        yield one, other


async def told(*workers: Worker) -> None:
    """What they have to tell is told."""
    for worker in workers:
        await until(lambda worker=worker: not worker.networks._to_tell)  # type: ignore[misc]
    await asyncio.sleep(0.02)


def places(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"location": Location("US", 64500 + number)}


@redis_7
async def test_a_thief_on_another_worker(clock: Clock, server: EmbeddedServer) -> None:
    """The owner is known by one worker, and the thief comes to the other one."""
    async with two(clock, server) as (one, other):
        assert await one.weight(HOME) == 0
        clock.turn(30 * HOUR)
        assert await one.weight(HOME) == 0
        await told(one)
        assert await other.weight(THIEF) == 15
        assert await other.weight(THIEF) == 15
        assert await one.weight(HOME) == await other.weight(HOME) == 0
        assert await one.weight(THIEF) == 15


@redis_7
async def test_a_challenge_that_was_passed_on_another_worker(clock: Clock, server: EmbeddedServer) -> None:
    """All know of it, within the time in which they look again."""
    async with two(clock, server) as (one, other):
        await one.weight(HOME)
        clock.turn(30 * HOUR)
        await one.weight(HOME)
        await told(one)
        assert await one.weight(THIEF) == await other.weight(THIEF) == 15
        one.denies.passed = True
        await one.weight(THIEF)
        one.denies.passed = False
        assert await one.weight(THIEF) == 0
        await told(one)
        clock.turn(RENEWED)
        await other.weight(THIEF)
        await until(lambda: not other.networks._to_tell)
        await asyncio.sleep(0.05)
        assert await other.weight(THIEF) == 0
        assert await other.weight({"location": Location("NL", 64499)}) == 15


@redis_7
async def test_a_thief_who_is_challenged_does_not_settle(clock: Clock, server: EmbeddedServer) -> None:
    """However long, on whichever worker."""
    async with two(clock, server) as (one, other):
        await one.weight(HOME)
        clock.turn(30 * HOUR)
        for _ in range(30):
            await one.weight(HOME)
            await told(one)
            other.denies.refuses = Action.CHALLENGE
            assert (await other.ask(THIEF)).context.weight == 15
            clock.turn(HOUR)
        assert other.refusals.of("acme", 60.0, clock()) == 0


@redis_7
async def test_a_key_that_is_everywhere(clock: Clock, server: EmbeddedServer) -> None:
    """Each worker sees half of them, and both see all."""
    async with two(clock, server) as (one, other):
        weights = []
        for number, place in enumerate(places(6)):
            worker = (one, other)[number % 2]
            weights.append(await worker.weight(place))
            await told(worker)
        assert weights == [0, 0, 0, 25, 25, 25]


@redis_7
async def test_a_burst_over_two_workers(clock: Clock, server: EmbeddedServer) -> None:
    """Ten here, ten there: within a second both weigh, and an account that is not refused does not."""
    async with two(clock, server) as (one, other):
        for worker in (one, other):
            worker.denies.refuses = Action.THROTTLE
            for _ in range(10):
                assert (await worker.ask(HOME)).context.weight == 0
            worker.denies.refuses = Action.ALLOW
        await until(lambda: all(one.refusals.of("acme", 60.0, clock()) == 20 for one in (one, other)), 2.0)
        assert await one.weight(HOME) == await other.weight(HOME) == 10
        assert await one.weight(HOME, account="other") == 0
        clock.turn(61)
        assert await one.weight(HOME) == await other.weight(HOME) == 0


@redis_7
async def test_in_shadow_redis_holds_nothing(clock: Clock, server: EmbeddedServer) -> None:
    """Asked, counted, and without a trace."""
    redis = Redis(unix_socket_path=server.socket)
    async with serving(clock, Redis(unix_socket_path=server.socket), rollout=0.0) as worker:
        await worker.weight(HOME)
        clock.turn(30 * HOUR)
        await worker.weight(HOME)
        worker.denies.refuses = Action.DENY
        for _ in range(30):
            asked = await worker.ask(THIEF)
        assert asked.context.weight == 0
        assert {match.rule for _, match in asked.matches if not match.enforced} == {"new_network", "refused"}
        await asyncio.sleep(0.4)
        assert await redis.keys("*") == []
    await redis.aclose()


@redis_7
async def test_while_redis_is_away_nobody_is_refused(clock: Clock) -> None:
    """What is remembered stays in force, what is not known weighs nothing, and nobody waits for long."""
    port = free_port()
    redis = Redis(port=port, socket_timeout=5.0, socket_connect_timeout=0.5)
    async with serving(clock, redis) as worker:
        async with servers.server("redis", port=port):
            await worker.weight(HOME)
            clock.turn(30 * HOUR)
            await worker.weight(HOME)
            assert await worker.weight(THIEF) == 15
            await told(worker)
        # The first to ask finds out, the others do not ask.
        assert await worker.weight(HOME, key="k2") == 0
        await until(lambda: not worker.networks.available)
        began = time.monotonic()
        for number in range(50):
            assert await worker.weight(HOME, key=f"k-{number}") == 0
        assert time.monotonic() - began < 10 * PATIENCE
        clock.turn(RENEWED)
        assert await worker.weight(THIEF) == 15
        assert await worker.weight(HOME) == 0
        assert worker.networks.counts.unanswered >= 50
        worker.denies.refuses = Action.THROTTLE
        for _ in range(20):
            await worker.ask(HOME)
        worker.denies.refuses = Action.ALLOW
        assert await worker.weight(HOME) == 10
        async with servers.server("redis", port=port):
            await until(lambda: worker.networks.available and not worker.networks._to_tell, 20.0)
            assert await worker.weight(HOME, key="k-1") == 10
        assert worker.failures == {}
