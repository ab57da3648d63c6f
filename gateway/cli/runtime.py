"""The folder of one gateway's life: sockets, rulesets, copies. It goes with the process, or with the next one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PREFIX: Final = "tidegate-"
LOCK: Final = "lock"
"""Held (flock) as long as the process lives, however it ends."""
YOUNG: Final = 60.0
"""Seconds for which a folder whose lock nobody holds may be one that is just being made."""


@contextlib.contextmanager
def runtime_folder(now: float, beside: Path | None = None) -> Iterator[Path]:
    """A new one, for its owner alone. Those of gateways that were killed are removed: they may hold secrets, and long
    lists. `now` is Unix time. Raises OSError where none can be made.
    """
    where = beside or Path(tempfile.gettempdir())
    _remove_abandoned(where, now)
    # A ruleset may still be in the making when we end.
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=where, ignore_cleanup_errors=True) as folder:
        descriptor = os.open(Path(folder) / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(folder)
        finally:
            os.close(descriptor)


def _remove_abandoned(where: Path, now: float) -> None:
    for lock in where.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            folder = lock.parent.lstat()
            if folder.st_uid != os.getuid() or lock.lstat().st_mtime > now - YOUNG or lock.parent.is_symlink():
                continue
            descriptor = os.open(lock, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(descriptor)
