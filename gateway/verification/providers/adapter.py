"""What the adapters share: a webhook is believed first and read then; what is misread has one error on either side."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import quote

from gateway.verification.provider import Event, NoSuchSession, Rejected, Started, Verdict
from gateway.verification.providers.content import Json, Misread, webhook
from gateway.verification.providers.contract import NEEDS, Entry, complaint
from gateway.verification.providers.http import Api
from gateway.wire.untrusted import check_base

_SEGMENT = re.compile(r"(?!\.+$)[\x21-\x7e]{1,200}")

_ADDRESS = re.compile(r"[\x21-\x7e]{1,4096}")


class Adapter(ABC):
    """A `gateway.verification.provider.Provider` but for what differs. Raises ValueError for an entry not whole.

    `clock` is Unix time: some providers want requests that state it.
    """

    dated: ClassVar[bool] = True

    def __init__(self, entry: Entry, clock: Callable[[], float]) -> None:
        if problem := complaint(entry):
            raise ValueError(f"provider {entry.name}: {problem}")
        self.name: str = entry.name
        self.gives: frozenset[str] = frozenset(entry.gives)
        self._api = Api(entry.name, entry.url or NEEDS[entry.kind].base)
        self._clock = clock
        self._flow = entry.flow
        self._key = entry.key.get_secret_value() if entry.key else ""
        self._secret = entry.secret.get_secret_value().encode() if entry.secret else b""
        self._webhook_secrets = [secret.get_secret_value().encode() for secret in entry.webhook_secrets]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:
        self._believe(fields, body, now)
        content = webhook(body)
        try:
            return self._event(content, body)
        except Misread as problem:
            raise Rejected("malformed_content", str(problem)) from None

    async def start(self, verification: str, account: str, back: str) -> Started:
        try:
            return _reachable(await self._start(verification, account, back))
        except Misread as problem:
            raise self._api.misread(problem) from None
        except NoSuchSession:
            raise self._api.misread(Misread("the flow is not known")) from None

    async def resume(self, reference: str) -> Started | None:
        try:
            started = await self._resume(reference)
            return None if started is None else _reachable(started)
        except Misread as problem:
            raise self._api.misread(problem) from None
        except NoSuchSession:
            return None

    async def fetch(self, reference: str) -> Verdict:
        try:
            return await self._verdict(reference)
        except Misread as problem:
            raise self._api.misread(problem) from None

    async def close(self) -> None:
        await self._api.close()

    @abstractmethod
    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:
        """Raises Rejected unless it was the provider who sent this, and lately where it says when."""

    @abstractmethod
    def _event(self, content: Json, body: bytes) -> Event:
        """Raises Misread."""

    @abstractmethod
    async def _start(self, verification: str, account: str, back: str) -> Started: ...

    @abstractmethod
    async def _resume(self, reference: str) -> Started | None: ...

    @abstractmethod
    async def _verdict(self, reference: str) -> Verdict: ...


def _reachable(started: Started) -> Started:
    """Where a person is sent is an address of the web, in one line. Raises Misread."""
    try:
        check_base(started.url)
    except ValueError:
        raise Misread("the address of the session") from None
    if not _ADDRESS.fullmatch(started.url):
        raise Misread("the address of the session")
    return started


def segment(reference: str) -> str:
    """A reference as a part of a path. Raises NoSuchSession for what cannot be one."""
    if not _SEGMENT.fullmatch(reference):
        raise NoSuchSession("no session can be called so")
    return quote(reference, safe="")
