"""One door to the API of a provider: bounded in time and in bytes; what goes wrong says neither secret nor content.

Redirects are not followed: a credential goes to the host that was configured and to no other. Answers are asked for
without compression, so that their size is what comes over the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from gateway.verification.provider import NoSuchSession, ProviderUnavailable
from gateway.wire.untrusted import LARGEST, Json, Misread, check_base, load

TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, sock_connect=5.0, sock_read=10.0)
_CREATED: Final = frozenset({200, 201})
_BASE: Final[Mapping[str, str]] = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "tidegate",
}


class Request(NamedTuple):
    """One call. `target` is the path with its query, percent-encoded, as it is signed and sent."""

    method: str
    target: str
    body: bytes = b""
    fields: Mapping[str, str] = {}


class Api:
    """Of one provider. Its session is opened when it is first needed, in the loop that needs it."""

    def __init__(self, name: str, base: str, timeout: aiohttp.ClientTimeout = TIMEOUT) -> None:
        self._name = name
        self._base = check_base(base)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<Api {self._name}>"

    async def ask(self, request: Request, *, listed: bool = False) -> Json:
        """The object that it answers with 200 or 201; where it answers with a list, the list as `list` of an object.

        Raises ProviderUnavailable, and NoSuchSession for 404 and 410.
        """
        try:
            async with self._open().request(
                request.method,
                URL(self._base + request.target, encoded=True),
                data=request.body or None,
                headers={**_BASE, **request.fields},
                allow_redirects=False,
            ) as answer:
                status = answer.status
                body = await self._read(answer) if status in _CREATED else b""
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            # Not the problem's own text: it may quote the address, and that may hold a reference.
            raise ProviderUnavailable(f"{self._name} does not answer: {type(problem).__name__}") from None
        if status in {404, 410}:
            raise NoSuchSession(f"{self._name} does not know it")
        if status not in _CREATED:
            raise ProviderUnavailable(f"{self._name} answers {status}{_meaning(status)}")
        try:
            return load(b'{"list":' + body + b"}" if listed else body)
        except Misread as problem:
            raise self.misread(problem) from None

    def misread(self, problem: Misread) -> ProviderUnavailable:
        return ProviderUnavailable(f"what {self._name} answers is not understood: {problem}")

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > LARGEST:
                raise ProviderUnavailable(f"what {self._name} answers is too large")
        return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=16),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _meaning(status: int) -> str:
    if status in {401, 403}:
        return ": it does not take our credentials, or they may not do this"
    if status == 429:
        return ": we ask too often"
    return ""
