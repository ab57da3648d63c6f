"""Observations on their way: frames of this machine's workers in, batches of events into the fleet's stream.

While Redis is away a bounded backlog waits, and the oldest go first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket as sockets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.campaigns.event import Event
from gateway.campaigns.observer import FRAME_AT_MOST, HEAD
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, VERSION, pack
from gateway.detect.sketching import BadFrame, Sketching
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY, WRITE, Outages
from gateway.tasks import is_cancelled

log = logging.getLogger(__name__)

STREAM: Final = "tg:events"
ENTRY: Final = 256
"""Events in one entry of the stream, at the most."""
BACKLOG: Final = 100_000
"""Events that wait for Redis: some 60 MB."""
TRIM: Final = 5.0
"""Seconds between two looks at the number of events in the stream."""


@dataclass(slots=True)
class Counts:
    written: int = 0
    dropped: int = 0
    """Events that waited for Redis too long."""
    failures: int = 0
    refused: int = 0
    """Frames that no worker of ours has sent."""


class Stream:
    """The writing end of `tg:events`. `put` never waits; `run` is for a task.

    `retention` is in seconds; `most` is how many events Redis may hold. `clock` gives Unix time.
    """

    def __init__(self, redis: Any, clock: Callable[[], float], retention: float, most: int) -> None:
        self._redis = redis
        self._clock = clock
        self._retention = retention
        self._most = most
        self.counts = Counts()
        self._outages = Outages(self.counts, log, "observations", "they wait, the oldest are lost first")
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._sizes: deque[list[int]] = deque()
        """[Second, entries, events] of what was written within the retention."""
        self._entries = self._held = 0
        """Sums of these."""
        self._trims = 0.0

    def put(self, events: Sequence[Event]) -> None:
        """They are in the stream a moment later."""
        waiting = self._waiting
        waiting.extend(events)
        while len(waiting) > BACKLOG:
            waiting.popleft()
            self.counts.dropped += 1
        if waiting:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled; it never gives up."""
        retry, lost = FIRST_RETRY, 0
        while not is_cancelled():
            await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(ENTRY, len(self._waiting)))]
            try:
                async with asyncio.timeout(WRITE):
                    await self._write(batch)
            except AWAY as error:
                self._waiting.extendleft(reversed(batch))
                self._outages.began("told", error)
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY)
                continue
            retry = FIRST_RETRY
            self._outages.ended("told")
            if self.counts.dropped > lost:
                log.warning("%d observations were lost meanwhile", self.counts.dropped - lost)
                lost = self.counts.dropped
            if not self._waiting:
                self._wake.clear()

    async def finish(self, within: float) -> None:
        """Write what waits, for at most so many seconds: at the end of the process."""
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(within):
                while self._waiting:
                    batch = [self._waiting.popleft() for _ in range(min(ENTRY, len(self._waiting)))]
                    await self._write(batch)

    async def _write(self, batch: Sequence[Event]) -> None:
        now = self._clock()
        # First of all: were it to fail when the batch is written, that would be written again.
        if now >= self._trims and self._held:
            # Every gateway of a fleet writes entries of about the same size.
            entries = int(self._most * self._entries / self._held)
            await self._redis.xtrim(STREAM, maxlen=max(entries, 1), approximate=True)
            self._trims = now + TRIM
        fields = {FIELD_VERSION: VERSION, FIELD_EVENTS: pack(batch)}
        await self._redis.xadd(
            STREAM, fields, minid=f"{max(0, int((now - self._retention) * 1000))}-0", approximate=True
        )
        self.counts.written += len(batch)
        self._remember(now, len(batch))

    def _remember(self, now: float, count: int) -> None:
        if not self._sizes or self._sizes[-1][0] != int(now):
            self._sizes.append([int(now), 0, 0])
        self._sizes[-1][1] += 1
        self._sizes[-1][2] += count
        self._entries += 1
        self._held += count
        while self._sizes[0][0] < now - self._retention - 1.0:
            _, entries, events = self._sizes.popleft()
            self._entries -= entries
            self._held -= events


class Hearing:
    """Where workers hand over what they noted: a Unix socket that this user alone may open."""

    def __init__(self, path: Path, sketching: Sketching, stream: Stream) -> None:
        self._path = path
        self._sketching = sketching
        self._stream = stream
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Raises OSError where it cannot be made."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()  # Of one that was killed.
        listening = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        listening.bind(str(self._path))
        # Before anybody can connect, which only listening makes possible.
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._hear, sock=listening)

    async def close(self) -> None:
        """What has come is taken in before."""
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(HEAD), "big")
                if size > FRAME_AT_MOST:
                    raise BadFrame("too large")
                self._stream.put(self._sketching.events(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # A worker has gone.
        except BadFrame as bad:
            self._stream.counts.refused += 1
            log.error("a frame of observations is none of ours (%s): the line is cut", bad)
        finally:
            self._lines.discard(writer)
            writer.close()
