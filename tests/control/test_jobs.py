"""Jobs: their turn, their owner, their end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.control.jobs import KEPT, WAITING, Busy, Failed, Jobs, State, Tell, in_process


class Work:
    """Waits until it is told to end."""

    def __init__(self, result: Any = None) -> None:
        self.go = asyncio.Event()
        self.result = result
        self.began = self.cancelled = False

    async def __call__(self, tell: Tell) -> dict[str, Any]:
        self.began = True
        tell(0.5)
        tell(0.2)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return {"answer": 42}


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_two_at_once_and_the_rest_waits() -> None:
    """In the order in which they came; too many are refused."""
    jobs, works = Jobs(lambda: 1.0), [Work() for _ in range(2 + WAITING)]
    made = []
    for work in works:
        made.append(jobs.start("x", "me", work))
        await turn()
    assert [work.began for work in works] == [True, True, *[False] * WAITING]
    with pytest.raises(Busy):
        jobs.start("x", "me", Work())
    works[1].go.set()
    await turn()
    assert [job.state for job in made[:4]] == [State.RUNNING, State.DONE, State.RUNNING, State.WAITING]
    assert (made[0].progress, made[1].progress, made[1].result) == (0.5, 1.0, {"answer": 42})
    await jobs.close()
    assert works[0].cancelled


@pytest.mark.parametrize(
    ("raised", "error"), [(Failed("no log"), "no log"), (KeyError("x"), "it crashed")], ids=["in words", "a crash"]
)
async def test_what_fails_says_why(raised: Exception, error: str) -> None:
    """A crash is in the log, and its text is not told."""
    jobs, work = Jobs(lambda: 1.0), Work(raised)
    job = jobs.start("x", "me", work)
    work.go.set()
    await turn()
    assert (job.state, job.error.startswith(error), job.result) == (State.FAILED, True, None)


async def test_only_its_owner_and_only_for_a_while() -> None:
    """Forgotten ten minutes after its end; one that runs is not."""
    now = [1000.0]
    jobs, work = Jobs(lambda: now[0]), Work()
    job, other = jobs.start("x", "me", work), jobs.start("x", "me", Work())
    await turn()
    work.go.set()
    await turn()
    assert (jobs.of(job.id, "me"), jobs.of(job.id, "you")) == (job, None)
    now[0] += KEPT + 1
    assert (jobs.of(job.id, "me"), jobs.of(other.id, "me")) == (None, other)
    await jobs.cancel(other)
    assert other.state is State.CANCELLED


async def test_a_process_that_says_nothing_has_failed() -> None:
    """As one does that was killed for want of memory."""
    with pytest.raises(Failed, match="status 2"):
        await in_process(("quota", "rehearse", "--no-such-option"), {}, lambda _: None)


async def test_a_process_says_what_is_wrong() -> None:
    """In words."""
    with pytest.raises(Failed, match="it cannot be told"):
        await in_process(("quota", "rehearse"), {"before": [{}]}, lambda _: None)
