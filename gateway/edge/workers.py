"""A small supervisor: it starts worker processes on one address, starts them again when they die, and passes signals
on.

The supervisor holds the address (bound, not listening), so a worker that comes back finds it; the kernel shares
connections out among those that listen. A worker dies with its supervisor.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.tasks import spawn

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
"""prctl(2)"""
RESTART_FIRST, RESTART_LONGEST = 0.1, 5.0
"""Seconds before a worker that died is started again; longer if it dies soon after."""
LIVED = 10.0
"""Seconds after which a worker counts as one that had started well."""


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent does (Linux). For the start of a child."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _ignore_hangup() -> None:
    """A worker that is not ready for SIGHUP yet must not die of it: it is about to read the policies anyway."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


class Supervisor:
    """Keeps `count` workers alive. `command` starts one; `{index}` and `{socket}` in it are filled in."""

    def __init__(self, command: Sequence[str], count: int, runtime: Path, name: str = "worker") -> None:
        self.command = command
        self.count = count
        self.runtime = runtime
        self.name = name
        self.restarts = 0
        self.stopping = False
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def sockets(self) -> list[Path]:
        """Where the workers can be asked."""
        return [self.runtime / f"worker-{index}.sock" for index in range(self.count)]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values() if process.returncode is None]

    async def start(self) -> None:
        self._tasks = [spawn(self._keep(index), name=f"{self.name} {index}") for index in range(self.count)]

    async def _keep(self, index: int) -> None:
        pause = RESTART_FIRST
        clock = asyncio.get_running_loop().time
        while not self.stopping:
            began = clock()
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *[part.format(index=index, socket=self.sockets()[index]) for part in self.command],
                    stdin=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=_ignore_hangup,
                )
            except OSError as error:
                log.error("%s %d cannot be started, it is tried again: %s", self.name, index, error)
                await asyncio.sleep(RESTART_LONGEST)
                continue
            self._processes[index] = process
            if self.stopping:
                # It was on its way while the others were told to stop.
                process.terminate()
            status = await process.wait()
            if self.stopping:
                return
            self.restarts += 1
            pause = RESTART_FIRST if clock() - began > LIVED else min(RESTART_LONGEST, pause * 2)
            log.error("%s %d ended with status %d; it is started again in %.1f s", self.name, index, status, pause)
            await asyncio.sleep(pause)

    def signal(self, number: int) -> None:
        """Pass a signal on to all workers."""
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(number)

    async def stop(self, patience: float) -> None:
        """SIGTERM, and SIGKILL for what is still there after `patience` seconds."""
        self.stopping = True
        self.signal(signal.SIGTERM)
        running = [process.wait() for process in self._processes.values()]
        try:
            await asyncio.wait_for(asyncio.gather(*running), patience)
        except TimeoutError:
            self.signal(signal.SIGKILL)
        await asyncio.gather(*self._tasks, return_exceptions=True)
