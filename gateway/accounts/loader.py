"""Questions that memory cannot answer, put together: one batch is under way at a time, the next gathers meanwhile.

So a thousand requests for one cold account cost one query, and a flood of names that do not exist costs one query at a
time. Nobody waits longer than the deadline; a database that hangs, or has just failed, is not waited for at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.directory import DirectoryUnavailable
from gateway.accounts.outage import Outage, said
from gateway.tasks import spawn

N = TypeVar("N")
R = TypeVar("R")

BATCH: Final = 500
"""Names. Below the number of parameters that either database takes in a statement."""
WAITING: Final = 20_000
"""Names that may wait for the next batch: some seconds of a flood, some MB."""
DEADLINE: Final = 2.0
PAUSE: Final = 0.1
"""Seconds after a failure in which nobody asks again: a failed connection costs more than a good answer."""


class Loader(Generic[N, R]):
    """`read` gets a batch of names and answers all of them. It may raise SQLAlchemyError: the database is away then."""

    def __init__(
        self,
        read: Callable[[tuple[N, ...]], Awaitable[Mapping[N, R]]],
        outage: Outage,
        *,
        batch: int = BATCH,
        waiting: int = WAITING,
        deadline: float = DEADLINE,
        pause: float = PAUSE,
    ) -> None:
        self._read = read
        self._outage = outage
        self._batch = batch
        self._bound = waiting
        self._deadline = deadline
        self._pause = pause
        self._waiting: dict[N, asyncio.Future[R]] = {}
        self._under_way: dict[N, asyncio.Future[R]] = {}
        self._began = 0.0
        self._failed_until = 0.0
        self._worker: asyncio.Task[None] | None = None
        self.batches = 0
        self.loaded = 0
        """Names that were answered."""

    def __repr__(self) -> str:
        return f"<Loader {len(self._under_way)} under way, {len(self._waiting)} waiting, {self.batches} batches>"

    async def load(self, name: N) -> R:
        """Raises DirectoryUnavailable."""
        now = asyncio.get_running_loop().time()
        if self._worker is not None and now - self._began >= self._deadline:
            raise DirectoryUnavailable("the database does not answer")
        answer = self._under_way.get(name) or self._waiting.get(name)
        if answer is None:
            answer = self._enqueue(name, now)
        try:
            async with asyncio.timeout(self._deadline):
                # Shielded: others wait for the same answer.
                return await asyncio.shield(answer)
        except TimeoutError:
            raise DirectoryUnavailable(f"no answer within {self._deadline:g} s") from None

    def part(self) -> None:
        """Something has changed: who asks from now on does not get what the batch that is under way may have read
        before it.
        """
        self._under_way = {}

    async def close(self) -> None:
        """Whoever waits is told that nobody comes."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        self._fail(self._waiting, "closed")

    def _enqueue(self, name: N, now: float) -> asyncio.Future[R]:
        if now < self._failed_until:
            raise DirectoryUnavailable("the database has just failed")
        if len(self._waiting) >= self._bound:
            raise DirectoryUnavailable("too many wait for the database")
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting[name] = answer
        if self._worker is None:
            self._began = now
            self._worker = spawn(self._work(), "directory loader")
        return answer

    async def _work(self) -> None:
        """Until nobody waits."""
        try:
            while self._waiting:
                await self._take_batch()
        finally:
            self._worker = None

    async def _take_batch(self) -> None:
        names = tuple(name for name, _ in zip(self._waiting, range(self._batch), strict=False))
        batch = {name: self._waiting.pop(name) for name in names}
        self._under_way = batch
        self._began = asyncio.get_running_loop().time()
        self.batches += 1
        error = "the lookup broke"
        try:
            found = await self._read(names)
            self._outage.ends()
            for name, answer in batch.items():
                if not answer.done():
                    answer.set_result(found[name])
            self.loaded += len(names)
        except SQLAlchemyError as failure:
            error = said(failure)
            self._outage.begins(error)
            self._failed_until = asyncio.get_running_loop().time() + self._pause
            self._fail(self._waiting, error)
        finally:
            self._under_way = {}
            self._fail(batch, error)  # Whatever went wrong, nobody is left waiting.

    @staticmethod
    def _fail(waiting: dict[N, asyncio.Future[R]], error: str) -> None:
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(DirectoryUnavailable(error))
                answer.exception()  # Its waiters may have gone: that nobody looks is no mistake.
        waiting.clear()
