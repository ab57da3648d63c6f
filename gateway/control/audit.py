"""Who changed what, when, and what came of it: one line of JSON a change, for whoever asks later."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

log = logging.getLogger("tidegate.audit")

Version = tuple[int, str]


class Audit:
    """Appends to a file; without one the lines go to the gateway's own log."""

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        """Raises OSError where nothing can be appended to the file."""
        self._now = now
        self._descriptor = -1 if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def note(self, who: str, action: str, outcome: str, before: Version, after: Version, **more: Any) -> None:
        """`who` is the name of a token, `signal` or `file watch`; before and after are what was in force."""
        line: dict[str, Any] = {
            "time": self._now(),
            "who": who,
            "action": action,
            "outcome": outcome,
            "from": {"generation": before[0], "digest": before[1]},
            "to": {"generation": after[0], "digest": after[1]},
            **more,
        }
        if self._descriptor < 0:
            log.info("%s", orjson.dumps(line).decode())
            return
        try:
            text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
            # A disk that is nearly full takes a part of it, and says no only to the rest.
            while text:
                text = text[os.write(self._descriptor, text) :]
        except OSError as error:
            log.error("the audit log cannot be written (%s): %s", error, orjson.dumps(line).decode())

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
