"""One multiplexed connection to one Redis: no future and no task a command.

All commands that arrive in one tick of the event loop leave in one write, and replies find their calls in order.
What goes wrong is told to the call at once: a command is never queued for a connection that is not there.

A server that hangs is found by K deadlines missed in a row; then commands fail at once and a PING asks until it is
answered in time, so that the deadline is paid by the first requests of an outage and not by all of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import hiredis

from gateway.stores.interface import StoreUnavailable
from gateway.stores.redis.call import Call, Endpoint
from gateway.stores.redis.resp import pack
from gateway.tasks import spawn

DEADLINE: Final = 0.02
"""Seconds that a command may take: an exact answer in time, or none."""
LOOK_AGAIN: Final = 0.001
IN_FLIGHT: Final = 10_000
STALLS: Final = 3
"""Deadlines missed in a row, each at another moment, after which the server is taken to hang."""
PROBE_EVERY: Final = 0.05
HANG_LIMIT: Final = 3.0
"""Seconds without a byte after which the connection itself is given up."""
CONNECT_TIMEOUT: Final = 1.0
BACKOFF_FIRST: Final = 0.05
BACKOFF_LAST: Final = 1.0

_log = logging.getLogger(__name__)


class _Greeting(Call):
    """One command of the handshake."""

    __slots__ = ("_last", "_link", "_needed")

    def __init__(self, command: bytes, link: Link, *, needed: bool, last: bool) -> None:
        super().__init__(command)
        self._link = link
        self._needed = needed
        self._last = last

    def answer(self, reply: Any, link: Link) -> None:
        if self._needed and isinstance(reply, hiredis.ReplyError):
            link.refuse(str(reply))
        elif self._last:
            link.greeted()


class _Probe(Call):
    __slots__ = ()

    def answer(self, reply: Any, link: Link) -> None:
        link.probed(alive=not isinstance(reply, hiredis.ReplyError))

    def late(self, reply: Any) -> None:
        """Alive, but not in time: the next probe asks again."""


class Link(asyncio.Protocol):
    """A connection that keeps itself up. Use it on one event loop only."""

    def __init__(
        self,
        resolve: Callable[[], Awaitable[Endpoint]],
        greetings: tuple[bytes, ...] = (),
        *,
        name: str = "tidegate",
        deadline: float = DEADLINE,
        in_flight: int = IN_FLIGHT,
        on_up: Callable[[Link], None] | None = None,
    ) -> None:
        self._resolve = resolve
        self._greetings = greetings
        self._name = name
        self._deadline = deadline
        self._bound = in_flight
        self._on_up = on_up
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._pending: deque[Call] = deque()
        self._out: list[bytes] = []
        self._reader = hiredis.Reader()
        self._transport: asyncio.WriteTransport | None = None
        self._endpoint = Endpoint()
        self._gone = asyncio.Event()
        self._upheld = asyncio.Event()
        self._flushing = False
        self._armed: asyncio.Handle | None = None
        self._looked_again = False
        """What is overdue was given one more turn of the loop."""
        self._prober: asyncio.TimerHandle | None = None
        self._stalls = 0
        self._heard = 0.0
        self._closing = False
        self._said_down = False
        self._reason = "down"
        self.ready = False
        """Whether commands are taken: the connection is up and the server answers in time."""
        self._task = spawn(self._keep_up(), name=f"{name}: link")

    def __repr__(self) -> str:
        state = "ready" if self.ready else self._reason
        return f"<Link {self._endpoint} {state}, {len(self._pending)} in flight>"

    @property
    def available(self) -> bool:
        """Whether the last that was heard was an answer in time."""
        return self.ready and not self._stalls

    @property
    def host(self) -> str:
        """Of the server as last resolved."""
        return self._endpoint.host

    # --- commands

    def send(self, call: Call) -> None:
        """Send it with all of this tick, or fail it at once."""
        if not self.ready:
            call.fail(StoreUnavailable(self._reason, f"{self._endpoint} is not answering"))
            return
        pending = self._pending
        if len(pending) >= self._bound:
            call.fail(StoreUnavailable("full", f"{len(pending)} commands in flight to {self._endpoint}"))
            return
        call.due = self._time() + self._deadline
        pending.append(call)
        self._out.append(call.command)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._armed is None:
            self._arm(call.due)

    def again(self, call: Call, *before: bytes) -> None:
        """Send a call a second time, after other commands whose replies do not matter. Its deadline stays."""
        due = call.due
        call.retried = True
        if self.ready:
            for command in before:
                self._push(Call(command))
        self.send(call)
        # The queue is ordered by deadline but for these few: they are watched one by one.
        self._loop.call_at(due, self._expire_one, call)

    def _push(self, call: Call) -> None:
        call.due = self._time() + self._deadline
        self._pending.append(call)
        self._out.append(call.command)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        out = self._out
        if self._transport is not None and out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._reader = hiredis.Reader()
        self._heard = self._time()
        self._stalls = 0
        to = self._endpoint
        commands: list[tuple[bytes, bool]] = []
        if to.password:
            secret = ("AUTH", to.username, to.password) if to.username else ("AUTH", to.password)
            commands.append((pack(*secret), True))
        if to.db:
            commands.append((pack("SELECT", to.db), True))
        commands.append((pack("CLIENT", "SETNAME", self._name), False))
        commands += [(command, True) for command in self._greetings]
        commands.append((pack("PING"), True))
        for index, (command, needed) in enumerate(commands):
            self._push(_Greeting(command, self, needed=needed, last=index == len(commands) - 1))

    def data_received(self, data: bytes) -> None:
        self._heard = self._time()
        try:
            self._reader.feed(data)
        except hiredis.ProtocolError as error:
            self.refuse(f"not RESP: {error}")
            return
        self._read()

    def _read(self) -> None:
        gets, pending = self._reader.gets, self._pending
        while True:
            try:
                while (reply := gets()) is not False:
                    if not pending:
                        self.refuse("a reply that nobody asked for")
                        return
                    call = pending.popleft()
                    if call.expired:
                        call.late(reply)
                    else:
                        self._stalls = 0
                        call.answer(reply, self)
            except hiredis.ProtocolError as error:
                self.refuse(f"not RESP: {error}")
            except Exception as error:  # noqa: BLE001  the border: a caller's callback broke
                # The transport would close for it, and all others would lose their answers.
                self._loop.call_exception_handler({"message": "a store's callback failed", "exception": error})
                continue
            return

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        was_ready, self.ready = self.ready, False
        self._reason = "down"
        self._out.clear()
        self._disarm()
        pending, self._pending = self._pending, deque()
        if not self._closing and (was_ready or self._upheld.is_set()):
            self._say_down(str(exc) if exc else "connection closed")
        self._upheld.clear()
        self._gone.set()
        error = StoreUnavailable("down", f"connection to {self._endpoint} lost")
        for call in pending:
            if not call.expired:
                call.expired = True
                call.fail(error)
            call.lost()

    # --- up and down

    async def _keep_up(self) -> None:
        backoff = BACKOFF_FIRST
        while not self._closing:
            self._gone.clear()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    self._endpoint = await self._resolve()
                    await self._connect(self._endpoint)
                    await self._upheld.wait()
            except (OSError, TimeoutError, StoreUnavailable) as error:
                self._say_down(str(error) or type(error).__name__)
                if self._transport is not None:
                    self._transport.abort()
                    await self._gone.wait()
            else:
                backoff = BACKOFF_FIRST
                await self._gone.wait()
            if self._closing:
                return
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311  spreads a fleet's reconnects
            backoff = min(backoff * 2, BACKOFF_LAST)

    async def _connect(self, to: Endpoint) -> None:
        if to.path:
            await self._loop.create_unix_connection(lambda: self, to.path)
        else:
            host = to.host if to.tls else None
            await self._loop.create_connection(lambda: self, to.host, to.port, ssl=to.tls, server_hostname=host)

    def greeted(self) -> None:
        """The handshake is done."""
        self.ready = True
        self._upheld.set()
        if self._said_down:
            self._said_down = False
            _log.warning("%s answers again", self._endpoint)
        if self._on_up is not None:
            self._on_up(self)

    def refuse(self, why: str) -> None:
        """Give this connection up and make a new one, to wherever the server now is."""
        self._say_down(why)
        self.ready = False
        if self._transport is not None:
            self._transport.abort()

    def _say_down(self, why: str) -> None:
        if not self._said_down and not self._closing:
            self._said_down = True
            _log.warning("%s is away: %s", self._endpoint, why)

    async def wait_ready(self, timeout: float) -> bool:
        """Whether it came up within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._upheld.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Send what is waiting, give its answers their time, then hang up. What is still in flight fails."""
        self._closing = True
        self._flush()
        limit = self._time() + 2 * self._deadline
        while self._pending and self.ready and self._time() < limit:  # noqa: ASYNC110  no event a command
            await asyncio.sleep(0.001)
        up = self._transport is not None
        self.abandon()
        if up:
            await self._gone.wait()
        await asyncio.wait([self._task])

    def abandon(self) -> None:
        """Hang up now."""
        self._closing = True
        self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._disarm()

    # --- deadlines

    def _arm(self, when: float) -> None:
        self._armed = self._loop.call_at(when, self._expire)

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        if self._prober is not None:
            self._prober.cancel()
            self._prober = None

    def _expire(self) -> None:
        """The one timer: fail what is overdue, and sleep until the next is."""
        self._armed = None
        now = self._time()
        due = next((call.due for call in self._pending if not call.expired), math.inf)
        if due <= now and not self._looked_again:
            # Timers come before sockets: while our own loop was busy the answers may have come. Look once more.
            self._looked_again = True
            self._arm(now + LOOK_AGAIN)
            return
        self._looked_again = False
        overdue = []
        for call in self._pending:
            if call.expired:
                continue
            if call.due > now:
                self._arm(call.due)
                break
            call.expired = True
            overdue.append(call)
        if not overdue:
            return
        self._stalls += 1
        if self._stalls >= STALLS and self.ready:
            self.ready = False
            self._reason = "timeout"
            self._say_down(f"{self._stalls} deadlines of {self._deadline * 1000:g} ms missed in a row")
            self._probe()
        self._time_out(overdue)

    def _expire_one(self, call: Call) -> None:
        if not call.expired and call in self._pending:
            call.expired = True
            self._time_out([call])

    def _time_out(self, calls: list[Call]) -> None:
        error = StoreUnavailable("timeout", f"no answer from {self._endpoint} in {self._deadline * 1000:g} ms")
        for call in calls:
            call.fail(error)

    def _probe(self) -> None:
        """Ask a server that hangs whether it is back; one question at a time."""
        self._prober = None
        if self._transport is None:
            return
        if self._time() - self._heard > HANG_LIMIT:
            self.refuse(f"silent for {HANG_LIMIT:g} s")
            return
        if not any(isinstance(call, _Probe) for call in self._pending):
            self._push(_Probe(pack("PING")))
            if self._armed is None:
                self._arm(self._time() + self._deadline)
        self._prober = self._loop.call_later(PROBE_EVERY, self._probe)

    def probed(self, *, alive: bool) -> None:
        """A probe was answered in time."""
        if not alive or self._transport is None:
            return
        if self._prober is not None:
            self._prober.cancel()
            self._prober = None
        self.greeted()
