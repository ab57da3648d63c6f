"""gateway.tasks: background work is neither lost nor silent."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from gateway.tasks import spawn


async def test_a_task_that_nobody_holds_is_not_collected() -> None:
    """Work goes on though its maker kept no reference, not even to what it waits for."""
    ended = asyncio.Event()
    door: list[weakref.ref[asyncio.Future[None]]] = []

    async def work() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        door.append(weakref.ref(future))
        await future
        ended.set()

    spawn(work(), "work")
    await asyncio.sleep(0)

    gc.collect()

    waited_for = door[0]()
    assert waited_for is not None
    waited_for.set_result(None)
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_crash_is_logged_with_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    """A task that crashes says so once, by name and with its traceback, though nobody awaits it."""

    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR, "gateway.tasks"):
        task = spawn(work(), "refresh keys")
        await asyncio.wait([task])
        await asyncio.sleep(0)

    [record] = caplog.records
    assert record.getMessage() == "task refresh keys crashed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_cancelling_is_not_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    """Ending a task on purpose is not worth a line."""
    task = spawn(asyncio.sleep(60), "sleeper")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert caplog.records == []


async def test_the_result_is_the_coroutines_own() -> None:
    """What spawn gives can be awaited as any task."""

    async def work() -> int:
        return 7

    assert await spawn(work(), "seven") == 7
