"""Rules change while requests run: on every worker within a second, or on none; and back again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests import servers
from tests.journeys import harness
from tests.journeys.harness import Account, Caller, Gateway, Reply, World, until

pytestmark = pytest.mark.timing

TOKEN = "a token of sixteen bytes and more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WITHIN = 1.0
"""Seconds from an edit to the last worker, and for a rollback."""
MARGIN = 1.0
"""Seconds by which a busy machine may be late."""


def quota(capacity: int) -> str:
    """Tells itself by the number in the RateLimit-Policy field."""
    return f"limits: [{{name: requests, measure: requests, per: [account], capacity: {capacity}, every: 1d}}]\n"


ATTEMPTS = 3
BROKEN = quota(7).replace("requests,", "guesses,").replace("capacity", "capazity")


@dataclass
class Live:
    """A gateway of two workers whose rules change."""

    world: World
    gateway: Gateway
    http: aiohttp.ClientSession
    account: Account

    async def status(self) -> dict[str, Any]:
        async with self.http.get(f"{self.gateway.admin}/policies", headers=BEARER) as answer:
            return orjson.loads(await answer.read())  # type: ignore[no-any-return]

    async def post(self, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post(f"{self.gateway.admin}{path}", **more) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def rollback(self, to: str = "") -> float:
        """Seconds that it took."""
        began = time.monotonic()
        status, said = await self.post("/policies/rollback", headers=BEARER, json={"to": to})
        assert status == 200, said
        return time.monotonic() - began

    async def serves(self, generation: int, workers: int = 2) -> bool:
        """Whether every worker does, by that generation."""
        served = (await self.status())["workers"].values()
        return [one["generation"] for one in served] == [generation] * workers

    async def metrics(self) -> dict[str, float]:
        async with self.http.get(f"{self.gateway.admin}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def audit(self) -> list[str]:
        path = self.world.folder / "audit.log"
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        return [f"{line['who']} {line['action']} {line['outcome']}" for line in lines]


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with (
        servers.server("valkey", port=0) as redis,
        harness.standin() as standin,
        aiohttp.ClientSession() as http,
    ):
        world = World(tmp_path, redis.tcp_url, standin.url)
        world.write({"quota": quota(1_000_000)}, {"any": 1})
        settings: dict[str, Any] = {"timeouts": {"store": "2s", "drain": "1s"}, "ruleset_field": True}
        async with harness.gateway(world, 2, admin_token=TOKEN, audit_log="audit.log", **settings) as gateway:
            yield Live(world, gateway, http, world.account("any"))


@dataclass
class Load:
    """Callers who never rest, and what they were told."""

    replies: list[tuple[float, Reply]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def on(self, live: Live, caller: Caller, callers: int = 6, pause: float = 0.01) -> AsyncIterator[None]:
        ends = asyncio.Event()

        async def ask() -> None:
            while not ends.is_set():
                reply = await caller.chat(live.gateway.url, live.account)
                self.replies.append((time.monotonic(), reply))
                await asyncio.sleep(pause)

        asking = [asyncio.ensure_future(ask()) for _ in range(callers)]
        try:
            yield
        finally:
            ends.set()
            await asyncio.gather(*asking)

    @property
    def failed(self) -> list[int]:
        return [reply.status for _, reply in self.replies if reply.status != 200]

    def p99(self, since: float, until_: float) -> float:
        """Seconds."""
        took = sorted(reply.seconds for at, reply in self.replies if since <= at < until_)
        assert len(took) > 50, "too few to say"
        return statistics.quantiles(took, n=100)[98]


async def test_an_edit_under_load_holds_on_every_worker_within_a_second(live: Live, caller: Caller) -> None:
    """No request fails, and once all workers have it, no answer comes by the old rules."""
    load = Load()
    async with load.on(live, caller):
        for number in range(3):
            await asyncio.sleep(0.3)
            live.world.write_policy("quota", quota(1_000_001 + number))
            took = await until(lambda at=number + 2: live.serves(at))  # type: ignore[misc]
            assert took < WITHIN + MARGIN
            changed = time.monotonic()
            await asyncio.sleep(0.3)
    assert load.failed == []
    late = [reply for at, reply in load.replies if at - reply.seconds > changed]
    assert late and all("q=1000003" in reply.fields["RateLimit-Policy"] for reply in late)
    status = await live.status()
    assert {reply.fields["Tidegate-Ruleset"] for reply in late} == {status["name"]} and status["name"].startswith("4-")
    assert live.audit() == ["file watch reload applied"] * 3


async def test_nobody_but_the_author_notices_a_broken_edit(live: Live, caller: Caller) -> None:
    """No error, no slower answers; every mistake with file, line and column in the status and the log."""
    seen: list[tuple[float, float]] = []
    # Other programs make answers slow now and then, and not at every edit.
    while not any(disturbed < quiet * 2 + 0.05 for quiet, disturbed in seen):
        assert len(seen) < ATTEMPTS, seen
        load, edits = Load(), len(seen) + 1
        async with load.on(live, caller):
            began = time.monotonic()
            await asyncio.sleep(1.5)
            live.world.write_policy("quota", f"{BROKEN} # {edits}")
            broken = time.monotonic()
            await until(lambda edits=edits: live.audit() == ["file watch reload refused"] * edits)  # type: ignore[misc]
            await asyncio.sleep(1.5)
            ended = time.monotonic()
        assert load.failed == []
        seen.append((load.p99(began, broken), load.p99(broken, ended)))
    assert "policies not reloaded" in live.gateway.log
    status = await live.status()
    assert (status["files"], status["generation"]) == ("refused", 1)
    assert len(status["problems"]) == 3 and all(re.search(r"quota\.yaml:1:\d+: ", one) for one in status["problems"])
    assert (await live.metrics())["tidegate_ruleset_refused"] == 1.0
    live.world.write_policy("quota", quota(1_000_000))
    await until(lambda: "those in force again" in live.gateway.log)
    assert (await live.metrics())["tidegate_ruleset_refused"] == 0.0
    assert live.audit() == ["file watch reload refused"] * len(seen)


async def test_back_within_a_second_and_pinned(live: Live, caller: Caller) -> None:
    """The bad rules stay away: from workers that die and come back, from SIGHUP, and from a touch of the file."""
    live.world.write_policy("quota", quota(0))
    await until(lambda: live.serves(2))
    refused = await caller.chat(live.gateway.url, live.account)
    assert refused.status == 429 and refused.fields["Tidegate-Ruleset"].startswith("2-")
    assert await live.rollback() < WITHIN
    assert await live.serves(1)
    for _ in range(6):
        assert (await caller.chat(live.gateway.url, live.account)).status == 200
    victim = live.gateway.workers()[0]
    os.kill(victim, signal.SIGKILL)
    await until(lambda: victim not in live.gateway.workers())
    await until(lambda: live.serves(1), limit=30.0)
    os.utime(live.world.folder / "policies" / "quota.yaml")
    await until(lambda: "file watch reload set_aside" in live.audit())
    live.gateway.signal(signal.SIGHUP)
    await until(lambda: "signal reload set_aside" in live.audit())
    assert await live.serves(1)
    assert (await live.metrics())["tidegate_ruleset_set_aside"] == 1.0
    live.world.write_policy("quota", quota(1_000_002))
    await until(lambda: live.serves(3))
    assert (await live.status())["files"] == "in_force"


async def test_hangup_reads_the_policies_again(live: Live) -> None:
    """For whoever does not wait for the watch; one that comes beside it is no harm."""
    live.world.write_policy("quota", quota(1_000_001))
    live.gateway.signal(signal.SIGHUP)
    await until(lambda: live.serves(2))
    await until(lambda: any(line.startswith("signal") for line in live.audit()))
    live.gateway.signal(signal.SIGHUP)
    await until(lambda: "signal reload unchanged" in live.audit())
    assert len([line for line in live.audit() if line.endswith("applied")]) == 1
    assert await live.serves(2)


async def test_the_command(live: Live) -> None:
    """`tidegate policies`: the token from the environment or the configuration; its exit code says what came of it."""
    live.world.write_policy("quota", quota(1_000_001))
    await until(lambda: live.serves(2))
    code, out = await command(live, "rollback", token="not the right token at all")
    assert code == 1 and "does not take the token in TIDEGATE_ADMIN_TOKEN" in out and await live.serves(2)
    code, out = await command(live, "rollback", token=TOKEN)
    assert code == 0 and "rolled back: generation 1" in out
    code, out = await command(live, "status")
    assert code == 0 and "in force: 1-" in out and "set aside by a rollback" in out
    code, out = await command(live, "history")
    assert code == 0 and out.startswith("* 1-") and len(out.splitlines()) == 2
    code, out = await command(live, "reload")
    assert code == 0 and "applied: generation 3" in out
    live.world.write_policy("quota", BROKEN)
    code, out = await command(live, "reload")
    assert code == 1 and out.count("quota.yaml:1:") == 3 and "generation 3" in out
    code, out = await command(live, "status")
    assert code == 1 and "refused since" in out
    assert "nobody /policies/rollback denied" in live.audit()
    assert any(re.fullmatch(r"admin_token:\S+ rollback rolled_back", line) for line in live.audit()), live.audit()


async def command(live: Live, *words: str, token: str = "") -> tuple[int, str]:
    """Exit code, and all that it wrote."""
    address = live.gateway.admin.removeprefix("http://")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "policies", *words, "--config", str(live.gateway.config)),
        *("--admin", address),
        env=os.environ | ({"TIDEGATE_ADMIN_TOKEN": token} if token else {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 40)
    return process.returncode or 0, out.decode()
