"""What is in use, read and reset off the hot path, against real servers and real takes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.policy import Bucket, Take
from gateway.stores import keys
from gateway.stores.redis import connect
from gateway.stores.redis.client import client
from gateway.stores.redis.store import RedisStore
from gateway.stores.redis.usage import Usages
from tests import servers
from tests.stores.harness import bucket, slots, taken

_count = itertools.count()
EPOCH = 1_790_000_000


class Bench:
    def __init__(self, store: RedisStore, redis: Any) -> None:
        self.store = store
        self.redis = redis
        self.usages = Usages(redis, _edit)
        self.account = f"u{next(_count)}"

    async def at(self, seconds: float) -> None:
        micros = round((EPOCH + seconds) * 1_000_000)
        where = f"clock:{{{keys.safe(f'account={self.account}')}}}"
        await self.redis.hset(where, mapping={"s": micros // 1_000_000, "us": micros % 1_000_000})


def _edit(text: str) -> str:
    own = "redis.call('HMGET', 'clock:' .. KEYS[1]:match('{.*}'), 's', 'us')"
    assert text.count("redis.call('TIME')") == 1
    return text.replace("redis.call('TIME')", own)


@pytest.fixture(params=["redis", "valkey", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest_asyncio.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    store = await connect(url, deadline=2.0, scripts=servers.scripts_with_clock(), first_wait=5.0, lease_ttl=1e6)
    redis = client(url)
    one = Bench(store, redis)
    await one.at(0)
    yield one
    await store.close()
    await redis.aclose()


async def test_figures_are_those_of_the_store(bench: Bench) -> None:
    """Used is what was taken less what came back; spend is in dollars, slots are counted, nothing is nothing."""
    requests = bucket(bench.account, "rpm", 60, 1.0)
    models = bucket(bench.account, "tpm", 1000, 10.0, rest=",model=m")
    dollars = bucket(bench.account, "usd", 5, 0.0, measure="spend")
    places = slots(bench.account, 3)
    never = bucket(bench.account, "other", 9, 1.0)
    await taken(bench.store.take, f"{bench.account}-1", (requests, 10), (models, 600), (dollars, 1.25), (places, 1))
    await bench.at(4)
    found = await bench.usages.read([requests, models, dollars, places, never])
    assert [one.used for one in found] == pytest.approx([6, 560, 1.25, 1, 0])
    assert [one.there for one in found] == [True, True, True, True, False]
    assert found[3].exchanges == (f"{bench.account}-1",)
    assert {one.now for one in found} == {EPOCH + 4}


async def test_debt_is_more_than_the_capacity(bench: Bench) -> None:
    """What an answer ran over is seen, whole."""
    tokens = bucket(bench.account, "tpm", 100, 1.0)
    await taken(bench.store.take, f"{bench.account}-d", (tokens, 50))
    bench.store.settle(f"{bench.account}-d", [Take(tokens, 50)], [250])
    await _settled(bench)
    assert (await bench.usages.read([tokens]))[0].used == pytest.approx(250)


async def test_reading_changes_nothing(bench: Bench) -> None:
    """Neither values nor what is there."""
    tokens = bucket(bench.account, "tpm", 100, 1.0)
    await taken(bench.store.take, f"{bench.account}-r", (tokens, 50))
    before = await bench.redis.hgetall(keys.hash_of(tokens)), await bench.redis.pttl(keys.hash_of(tokens))
    await bench.usages.read([tokens, bucket(bench.account, "else", 1, 1.0)])
    after = await bench.redis.hgetall(keys.hash_of(tokens)), await bench.redis.pttl(keys.hash_of(tokens))
    assert (before[0], before[1] >= after[1] > before[1] - 5000) == (after[0], True)


async def test_reset_gives_all_back_and_nothing_more(bench: Bench) -> None:
    """It says what was used, others keep theirs, and an exchange that runs is settled without going below nothing."""
    tokens, requests = bucket(bench.account, "tpm", 100, 0.0), bucket(bench.account, "rpm", 10, 0.0)
    await taken(bench.store.take, f"{bench.account}-a", (tokens, 80), (requests, 1))
    assert [one.used for one in await bench.usages.reset([tokens])] == [80]
    assert [one.used for one in await bench.usages.read([tokens, requests])] == [0, 1]
    bench.store.settle(f"{bench.account}-a", [Take(tokens, 80), Take(requests, 1)], [30, 1])
    await _settled(bench)
    assert [one.used for one in await bench.usages.read([tokens, requests])] == [0, 1]
    whole = await taken(bench.store.take, f"{bench.account}-b", (tokens, 100))
    assert whole.granted
    refused = await taken(bench.store.take, f"{bench.account}-c", (tokens, 1))
    assert not refused.granted


async def test_what_runs_over_after_a_reset_is_owed(bench: Bench) -> None:
    """A reset forgives what was used, not what an exchange uses beyond what it had reserved."""
    tokens = bucket(bench.account, "tpm", 100, 0.0)
    await taken(bench.store.take, f"{bench.account}-o", (tokens, 40))
    await bench.usages.reset([tokens])
    bench.store.settle(f"{bench.account}-o", [Take(tokens, 40)], [55])
    await _settled(bench)
    assert (await bench.usages.read([tokens]))[0].used == pytest.approx(15)


async def test_several_tags_and_many_buckets(bench: Bench) -> None:
    """More than one script looks at, and tags of other slots: in their order."""
    many = [bucket(bench.account, "rpm", 10, 0.0, rest=f",model=m{number}") for number in range(700)]
    await taken(bench.store.take, f"{bench.account}-m", (many[650], 3))
    found = await bench.usages.read(many)
    assert [place for place, one in enumerate(found) if one.there] == [650]


async def test_slots_are_not_reset(bench: Bench) -> None:
    """They are held by exchanges that run."""
    with pytest.raises(ValueError, match="slots"):
        await bench.usages.reset([slots(bench.account, 2)])


async def _settled(bench: Bench) -> None:
    """Commands of one connection are answered in their order: when this one is, the settle is done."""
    peek: Bucket = bucket(bench.account, "peek", 1, 1.0)
    await taken(bench.store.more, f"{bench.account}-peek", (peek, 0))
