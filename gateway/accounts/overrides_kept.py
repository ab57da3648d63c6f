"""The last overrides that a worker of this gateway has read, in a file: for a start while the database is away.

JSON: {"revision": 17, "overrides": [as `gateway.overrides.written.document_of`]}. It is written by each worker whenever
it holds others; the last one wins, and all hold the same within a second.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import orjson

from gateway.overrides.whole import Overrides
from gateway.overrides.written import Wrong, document_of, override_of

MODE: Final = 0o600


class KeptOverrides:
    """The file. Errors are OSError; a file that cannot be read as a whole is ValueError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, overrides: Overrides) -> None:
        """A new file under the old name: half of one is never read."""
        document = {"revision": overrides.revision, "overrides": [document_of(one) for one in overrides.all]}
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as writing:
                writing.write(orjson.dumps(document))
                writing.flush()
                os.fsync(writing.fileno())
            draft.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def read(self, now: float) -> Overrides | None:
        """What holds of it at `now`; None where there is no file."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            document = orjson.loads(content)
            return Overrides(map(override_of, document["overrides"]), int(document["revision"]), now)
        except (KeyError, TypeError, Wrong) as error:
            raise ValueError(f"{self._path.name} is not what it should be: {error}") from error
