"""What all connections of a worker share: settings, the live chain, routes, counters, and the sweep that ends what is
too slow.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.dialects.tool_ids import MINTED
from gateway.edge import ended
from gateway.edge.answer import Answer
from gateway.edge.budget import BodyBudget
from gateway.edge.connection import ClientConnection
from gateway.edge.minting import Minting
from gateway.edge.traced import traced_of
from gateway.edge.upstream import Origin, Route, Unreachable
from gateway.policy import ALLOW
from gateway.wire.fields import without
from gateway.wire.forwarded import TrustedHops, forwarded_fields
from gateway.wire.reasons import REASONS

if TYPE_CHECKING:
    from gateway.campaigns.minted import Mint
    from gateway.campaigns.observer import Observer
    from gateway.chain.chain import Chain
    from gateway.edge.exchange import Exchange
    from gateway.edge.upstream_connection import UpstreamConnection
    from gateway.history.columns import Event
    from gateway.history.exchange_log import ExchangeLog
    from gateway.history.recent import Recent
    from gateway.policy import Ask, Outcome
    from gateway.telemetry.access_log import AccessLog
    from gateway.telemetry.counters import Counters
    from gateway.telemetry.sums import Sums
    from gateway.telemetry.traces import Traces
    from gateway.wire.request_head import BadHead

log = logging.getLogger(__name__)

REMEMBERED_AT_MOST: Final = 4096
LONGEST_REMEMBERED: Final = 256
"""Bytes of a target that is remembered: a stranger fills what is remembered, before anybody is asked."""
SAY_EVERY: Final = 10.0
"""Seconds between two words of one kind in the log."""
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
WITH_CONTENT: Final = frozenset({b"POST", b"PUT", b"PATCH"})

HandOver = Callable[[asyncio.Transport, bytes], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds, sizes in bytes."""

    max_head: int = 16 * 1024
    """As h11, node and IIS have it."""
    max_body: int = 32 * 1024 * 1024
    body_budget: int = 512 * 1024 * 1024
    """Bytes of request bodies that one worker holds at once."""
    max_connections: int = 16_384
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    """Grace for a body, beyond the time that its length allows for a slow line."""
    keep_alive_timeout: float = 75.0
    drain_timeout: float = 30.0
    sweep: float = 0.5
    public_url: str = ""
    """Where callers reach us, for links; from the Host field if not stated."""
    ruleset_field: bool = False
    """Answers and refusals say by which rules they were decided."""
    ja4_field: bytes = b""
    """The request field, in lower case, in which a trusted hop states the caller's TLS fingerprint."""


