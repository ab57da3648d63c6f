"""One line of JSON an exchange, written by a thread so that a slow reader of the log never stalls the data plane.

The lines are an interface: people filter and alarm on them. Fields are added, not renamed. No prompt, no credential,
no content.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from gateway.telemetry.counters import Counters

BATCHES_AT_MOST: Final = 256
BATCH_FOR: Final = 0.05
"""Seconds of lines in one batch. Waking the thread for each tick of the event loop cost a fifth of an exchange."""


class AccessLog:
    """Lines of a moment are one write. What the disk cannot take is dropped, and counted."""

    def __init__(self, descriptor: int, counters: Counters) -> None:
        self._descriptor = descriptor
        self._counters = counters
        self._lines: list[bytes] = []
        self._batches: queue.Queue[bytes | None] = queue.Queue(BATCHES_AT_MOST)
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def note(self, line: dict[str, Any]) -> None:
        lines = self._lines
        if not lines:
            asyncio.get_running_loop().call_later(BATCH_FOR, self._flush)
        lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _flush(self) -> None:
        lines = self._lines
        self._lines = []
        if not lines:
            return
        try:
            self._batches.put_nowait(b"".join(lines))
        except queue.Full:
            self._counters.log_lines_dropped += len(lines)

    def _write(self) -> None:
        while (batch := self._batches.get()) is not None:
            view = memoryview(batch)
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                self._counters.log_lines_dropped += batch.count(b"\n")

    def close(self) -> None:
        """Write what is waiting, and end the thread."""
        self._flush()
        self._batches.put(None)
        self._thread.join(timeout=5)
