"""One request to a provider: bounded in time and in bytes, over TLS, and to nobody that it is sent on to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

import aiohttp

from gateway.challenges.providers.contract import Crowded, ProviderUnavailable
from gateway.wire.untrusted import Json, Misread, check_base, load

LARGEST: Final = 64 * 1024
"""Bytes: an assessment with all its parts has some five KiB."""
AT_ONCE: Final = 128
"""Requests of one worker."""
CONNECT: Final = 1.5
"""Seconds for a connection, of the time for all."""

_BASE: Final[Mapping[str, str]] = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "tidegate",
}


class Lost(ProviderUnavailable):
    """The request may have been heard, and no reply came: what it did there, it did."""


class Reply(NamedTuple):
    """An object, whatever the status: errors are said in one, too."""

    status: int
    content: Json


class Door:
    """To one provider. Its session is opened when it is first needed, in the loop that needs it."""

    def __init__(self, name: str, base: str) -> None:
        self._name = name
        self._base = check_base(base)
        self._session: aiohttp.ClientSession | None = None
        self._free = asyncio.Semaphore(AT_ONCE)

    def __repr__(self) -> str:
        return f"<Door {self._name}>"

    @contextlib.asynccontextmanager
    async def room(self, seconds: float) -> AsyncIterator[None]:
        """For one request: waits so long at most. Raises Crowded: a crowd of answers must not make a provider look
        slow, or whoever sends one would choose the next.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Crowded(f"too many answers for {self._name} at once") from None
        try:
            yield
        finally:
            self._free.release()

    async def post(self, target: str, body: bytes, fields: Mapping[str, str]) -> Reply:
        """Raises ProviderUnavailable: Lost, where it may have been heard. The caller bounds the time."""
        try:
            async with self._open().post(
                self._base + target, data=body, headers={**_BASE, **fields}, allow_redirects=False
            ) as answer:
                return await self._reply(answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            # Not the problem's own text, here and below: it may quote what was sent.
            raise ProviderUnavailable(f"{self._name} cannot be reached: {type(problem).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise Lost(f"{self._name} does not answer: {type(problem).__name__}") from None

    async def _reply(self, answer: aiohttp.ClientResponse) -> Reply:
        status = answer.status
        if status == 429 or status >= 500:
            raise Lost(f"{self._name} answers {status}")
        if 300 <= status < 400:
            raise ProviderUnavailable(f"{self._name} sends us on, and we do not go")
        if answer.content_type != "application/json":
            raise Lost(f"{self._name} answers {status} with what is no JSON")
        body = bytearray()
        async for chunk in answer.content.iter_chunked(16 * 1024):
            body += chunk
            if len(body) > LARGEST:
                raise Lost(f"what {self._name} answers is too large")
        try:
            return Reply(status, load(bytes(body)))
        except Misread as problem:
            raise Lost(f"what {self._name} answers is not understood: {problem}") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=AT_ONCE),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