class Edge:
    """One worker's data plane."""

    def __init__(
        self,
        settings: Settings,
        chain: Chain,
        routes: list[Route],
        counters: Counters,
        wall: Callable[[], float],
        clock: Callable[[], float],
        trusted: TrustedHops,
        access_log: AccessLog | None = None,
        hand_over: HandOver | None = None,
        exchange_log: ExchangeLog | None = None,
        recent: Recent | None = None,
        sums: Sums | None = None,
        traces: Traces | None = None,
        mint: Mint | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.chain = chain
        """The live one: a reload replaces it, and exchanges that run keep theirs."""
        self.routes = routes
        self.counters = counters
        self.wall = wall
        self.clock = clock
        """Any monotonic clock in seconds. The event loop's own stands still within a turn and, with uvloop, between two
        milliseconds: too coarse for what a decision takes."""
        self.now = self.clock()
        """The clock as of the last sweep: good enough for what is measured in seconds."""
        self.trusted = trusted
        self.trusts_anyone = trusted.trusts_anyone
        self.ja4_field = settings.ja4_field
        self.tells_ruleset = settings.ruleset_field
        self.access_log = access_log
        self.exchange_log = exchange_log
        self.recent = recent
        """The last that ended, for whoever follows live; it shares its events with the log."""
        self.sums = sums
        """Who used what lately."""
        self.traces = traces
        self.mint = mint
        """Marks the ids of tool calls; None where they stay what the upstream made them."""
        self.observer = observer
        """What tells the detector; None where nothing is observed."""
        self._hand_over = hand_over
        self.budget = BodyBudget(settings.body_budget)
        self.connections: set[ClientConnection] = set()
        self.exchanges: set[Exchange] = set()
        self.draining = False
        self.paths: dict[bytes, bytes] = {}
        """Targets that were checked -> their paths."""
        self._forwarded: dict[tuple[str, str], bytes] = {}
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._unreachable = 0
        self._say_unreachable = 0.0

    def connection(self) -> ClientConnection:
        """The protocol of a new connection: the factory that a server wants."""
        return ClientConnection(self)

    # -- ids, links, routes ---------------------------------------------------------------------------------------

    def new_id(self) -> str:
        """Unique in the fleet: 48 random bits a worker, and a number."""
        return f"{self._prefix}{next(self._numbers):08x}"

    @staticmethod
    def request_id(stated: bytes | None, own: str) -> str:
        """The caller's id where it is harmless, else our own."""
        return stated.decode("ascii") if stated is not None and REQUEST_ID.fullmatch(stated) else own

    def ja4(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """The caller's TLS fingerprint, if whoever states it may be believed."""
        stated = fields.get(self.ja4_field, b"")
        return stated.decode("latin-1") if stated and self.trusted.trusts(peer) else ""

    def link(self, reason: str, fields: Mapping[bytes, bytes], scheme: str) -> str:
        """The page that explains a reason; empty for an author's own reason, of which we know nothing."""
        return self.linked(fields, scheme)(f"/tidegate/reasons/{reason}") if reason in REASONS else ""

    def linked(self, fields: Mapping[bytes, bytes], scheme: str) -> Callable[[str], str]:
        """Makes a path of our own pages an address that the caller can open; what is one already stays. `scheme` is how
        the caller reached us.
        """

        def link(path: str) -> str:
            if not path.startswith("/"):
                return path
            base = self.settings.public_url or f"{scheme}://{fields.get(b'host', b'localhost').decode('latin-1')}"
            return f"{base}{path}"

        return link

    def learn_path(self, target: bytes, path: bytes) -> bytes:
        if len(self.paths) < REMEMBERED_AT_MOST and len(target) <= LONGEST_REMEMBERED:
            self.paths[target] = path
        return path

    def route(self, path: bytes) -> Route:
        """The first route that serves the path; the last serves every path."""
        for route in self.routes:
            if route.serves(path):
                return route
        return self.routes[-1]

    # -- what goes upstream ---------------------------------------------------------------------------------------

    def request_head(self, exchange: Exchange, origin: Origin, size: int) -> bytes:
        """The head for the upstream: what came but for what a proxy drops, and what only we may say."""
        client = exchange.client
        fields = client.fields
        peer = client.peer
        before = fields.get(b"x-forwarded-for") if self.trusts_anyone and self.trusted.trusts(peer) else None
        if before is None:
            key = (peer, client.scheme)
            forwarded = self._forwarded.get(key)
            if forwarded is None:
                forwarded = forwarded_fields(peer, peer, client.scheme, None)
                if len(self._forwarded) < REMEMBERED_AT_MOST:
                    self._forwarded[key] = forwarded
        else:
            address = exchange.context.client_address if exchange.context is not None else peer
            forwarded = forwarded_fields(address, peer, client.scheme, before)
        lines = client.lines
        trace = exchange.trace
        if trace is not None:
            lines = without(lines, trace.dropped)
        if exchange.retyped:
            lines = [*without(lines, [b"content-type"]), b"Content-Type: application/json"]
        parts = [
            b"%b %b%b HTTP/1.1\r\nHost: %b\r\n" % (client.method, origin.prefix, client.target, origin.authority),
            b"\r\n".join(lines),
            b"\r\n" if lines else b"",
            origin.credential,
            forwarded,
            b"X-Request-Id: %b\r\n" % exchange.request_id.encode(),
        ]
        if trace is not None:
            parts.append(trace.line())
        if exchange.context is not None and not exchange.context.ask.generates and b"accept-encoding" in fields:
            parts.append(b"Accept-Encoding: %b\r\n" % fields[b"accept-encoding"])
        if exchange.websocket:
            parts.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        if size or client.method in WITH_CONTENT:
            parts.append(b"Content-Length: %d\r\n" % size)
        parts.append(b"\r\n")
        return b"".join(parts)

    def hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """A request for the gateway's own pages."""
        if self._hand_over is None:
            transport.abort()
        else:
            self._hand_over(transport, data)

    # -- what comes back ------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, ask: Ask, connection: UpstreamConnection) -> Answer:
        """What frames and reads the answer whose head has come."""
        client = exchange.client
        minting = self._minting(exchange, ask) if self.mint is not None and "tools" in ask.features else None
        return Answer(
            exchange.dialect, ask, connection.status, connection.fields, exchange.method, client.version, minting
        )

    def _minting(self, exchange: Exchange, ask: Ask) -> Callable[[bool], Minting] | None:
        """What replaces the ids of calls; None where there is none that we may replace."""
        mint, context, name = self.mint, exchange.context, exchange.id
        if mint is None or context is None or context.principal is None or ask.route not in MINTED:
            return None
        account, now = context.principal.account, context.now
        return lambda stream: Minting(lambda given: mint.mint(given, account, name, now), lines=stream)

    # -- what has ended -------------------------------------------------------------------------------------------

    def note_unreachable(self, unreachable: Unreachable) -> None:
        """Say it aloud, but once in a while: an outage under load must not write a book."""
        self._unreachable += 1
        now = self.clock()
        if now >= self._say_unreachable:
            log.warning("no upstream: %s (%d requests since last said)", unreachable, self._unreachable)
            self._unreachable = 0
            self._say_unreachable = now + SAY_EVERY

    def ended(self, exchange: Exchange, outcome: Outcome, reason: str, status: int) -> None:
        """Count an exchange and write its line."""
        counters = self.counters
        counters.active -= 1
        self.exchanges.discard(exchange)
        context = exchange.context
        now = self.clock()
        elapsed = now - exchange.began
        counters.duration.observe(elapsed)
        usage = outcome.usage
        if usage is not None:
            tokens = counters.tokens
            tokens["input"] += usage.input
            tokens["output"] += usage.output
            if usage.cached:
                tokens["cached"] += usage.cached
            if usage.cache_creation:
                tokens["cache_creation"] += usage.cache_creation
            if usage.reasoning:
                tokens["reasoning"] += usage.reasoning
        dialect = exchange.dialect.name
        route = context.ask.route if context is not None else "malformed"
        label = (dialect, route, status, reason)
        exchanges = counters.exchanges
        exchanges[label] = exchanges.get(label, 0) + 1
        if usage is None and outcome.reached and 200 <= status < 300 and context is not None and context.ask.generates:
            counters.usage_missing += 1
        if self.access_log is not None:
            self.access_log.note(ended.line_of(exchange, outcome, reason, status, elapsed))
        asked = exchange.asked
        refused = asked.decision is not ALLOW if asked is not None else context is None
        if self.sums is not None:
            self.sums.add(context, refused, usage)
        recent = self.recent
        if self.exchange_log is not None or (recent is not None and (reason or recent.followed)):
            self._keep(ended.event_of_exchange(exchange, outcome, reason, status, elapsed))
        if (
            self.observer is not None
            and context is not None
            and context.ask.generates
            and context.principal is not None
        ):
            self.observer.note((context, context.principal, asked, exchange.said, outcome, reason, status, elapsed))
        trace = exchange.trace
        if trace is not None and self.traces is not None:
            wall = self.wall()
            counters.duration.exemplify(elapsed, trace.trace, wall)
            self.traces.take(traced_of(exchange, trace, outcome, reason, status, wall, now))

    def refused_head(self, client: ClientConnection, bad: BadHead, request_id: str) -> None:
        """What could not be read as a request has a trail as well, by the id that its answer had."""
        self.counters.note_malformed(bad.reason)
        if self.exchange_log is not None or self.recent is not None:
            self._keep(ended.event_of_head(client, bad, request_id, self.wall(), self.chain.version))

    def _keep(self, event: Event) -> None:
        if self.exchange_log is not None:
            self.exchange_log.note(event)
        if self.recent is not None:
            self.recent.note(event)

    # -- time -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to sweep."""
        self._timer = asyncio.get_running_loop().call_later(self.settings.sweep, self._sweep)

    def _sweep(self) -> None:
        # First of all: were one of them to raise, nothing would ever time out again.
        self.start()
        now = self.now = self.clock()
        for connection in [c for c in self.connections if c.deadline < now and c.exchange is None]:
            connection.overdue()
        for exchange in [e for e in self.exchanges if 0 < e.deadline < now]:
            exchange.overdue()
        for route in self.routes:
            for upstream in route.upstreams:
                upstream.sweep(now)

    async def drain(self) -> None:
        """Let what runs end, for as long as `drain_timeout`; then end it."""
        self.draining = True
        for connection in [c for c in self.connections if c.exchange is None]:
            connection.transport.close()
        until = self.clock() + self.settings.drain_timeout
        # Not only until the exchanges have ended: what they wrote may still be on its way to slow readers.
        while self.connections and self.clock() < until:  # noqa: ASYNC110 - once in a worker's life
            await asyncio.sleep(0.02)
        self.close()

    def close(self) -> None:
        """End everything at once."""
        self.draining = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.transport.abort()
        for route in self.routes:
            for upstream in route.upstreams:
                upstream.close()
