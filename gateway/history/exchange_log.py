"""A worker's side of the exchange log: events go to a spool file by a thread, so that no disk stalls the data plane.

Nothing waits and nothing grows: what the disk cannot take, or what would make the spool too large because no recorder
empties it, is dropped and counted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import queue
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from gateway.history.columns import AT, Event
from gateway.history.spool import OpenSegment, serialise, spool_of

log = logging.getLogger(__name__)

Addresses = Literal["full", "network", "none"]
"""What is kept of callers' addresses: all, the /24 or /56, or nothing (and no coordinates either)."""

BATCH_FOR: Final = 0.1
"""Seconds of events in one batch."""
BATCHES_AT_MOST: Final = 256
SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""A segment is closed at that size: a reader holds one as a whole."""
SPOOL_BYTES: Final = 1024 * 1024 * 1024
"""Of all workers of this machine, before new events are dropped."""
TRY_AGAIN_AFTER: Final = 5.0
"""Seconds for which nothing is written after the disk has refused."""


class ExchangeLog:
    """`note` costs an append. For one event loop; `clock` gives Unix time.

    Raises OSError where the spool cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        worker: str,
        clock: Callable[[], float],
        *,
        addresses: Addresses = "full",
        rotate: float = 60.0,
        segment_bytes: int = SEGMENT_BYTES,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        self._spool = spool_of(folder)
        self._spool.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._worker = worker
        self._clock = clock
        self._addresses = addresses
        self._rotate = rotate
        self._segment_bytes = segment_bytes
        self._spool_bytes = spool_bytes
        self._full = 0
        """Events that were lost before the thread had them. It has a number of its own: neither adds to the other's."""
        self._lost = 0
        self._waits_until = 0.0
        self._events: list[Event] = []
        self._batches: queue.Queue[list[Event] | None] = queue.Queue(BATCHES_AT_MOST)
        self._segment: OpenSegment | None = None
        self._thread = threading.Thread(target=self._run, name="exchange-log", daemon=True)
        self._thread.start()

    def note(self, event: Event) -> None:
        """Keep an event. It is in the spool a moment later."""
        events = self._events
        if not events:
            asyncio.get_running_loop().call_later(BATCH_FOR, self._flush)
        events.append(event)

    @property
    def dropped(self) -> int:
        """Events that are not in the log."""
        return self._full + self._lost

    def _flush(self) -> None:
        events, self._events = self._events, []
        if not events:
            return
        try:
            self._batches.put_nowait(events)
        except queue.Full:
            self._full += len(events)

    def close(self) -> None:
        """Write what is waiting, close the segment, and end the thread. It has five seconds."""
        self._flush()
        self._batches.put(None)
        self._thread.join(timeout=5)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                batch = self._batches.get(timeout=min(self._rotate, 1.0))
            except queue.Empty:
                batch = []
            if batch:
                self._write(batch)
            segment = self._segment
            if segment is not None and (batch is None or self._is_full(segment)):
                self._close(segment)
            if batch is None:
                return

    def _is_full(self, segment: OpenSegment) -> bool:
        return segment.size >= self._segment_bytes or self._clock() - segment.began >= self._rotate

    def _write(self, events: list[Event]) -> None:
        lines, failed = serialise(discreet(events, self._addresses))
        if failed:
            self._drop(failed, "they hold what JSON cannot")
        now = self._clock()
        if now < self._waits_until:
            self._drop(len(events), "")
            return
        try:
            segment = self._segment
            if segment is None:
                self._check_room()
                segment = self._segment = OpenSegment(self._spool, self._worker, now)
            segment.write(lines)
        except OSError as error:
            self._waits_until = now + TRY_AGAIN_AFTER
            self._drop(len(events), f"{self._spool} takes no events: {error.strerror or error}")
            if self._segment is not None:
                # Its last line may be torn, and a reader knows that only of the last.
                self._close(self._segment)

    def _check_room(self) -> None:
        held = 0
        for path in self._spool.iterdir():
            try:
                held += path.stat().st_size
            except FileNotFoundError:
                continue
        if held >= self._spool_bytes:
            raise OSError(f"{held} bytes wait there: is a recorder running (`tidegate history record`)?")

    def _close(self, segment: OpenSegment) -> None:
        self._segment = None
        try:
            segment.close()
        except OSError as error:
            log.error("a segment of %s cannot be closed: %s", self._spool, error)

    def _drop(self, count: int, why: str) -> None:
        self._lost += count
        if why:
            log.error("%d events of the exchange log are lost: %s", count, why)


def discreet(events: list[Event], addresses: Addresses) -> list[Event]:
    """Without what is not to be kept of addresses."""
    if addresses == "full":
        return events
    place, latitude, longitude = AT["client_address"], AT["latitude"], AT["longitude"]
    changed = []
    for event in events:
        values = list(event)
        if addresses == "network":
            values[place] = network_of(event[place])
        else:
            values[place] = ""
            values[latitude] = values[longitude] = None
        changed.append(tuple(values))
    return changed


@lru_cache(maxsize=16_384)
def network_of(address: str) -> str:
    """The first address of the /24 or /56: what one household or office usually has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False).network_address)
