"""A worker's side of observation: what was noted goes, some milliseconds later, to the sketcher beside it.

Text stands in no file and passes no network: only in memory, in the frames of a Unix socket that this user alone may
open. Nothing waits and nothing grows: while the sketcher is away or slow, what is noted is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import orjson

from gateway.telemetry.counters import Counters

log = logging.getLogger(__name__)

GATHER: Final = 0.05
"""Seconds of notes in one frame."""
NOTES_AT_MOST: Final = 512
"""In one frame: then it goes at once."""
BUFFER: Final = 4 * 1024 * 1024
"""Bytes that wait for a sketcher that is away, or slow."""
AGAIN: Final = 1.0
"""Seconds until a sketcher that is away is looked for again."""
HEAD: Final = 4
"""Bytes before a frame that say how long it is, big-endian."""
FRAME_AT_MOST: Final = 64 * 1024 * 1024
"""Bytes: NOTES_AT_MOST of the largest notes are less."""


class Note(NamedTuple):
    """An exchange that has ended, as a worker knows it. Members are those of `Event` where nothing else is said."""

    exchange: str
    time: float
    account: str
    organisation: str
    key: str
    tier: str
    verification: int
    created: float
    address: str
    """Of the client, as it is: the sketcher hashes it."""
    asn: int
    country: str
    network_kinds: list[str]
    ja4: str
    head: str
    """Names of the request's fields in their order, and on further lines what the client says of its software: the
    sketcher hashes both."""
    dialect: str
    route: str
    model: str
    streaming: bool
    features: list[str]
    input_tokens: int
    output_cap: int
    usage_input: int
    usage_output: int
    status: int
    action: str
    reason: str
    seconds: float
    system: str = ""
    """As in `words.Words`, from here on."""
    prompt: str = ""
    turns: tuple[str, ...] = ()
    sizes: tuple[int, int] = (0, 0)
    ids: tuple[str, ...] = ()


Ended = tuple[Any, ...]
"""What `spell` is given: whatever its owner notes."""


class Observer:
    """For one event loop: `run` is for a task, `note` costs an append.

    `socket` is where the sketcher listens; it may come later, and come again. `spell` makes a Note, as a plain tuple:
    many at once cost half as much each as one in the midst of an exchange.
    """

    def __init__(
        self,
        socket: Path,
        counters: Counters,
        spell: Callable[[Ended], tuple[Any, ...]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._socket = str(socket)
        self._counters = counters
        self._spell = spell
        self._sleep = sleep
        self._notes: list[Ended] = []
        self._waiting: deque[tuple[bytes, int]] = deque()
        """Frames that nobody has taken yet, and how many notes each has."""
        self._held = 0
        """Their bytes."""
        self._transport: asyncio.WriteTransport | None = None

    def note(self, ended: Ended) -> None:
        """It is with the sketcher a moment later."""
        notes = self._notes
        if not notes:
            asyncio.get_running_loop().call_later(GATHER, self.flush)
        notes.append(ended)
        if len(notes) >= NOTES_AT_MOST:
            self.flush()

    def flush(self) -> None:
        """What gathers goes."""
        notes, self._notes = self._notes, []
        if not notes:
            return
        spelled = [self._spell(note) for note in notes]
        try:
            content = orjson.dumps(spelled)
        except TypeError as error:
            # Callers choose much of a note: one that cannot be written takes no others along.
            spelled = [note for note in spelled if _is_written(note)]
            log.error("%d observations are lost: %s", len(notes) - len(spelled), error)
            self._counters.observations_dropped += len(notes) - len(spelled)
            if not spelled:
                return
            content = orjson.dumps(spelled)
        self._waiting.append((len(content).to_bytes(HEAD, "big") + content, len(spelled)))
        self._held += len(content)
        self._hand_over()
        while self._held > BUFFER:
            frame, count = self._waiting.popleft()
            self._held -= len(frame) - HEAD
            self._counters.observations_dropped += count

    async def run(self) -> None:
        """Keep in touch with the sketcher, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    transport, line = await loop.create_unix_connection(_Line, self._socket)
                except OSError:
                    await self._sleep(AGAIN)
                    continue
                self._transport = cast("asyncio.WriteTransport", transport)
                self._transport.set_write_buffer_limits(BUFFER)
                line.writable = self._hand_over
                self._hand_over()
                await line.lost
                self._transport = None
                await self._sleep(AGAIN)
        finally:
            if self._transport is not None:
                self.flush()
                self._transport.close()
                self._transport = None

    def _hand_over(self) -> None:
        transport = self._transport
        while transport is not None and self._waiting and transport.get_write_buffer_size() < BUFFER:
            frame, count = self._waiting.popleft()
            self._held -= len(frame) - HEAD
            transport.write(frame)
            self._counters.observations_noted += count


class _Line(asyncio.Protocol):
    """To the sketcher, who never answers."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writable: Callable[[], None] = _nothing

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended does not matter
        if not self.lost.done():
            self.lost.set_result(None)

    def resume_writing(self) -> None:
        self.writable()


def _is_written(note: tuple[Any, ...]) -> bool:
    try:
        orjson.dumps(note)
    except TypeError:
        return False
    return True


def _nothing() -> None:
    return
