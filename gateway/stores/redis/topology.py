"""Where Redis is: standalone and Sentinel. Both are one connection; a Sentinel's is asked for anew when it is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import hiredis

from gateway.stores.redis.call import Call, Endpoint
from gateway.stores.redis.link import DEADLINE, Link
from gateway.stores.redis.scripts import Scripts

MOVED_AWAY = ("READONLY", "MASTERDOWN")
"""Errors of a server that is no longer the one to write to."""


class Single:
    """One server at a time. `resolve` says which, whenever a connection is made."""

    clustered = False

    def __init__(
        self,
        resolve: Callable[[], Awaitable[Endpoint]],
        scripts: Scripts,
        *,
        deadline: float = DEADLINE,
        name: str = "tidegate",
    ) -> None:
        self._scripts = scripts
        self.on_up: Callable[[], None] = _nobody
        self.link = Link(resolve, scripts.loads, name=name, deadline=deadline, on_up=self._came_up)

    def __str__(self) -> str:
        return str(self.link)

    def _came_up(self, _: Link) -> None:
        self.on_up()

    def send(self, slot: int, call: Call) -> None:  # noqa: ARG002  every slot lives here
        self.link.send(call)

    def recover(self, slot: int, call: Call, error: hiredis.ReplyError, link: Link) -> bool:  # noqa: ARG002
        word = str(error).partition(" ")[0]
        if word == "NOSCRIPT" and not call.retried:
            link.again(call, *self._scripts.loads)
            return True
        if word in MOVED_AWAY:
            link.refuse(str(error))
        return False

    @property
    def available(self) -> bool:
        return self.link.available

    async def wait_ready(self, timeout: float) -> bool:
        """Whether there was a connection within `timeout` seconds."""
        return await self.link.wait_ready(timeout)

    async def close(self) -> None:
        await self.link.close()


def _nobody() -> None:
    """Nobody listens yet."""
