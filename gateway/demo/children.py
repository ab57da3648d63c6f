"""Processes that we start, that never outlive us, and that end when we say so.

Each has a session of its own: Ctrl-C in a terminal goes to us alone, and we end them in our order. Should we be killed,
the kernel kills them (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_LIBC = ctypes.CDLL(None, use_errno=True)

PATIENCE = 5.0
"""Seconds from SIGTERM to SIGKILL."""


class ChildEnded(Exception):
    """A child ended though nobody asked it to. The text is for people, with the end of what it said."""


class Child:
    """One running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, command: Sequence[str], log: Path) -> Child:
        """Start it. What it says goes to `log`."""
        with _opened(log) as said:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> ChildEnded:
        """Wait for its end, and tell of it."""
        status = await self._process.wait()
        how = f"status {status}" if status >= 0 else signal.Signals(-status).name
        return ChildEnded(
            f"{self.name} ended by itself ({how}). Its last words, from {self._log}:\n{self.last_words()}"
        )

    def last_words(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-lines:])

    async def stop(self, patience: float = PATIENCE) -> None:
        """SIGTERM, and SIGKILL to its whole session for what is left."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _opened(log: Path) -> BinaryIO:
    """To append to, for its owner alone."""
    log.touch(mode=0o600)
    return log.open("ab")


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does between fork and exec. No import and no lock there: another thread may have held it."""

    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # The parent was gone before the kernel was told.

    return bind
