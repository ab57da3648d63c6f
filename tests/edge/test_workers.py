"""Workers that start, die, and are told things at odd moments."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gateway.edge.workers import Supervisor

SLEEP = ("-c", "import time; time.sleep(60)")


async def started(supervisor: Supervisor) -> None:
    async with asyncio.timeout(10):
        while len(supervisor.pids) < supervisor.count:
            await asyncio.sleep(0.01)


async def test_a_hangup_does_not_end_a_worker_that_starts(tmp_path: Path) -> None:
    """SIGHUP means: read the policies again. One that comes before a worker listens to it is not its end."""
    supervisor = Supervisor(SLEEP, 2, tmp_path)
    await supervisor.start()
    try:
        await started(supervisor)
        before = supervisor.pids
        supervisor.signal(signal.SIGHUP)
        await asyncio.sleep(0.2)
        assert (supervisor.pids, supervisor.restarts) == (before, 0)
    finally:
        await supervisor.stop(5.0)


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    """And counted."""
    supervisor = Supervisor(SLEEP, 1, tmp_path)
    await supervisor.start()
    try:
        await started(supervisor)
        (before,) = supervisor.pids
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(10):
            while not supervisor.pids or supervisor.pids == [before]:
                await asyncio.sleep(0.01)
        assert supervisor.restarts == 1
    finally:
        await supervisor.stop(5.0)


async def test_a_worker_that_is_just_being_started_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes to life after the others were told to stop does not hold the supervisor for ever."""
    create = asyncio.create_subprocess_exec
    going = asyncio.Event()

    async def slowly(*command: str, **options: object) -> asyncio.subprocess.Process:
        await going.wait()
        return await create(*command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    supervisor = Supervisor(SLEEP, 1, tmp_path)
    await supervisor.start()
    await asyncio.sleep(0)
    stop = asyncio.ensure_future(supervisor.stop(5.0))
    await asyncio.sleep(0)
    going.set()
    await asyncio.wait_for(stop, 10)
    assert not supervisor.pids
