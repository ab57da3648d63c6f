"""What dies, hangs or leaves in the middle of work, and what becomes of the work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.stores.embedded import EmbeddedServer
from tests import servers
from tests.journeys import harness
from tests.journeys.conftest import Fleet
from tests.journeys.harness import CHAT, Account, Caller, Gateway, World, lives, statuses, until

pytestmark = pytest.mark.timing

DEADLINE = 0.1
"""Seconds that a request may wait for Redis in these journeys; a busy machine is not to be taken for a hanging one."""
MARGIN = 0.3
"""Seconds by which a busy machine may be late."""

QUOTA = """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 1000, refill: 1, every: 1d}
  - {name: output, measure: output_tokens, per: [account], capacity: 100k, refill: 1, every: 1d}
  - {name: slots, measure: concurrency, per: [account], capacity: 40}
"""


def world_of(folder: Path, redis: str, upstream: str, **policies: str) -> World:
    """A world with one tier and the quota above, if no other policies are stated."""
    world = World(folder, redis, upstream)
    world.write(policies or {"quota": QUOTA}, {"any": 4, "deny": 2, "allow": 2, "degrade": 2})
    return world


TIMEOUTS: dict[str, Any] = {"timeouts": {"store": f"{int(DEADLINE * 1000)}ms", "drain": "10s"}}


class Stream:
    """One streamed answer as its caller sees it."""

    def __init__(self) -> None:
        self.status = 0
        self.content = b""
        self.broke = False

    @property
    def tokens(self) -> int:
        return self.content.count(b'"delta":{"content":" ')

    @property
    def whole(self) -> bool:
        return not self.broke and self.content.endswith(b"data: [DONE]\n\n")

    async def run(self, caller: Caller, url: str, account: Account, tokens: int, pace: float) -> None:
        fields = {"x-standin-tokens": str(tokens), "x-standin-tokens-per-second": str(pace)}
        body = {**CHAT, "max_tokens": tokens, "stream": True}
        try:
            async with caller.http.post(
                f"{url}/v1/chat/completions", json=body, headers=account.bearer | fields
            ) as answer:
                self.status = answer.status
                async for piece in answer.content.iter_any():
                    self.content += piece
        except aiohttp.ClientError:
            self.broke = True


@contextlib.asynccontextmanager
async def streaming(
    caller: Caller, url: str, account: Account, count: int, tokens: int = 200, pace: float = 40.0
) -> AsyncIterator[list[Stream]]:
    """Streams that run, each past its first tokens; left to their end, or to their caller's."""
    streams = [Stream() for _ in range(count)]
    tasks = [asyncio.create_task(stream.run(caller, url, account, tokens, pace)) for stream in streams]
    try:
        await until(lambda: all(stream.tokens > 2 for stream in streams))
        yield streams
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def ready(gateway: Gateway) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{gateway.admin}/readyz") as answer:
        return answer.status == 200


# --- our own processes


