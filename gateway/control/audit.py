"""Who changed what, when, and what came of it: one line of JSON a change, for whoever asks later.

Where there is a directory its audit has these lines as well (`Notes`), in the chain of `gateway.accounts.sql.audit`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.sql import audit as chain
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.notes import Note
from gateway.tasks import spawn

log = logging.getLogger("tidegate.audit")

Version = tuple[int, str]

POLICIES: Final = "policies"
"""The subject of what is done to the rules."""
WAITING: Final = 1_000
"""Lines that wait for the directory; more go to the log alone."""
TOGETHER: Final = 100
"""Lines of one transaction."""
PATIENCE: Final = 5.0
"""Seconds for what waits when the port closes: shorter than a directory may take that is gone."""


class Audit:
    """Appends to a file; without one the lines go to the gateway's own log."""

    def __init__(self, path: Path | None, now: Callable[[], float], tell: Note | None = None) -> None:
        """`tell` is given each line as well: `Notes`, where there is a directory. Raises OSError where nothing can be
        appended to the file.
        """
        self._now = now
        self._tell = tell
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
        if self._tell is not None:
            said = {name: line[name] for name in line if name not in ("time", "who", "action", "from", "to")}
            did = f"{POLICIES}.{outcome if outcome == 'denied' else action}"
            path = {"path": action} if outcome == "denied" else {}
            self._tell(who, did, POLICIES, before=line["from"], after=line["to"], **path, **said)
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


class _Said(NamedTuple):
    who: str
    at: float
    did: str
    subject: str
    detail: Mapping[str, object]


class Notes:
    """Writes lines into the directory's audit, in their order, and keeps nobody waiting: a `Note`.

    A line that cannot be written goes to the log. Called on the loop; `close` writes what waits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines: deque[_Said] = deque()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, who: str, did: str, subject: str, **detail: object) -> None:
        """Never raises: what is done is done."""
        line = _Said(_text(who), self._database.now(), _text(did)[:64], _text(subject)[:128], _plain(detail))
        if len(self._lines) >= WAITING:
            _lost([line], f"{WAITING:,} lines wait for the directory already")
            return
        self._lines.append(line)
        if self._task is None or self._task.done():
            self._task = spawn(self._write(), name="audit notes")

    async def close(self) -> None:
        """What waits is written, or told to the log."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=PATIENCE)
            self._task.cancel()
        _lost(self._lines, "the gateway ended before")
        self._lines.clear()

    async def _write(self) -> None:
        while self._lines:
            batch = [self._lines.popleft() for _ in range(min(TOGETHER, len(self._lines)))]
            try:
                await self._database.writing("gateway", lambda writing, batch=batch: _put(writing, batch))  # type: ignore[misc]
            except (SQLAlchemyError, RuntimeError) as error:
                # RuntimeError: its threads have ended, the gateway goes down.
                _lost(batch, str(getattr(error, "orig", None) or error))


async def tell_head(database: Database) -> None:
    """Say in the log how far the audit's chain is: whoever keeps the log elsewhere can later show that nobody cut it
    off, or made it anew. To be called at the start and once a day.
    """
    try:
        newest = await database.reading(chain.head)
    except SQLAlchemyError as error:
        log.error("the head of the audit cannot be read: %s", getattr(error, "orig", None) or error)
        return
    if newest.id:
        log.info("the audit stands at line %d, head %s", newest.id, newest)


def _put(writing: Writing, lines: list[_Said]) -> None:
    for line in lines:
        writing.note(*line)


def _lost(lines: deque[_Said] | list[_Said], why: str) -> None:
    for line in lines:
        log.error("the directory's audit cannot be written (%s): %s", why, orjson.dumps(line._asdict()).decode())


def _text(value: str) -> str:
    """As any database takes it: no half of a surrogate pair, no NUL (PostgreSQL)."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(value: Any) -> Any:
    """As JSON has it, whatever it is."""
    if isinstance(value, Mapping):
        return {_text(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _text(str(value))
