"""Group commit: what is handed in while a transaction is under way goes into the next one, together.

A commit costs a wait for the disk, whatever is in it. So in a burst there are few and large ones, and alone one has
its own at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import DataError, SQLAlchemyError

from gateway.accounts.sql.database import Database, Writing
from gateway.tasks import spawn

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST: Final = 500
"""Items of one transaction: it holds the one lock of SQLite for some 10 ms."""


class NotCommitted(Exception):
    """Nothing of it is in the database. The text is for the log."""


class GroupCommit(Generic[Item, Result]):
    def __init__(
        self,
        database: Database,
        who: str,
        work: Callable[[Writing, Sequence[Item]], Sequence[Result]],
        *,
        in_turn: bool = True,
    ) -> None:
        """`work` does all items of one transaction and returns a result for each, in order. `in_turn` is of
        `Database.write`.
        """
        self._database = database
        self._who = who
        self._work = work
        self._in_turn = in_turn
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<GroupCommit {self._who}: {len(self._waiting)} waiting>"

    async def add(self, item: Item) -> Result:
        """Returns once it is committed. Raises NotCommitted."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None:
            self._running = spawn(self._run(), f"commits of {self._who}")
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._commit(batch)
        finally:
            self._running = None
            for _, answer in self._waiting:
                _fail(answer, "it is closing")
            self._waiting = []

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        try:
            results = await self._database.writing(
                self._who, lambda writing: self._work(writing, items), in_turn=self._in_turn
            )
        except DataError as error:
            # One that the database cannot hold must not take the others with it.
            if len(batch) == 1:
                _fail(batch[0][1], type(error).__name__)
            else:
                for one in batch:
                    await self._commit([one])
        except (SQLAlchemyError, RuntimeError) as error:
            # RuntimeError: the threads of a database that is closed take no more work.
            for _, answer in batch:
                _fail(answer, str(getattr(error, "orig", None) or type(error).__name__))
        else:
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.done():
                    answer.set_result(result)
        finally:
            # Only where `work` is broken: that is logged with its traceback, and nobody waits for ever.
            for _, answer in batch:
                _fail(answer, "broken")


def _fail(answer: asyncio.Future[Result], why: str) -> None:
    """Who has left is not told."""
    if not answer.done():
        answer.set_exception(NotCommitted(why))
