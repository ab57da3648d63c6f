"""One question at a time: whoever asks what is being asked already waits for that answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class Flights(Generic[AnswerT]):
    """Questions by their names. What one raises is raised for all who wait for it."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Future[AnswerT | None]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    async def ask(self, name: Hashable, question: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer to the question of that name, from whoever asks first. It is never None."""
        while (flying := self._flying.get(name)) is not None:
            # Shielded: one who waits and leaves takes the answer from nobody.
            answer = await asyncio.shield(flying)
            if answer is not None:
                return answer
            # Whoever asked has left without it.
        flying = self._flying[name] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await question()
        except Exception as error:
            flying.set_exception(error)
            # Somebody has it, who asked: where nobody waits it is no surprise.
            flying.exception()
            raise
        else:
            return answer
        finally:
            del self._flying[name]
            if not flying.done():
                flying.set_result(answer)
