"""What a link carries, and to where."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.stores.interface import StoreUnavailable

if TYPE_CHECKING:
    from gateway.stores.redis.link import Link


class Endpoint(NamedTuple):
    """Where a server listens and who we are there. A `path` is a unix socket."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    tls: ssl.SSLContext | None = None
    username: str = ""
    password: str = ""
    db: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Call:
    """A command on its way. Of `answer` and `fail` one is called, once; the others tell what came of a failed one."""

    __slots__ = ("command", "due", "expired", "retried")

    command: bytes
    due: float
    expired: bool
    retried: bool

    def __init__(self, command: bytes) -> None:
        self.command = command
        self.due = 0.0
        self.expired = False
        self.retried = False

    def answer(self, reply: Any, link: Link) -> None:
        """The reply came in time. It may be a `hiredis.ReplyError`."""

    def fail(self, error: StoreUnavailable) -> None:
        """There will be no answer in time."""

    def late(self, reply: Any) -> None:
        """After `fail`: the reply came after all."""

    def lost(self) -> None:
        """After `fail`: the connection died with the command on it, so that nobody knows whether it was done."""
