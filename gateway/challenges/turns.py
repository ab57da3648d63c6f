"""One after the other, by name."""

from __future__ import annotations

import asyncio


class Turn:
    """Held by one at a time in all that have its name; forgotten when nobody wants it any more."""

    def __init__(self, turns: dict[str, tuple[asyncio.Lock, int]], name: str) -> None:
        self._turns = turns
        self._name = name

    async def __aenter__(self) -> None:
        lock, wanted = self._turns.get(self._name) or (asyncio.Lock(), 0)
        self._turns[self._name] = lock, wanted + 1
        try:
            await lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._turns[self._name][0].release()
        self._leave()

    def _leave(self) -> None:
        lock, wanted = self._turns[self._name]
        if wanted > 1:
            self._turns[self._name] = lock, wanted - 1
        else:
            del self._turns[self._name]
