"""Long work that somebody on the operators' port asked for: started, watched, ended, forgotten.

    jobs = Jobs(wall)                                   # one for the port; `jobs.operations()` are its routes
    job = jobs.start("preview", operator_of(request), work)     # raises Busy: answer 429
    return told({"job": job.id}, 202)

`work` is a coroutine function that is given `tell`, called with the share that is done (0 to 1). What it returns is the
job's result, as JSON has it. It raises Failed with a sentence for people; cancelling the job cancels it. For what takes
a processor there is `in_process`: a command of its own, that is given JSON on standard input and writes lines of JSON.

A job is its owner's alone: nobody else sees that it is there. It is forgotten ten minutes after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from gateway.control.access.roles import Permission
from gateway.control.operations import OPERATOR, Operation
from gateway.tasks import spawn

AT_ONCE: Final = 2
"""Jobs that run; the others wait for their turn."""
WAITING: Final = 8
KEPT: Final = 600.0
"""Seconds for which what has ended can be asked for."""
MOST_ENDED: Final = 50
"""Of those that have ended: the oldest go."""
LONGEST: Final = 900.0
"""Seconds that a job may run."""
LONGEST_LINE: Final = 16 * 2**20
"""Bytes of one line that a process writes: its result is one."""

Tell = Callable[[float], None]
Work = Callable[[Tell], Awaitable[dict[str, Any]]]


class State(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Busy(Exception):
    """Too many wait already. The text is for people."""


class Failed(Exception):
    """The work cannot be done. The text is for people."""


@dataclass(slots=True)
class Job:
    """One. `ended` is 0 while it has not."""

    id: str
    kind: str
    owner: str
    started: float
    """Unix time; as `ended`."""
    state: State = State.WAITING
    progress: float = 0.0
    result: dict[str, Any] | None = None
    error: str = ""
    ended: float = 0.0
    task: asyncio.Task[dict[str, Any]] | None = field(default=None, repr=False)


class JobShown(BaseModel):
    """A job as it is told of. `result` is there when it is done, `error` when it has failed."""

    job: str
    kind: str
    state: State
    progress: float = Field(ge=0, le=1)
    started: float
    ended: float | None
    error: str
    result: dict[str, Any] | None = None


class JobsShown(BaseModel):
    """Without their results."""

    jobs: list[JobShown]


class Jobs:
    """All of one port. Made on a running loop; `close` ends those that run."""

    def __init__(self, now: Callable[[], float], *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._now = now
        self._jobs: dict[str, Job] = {}
        self._waiting = waiting
        self._turns = asyncio.Semaphore(at_once)

    def start(self, kind: str, owner: str, work: Work) -> Job:
        """It runs when it is its turn. Raises Busy."""
        self._forget()
        if sum(job.state is State.WAITING for job in self._jobs.values()) >= self._waiting:
            raise Busy(f"{self._waiting} jobs wait for their turn already: try again when one has ended")
        job = Job(secrets.token_urlsafe(12), kind, owner, self._now())
        self._jobs[job.id] = job
        job.task = spawn(self._run(job, work), f"{kind} {job.id}")
        job.task.add_done_callback(partial(self._ended, job))
        return job

    def of(self, job: str, owner: str) -> Job | None:
        """None where there is none of this owner's."""
        self._forget()
        found = self._jobs.get(job)
        return found if found is not None and found.owner == owner else None

    async def cancel(self, job: Job) -> None:
        """Returns when it has ended. One that has ended already stays as it is."""
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait((job.task,))

    async def close(self) -> None:
        await asyncio.gather(*(self.cancel(job) for job in self._jobs.values()))

    async def _run(self, job: Job, work: Work) -> dict[str, Any]:
        async with self._turns:
            job.state = State.RUNNING
            try:
                async with asyncio.timeout(LONGEST):
                    return await work(partial(_tell, job))
            except Failed as error:
                job.error = str(error)
            except TimeoutError:
                job.error = f"it took more than {LONGEST / 60:g} minutes and was ended"
            return {}

    def _ended(self, job: Job, task: asyncio.Task[dict[str, Any]]) -> None:
        job.ended = self._now()
        if task.cancelled():
            job.state = State.CANCELLED
        elif task.exception() is not None:
            job.state, job.error = State.FAILED, "it crashed: the log of the gateway says where"
        elif job.error:
            job.state = State.FAILED
        else:
            job.state, job.progress, job.result = State.DONE, 1.0, task.result()

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.ended]
        ended.sort(key=lambda job: job.ended, reverse=True)
        for place, job in enumerate(ended):
            if place >= MOST_ENDED or self._now() - job.ended > KEPT:
                del self._jobs[job.id]

    # -- the port ---------------------------------------------------------------------------------------------------

    def operations(self) -> list[Operation]:
        """GET /jobs, GET /jobs/{id}, DELETE /jobs/{id}."""
        gone = {404: "there is no such job of yours: it is forgotten ten minutes after its end"}
        return [
            Operation("GET", "/jobs", self._list, Permission.LOOK, "Your jobs, the newest first.", answer=JobsShown),
            Operation(
                "GET", "/jobs/{id}", self._show, Permission.LOOK,
                "One of your jobs: how far it is, and what came of it.", answer=JobShown, errors=gone,
            ),
            Operation(
                "DELETE", "/jobs/{id}", self._cancel, Permission.LOOK, "End one of your jobs.",
                answer=JobShown, errors=gone, own=True,
            ),
        ]  # fmt: skip

    async def _list(self, request: web.Request) -> web.Response:
        self._forget()
        mine = [job for job in reversed(self._jobs.values()) if job.owner == owner_of(request)]
        return _answer({"jobs": [shown(job) | {"result": None} for job in mine]})

    async def _show(self, request: web.Request) -> web.Response:
        job = self.of(request.match_info["id"], owner_of(request))
        return _GONE() if job is None else _answer(shown(job))

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.of(request.match_info["id"], owner_of(request))
        if job is None:
            return _GONE()
        await self.cancel(job)
        return _answer(shown(job))


