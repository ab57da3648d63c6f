"""What a worker does about overrides: reads them before it serves, follows them, says which it holds, and brings the
rules into shadow and out of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from redis.asyncio import Redis

from gateway.accounts.overrides_follow import OverridesFollower
from gateway.accounts.overrides_kept import KeptOverrides
from gateway.accounts.overrides_told import Telling
from gateway.accounts.sql.database import Database
from gateway.app.clocks import wall
from gateway.control.in_force import InForce
from gateway.control.limits.applied import HELD
from gateway.overrides.live import LiveOverrides
from gateway.rules.problems import Problems
from gateway.tasks import is_cancelled

KEPT: Final = "overrides-last-good.json"
"""In the folder of the running gateway, beside the last good accounts."""
AGAIN: Final = 1.0
"""Seconds after rules could not be loaded."""

log = logging.getLogger(__name__)


def gateway_name(supervisor: int) -> str:
    """What a gateway is called in the fleet, by the process id of its supervisor."""
    return f"{socket.gethostname()}:{supervisor}"


class Overriding:
    """For one worker. `live` is for policies. Without a database (`follow` was not called) nothing ever holds."""

    def __init__(self, rules: InForce, worker: str) -> None:
        self.live = LiveOverrides()
        self._rules = rules
        self._worker = worker or str(os.getpid())
        self._renew = asyncio.Event()
        self._follower: OverridesFollower | None = None
        self._telling: Telling | None = None
        self._all = (0, 0.0)

    async def begin(self, database: Database, redis: Redis, runtime: Path) -> None:
        """Before the first rules are loaded: what holds, and whether all is in shadow."""
        self._telling = Telling(redis, gateway_name(os.getppid()), self._worker, self._held, wall)
        self._follower = OverridesFollower(database, KeptOverrides(runtime / KEPT), self.live, wall, self._swapped)
        await self._follower.begin()
        self._rules.shadowed = self.live.whole.shadowed

    def changed(self) -> None:
        """For the follower of the directory: what operators have set may be other than it was."""
        if self._follower is not None:
            self._follower.changed()

    def runs(self) -> list[Awaitable[None]]:
        """What goes on until the worker ends."""
        if self._follower is None or self._telling is None:
            return []
        return [self._follower.run(), self._telling.run(), self._shadow()]

    def snapshot(self) -> dict[str, Any]:
        revision, at = self._held()
        kinds = Counter(one.kind.value for one in self.live.whole.all)
        return {"worker": self._worker, "revision": revision, "count": kinds.total(), "kinds": dict(kinds), "at": at}

    def add_to(self, app: web.Application) -> None:
        """To the door: which overrides are held here, asked again and again while somebody waits for a change."""
        app.router.add_get(HELD, self._answer)

    async def _answer(self, _: web.Request) -> web.Response:
        revision, at = self._held()
        content = orjson.dumps({"revision": revision, "at": at})
        return web.Response(body=content, content_type="application/json")

    async def leave(self) -> None:
        """The worker ends: nobody is to wait for it."""
        if self._telling is not None:
            await self._telling.leave()

    def _held(self) -> tuple[int, float]:
        """What all of this worker goes by: what has its rules still on their way into shadow is not held yet."""
        if self._follower is not None and self._rules.is_renewed():
            self._all = (self.live.whole.revision, self._follower.at)
        return self._all

    def _swapped(self) -> None:
        self._rules.shadowed = self.live.whole.shadowed
        self._renew.set()
        if self._telling is not None:
            self._telling.swapped()

    async def _shadow(self) -> None:
        """Until cancelled. A commit may come in between, too: so it looks now and then."""
        while not is_cancelled():
            self._renew.clear()
            if not self._rules.is_renewed():
                try:
                    await self._rules.renew()
                    log.warning("rules are %s", "in shadow, but who is asking" if self._rules.shadowed else "enforced")
                    self._swapped()
                except Problems as problems:
                    log.error("rules cannot be loaded to bring them into shadow or out of it: %s", problems)
                    await asyncio.sleep(AGAIN)
                    continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN / 2):
                    await self._renew.wait()
