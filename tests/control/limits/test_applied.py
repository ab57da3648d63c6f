"""That a change is in force, as a fact: workers on unix sockets, and those of others by what they tell in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from redis.asyncio import Redis

from gateway.accounts.overrides_told import Telling
from gateway.control.limits import applied
from gateway.control.limits.applied import HELD, Applied, Holds, by_redis, by_sockets
from gateway.tasks import spawn


class Worker:
    """One that answers on a socket as a worker does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0

    async def held(self, _: web.Request) -> web.Response:
        return web.json_response({"revision": self.revision, "at": 5.0})


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that does other things whoever is there answers, too."""
    monkeypatch.setattr(applied, "ASKED_WITHIN", 30.0)


@pytest_asyncio.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[Worker]]:
    made, runners = [], []
    for index in range(2):
        worker = Worker(tmp_path / f"worker-{index}.sock")
        app = web.Application()
        app.router.add_get(HELD, worker.held)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(worker.path)).start()
        made.append(worker)
        runners.append(runner)
    yield made
    for runner in runners:
        await runner.cleanup()


def _held(revision: int) -> tuple[int, float]:
    return revision, 3.0


async def nobody() -> Sequence[Holds]:
    return ()


def clock() -> float:
    return asyncio.get_running_loop().time()


async def test_it_waits_until_all_hold_it(workers: list[Worker]) -> None:
    """And says how long that took."""
    waits = Applied(by_sockets(lambda: [one.path for one in workers], "here"), nobody, clock, within=60.0)
    workers[0].revision = 7
    waiting = spawn(waits.wait(7), "waiting")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    workers[1].revision = 8
    said = await waiting
    assert (said["applied"], said["missing"]) == (True, [])
    assert [(one["worker"], one["revision"], one["at"]) for one in said["workers"]] == [
        ("worker-0", 7, 5.0),
        ("worker-1", 8, 5.0),
    ]
    assert said["within"] >= 0.1


async def test_one_that_does_not_answer_is_missing(workers: list[Worker], tmp_path: Path) -> None:
    """Starting, or dead: it will read what is there."""
    workers[0].revision = workers[1].revision = 7
    paths = [*(one.path for one in workers), tmp_path / "worker-2.sock"]
    said = await Applied(by_sockets(lambda: paths, "here"), nobody, clock, within=0.5).wait(7)
    assert (said["applied"], said["missing"]) == (False, [{"gateway": "here", "worker": "worker-2"}])


async def test_others_by_redis_and_not_ourselves_twice(workers: list[Worker], redis_server: str) -> None:
    """By what they have told; one that has told too long ago is gone."""
    redis: Any = Redis.from_url(redis_server)
    await redis.delete("tg:live")
    now = [1000.0]
    for gateway, worker, revision in (("here", "worker-0", 1), ("there", "worker-0", 7), ("there", "worker-1", 6)):
        await Telling(redis, gateway, worker, partial(_held, revision), lambda: now[0]).tell()
    for one in workers:
        one.revision = 7
    ours = by_sockets(lambda: [one.path for one in workers], "here")
    waits = Applied(ours, by_redis(redis, "here", lambda: now[0]), clock, within=0.5)
    said = await waits.wait(7)
    assert said["missing"] == [{"gateway": "there", "worker": "worker-1"}]
    assert len(said["workers"]) == 3
    now[0] += 60.0
    gone = await waits.wait(7)
    assert (gone["applied"], len(gone["workers"])) == (True, 2)
    await redis.delete("tg:live")
    await redis.aclose()


async def test_a_redis_that_hangs_says_nothing_of_our_own_workers(workers: list[Worker]) -> None:
    """When these held it is what is told, and not when Redis was given up."""
    workers[0].revision = workers[1].revision = 7

    async def hangs() -> Sequence[Holds]:
        await asyncio.sleep(1.0)
        raise TimeoutError

    said = await Applied(by_sockets(lambda: [one.path for one in workers], "here"), hangs, clock).wait(7)
    assert (said["applied"], "Redis is away" in said["note"]) == (True, True)
    assert said["within"] < 1.0
