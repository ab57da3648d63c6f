"""That a change is in force, as a fact: every worker is asked which overrides it holds.

Those of this gateway over their unix sockets; those of others through what they tell in Redis (`overrides_told`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import orjson

from gateway.accounts.overrides_told import AWAY, Told, told

WITHIN: Final = 1.0
"""Seconds for all."""
EVERY: Final = 0.02
"""Seconds between two looks."""
HELD: Final = "/overrides"
"""Where a worker says it, on its socket: {"revision": 17, "at": 1800000000.5}."""
ASKED_WITHIN: Final = 0.5
"""Seconds for one worker's answer."""


class Holds(NamedTuple):
    """What one worker holds. `revision` -1 where it did not answer."""

    gateway: str
    worker: str
    revision: int
    at: float | None
    """Unix time since when."""


REDIS_AWAY: Final = "Redis is away: workers of other gateways could not be asked, and hold it when they read it next"

Look = Callable[[], Awaitable[Sequence[Holds]]]


class Applied:
    """`ours` and `others` say what workers hold now; `others` raises one of AWAY where it cannot be asked."""

    def __init__(
        self,
        ours: Look,
        others: Look,
        clock: Callable[[], float],
        *,
        within: float = WITHIN,
        every: float = EVERY,
    ) -> None:
        """`clock` counts seconds."""
        self._ours = ours
        self._others = others
        self._clock = clock
        self._within = within
        self._every = every

    async def wait(self, revision: int) -> dict[str, Any]:
        """Until all hold that revision or a later one; a second at most. As shapes.AppliedShown."""
        began = self._clock()
        # Each for itself: a Redis that hangs says nothing of when our own workers held it.
        ours, others = await asyncio.gather(
            self._until(self._ours, revision, began), self._until(self._others, revision, began)
        )
        known = [*ours.known, *others.known]
        missing = [one for one in known if one.revision < revision]
        done = bool(known) and not missing
        note = REDIS_AWAY if others.away else ""
        return {
            "applied": done,
            "revision": revision,
            "workers": [one._asdict() for one in known if one.revision >= revision],
            "missing": [{"gateway": one.gateway, "worker": one.worker} for one in missing],
            "within": round(max(one.spent for one in (ours, others) if one.known), 3) if done else None,
            "note": note if known else "no worker is known",
        }

    async def _until(self, look: Look, revision: int, began: float) -> _Seen:
        """Until all whom it sees hold that revision, or time is up."""
        while True:
            try:
                known = await look()
            except AWAY:
                # It is not waited for again and again: what our own workers hold is known without it.
                return _Seen((), self._clock() - began, away=True)
            spent = self._clock() - began
            if spent >= self._within or all(one.revision >= revision for one in known):
                return _Seen(known, spent)
            await asyncio.sleep(self._every)


class _Seen(NamedTuple):
    known: Sequence[Holds]
    spent: float
    away: bool = False


def by_sockets(sockets: Callable[[], Sequence[Path]], gateway: str) -> Look:
    """The workers of this gateway."""

    async def look() -> Sequence[Holds]:
        return await asyncio.gather(*(_ask(path, gateway) for path in sockets()))

    return look


def by_redis(redis: Any, gateway: str, now: Callable[[], float]) -> Look:
    """The workers of all other gateways."""

    async def look() -> Sequence[Holds]:
        async with asyncio.timeout(ASKED_WITHIN):
            found: list[Told] = await told(redis, now())
        return [Holds(one.gateway, one.worker, one.revision, one.at) for one in found if one.gateway != gateway]

    return look


async def _ask(path: Path, gateway: str) -> Holds:
    timeout = aiohttp.ClientTimeout(total=ASKED_WITHIN)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get(f"http://worker{HELD}") as answer,
        ):
            held = orjson.loads(await answer.read())
            return Holds(gateway, path.stem, int(held["revision"]), held.get("at"))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError):
        return Holds(gateway, path.stem, -1, None)
