"""The server under the operators' port: so many connections and no more, and none is held by who sends nothing.

aiohttp ends a connection whose next head is not whole within its keep-alive time, however slowly that arrives; content
has its own bound (`content.WITHIN`). Here is the bound of their number: a new connection takes the place of the oldest
one by which nobody has proved who they are, so strangers who hold all of them keep no operator out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from gateway.control.access.guard import PROVED

HEAD_WITHIN: Final = 15.0
"""Seconds for a head, and for which an idle connection is kept."""
MOST: Final = 512
"""Connections."""


class Runner(web.AppRunner):
    """As `web.AppRunner`, bounded. For sites that are given `runner.server`."""

    def __init__(
        self, app: web.Application, *, most: int = MOST, head_within: float = HEAD_WITHIN, shutdown_timeout: float = 2.0
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=head_within,
            lingering_time=2.0,
            shutdown_timeout=shutdown_timeout,
        )
        self._most = most
        self._proved: set[web.RequestHandler] = set()
        app[PROVED] = self._proved

    @property
    def server(self) -> Any:
        """Makes the protocol of each new connection."""
        made = super().server
        return _Bounded(made, self._most, self._proved) if made is not None else None


class _Bounded:
    def __init__(self, server: web.Server, most: int, proved: set[web.RequestHandler]) -> None:
        self._server = server
        self._most = most
        self._proved = proved
        self.request_handler: Callable[..., Any] = server.request_handler

    def __call__(self) -> web.RequestHandler:
        there = [one for one in self._server.connections if one.transport is not None]
        if len(self._proved) > self._most or len(there) >= self._most:
            self._proved.intersection_update(there)
        if len(there) >= self._most:
            next((one for one in there if one not in self._proved), there[0]).force_close()
        return self._server()
