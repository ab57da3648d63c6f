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
ASKED_WITHIN: Final = 0.5
"""Seconds for one worker's answer."""


class Holds(NamedTuple):
    """What one worker holds. `revision` -1 where it did not answer."""

    gateway: str
    worker: str
    revision: int
    at: float | None
    """Unix time since when."""


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
        others: Sequence[Holds] = ()
        note = ""
        while True:
            # Redis that is away is not waited for again and again: what our own workers hold is known without it.
            ours, (others, note) = await asyncio.gather(self._ours(), _same(others, note) if note else self._asked())
            known = [*ours, *others]
            missing = [one for one in known if one.revision < revision]
            spent = self._clock() - began
            if not missing or spent >= self._within:
                break
            await asyncio.sleep(self._every)
        if not known:
            note = "no worker is known"
        done = bool(known) and not missing
        return {
            "applied": done,
            "revision": revision,
            "workers": [one._asdict() for one in known if one.revision >= revision],
            "missing": [{"gateway": one.gateway, "worker": one.worker} for one in missing],
            "within": round(spent, 3) if not missing and known else None,
            "note": note,
        }

    async def _asked(self) -> tuple[Sequence[Holds], str]:
        try:
            return await self._others(), ""
        except AWAY:
            return (), "Redis is away: workers of other gateways could not be asked, and hold it when they read it next"


async def _same(others: Sequence[Holds], note: str) -> tuple[Sequence[Holds], str]:
    return others, note


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
            session.get("http://worker/snapshot") as answer,
        ):
            content = orjson.loads(await answer.read())
            held = content["overrides"]
            return Holds(gateway, path.stem, int(held["revision"]), held.get("at"))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError):
        return Holds(gateway, path.stem, -1, None)
