"""Where a process that serves says what happens: stderr, as lines for people or as one JSON object a line."""

from __future__ import annotations

import logging
from typing import Final

import orjson

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """`time` is Unix seconds; `exception` only where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # What cannot be encoded, such as half of a surrogate pair, must not cost the line.
        line = {key: value if not isinstance(value, str) else _plain(value) for key, value in line.items()}
        return orjson.dumps(line).decode()


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]  # generic for type checkers alone
    """Ours, so that a later call finds it."""


def log_to_stderr(how: str = "text") -> None:
    """`text` or `json`, as `process_log` says. The last call holds: a process begins with text, and reads its file.

    Where somebody else has set logging up already, as a program that embeds us does, nothing is changed.
    """
    root = logging.getLogger()
    ours = next((handler for handler in root.handlers if isinstance(handler, _Stderr)), None)
    if ours is None:
        if root.handlers:
            return
        ours = _Stderr()
        root.addHandler(ours)
        root.setLevel(logging.INFO)
    ours.setFormatter(JsonLines() if how == "json" else logging.Formatter(TEXT))


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
