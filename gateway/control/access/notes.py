"""What is noted of access: who signed in and out, and that somebody tried what was wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

import orjson

log = logging.getLogger("tidegate.audit")

TOGETHER: Final = 60.0
"""Seconds: failures of one client within are one line, so nobody fills the audit with them."""
CLIENTS: Final = 64
"""With a line of their own in that time; the others share one."""


class Note(Protocol):
    """Takes a line for the audit, and does not wait for it to be written."""

    def __call__(self, who: str, did: str, subject: str, **detail: object) -> None: ...


def to_log(who: str, did: str, subject: str, **detail: object) -> None:
    """Where there is no audit."""
    line = {"who": who, "did": did, "subject": subject, "detail": detail}
    log.info("%s", orjson.dumps(line).decode())


class Failures:
    """Of credentials: the first of a client at once, what follows within a minute together with the next."""

    def __init__(self, note: Note, now: Callable[[], float]) -> None:
        self._note = note
        self._now = now
        self._told = 0.0
        self._count: dict[str, int] = {}

    def add(self, client: str) -> None:
        now = self._now()
        if not 0.0 <= now - self._told < TOGETHER:
            self.flush()
            self._told = now
        named = client if client in self._count or len(self._count) < CLIENTS else "others"
        if named not in self._count:
            self._note("nobody", "sign_in.failed", f"from {named}", times=1)
            self._count[named] = 0
            return
        self._count[named] += 1

    def flush(self) -> None:
        """What was not told yet."""
        for client, times in self._count.items():
            if times:
                self._note("nobody", "sign_in.failed", f"from {client}", times=times)
        self._count.clear()