async def test_worker_is_killed_under_streams(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """Its streams break, the other's go on; it is started again; its slots are gone within ten seconds, and paid is
    what was reserved.
    """
    world = world_of(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    account = world.account("any")
    async with (
        harness.gateway(world, 2, **TIMEOUTS) as gateway,
        streaming(caller, gateway.url, account, 20, tokens=400) as streams,
    ):
        before = gateway.workers()
        os.kill(before[0], signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: any(stream.broke for stream in streams))
        others = world.account("any")
        served = 0
        while time.monotonic() - killed < 1.0:
            with contextlib.suppress(aiohttp.ClientError):
                served += (await caller.chat(gateway.url, others)).status == 200
        assert served > 5
        running = [stream for stream in streams if not stream.broke]
        assert 0 < len(running) < 20

        async def only_those() -> bool:
            return (await world.left(account, "slots"))[0] == 40 - len([s for s in running if not s.whole])

        await until(only_those)
        assert time.monotonic() - killed < 10.0
        await until(lambda: len(gateway.workers()) == 2)
        await until(lambda: ready(gateway), limit=harness.START_LIMIT)
        assert statuses(await caller.many([gateway.url], others, 40)) == {200: 40}

    assert all(stream.whole for stream in running)
    broken = 20 - len(running)
    # What ran in the killed worker stays charged as reserved: nobody is left who knows better.
    assert await world.left(account, "requests", "output", "slots") == (980, 100_000 - 400 * 20, 40)
    assert gateway.log.count("it is started again") == 1
    assert broken


async def test_workers_die_with_their_supervisor(fleet: Fleet, tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves no worker behind that serves without it."""
    world = world_of(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    async with harness.gateway(world, 2) as gateway:
        workers = gateway.workers()
        assert len(workers) == 2
        gateway.signal(signal.SIGKILL)
        await until(lambda: not any(map(lives, workers)), limit=2.0)
        await until(lambda: refused(gateway.url), limit=2.0)


async def test_sigterm_drains(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """What runs ends as it would, who comes is turned away, and the exit status is 0."""
    world = world_of(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    account = world.account("any")
    async with harness.gateway(world, 2, **TIMEOUTS) as gateway:
        async with streaming(caller, gateway.url, account, 10, tokens=60, pace=40) as streams:
            gateway.signal(signal.SIGTERM)
            await until(lambda: refused(gateway.url), limit=1.0)
        assert await gateway.ended(5.0) == 0

    assert all(stream.whole and stream.tokens >= 59 for stream in streams)
    assert await world.left(account, "requests", "output", "slots") == (990, 100_000 - 600, 40)
    assert "ERROR" not in gateway.log


async def refused(url: str) -> bool:
    """Whether nobody listens."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # It was let in at the moment in which the listener closed.
    writer.close()
    return False


# --- Redis

CHAIN = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: deny, kind: quota, on_failure: deny}
  - {name: allow, kind: quota, on_failure: allow}
  - {name: degrade, kind: quota, on_failure: degrade}
"""


def three_ways() -> dict[str, str]:
    """One entry for each `on_failure`, each for the accounts of one tier."""
    rest = "per: [account], refill: 1, every: 1d"
    return {"chain": CHAIN} | {
        tier: "unmatched: allow\nlimits:\n"
        f"  - {{name: {tier}, tiers: [{tier}], measure: requests, capacity: 40, {rest}}}\n"
        f"  - {{name: {tier}-output, tiers: [{tier}], measure: output_tokens, capacity: 10k, {rest}}}\n"
        for tier in ("deny", "allow", "degrade")
    }


FOLLOWED = 7
"""What a worker has of Redis: buckets, revocations, changes of the directory, sightings, networks, refusals, and what
is held of accounts. Each says once that it is away, and once that it is back.
"""


def slowest_decision(gateway: Gateway) -> float:
    """Seconds, by the access log."""
    return max(float(line.get("decision_seconds", 0)) for line in gateway.access_log)


@pytest.mark.parametrize("kept", [False, True], ids=["empty", "with-data"])
async def test_redis_is_killed_and_comes_back(fleet: Fleet, caller: Caller, tmp_path: Path, kept: bool) -> None:
    """Each entry does as it says, nobody waits beyond the deadline, the log is quiet, and debts are settled."""
    options = ("--appendonly", "yes", "--appendfsync", "always") if kept else ()
    async with servers.server("valkey", *options, port=0) as redis:
        world = world_of(tmp_path, redis.tcp_url, fleet.standin.url, **three_ways())
        deny, allow, degrade = (world.account(tier) for tier in ("deny", "allow", "degrade"))
        running = world.account("deny")
        async with harness.gateway(world, 2, **TIMEOUTS) as gateway:
            url = [gateway.url]
            for account in (deny, allow, degrade):
                assert statuses(await caller.many(url, account, 10)) == {200: 10}
            await asyncio.sleep(1.1)  # A heartbeat tells each worker that there are two.
            begun = len(gateway.log.splitlines())
            async with streaming(caller, gateway.url, running, 4, tokens=60, pace=40) as streams:
                await kill(redis)

            denied = await caller.many(url, deny, 60)
            assert statuses(denied) == {503: 60}
            assert {(reply.reason, reply.fields["Retry-After"]) for reply in denied} == {
                ("quota_store_unavailable", "1")
            }
            assert statuses(await caller.many(url, allow, 60)) == {200: 60}
            shared = statuses(await caller.many(url, degrade, 120))
            # The share of each of two workers is 20: between them they admit what one bucket would.
            assert set(shared) == {200, 429}
            assert 25 <= shared[200] <= 40
            assert all(stream.whole for stream in streams)
            said = gateway.log.splitlines()[begun:]
            assert len(said) <= FOLLOWED * 2, said

            await redis.start()

            async def back() -> bool:
                return (await caller.chat(gateway.url, deny)).status == 200

            assert await until(back) < 3.0
            used = 10 if kept else 0

            async def settled() -> bool:
                return (await world.left(degrade, "degrade"))[0] == 40 - used - shared[200]

            await until(settled)
            assert (await world.left(allow, "allow"))[0] == 40 - used
            # What ran when it died is settled to what was used, where there is something to correct.
            left = await world.left(running, "deny", "deny-output")
            assert left == ((36, 9760) if kept else (40, 10_000))
            assert slowest_decision(gateway) < DEADLINE + MARGIN
            assert len(gateway.log.splitlines()) - begun <= 2 * FOLLOWED * 2, gateway.log


async def kill(redis: EmbeddedServer) -> None:
    """kill -9; `redis.start()` has it back at the same address."""
    assert redis.process is not None
    redis.process.kill()
    await redis.process.wait()
    Path(redis.socket).unlink(missing_ok=True)


async def test_redis_hangs(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """SIGSTOP: the first requests wait for the deadline and the rest not at all. What is counted late is undone."""
    async with servers.server("valkey", port=0) as redis:
        world = world_of(tmp_path, redis.tcp_url, fleet.standin.url, **three_ways())
        account = world.account("deny")
        async with harness.gateway(world, 1, **TIMEOUTS) as gateway:
            assert statuses(await caller.many([gateway.url], account, 5)) == {200: 5}
            assert redis.process is not None
            redis.process.send_signal(signal.SIGSTOP)
            first = await caller.many([gateway.url], account, 20)
            for _ in range(5):
                first += await caller.many([gateway.url], account, 1)
            later = await caller.many([gateway.url], account, 50)
            redis.process.send_signal(signal.SIGCONT)

            async def back() -> bool:
                return (await caller.chat(gateway.url, account)).status == 200

            assert await until(back) < 2.0

            async def undone() -> bool:
                return (await world.left(account, "deny"))[0] == 40 - 6

            await until(undone)

        assert statuses(first) == {503: 25}
        assert statuses(later) == {503: 50}
        assert slowest_decision(gateway) < DEADLINE + MARGIN
        waited = sorted(float(line["decision_seconds"]) for line in gateway.access_log if line["status"] == 503)
        assert waited[50] < DEADLINE / 2, "once it is known to hang nobody waits"
        assert len([line for line in gateway.log.splitlines() if "INFO" not in line]) <= 6, gateway.log


async def test_gateway_starts_without_redis(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """It serves as its entries say, and counts once Redis is there."""
    async with servers.server("valkey", port=0) as redis:
        await kill(redis)
        world = world_of(tmp_path, redis.tcp_url, fleet.standin.url, **three_ways())
        async with harness.gateway(world, 1, **TIMEOUTS) as gateway:
            assert (await caller.chat(gateway.url, world.accounts["deny"][0])).status == 503
            assert (await caller.chat(gateway.url, world.accounts["degrade"][0])).status == 200
            await redis.start()

            async def back() -> bool:
                return (await caller.chat(gateway.url, world.accounts["deny"][0])).status == 200

            assert await until(back) < 3.0


# --- the upstream


async def test_upstream_is_killed_under_streams(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """Callers hear of it, slots are free at once, paid is what was delivered; when it is back, it is asked again."""
    async with harness.standin() as standin:
        world = world_of(tmp_path, fleet.redis.tcp_url, standin.url)
        account = world.account("any")
        async with harness.gateway(world, 1, **TIMEOUTS) as gateway:
            async with streaming(caller, gateway.url, account, 20, tokens=1000) as streams:
                standin.process.kill()
                ended = time.monotonic()

            async def free() -> bool:
                return (await world.left(account, "slots"))[0] == 40

            await until(free)
            assert time.monotonic() - ended < 1.0
            begun = len(gateway.log.splitlines())
            away = [reply for _ in range(4) for reply in await caller.many([gateway.url], account, 25)]
            assert len(gateway.log.splitlines()) - begun <= 20
            requests, output = await world.left(account, "requests", "output")
            async with harness.standin(standin.port):

                async def back() -> bool:
                    return (await caller.chat(gateway.url, account)).status == 200

                assert await until(back) < 4.0

    assert all(b'"upstream_failed"' in stream.content for stream in streams)
    delivered = sum(stream.tokens for stream in streams)
    assert requests == 980
    assert delivered * 0.5 <= 100_000 - output <= delivered * 2 + 40
    assert set(statuses(away)) <= {502, 503}
    assert {reply.reason for reply in away} <= {"upstream_unreachable", "upstream_failed"}
    assert all("Retry-After" in reply.fields for reply in away)


# --- revocation


async def test_revoked_keys_stop_within_a_second_everywhere(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """`tidegate key revoke`, or an edit of accounts.yaml: no worker of two gateways lets it in a second later."""
    world = world_of(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    by_command, by_file = world.accounts["any"][:2]
    async with harness.gateways(world, 2, 2, **TIMEOUTS) as both:
        urls = [gateway.url for gateway in both]
        async with asking(caller, urls, by_command) as asked:
            await tidegate("key", "revoke", by_command.prefix, "--config", str(both[0].config))
            last = await last_admitted(asked)
        assert last < 1.0
        async with asking(caller, urls, by_file) as asked:
            world.write_accounts(revoked=[by_file])
            last = await last_admitted(asked)
        assert last < 1.0


@contextlib.asynccontextmanager
async def asking(caller: Caller, urls: list[str], account: Account) -> AsyncIterator[list[tuple[float, int]]]:
    """Ask all the time, on new connections, so that every worker is met: when, and the status."""
    asked: list[tuple[float, int]] = []

    async def ask(url: str) -> None:
        while True:
            began = time.monotonic()
            reply = await caller.chat(url, account, path="/v1/messages/count_tokens")
            asked.append((began, reply.status))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(url)) for url in urls * 4]
        await until(lambda: len(asked) > 40)
        assert {status for _, status in asked} == {200}
        yield asked
        for task in tasks:
            task.cancel()


async def last_admitted(asked: list[tuple[float, int]]) -> float:
    """Seconds from now to the last that is let in; below 0 where that has been. Looks for a second and a half."""
    now = time.monotonic()
    await asyncio.sleep(1.5)
    assert asked[-1][1] == 401
    return max(began for began, status in asked if status == 200) - now


async def tidegate(*words: str) -> str:
    """A command, which must succeed; what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


# --- other shapes of Redis


async def test_cluster_is_exact_through_two_gateways(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """Buckets of an account and of a model live in two places: all are taken from or none. A key is revoked."""
    quota = """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 60, refill: 1, every: 1d}
  - {name: fleet-wide, measure: requests, per: [model], capacity: 1000, refill: 1, every: 1d}
  - {name: slots, measure: concurrency, per: [account], capacity: 300}
"""
    async with servers.cluster() as nodes:
        world = world_of(tmp_path, servers.cluster_url(nodes), fleet.standin.url, quota=quota)
        account, other = world.account("any"), world.account("any")
        async with harness.gateways(world, 2, 1, timeouts={"store": "2s"}) as both:
            urls = [gateway.url for gateway in both]
            replies = await caller.many(urls, account, 200)
            again = await caller.chat(urls[0], other)
            await tidegate("key", "revoke", other.prefix, "--config", str(both[0].config))

            async def out() -> bool:
                return {(await caller.chat(url, other)).status for url in urls} == {401}

            revoked = await until(out)

    assert statuses(replies) == {200: 60, 429: 140}
    # Sixty of the account's and one more: what was refused by one bucket is not missing in the other.
    assert again.left("fleet-wide") == 1000 - 61
    assert revoked < 1.0


async def test_sentinel_fails_over_under_load(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """The master is killed: refusals with a reason, no other errors, and within seconds the replica counts on."""
    if servers.missing("redis"):
        pytest.skip(servers.missing("redis"))
    async with servers.sentinel() as (url, master, _):
        world = world_of(tmp_path, url, fleet.standin.url, **three_ways())
        account = world.account("allow")
        strict = world.account("deny")
        async with harness.gateways(world, 2, 1, **TIMEOUTS) as both:
            urls = [gateway.url for gateway in both]
            assert statuses(await caller.many(urls, strict, 10)) == {200: 10}
            await kill(master)
            seen: list[harness.Reply] = []

            async def back() -> bool:
                replies = await caller.many(urls, strict, 2)
                seen.extend(replies)
                seen.extend(await caller.many(urls, account, 2))
                return statuses(replies) == {200: 2}

            took = await until(back, limit=15.0)
            (left,) = await world.left(strict, "deny")

    print(f"failed over in {took:.1f} s")
    assert set(statuses(seen)) <= {200, 503}
    assert {reply.reason for reply in seen if reply.status == 503} <= {"quota_store_unavailable"}
    counted = len([reply for reply in seen if reply.status == 200 and '"deny"' in reply.fields.get("RateLimit", "")])
    assert 40 - 10 - counted <= left <= 40 - counted
