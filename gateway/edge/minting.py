"""Ids of tool calls, replaced in an answer as it passes. Of the same length, so that no frame changes.

Only answers to requests with tools come here. A stream is held back to its last whole line, which is less than an
event; a JSON answer until it is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from gateway.dialects.event_stream import json_of
from gateway.dialects.tool_ids import MARKS, made

HELD_AT_MOST: Final = 8 * 1024 * 1024
"""Bytes. What is longer passes with its own ids."""


class Minting:
    """`mint` gives the id in place of one that the upstream gave."""

    __slots__ = ("_held", "_lines", "_mint", "_passing")

    def __init__(self, mint: Callable[[str], str], *, lines: bool) -> None:
        self._mint = mint
        self._lines = lines
        self._held = bytearray()
        self._passing = False

    def feed(self, piece: bytes) -> bytes:
        """Bytes as the reader passes them on; what may go to the caller."""
        if self._passing:
            return piece
        held = self._held
        held += piece
        if len(held) > HELD_AT_MOST:
            self._passing = True
            return self._all()
        if not self._lines:
            return b""
        end = held.rfind(b"\n") + 1
        if not end:
            return b""
        whole = bytes(held[:end])
        del held[:end]
        if not any(mark in whole for mark in MARKS):
            return whole
        return b"".join([self._line(line) for line in whole.splitlines(keepends=True)])

    def finish(self) -> bytes:
        """The rest."""
        rest = self._all()
        return self._line(rest) if rest and not self._passing else rest

    def _all(self) -> bytes:
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _line(self, line: bytes) -> bytes:
        """One line of a stream, or a whole answer."""
        # Nearly all that a call says are pieces of its arguments, in events with no id but their own.
        if not any(mark in line for mark in MARKS) or (b'"tool_use"' not in line and line.count(b'"id"') < 2):
            return line
        try:
            document = json_of(line) if self._lines else orjson.loads(line)
        except orjson.JSONDecodeError:
            return line
        for given in made(document):
            minted = self._mint(given)
            if minted != given:
                line = line.replace(b'"%b"' % given.encode(), b'"%b"' % minted.encode())
        return line
