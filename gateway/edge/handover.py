"""The gateway's own pages on the callers' port: aiohttp serves them on the same socket.

Measured to cost the other requests nothing. Every such answer closes its connection, since after the hand-over nobody
would read a proxied request on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler


async def _close_after(_: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    # The field was settled before this hook is asked.
    response.headers["Connection"] = "close"


class Pages:
    """An aiohttp application that takes over connections."""

    def __init__(self, application: web.Application) -> None:
        application.on_response_prepare.append(_close_after)
        # Without handler_cancellation aiohttp does not notice a client that leaves in mid-answer.
        # And it would unpack contents before anybody has looked at them: webhooks are signed as they came, and 16 KiB
        # of a form can be 16 MiB.
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, auto_decompress=False)
        self._protocol: Callable[[], RequestHandler] | None = None

    async def start(self) -> None:
        await self._runner.setup()
        self._protocol = self._runner.server

    def take_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """Serve the connection from here on; `data` is what was read of the request, whole or not."""
        if self._protocol is None:
            transport.abort()
            return
        protocol = self._protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    async def close(self) -> None:
        await self._runner.cleanup()
