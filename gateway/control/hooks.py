"""Where providers tell us their news: `POST /tidegate/hooks/{provider}`, open to the public.

The bytes are read within bounds, believed or not, stored, and acknowledged after that. Nothing of what came is said
back or logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from gateway.verification.group_commit import NotCommitted
from gateway.verification.inbox import UNREADABLE, Inbox
from gateway.verification.provider import Event, Provider, Rejected

log = logging.getLogger(__name__)

PATH: Final = "/tidegate/hooks/{provider}"
LARGEST: Final = 1024 * 1024
"""Bytes of content. The largest that a provider documents has some 100 KiB."""
SMALL: Final = 32 * 1024
"""Bytes of content that everybody may have."""
BUDGET: Final = 32 * 1024 * 1024
"""Bytes beyond that, of all contents that are under way. Who is slow holds none of it before they have sent it."""
QUEUED: Final = 1024
"""Requests under way: read, or waiting for their commit. More are told to come again."""
WITHIN: Final = 10.0
"""Seconds for the content."""
QUIET: Final = 60.0
"""Seconds between two lines of the log about one provider and reason."""


class Hooks:
    """Of one worker."""

    def __init__(self, providers: Mapping[str, Provider], inbox: Inbox, now: Callable[[], float]) -> None:
        """`providers` are those that send webhooks, by name."""
        self._providers = providers
        self._inbox = inbox
        self._now = now
        self._held = 0
        self._under_way = 0
        self._said: dict[tuple[str, str], float] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        """(provider, what became of it) -> requests: stored, known, a reason of Rejected, or of ours."""

    async def take(self, request: web.Request) -> web.Response:
        name = request.match_info["provider"]
        provider = self._providers.get(name)
        if provider is None:
            return _answer({"error": "there is no such provider"}, 404)
        if self._under_way >= QUEUED:
            return self._no(name, "busy", 503)
        self._under_way += 1
        try:
            return await self._take(name, provider, request)
        finally:
            self._under_way -= 1

    async def _take(self, name: str, provider: Provider, request: web.Request) -> web.Response:
        if "Content-Encoding" in request.headers:
            # What is signed are the bytes as they came, and aiohttp gives us others.
            return self._no(name, "encoded_content", 415)
        try:
            async with asyncio.timeout(WITHIN):
                body = await self._content(request)
        except TimeoutError:
            return self._no(name, "too_slow", 408)
        except (web.RequestPayloadError, ConnectionError):
            return self._no(name, "incomplete", 400)
        if body is None:
            return self._no(name, "busy", 503)
        if len(body) > LARGEST:
            return self._no(name, "content_too_large", 413)
        fields = {field.lower(): value for field, value in request.headers.items()}
        digest = hashlib.sha256(body).digest()
        try:
            event = _read(provider, fields, body, self._now())
        except Rejected as rejected:
            if rejected.reason == UNREADABLE:
                return await self._keep_unreadable(name, digest)
            return self._no(name, rejected.reason, 400)
        if event is None:
            return self._no(name, "broken", 500)
        try:
            new = await self._inbox.store(event, name, digest)
        except NotCommitted:
            return self._no(name, "not_stored", 503)
        self.counts[name, "stored" if new else "known"] += 1
        return _answer({"received": True})

    async def _content(self, request: web.Request) -> bytes | None:
        """A little more than LARGEST where it is too large, None where all together are.

        Not `request.read`: that goes by the bounds of the application.
        """
        if (request.content_length or 0) > LARGEST:
            return bytes(LARGEST + 1)
        content, held = bytearray(), 0
        try:
            async for piece in request.content.iter_any():
                content += piece
                more = max(0, len(content) - SMALL) - held
                held += more
                self._held += more
                if len(content) > LARGEST:
                    break
                if self._held > BUDGET:
                    return None
            return bytes(content)
        finally:
            self._held -= held

    async def _keep_unreadable(self, name: str, digest: bytes) -> web.Response:
        try:
            await self._inbox.keep_unreadable(name, digest)
        except NotCommitted:
            return self._no(name, "not_stored", 503)
        return self._no(name, UNREADABLE, 400)

    def _no(self, name: str, word: str, status: int) -> web.Response:
        self.counts[name, word] += 1
        now = self._now()
        if now - self._said.get((name, word), -QUIET) >= QUIET:
            self._said[name, word] = now
            log.warning("a webhook of %s is answered with %d: %s", name, status, word)
        answer = _answer({"error": word}, status)
        if status == 503:
            answer.headers["Retry-After"] = "1"
        return answer


def add_to(app: web.Application, hooks: Hooks) -> None:
    """Other methods get a 405 from the router. The server should not decode contents (`auto_decompress=False`): it
    would try to before anybody has looked at them.
    """
    app.router.add_post(PATH, hooks.take)


def _read(provider: Provider, fields: Mapping[str, str], body: bytes, now: float) -> Event | None:
    """None where the adapter is broken: what it has stumbled over may stand in the text of its exception, so only the
    kind of that is logged. Raises Rejected.
    """
    try:
        return provider.read(fields, body, now)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        log.error("the adapter of %s is broken: %s", provider.name, type(error).__name__)
        return None


def _answer(content: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
