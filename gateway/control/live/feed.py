"""Server-sent events (HTML Living Standard section 9.2): batches for whoever keeps up; who does not is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.control.access.answers import Refused

MOST: Final = 16
"""Feeds at once: each costs the operators' process, and a browser has a tab or two."""
HEARTBEAT: Final = 10.0
"""Seconds after which a silent feed says that it lives."""
LOOK: Final = 1.0
"""Seconds between looks whether the reader is there."""
STILL: Final = 3.0
"""Seconds between looks whether the reader still may: a token that is revoked ends its feeds."""
PATIENCE: Final = 5.0
"""Seconds for a reader to take a batch."""

Still = Callable[[web.Request], Awaitable[bool]]


async def always(_: web.Request) -> bool:
    """Where nobody looks again."""
    return True


class Inbox:
    """What waits for one reader. `full` batches are made by whoever takes: only rows are bounded here."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: list[bytes] = []
        """Each is JSON."""
        self.skipped = 0
        self._news = asyncio.Event()

    def put(self, items: list[bytes], skipped: int = 0) -> None:
        """The oldest give way."""
        self.waiting += items
        self.skipped += skipped
        if (beyond := len(self.waiting) - self.most) > 0:
            del self.waiting[:beyond]
            self.skipped += beyond
        if self.waiting or self.skipped:
            self._news.set()

    def take(self) -> tuple[list[bytes], int]:
        waiting, skipped = self.waiting, self.skipped
        self.waiting, self.skipped = [], 0
        self._news.clear()
        return waiting, skipped

    async def wait(self, seconds: float) -> None:
        """Until there is something, or it has been long enough."""
        if not self._news.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return


Written = Callable[[list[bytes], int], bytes]
"""What is taken of an inbox -> one event."""


def event(name: str, data: bytes) -> bytes:
    """`data` has no line break: it is JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


class Feeds:
    """All that are open."""

    def __init__(self, clock: Callable[[], float], still: Still = always, most: int = MOST) -> None:
        self.open = 0
        self.cut = 0
        """Readers that were too slow."""
        self._clock = clock
        self._still = still
        self._most = most
        self._closing = False

    def check(self) -> None:
        """Raises Refused (503) where there are too many, or this process ends."""
        if self._closing:
            raise Refused(503, "the operators' port is closing: try again in a moment")
        if self.open >= self._most:
            said = f"{self._most} live feeds are open, which is the most: close one, such as a tab of the console"
            raise Refused(503, said)

    async def serve(self, request: web.Request, inbox: Inbox, written: Written) -> web.StreamResponse:
        """Until the reader leaves, may no longer, or is too slow. Raises Refused as `check`."""
        self.check()
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                # nginx would hold events back.
                "X-Accel-Buffering": "no",
            }
        )
        self.open += 1
        try:
            await response.prepare(request)
            await self._feed(request, response, inbox, written)
        except (ConnectionError, TimeoutError):
            # Gone, or so slow that what is written waits in our memory: nothing more is buffered for it.
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.open -= 1
        return response

    async def _feed(self, request: web.Request, response: web.StreamResponse, inbox: Inbox, written: Written) -> None:
        said = looked = self._clock()
        while not self._closing and request.transport is not None and not request.transport.is_closing():
            await inbox.wait(LOOK)
            now = self._clock()
            if now - looked >= STILL:
                looked = now
                if not await self._still(request):
                    await self._write(response, event("end", b'{"error":"your session or token holds no longer"}'))
                    return
            items, skipped = inbox.take()
            if items or skipped:
                await self._write(response, written(items, skipped))
                said = now
            elif now - said >= HEARTBEAT:
                await self._write(response, b": alive\n\n")
                said = now

    async def _write(self, response: web.StreamResponse, content: bytes) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await response.write(content)
        except TimeoutError:
            self.cut += 1
            raise

    def close(self) -> None:
        """All of them end within a second: a server that closes waits for its answers."""
        self._closing = True
