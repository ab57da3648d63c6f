"""`accounts.yaml` -> a snapshot of the directory, read again when it changes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from gateway.accounts.file_directory import Snapshot, snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.model import AccountsFile
from gateway.rules.check import check
from gateway.rules.problems import Problems
from gateway.rules.read import Document, read

_log = logging.getLogger(__name__)

Signature = tuple[int, int, int, int] | None
"""Device, inode, size and time of change; None for a file that is not there."""


def read_accounts(path: Path, environment: Mapping[str, str] = os.environ) -> Snapshot:
    """Read and check. Raises Problems with all that is wrong."""
    return _snapshot_of(read(path), environment)


def _snapshot_of(document: Document, environment: Mapping[str, str]) -> Snapshot:
    return snapshot(check(document, AccountsFile, environment))


class AccountsWatcher:
    """Reads the file again when it changes. One that is wrong is said once, aloud, and the last good one stays."""

    def __init__(
        self,
        path: Path,
        directory: LiveDirectory,
        environment: Mapping[str, str] = os.environ,
        interval: float = 0.5,
        last_good: Path | None = None,
        *,
        required: bool = True,
    ) -> None:
        """`last_good` is where a copy of the last one without errors is kept, for a worker that starts when the file
        has some. One that is not `required` may be missing when we begin: then nobody is in it.
        """
        self.path = path
        self.directory = directory
        self.environment = environment
        self.interval = interval
        """Seconds between looks."""
        self.last_good = last_good
        self.required = required
        self._seen: Signature = None

    def load(self) -> None:
        """Read it for the first time. Raises Problems: a gateway does not start on a file that is wrong, but a worker
        that is started again has to.
        """
        self._seen = _signature(self.path)
        if self._seen is None and not self.required:
            return
        try:
            content = self._read()
        except Problems as error:
            if self.last_good is None or not self.last_good.exists():
                raise
            content = read_accounts(self.last_good, self.environment)
            _log.error("accounts cannot be loaded, the last good ones are in force:\n%s", error)
        self.directory.replace(content)

    def _read(self) -> Snapshot:
        document = read(self.path)
        content = _snapshot_of(document, self.environment)
        if self.last_good is not None:
            self._keep(self.last_good, document.source)
        return content

    def _keep(self, last_good: Path, source: bytes) -> None:
        """Whole or not at all; for its owner alone, since it may hold peppers."""
        draft = last_good.with_name(f".{last_good.name}.{os.getpid()}")
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(source)
            draft.replace(last_good)
        except OSError as error:
            _log.error("no copy of the accounts can be kept: %s", error)

    async def run(self) -> None:
        """Look for ever: for a task of its own."""
        while True:
            await asyncio.sleep(self.interval)
            await self.look()

    async def look(self) -> bool:
        """Look once; whether a new content went live."""
        found = await asyncio.to_thread(_signature, self.path)
        if found == self._seen:
            return False
        # Before reading: a change while it is read is seen by the next look.
        self._seen = found
        try:
            content = await asyncio.to_thread(self._read)
        except Problems as error:
            _log.error("accounts not reloaded, the last good ones stay in force:\n%s", error)
            return False
        self.directory.replace(content)
        _log.info("accounts reloaded from %s: %r", self.path, self.directory)
        return True


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
