"""text/event-stream, read as it passes (WHATWG HTML, section 9.2.5 and 9.2.6).

A reader sees every byte, changes none but the events that it is told to take out, and parses only the few events that
say something: usage, and the end. What is common, a piece of whole events that say neither, costs some substring tests.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.policy import Usage

MAX_EVENT = 8 * 1024 * 1024
"""A longer event passes unread: the whole of a generated image in base64 is some 4 MiB."""

_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""The end of an event. Atomic, so that CRLF is never taken for two ends of lines."""
_WHOLE = (b"\n\n", b"\r\n\r\n")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_WORDY = 12
"""Bytes of text an event above which it holds more than one token: few tokens are longer."""
_BYTES_PER_TOKEN = 4


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data` lines without their first space, joined by LF."""
    lines = [
        line[5:].removeprefix(b":").removeprefix(b" ")
        for line in _LINE_END.split(event.removeprefix(_BOM))
        if line.startswith(b"data:") or line == b"data"
    ]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def json_of(event: bytes) -> dict[str, Any] | None:
    """The data of one event as a JSON object; None where it is none."""
    try:
        document = orjson.loads(data_of(event))
    except orjson.JSONDecodeError:
        return None
    return document if type(document) is dict else None


class EventReader:
    """What the readers of all dialects share. A subclass says which events matter: `_plain`, `_read`, `_text`, MARK."""

    __slots__ = (
        "_bytes",
        "_envelope",
        "_events",
        "_next_sample",
        "_pending",
        "_samples",
        "_skipping",
        "_strip",
        "complete",
        "usage",
    )

    MARK = b"data:"
    """Stands once in each event that carries content."""

    usage: Usage | None
    complete: bool

    def __init__(self, *, strip: bool = False) -> None:
        self.usage = None
        self.complete = False
        self._strip = strip
        self._pending = bytearray()
        self._skipping = False
        self._events = 0
        self._bytes = 0
        self._next_sample = 1
        self._samples = 0
        self._envelope = 0

    # ── What passes ──

    def feed(self, piece: bytes) -> bytes:
        """Bytes as they came, any cut. Returns what to pass on now: `piece` itself where nothing is taken out."""
        # Nothing is pending, so nothing is being skipped either.
        if not self._pending and piece.endswith(_WHOLE) and self._plain(piece):
            found = piece.count(self.MARK)
            if found:
                self._bytes += len(piece)
                self._events = events = self._events + found
                if events >= self._next_sample:
                    self._sample(piece)
            return piece
        return self._feed_slowly(piece)

    def finish(self) -> bytes:
        """The upstream ended: returns what was held back, if anything.

        An event without its blank line is no event (the standard drops it), so it is not read, but it is passed on.
        """
        held = bytes(self._pending) if self._strip and not self._skipping else b""
        self._pending.clear()
        return held

    @property
    def between_events(self) -> bool:
        """True where what was passed on ends with a whole event."""
        return not self._skipping and (self._strip or not self._pending)

    def _feed_slowly(self, piece: bytes) -> bytes:
        if self._skipping:
            return self._skip(piece)
        pending = self._pending
        held = len(pending)
        pending += piece
        passed: list[bytes] = []
        taken_out = False
        start = 0
        # The last blank line that may have begun in what is pending began three bytes before its end.
        match = _BLANK_LINE.search(pending, max(0, held - 3))
        while match is not None:
            end = match.end()
            event = bytes(pending[start:end])
            if len(event) <= MAX_EVENT and self._take(event):
                taken_out = True
            elif self._strip:
                passed.append(event)
            start = end
            match = _BLANK_LINE.search(pending, start)
        del pending[:start]
        whole = not held and not pending
        if len(pending) > MAX_EVENT:
            if self._strip:
                passed.append(bytes(pending))
            self._skipping = True
            del pending[:-3]
        if not self._strip or (whole and not taken_out):
            return piece
        return b"".join(passed)

    def _skip(self, piece: bytes) -> bytes:
        """Inside an event that is too long to be held: all passes until its blank line."""
        tail = len(self._pending)
        window = bytes(self._pending) + piece
        match = _BLANK_LINE.search(window)
        if match is None:
            self._pending[:] = window[-3:]
            return piece
        cut = max(match.end() - tail, 0)
        self._skipping = False
        self._pending.clear()
        rest = piece[cut:]
        return piece[:cut] + self._feed_slowly(rest) if rest else piece

    def _take(self, event: bytes) -> bool:
        """Read one whole event; True where it is not to be passed on."""
        if not self._plain(event):
            return self._read(event)
        if self.MARK in event:
            self._note(event)
        return False

    def _note(self, event: bytes) -> None:
        """One more event of content."""
        self._events += 1
        self._bytes += len(event)
        if self._events >= self._next_sample:
            self._sample(event)

    # ── What the dialect knows ──

    def _plain(self, piece: bytes) -> bool:
        """True where no event in `piece` says anything but content. Cheap."""
        raise NotImplementedError

    def _read(self, event: bytes) -> bool:
        """An event that is not plain: note what it says. True where it is to be taken out."""
        raise NotImplementedError

    def _text(self, document: dict[str, Any]) -> int:
        """Bytes of text in one content event."""
        raise NotImplementedError

    # ── What was delivered ──

    @property
    def delivered(self) -> int:
        """Output tokens passed on so far: one an event, or bytes of text over four where events are longer than that.

        The text is what is left of the bytes without the JSON around it, whose size some parsed samples show.
        """
        events = self._events
        text = self._bytes - events * self._envelope
        return max(events, -(-text // _BYTES_PER_TOKEN)) if text > _WORDY * events else events

    @property
    def so_far(self) -> Usage | None:
        """`usage`, but with no fewer output tokens than `delivered` where the stream did not end well."""
        usage = self.usage
        if usage is None or self.complete or usage.output >= self.delivered:
            return usage
        return usage._replace(output=self.delivered)

    def _sample(self, piece: bytes) -> None:
        """Parse one content event of `piece`, the first, second, eighth, 32nd… of the stream, to learn the envelope."""
        self._next_sample = 2 if self._events == 1 else max(8, self._events * 4)
        event = piece
        for candidate in _BLANK_LINE.split(piece):
            if self.MARK in candidate:
                event = candidate + b"\n\n"
        document = json_of(event)
        if document is None:
            return
        envelope = len(event) - self._text(document)
        self._envelope = (self._envelope * self._samples + envelope) // (self._samples + 1)
        self._samples += 1


def text_size(value: object) -> int:
    """Bytes of a string as it stands in JSON, without its quotes; 0 for what is no string."""
    return len(orjson.dumps(value)) - 2 if type(value) is str and value else 0
