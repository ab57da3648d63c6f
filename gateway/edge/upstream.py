"""Origins: their pools of kept-alive connections, their health, and which of a route's is asked.

A request is tried again elsewhere only where no byte of it was sent, or where it is safe (GET, HEAD, OPTIONS) and a
kept-alive connection was closed before a byte of the answer came.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp

from gateway.edge.upstream_connection import UpstreamConnection
from gateway.tasks import spawn

if TYPE_CHECKING:
    from gateway.telemetry.counters import Counters

EJECT_AFTER: Final = 3
"""Failures in a row after which an origin is left alone for a while."""
EJECT_FIRST, EJECT_LONGEST = 1.0, 30.0
PROBE_EVERY, PROBE_TIMEOUT = 2.0, 1.0

log = logging.getLogger(__name__)


class Unreachable(Exception):
    """No origin of the route could be asked; no byte was sent. `reason` is a stable word."""

    def __init__(self, reason: str, note: str) -> None:
        super().__init__(note)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream is and how it is talked to."""

    name: str
    host: str
    port: int
    authority: bytes
    prefix: bytes = b""
    """Put before every path."""
    tls: ssl.SSLContext | None = None
    weight: int = 1
    credential: bytes = b""
    """Field lines with CRLF, such as `Authorization: Bearer …`: the upstream's own."""
    health_path: str = ""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect: float = 5.0
    first_byte: float = 300.0
    """From the request to the head of the answer."""
    idle: float = 120.0
    """Between two pieces of an answer."""
    kept_alive: float = 4.0
    """How long an idle connection is kept. Below the 5 s of common servers, so that we are the one who closes."""


@dataclass(eq=False)
class Upstream:
    """One origin with its pool."""

    origin: Origin
    timeouts: Timeouts
    counters: Counters
    now: Callable[[], float]
    """The event loop's clock."""
    most: int = 4096
    """Connections at once; a running stream holds one."""
    idle: deque[UpstreamConnection] = field(default_factory=deque)
    open: set[UpstreamConnection] = field(default_factory=set)
    connecting: int = 0
    failures: int = 0
    ejected_until: float = 0.0
    current: int = 0
    """The running weight of smooth weighted round robin."""
    healthy: bool = True
    """What the active probe says, where there is one."""

    def note(self, what: str) -> None:
        self.counters.note_upstream(self.origin.name, what)

    @property
    def usable(self) -> bool:
        return self.healthy and self.now() >= self.ejected_until

    def take_idle(self) -> UpstreamConnection | None:
        """The connection that was used last, if one is kept and still open."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> None:
        connection.idle_since = self.now()
        self.idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self.open.discard(connection)
        if connection.sink is None:
            try:
                self.idle.remove(connection)
            except ValueError:
                return

    def sweep(self, now: float) -> None:
        """Close what has been idle too long; the oldest stand on the left."""
        while self.idle and now - self.idle[0].idle_since > self.timeouts.kept_alive:
            self.idle.popleft().transport.close()

    async def connect(self) -> UpstreamConnection:
        """A new connection. Raises Unreachable; the origin's health is noted."""
        if len(self.open) + self.connecting >= self.most:
            raise Unreachable("upstream_busy", f"{self.origin.name} has {self.most} connections open")
        self.connecting += 1
        origin = self.origin
        try:
            async with asyncio.timeout(self.timeouts.connect):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: UpstreamConnection(self),
                    origin.host,
                    origin.port,
                    ssl=origin.tls,
                    server_hostname=origin.host if origin.tls else None,
                )
        except TimeoutError:
            self.note_failure("connect_timeout")
            raise Unreachable("upstream_unreachable", f"{origin.name}: no connection in time") from None
        except OSError as error:
            self.note_failure("connect_failed")
            raise Unreachable("upstream_unreachable", f"{origin.name}: {error}") from error
        finally:
            self.connecting -= 1
        return connection

    def note_failure(self, what: str) -> None:
        self.note(what)
        self.failures += 1
        if self.failures >= EJECT_AFTER:
            pause = min(EJECT_LONGEST, EJECT_FIRST * 2 ** (self.failures - EJECT_AFTER))
            self.ejected_until = self.now() + pause

    def note_success(self) -> None:
        if self.failures:
            self.failures = 0
            self.ejected_until = 0.0

    async def probe(self) -> None:
        """Ask the health path for ever. An origin that fails it is left alone until it answers well again."""
        origin = self.origin
        scheme = "https" if origin.tls else "http"
        url = f"{scheme}://{origin.authority.decode()}{origin.prefix.decode()}{origin.health_path}"
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(url, ssl=origin.tls or True, allow_redirects=False) as answer:
                        well = 200 <= answer.status < 300
                except (aiohttp.ClientError, OSError, TimeoutError):
                    well = False
                if well != self.healthy:
                    log.warning("upstream %s is %s", origin.name, "well again" if well else "not well")
                self.healthy = well
                await asyncio.sleep(PROBE_EVERY)

    def close(self) -> None:
        for connection in list(self.open):
            connection.abort()


class Route:
    """The upstreams that serve some paths."""

    def __init__(self, name: str, paths: tuple[str, ...], upstreams: list[Upstream]) -> None:
        self.name = name
        self.paths = tuple(path.encode() for path in paths)
        self.upstreams = upstreams

    def serves(self, path: bytes) -> bool:
        return not self.paths or path.startswith(self.paths)

    def pick(self, tried: set[str] | None = None) -> Upstream | None:
        """Smooth weighted round robin among those that are well; if none is, among all that were not tried."""
        if len(self.upstreams) == 1 and not tried:
            return self.upstreams[0]
        candidates = [upstream for upstream in self.upstreams if not tried or upstream.origin.name not in tried]
        candidates = [upstream for upstream in candidates if upstream.usable] or candidates
        if not candidates:
            return None
        total = 0
        for upstream in candidates:
            upstream.current += upstream.origin.weight
            total += upstream.origin.weight
        best = max(candidates, key=lambda upstream: upstream.current)
        best.current -= total
        return best

    def connect(self, then: Callable[[UpstreamConnection | Unreachable], None]) -> UpstreamConnection | None:
        """A kept connection at once, or None and `then` is called when there is a new one, or none to be had."""
        upstream = self.pick()
        if upstream is not None:
            connection = upstream.take_idle()
            if connection is not None:
                return connection
        spawn(self._connect(upstream, then), name="upstream connect")
        return None

    async def _connect(
        self, upstream: Upstream | None, then: Callable[[UpstreamConnection | Unreachable], None]
    ) -> None:
        tried: set[str] = set()
        last = Unreachable("upstream_unreachable", "no upstream is left to try")
        while upstream is not None:
            try:
                connection = await upstream.connect()
            except Unreachable as unreachable:
                last = unreachable
                tried.add(upstream.origin.name)
                upstream = self.pick(tried)
            else:
                then(connection)
                return
        then(last)
