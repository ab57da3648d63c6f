"""How the supervisor asks its workers often: one connection each, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import orjson

WITHIN: Final = 1.0
"""Seconds for an answer; a worker that is too busy for it is left out this time."""


class Told(NamedTuple):
    """What a worker answered."""

    worker: str
    """Its place: `worker-0`. Another process may have it by the next time."""
    content: dict[str, Any]


class Lines:
    """`sockets` are those of the workers there should be. Opened when first used; to be closed."""

    def __init__(self, sockets: Callable[[], Sequence[Path]]) -> None:
        self.sockets = sockets
        self._sessions: dict[Path, aiohttp.ClientSession] = {}

    async def ask(self, target: str | Callable[[str], str]) -> list[Told]:
        """Of those that answer with 200. A target may depend on the worker."""
        paths = self.sockets()
        targets = [target if isinstance(target, str) else target(path.stem) for path in paths]
        answers = await asyncio.gather(*map(self._ask, paths, targets))
        return [Told(path.stem, content) for path, content in zip(paths, answers, strict=True) if content is not None]

    async def _ask(self, path: Path, target: str) -> dict[str, Any] | None:
        session = self._sessions.get(path)
        if session is None:
            timeout = aiohttp.ClientTimeout(total=WITHIN)
            connector = aiohttp.UnixConnector(str(path), limit=4)
            session = self._sessions[path] = aiohttp.ClientSession(connector=connector, timeout=timeout)
        try:
            async with session.get(f"http://worker{target}") as answer:
                content = await answer.read()
                if answer.status != 200:
                    return None
                told: dict[str, Any] = orjson.loads(content)
                return told
        except (TimeoutError, aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return None

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        await asyncio.gather(*(session.close() for session in sessions.values()))
