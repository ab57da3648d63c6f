"""Processes in which drafts of policies are tried: at most two at once, each given up when its time is over.

The event loop of the operators' port only waits here. A process stays for the next question, since what takes
long is to start it; one that hangs, or that a draft broke, is killed, and the next question starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

AT_ONCE: Final = 2
WAITING: Final = 6
"""Questions that wait for a process; more are refused at once."""
LONGEST_LINE: Final = 32 * 2**20
"""Bytes of an answer."""

Tell = Callable[[float], None]


class Busy(Exception):
    """Too many ask at once. The text is for people."""


class GivenUp(Exception):
    """There was no answer in time, or the process ended. The text is for people."""


class Workshop:
    """Made on a running loop; `close` ends all processes."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._idle: list[_Process] = []
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = waiting
        self._asking = 0
        self._at_once = at_once
        self._all: set[_Process] = set()
        self._warming = False

    async def ask(self, question: Mapping[str, Any], limit: float, tell: Tell | None = None) -> dict[str, Any]:
        """The answer of a bench within `limit` seconds, of its work alone. Raises Busy and GivenUp."""
        if self._asking >= self._at_once + self._waiting:
            raise Busy("too many checks are under way: try again in a moment")
        self._asking += 1
        try:
            async with self._turns:
                return await self._ask(question, limit, tell or _nobody)
        finally:
            self._asking -= 1

    async def _ask(self, question: Mapping[str, Any], limit: float, tell: Tell) -> dict[str, Any]:
        process = self._idle.pop() if self._idle else await self._start()
        try:
            async with asyncio.timeout(limit):
                answer = await process.ask(orjson.dumps(question), tell)
        except TimeoutError:
            await self._end(process)
            raise GivenUp(f"no answer within {limit:g} s: it was given up") from None
        except BaseException:
            # Whoever asked has gone, or the process has: its answer belongs to nobody.
            await self._end(process)
            raise
        self._idle.append(process)
        return answer

    async def warm(self) -> None:
        """Have one process ready: whoever opens the editor asks soon."""
        if self._idle or self._asking or self._warming:
            return
        self._warming = True
        try:
            self._idle.append(await self._start())
        finally:
            self._warming = False

    async def close(self) -> None:
        self._idle.clear()
        for process in list(self._all):
            await self._end(process)

    async def _start(self) -> _Process:
        process = await _Process.start()
        self._all.add(process)
        return process

    async def _end(self, process: _Process) -> None:
        self._all.discard(process)
        await asyncio.shield(process.end())


class _Process:
    """One bench, and the folder that it works in."""

    def __init__(self, process: asyncio.subprocess.Process, work: Path) -> None:
        self._process = process
        self._work = work

    @classmethod
    async def start(cls) -> _Process:
        work = Path(tempfile.mkdtemp(prefix="tidegate-bench-"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.control.rules_files.bench", str(work),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE,
        )  # fmt: skip
        return cls(process, work)

    async def ask(self, question: bytes, tell: Tell) -> dict[str, Any]:
        """Raises GivenUp where the process ends before it has answered."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise GivenUp("the process could not be started")
        try:
            stdin.write(question + b"\n")
            await stdin.drain()
            async for line in stdout:
                said = orjson.loads(line)
                if "result" in said:
                    return dict(said["result"])
                if "error" in said:
                    raise GivenUp(str(said["error"]))
                tell(float(said["progress"]))
        except (ConnectionError, ValueError) as error:
            raise GivenUp(f"the process was lost: {error}") from error
        raise GivenUp("the process ended before it had an answer: perhaps memory was short")

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._work, ignore_errors=True)


def _nobody(_: float) -> None:
    """Who does not want to know how far it is."""
