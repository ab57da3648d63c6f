"""The workers of one supervisor, asked and told over their unix sockets."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import orjson

from gateway.feeds.verdicts import LEADER, STATE, states_of
from gateway.fleet_stream import AWAY
from gateway.rules.whole import Whole

ANSWER_WITHIN: Final = 2.0
"""Seconds for a worker's answer; one that is too busy for it counts as not ready."""
LOAD_WITHIN: Final = 30.0
"""Seconds to load a whole."""


class Said(enum.Enum):
    """What a worker answered to a step of a change."""

    DONE = "done"
    REFUSED = "refused"
    """It cannot: the problems say why."""
    ABSENT = "absent"
    """It is starting, or dead: it will load what is in force then."""
    SILENT = "silent"
    """It is there and does not answer, or it has gone since it was asked: maybe it died of what it was to load."""


class Answer(NamedTuple):
    """Of one worker."""

    worker: str
    said: Said
    problems: tuple[str, ...] = ()


class Fleet:
    """All of them."""

    def __init__(self, sockets: Callable[[], Sequence[Path]], restarts: Callable[[], int]) -> None:
        self.sockets = sockets
        self.restarts = restarts

    async def snapshots(self) -> list[dict[str, Any]]:
        """Of the workers that answer."""
        answers = await asyncio.gather(*(_ask(path, "GET", "/snapshot") for path in self.sockets()))
        return [content for status, content in answers if status == 200]

    async def versions(self) -> dict[str, tuple[int, str]]:
        """Worker -> what it serves by; of the workers that answer."""
        paths = self.sockets()
        answers = await asyncio.gather(*(_ask(path, "GET", "/ruleset") for path in paths))
        return {
            path.stem: (content["generation"], content["digest"])
            for path, (status, content) in zip(paths, answers, strict=True)
            if status == 200
        }

    async def prepare(self, whole: Whole, only: str = "") -> list[Answer]:
        """The first phase, on all workers or one: load it and say whether it can be."""
        sockets = [socket for socket in self.sockets() if only in ("", socket.stem)]
        return list(await asyncio.gather(*(_prepare(socket, whole) for socket in sockets)))

    async def commit(self, whole: Whole, only: str = "") -> list[Answer]:
        """The second: serve by it."""
        return await self._tell("/ruleset/commit", whole, ANSWER_WITHIN, only)

    async def discard(self, whole: Whole) -> list[Answer]:
        """Or forget it."""
        return await self._tell("/ruleset/discard", whole, ANSWER_WITHIN, "")

    async def _tell(self, path: str, whole: Whole, limit: float, only: str) -> list[Answer]:
        told = _told(whole)
        sockets = [socket for socket in self.sockets() if only in ("", socket.stem)]
        answers = await asyncio.gather(*(_ask(socket, "POST", path, told, limit) for socket in sockets))
        return [_answer(socket.stem, *answer) for socket, answer in zip(sockets, answers, strict=True)]


async def detectors(redis: Any, now: float) -> list[dict[str, Any]]:
    """How each of the fleet's detectors is, who tells first; none where Redis does not answer. `now` is Unix time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            found, leader = await asyncio.gather(redis.hgetall(STATE), redis.get(LEADER))
    except AWAY:
        return []
    return states_of(found, leader, now)


async def _prepare(socket: Path, whole: Whole) -> Answer:
    """Who is asked to load may take its time; who hangs is found out before, so that it holds up nobody for long."""
    status, _ = await _ask(socket, "GET", "/ruleset", limit=ANSWER_WITHIN)
    if status != 200:
        return _answer(socket.stem, status, {})
    return _answer(socket.stem, *await _ask(socket, "POST", "/ruleset/prepare", _told(whole), LOAD_WITHIN))


def _told(whole: Whole) -> dict[str, Any]:
    return {"folder": str(whole.folder), "generation": whole.generation, "digest": whole.digest}


def _answer(worker: str, status: int, content: Mapping[str, Any]) -> Answer:
    if status == 200:
        return Answer(worker, Said.DONE)
    if status == 503:
        return Answer(worker, Said.ABSENT)
    if status == 502:
        return Answer(worker, Said.SILENT, ("it ended, or closed, before it answered",))
    if status == 504:
        return Answer(worker, Said.SILENT, ("it does not answer",))
    problems = content.get("problems") or [content.get("error") or f"status {status}"]
    return Answer(worker, Said.REFUSED, tuple(str(problem) for problem in problems))


async def _ask(
    path: Path, method: str, target: str, told: Mapping[str, Any] | None = None, limit: float = ANSWER_WITHIN
) -> tuple[int, dict[str, Any]]:
    """Status and content; 503 where nobody is there, 504 where nobody answers, 502 where somebody left while asked."""
    timeout = aiohttp.ClientTimeout(total=limit)
    data = orjson.dumps(told) if told is not None else None
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.request(method, f"http://worker{target}", data=data) as answer,
        ):
            content = await answer.read()
            return answer.status, orjson.loads(content) if answer.content_type == "application/json" else {}
    except TimeoutError:
        return 504, {}
    except aiohttp.ClientConnectorError:
        return 503, {}
    except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
        return 502, {}