def owner_of(request: web.Request) -> str:
    """What a credential proved: a name that a caller states beside it opens no job. With the role: what came of a job
    is what its owner might see when it began, and who has another role since, or another's old name, may see less.
    """
    operator = request.get(OPERATOR)
    return f"{operator.role} {operator.name}" if operator is not None else "nobody"


def shown(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        "started": job.started,
        "ended": job.ended or None,
        "error": job.error,
        "result": job.result,
    }


def _tell(job: Job, share: float) -> None:
    """Never back, whatever is told."""
    job.progress = max(job.progress, min(1.0, share))


def _answer(content: Mapping[str, Any], status: int = 200) -> web.Response:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


_GONE: Final = partial(_answer, {"error": "there is no such job of yours, or it is forgotten"}, 404)


# -- in a process of its own ------------------------------------------------------------------------------------------


async def in_process(arguments: Sequence[str], content: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Run `python -m gateway ARGUMENTS… --parent PID` with `content` as JSON on its standard input.

    It writes lines of JSON: `{"progress": 0.5}` as often as it likes, then `{"result": {…}}` or `{"error": "…"}`.
    Whoever cancels this kills it. It sees to its own niceness and memory, and that it ends with its parent.
    Raises Failed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, "--parent", str(os.getpid()),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True, limit=LONGEST_LINE,
    )  # fmt: skip
    try:
        return await _heard(process, orjson.dumps(content), tell)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _heard(process: asyncio.subprocess.Process, content: bytes, tell: Tell) -> dict[str, Any]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise Failed("the process could not be started")
    with contextlib.suppress(ConnectionError):  # It ended before it had read: what it said of that comes now.
        stdin.write(content)
        await stdin.drain()
    stdin.close()
    try:
        async for line in stdout:
            said = orjson.loads(line)
            if "result" in said:
                return dict(said["result"])
            if "error" in said:
                raise Failed(str(said["error"]))
            tell(float(said["progress"]))
    except ValueError as error:
        raise Failed("the process said what cannot be read") from error
    status = await process.wait()
    raise Failed(f"the process ended with status {status} before it had an answer: perhaps memory was short")
