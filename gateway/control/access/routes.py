"""Where operations become routes: the one place, so nothing on the operators' port is without its guard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, Protocol

from aiohttp import web

from gateway.control.access.answers import Refused
from gateway.control.access.content import query, read, unknown
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Wrong
from gateway.control.operations import Handler, Operation
from gateway.tasks import spawn

SAFE: Final = frozenset({"GET", "HEAD"})
FEED: Final = "text/event-stream"
WHOLE: Final = frozenset({"application/json", "text/html", "text/plain", "*/*"})
"""Media of answers that are made before they are sent. The content of a stream would go out for HEAD as well, and stand
on the connection as the beginning of the next answer.
"""
LOOKED_AGAIN: Final = 2.0
"""Seconds: who follows a feed is asked for so often whether they still may."""


class Guard(Protocol):
    """Raises Refused where the request's bearer may not; else whoever it is stands in the request."""

    def __call__(self, request: web.Request, operation: Operation) -> Awaitable[None]: ...


class Operations:
    """All of a port. Raises ValueError at once where one is not whole, rather than at the first request."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._all: dict[tuple[str, str], Operation] = {}
        for one in operations:
            named = f"{one.method} {one.path}"
            if not one.summary.strip():
                raise ValueError(f"{named} has no summary")
            if (one.method, one.path) in self._all:
                raise ValueError(f"{named} is stated twice")
            is_little = one.needs is None or (one.needs is Permission.LOOK and not one.own)
            if one.method not in SAFE and is_little and not _signs_in(one):
                raise ValueError(f"{named} changes something: it needs more than to look")
            self._all[one.method, one.path] = one

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def add_to(self, app: web.Application, guard: Guard) -> None:
        """Their routes. What may be looked at may be asked for without its content, but for streams."""
        for one in self:
            handler = _guarded(one, guard)
            app.router.add_route(one.method, one.path, handler)
            if one.method == "GET" and one.media in WHOLE and ("HEAD", one.path) not in self._all:
                app.router.add_route("HEAD", one.path, handler)


def _signs_in(operation: Operation) -> bool:
    return operation.path == "/session" or operation.path.startswith("/session/")


def _guarded(operation: Operation, guard: Guard) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        await guard(request, operation)
        if operation.query is not None:
            query(request, operation.query)
        elif wrong := unknown(request.query, None):
            raise Wrong(wrong)
        if request.method not in SAFE and (operation.content is not None or operation.needs is not None):
            if operation.needs is None and request.content_type != "application/json":
                # Nobody is known yet who could not have been made to ask: a form of a page elsewhere is no JSON.
                raise Refused(415, "the content must be application/json")
            found = await read(request)
            if operation.content is None and found != {}:
                raise Wrong({"": "this takes no content"})
        if operation.media == FEED:
            return await _fed(request, operation, guard)
        return await operation.handler(request)

    return answer


async def _fed(request: web.Request, operation: Operation, guard: Callable[..., Awaitable[None]]) -> web.StreamResponse:
    """A feed ends when its reader may no longer read it: it is one request, and may last for hours."""

    async def serve() -> web.StreamResponse:
        return await operation.handler(request)

    task = spawn(serve(), name=f"feed {operation.path}")
    try:
        while not (await asyncio.wait({task}, timeout=LOOKED_AGAIN))[0]:
            await guard(request, operation)
    except Refused as refused:
        if refused.status != 503:
            # Its head has gone already: what is left to say is that it is cut off.
            request.protocol.force_close()
        raise
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return task.result()
