"""What a store does when its Redis is slow, gone, back, empty, or another; and when many ask at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.policy import Bucket, Take, Taken
from gateway.stores import keys
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.interface import StoreUnavailable
from gateway.stores.redis import RedisStore, connect
from tests import servers
from tests.stores.harness import ask, bucket, slots, taken

DEADLINE = 0.02
SLOP = 0.08
"""Seconds that a busy machine may add to a deadline."""


@pytest_asyncio.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    """A server to be ill-treated."""
    if why := servers.missing("valkey"):
        pytest.skip(why)
    async with servers.server("valkey") as one:
        yield one


@pytest_asyncio.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[RedisStore]:
    one = await connect(server.url, deadline=DEADLINE, lease_ttl=1.0, lease_renewal=0.2, first_wait=5.0)
    assert await warm(one)
    yield one
    await one.close()


@pytest_asyncio.fixture
async def raw(server: EmbeddedServer) -> AsyncIterator[Redis]:
    client = Redis(unix_socket_path=server.socket)
    yield client
    await client.aclose()


async def warm(store: RedisStore) -> bool:
    """Whether it answers, some time soon."""
    async with asyncio.timeout(10):
        while not isinstance(await ask(store.take, "warm", [Take(bucket("warm", capacity=1e9), 0)]), Taken):
            await asyncio.sleep(0.02)
    store.settle("warm", [Take(bucket("warm", capacity=1e9), 0)], [0])
    return True


async def until(condition: object, limit: float = 10.0) -> None:
    """Wait for a condition: a callable without arguments."""
    async with asyncio.timeout(limit):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def settled(store: RedisStore, one: Bucket, left: float) -> None:
    """Wait until the bucket has what it should."""
    limit = time.monotonic() + 5
    answer = await ask(store.more, "peek", [Take(one, 0)])
    while not (isinstance(answer, Taken) and answer.remaining[0] == left):
        assert time.monotonic() < limit, (answer, store, store.owed)
        await asyncio.sleep(0.01)
        answer = await ask(store.more, "peek", [Take(one, 0)])


def pause(server: EmbeddedServer, sig: signal.Signals) -> None:
    assert server.process is not None
    os.kill(server.process.pid, sig)


async def test_a_thousand_at_once(server: EmbeddedServer) -> None:
    """Four workers take a thousand times from one bucket: exactly the capacity is admitted."""
    stores = [await connect(server.url, deadline=2.0) for _ in range(4)]
    one, slot = bucket("hot", capacity=317), slots("hot", 1000)
    answers = await asyncio.gather(
        *(taken(stores[i % 4].take, f"e{i}", (one, 1), (slot, 1)) for i in range(1000)),
    )
    assert sum(answer.granted for answer in answers) == 317
    for store in stores:
        await store.close()


async def test_a_thousand_with_refill(server: EmbeddedServer) -> None:
    """With refill, what is admitted lies between capacity + refill, less one, and capacity + refill."""
    stores = [await connect(server.url, deadline=2.0) for _ in range(4)]
    one = bucket("hot", capacity=50, rate=400)
    start = time.monotonic()
    granted = 0
    for burst in range(10):
        answers = await asyncio.gather(
            *(taken(stores[i % 4].take, f"e{burst}-{i}", (one, 1)) for i in range(100)),
        )
        granted += sum(answer.granted for answer in answers)
        await asyncio.sleep(0.02)
    spent = time.monotonic() - start
    assert 50 + 400 * (spent - 0.2) - 20 <= granted <= 50 + 400 * spent
    for store in stores:
        await store.close()


async def test_down_fails_at_once(server: EmbeddedServer, store: RedisStore) -> None:
    """A killed server: everything fails at once as `down`, and works again when it is back, without a word from us."""
    pause(server, signal.SIGKILL)
    await until(lambda: not store.available)
    start = time.monotonic()
    answer = await ask(store.take, "e", [Take(bucket("a"), 1)])
    assert isinstance(answer, StoreUnavailable)
    assert answer.reason == "down"
    assert time.monotonic() - start < DEADLINE
    await server.stop()
    await server.start()
    assert await warm(store)
    assert store.available


async def test_settles_are_kept(server: EmbeddedServer, store: RedisStore, raw: Redis) -> None:
    """What is settled while Redis is away is settled when it is back; a lease of a running exchange is put back."""
    one, slot = bucket("a", capacity=100), slots("a", 2)
    rows = [Take(one, 10), Take(slot, 1)]
    for name in ("e", "f"):
        assert (await taken(store.take, name, *rows)).granted
    await raw.config_set("appendonly", "no")
    pause(server, signal.SIGKILL)
    await until(lambda: not store.available)
    store.settle("e", rows, [70, 1])
    assert store.owed == 1
    await server.stop()
    await server.start()
    assert await warm(store)
    await until(lambda: store.owed == 0)
    # It came back empty: the mark of "e" is gone with its take, so that nothing is charged; "f" still holds its slot.
    assert (await taken(store.take, "g", *rows)).remaining == (90, 0)
    assert store.in_flight == 2


async def test_settles_are_kept_over_a_lost_connection(store: RedisStore, raw: Redis) -> None:
    """Where Redis kept its data, an owed settle is charged, once."""
    one = bucket("a", capacity=100)
    assert (await taken(store.take, "e", (one, 10))).granted
    await raw.client_kill_filter(_type="normal", skipme=True)
    await until(lambda: not store.available)
    store.settle("e", [Take(one, 10)], [70])
    assert await warm(store)
    await settled(store, one, 30)


async def test_hang(server: EmbeddedServer, store: RedisStore) -> None:
    """A server that hangs: no answer later than the deadline, after a few of them none waits, and all is well after."""
    one, slot = bucket("a", capacity=100), slots("a", 1)
    pause(server, signal.SIGSTOP)
    waits = []
    for index in range(30):
        start = time.monotonic()
        answer = await ask(store.take, f"e{index}", [Take(one, 1), Take(slot, 1)])
        waits.append(time.monotonic() - start)
        assert isinstance(answer, StoreUnavailable)
        assert answer.reason == "timeout"
    assert max(waits) < DEADLINE + SLOP
    assert sum(wait > DEADLINE / 2 for wait in waits) <= 4
    pause(server, signal.SIGCONT)
    assert await warm(store)
    # The takes that came late were given back, and so was the slot.
    await settled(store, one, 100)
    assert (await taken(store.take, "f", (slot, 1))).granted
    assert store.counts.late > 0
    assert store.in_flight == 1


async def test_late_more_is_given_back(server: EmbeddedServer, store: RedisStore) -> None:
    """More that was granted too late does not count, and the whole settles right."""
    one = bucket("a", capacity=100)
    assert (await taken(store.take, "e", (one, 10))).granted
    pause(server, signal.SIGSTOP)
    assert isinstance(await ask(store.more, "e", [Take(one, 50)]), StoreUnavailable)
    pause(server, signal.SIGCONT)
    assert await warm(store)
    await settled(store, one, 90)
    store.settle("e", [Take(one, 10)], [25])
    await settled(store, one, 75)


async def test_unknown_fate_is_given_back(server: EmbeddedServer, store: RedisStore, raw: Redis) -> None:
    """A take on a connection that died is given back, whether it had happened or not."""
    one, slot = bucket("a", capacity=100), slots("a", 1)
    await raw.execute_command("CLIENT", "PAUSE", 300, "ALL")  # type: ignore[no-untyped-call]
    answer: list[object] = []
    store.take("e", [Take(one, 1), Take(slot, 1)], answer.append)
    await asyncio.sleep(0.005)
    store.topology.link.refuse("test")  # type: ignore[attr-defined]
    await until(lambda: answer)
    assert isinstance(answer[0], StoreUnavailable)
    await asyncio.sleep(0.3)
    assert await warm(store)
    await settled(store, one, 100)
    assert (await taken(store.take, "f", (slot, 1))).granted


async def test_lost_scripts(store: RedisStore, raw: Redis) -> None:
    """Scripts that Redis forgot are loaded again, and nobody notices."""
    await raw.script_flush()
    assert (await taken(store.take, "e", (bucket("a"), 1))).granted
    await raw.script_flush()
    store.settle("e", [Take(bucket("a"), 1)], [3])
    await settled(store, bucket("a"), 7)


async def test_lease_outlives_its_ttl_only_while_held(server: EmbeddedServer, store: RedisStore) -> None:
    """A lease is renewed while its holder lives, and void within its TTL when that crashed; its settle still counts."""
    slot, one = slots("a", 1), bucket("a", capacity=10)
    crasher = await connect(server.url, deadline=2.0, lease_ttl=1.0, lease_renewal=0.2)
    assert (await taken(crasher.take, "e", (slot, 1), (one, 4))).granted
    await asyncio.sleep(1.2)
    assert not (await taken(store.take, "f", (slot, 1))).granted
    assert crasher._timer is not None
    crasher._timer.cancel()
    await asyncio.sleep(1.1)
    assert (await taken(store.take, "g", (slot, 1))).granted
    crasher.settle("e", [Take(slot, 1), Take(one, 4)], [1, 1])
    await settled(store, one, 9)
    assert not (await taken(store.take, "h", (slot, 1))).granted
    await crasher.close()


async def test_settled_before_its_answer(store: RedisStore) -> None:
    """A take that is settled before it was answered is not held."""
    one, slot = bucket("a"), slots("a", 1)
    rows = [Take(one, 4), Take(slot, 1)]
    answers: list[object] = []
    store.take("e", rows, answers.append)
    store.settle("e", rows, [0, 0])
    await until(lambda: answers)
    assert store.in_flight == 0
    await settled(store, one, 10)
    assert (await taken(store.take, "f", (slot, 1))).granted
    assert not store.early


async def test_full(store: RedisStore) -> None:
    """A bounded number of commands is in flight; the next fails at once."""
    link = store.topology.link  # type: ignore[attr-defined]
    await until(lambda: not link._pending)
    link._bound = 10
    answers: list[Taken | StoreUnavailable] = []
    for index in range(12):
        store.take(f"e{index}", [Take(bucket("a", capacity=100), 1)], answers.append)
    assert [answer.reason for answer in answers if isinstance(answer, StoreUnavailable)] == ["full", "full"]
    await until(lambda: len(answers) == 12)


async def test_a_broken_callback_holds_nobody_up(store: RedisStore) -> None:
    """A caller whose callback raises does not keep others from their answers."""
    loop = asyncio.get_running_loop()
    broken: list[object] = []
    loop.set_exception_handler(lambda _, context: broken.append(context["exception"]))
    answers: list[object] = []

    def raises(_: object) -> None:
        raise ZeroDivisionError

    store.take("e", [Take(bucket("a"), 1)], raises)
    store.take("f", [Take(bucket("a"), 1)], answers.append)
    await until(lambda: answers)
    assert store.available
    assert isinstance(broken[0], ZeroDivisionError)


async def test_bad_state_is_an_error(store: RedisStore, raw: Redis) -> None:
    """What cannot be read is an error and not a grant; a settle of it is dropped and counted."""
    one = bucket("a")
    await raw.set(keys.hash_of(one), "not a hash")
    answer = await ask(store.take, "e", [Take(one, 1)])
    assert isinstance(answer, StoreUnavailable)
    assert answer.reason == "error"


async def test_idle_partition_vanishes(store: RedisStore, raw: Redis) -> None:
    """A hash lives a second longer than its slowest bucket needs to drain; never shorter; for ever without refill."""
    fast, slow = bucket("a", "fast", 10, 10), bucket("a", "slow", 100, 1)
    assert (await taken(store.take, "e", (slow, 50))).granted
    name = keys.hash_of(slow)
    assert 50_000 < await raw.pttl(name) <= 51_000
    assert (await taken(store.take, "f", (fast, 1))).granted
    assert 50_000 < await raw.pttl(name) <= 51_000
    store.settle("e", [Take(slow, 50)], [90])
    await settled(store, slow, 10)
    assert 89_000 < await raw.pttl(name) <= 91_000
    assert (await taken(store.take, "g", (bucket("a", "once", 10, 0), 1))).granted
    assert await raw.pttl(name) == -1
    assert (await taken(store.take, "h", (fast, 1))).granted
    assert await raw.pttl(name) == -1


async def test_post_once(store: RedisStore) -> None:
    """Debts of a batch are added once, whatever is sent again."""
    one, other = bucket("a", capacity=100), bucket("b", capacity=100)
    for _ in range(3):
        store.post("batch-1", [(one, 30), (other, 10)])
    await settled(store, one, 70)
    await settled(store, other, 90)
    store.post("batch-2", [(one, -20)])
    await settled(store, one, 90)


async def test_fleet(server: EmbeddedServer, store: RedisStore) -> None:
    """Each store counts the live ones; one that leaves is gone at once, one that crashed within a TTL."""
    other = await connect(server.url, deadline=2.0, lease_ttl=1.0, lease_renewal=0.2)
    await until(lambda: store.fleet == 2 and other.fleet == 2)
    await other.close()
    await until(lambda: store.fleet == 1, limit=2.0)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
async def test_failover(kind: str) -> None:
    """When a master dies, its replica serves as soon as the Sentinel says so; the bucket's usage is there."""
    if why := servers.missing(kind):
        pytest.skip(why)
    one = bucket("a", capacity=100)
    async with servers.sentinel(kind) as (url, master, replica):
        store = await connect(url, deadline=0.2, first_wait=5.0)
        assert (await taken(store.take, "e", (one, 10))).granted
        client = Redis(unix_socket_path=replica.socket)
        async with asyncio.timeout(10):
            while not await client.exists(keys.hash_of(one)):
                await asyncio.sleep(0.05)
        await client.aclose()
        pause(master, signal.SIGKILL)
        await until(lambda: not store.available)
        store.settle("e", [Take(one, 10)], [40])
        assert await warm(store)
        await settled(store, one, 60)
        await store.close()


async def test_moved_slot() -> None:
    """When a slot moves to another node of a Cluster, its takes follow it in the same request."""
    if why := servers.missing("valkey"):
        pytest.skip(why)
    async with servers.cluster() as nodes:
        store = await connect(servers.cluster_url(nodes), deadline=0.5, first_wait=5.0)
        one = bucket("moving")
        slot = keys.slot_of(one.tag)
        clients = [Redis(unix_socket_path=node.socket, decode_responses=True) for node in nodes]
        ids = [str(await client.execute_command("CLUSTER", "MYID")) for client in clients]  # type: ignore[no-untyped-call]
        home = slot * 3 // 16384
        away = (home + 1) % 3
        for index in (away, home, 3 - home - away):
            await clients[index].execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[away])  # type: ignore[no-untyped-call]
        assert (await taken(store.take, "e", (one, 1))).granted
        store.settle("e", [Take(one, 1)], [4])
        await settled(store, one, 6)
        for client in clients:
            await client.aclose()
        await store.close()
