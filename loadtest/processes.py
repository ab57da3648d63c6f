"""Children on cores of their own. They never outlive us, and nobody else's process is ever touched."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

PR_SET_PDEATHSIG: Final = 1
STOP_LIMIT: Final = 8.0
"""Seconds between SIGTERM and SIGKILL."""


class CannotStart(Exception):
    """A child ended at once, or did not answer in time."""


class Cores(NamedTuple):
    """Who runs where."""

    target: frozenset[int]
    rest: frozenset[int]
    """The generator, the upstream, Redis and ourselves."""

    @classmethod
    def pinned(cls) -> Cores:
        """The target alone on the last core that we may use, all else on the others."""
        mine = sorted(os.sched_getaffinity(0))
        if len(mine) == 1:
            return cls(frozenset(mine), frozenset(mine))
        return cls(frozenset(mine[-1:]), frozenset(mine[:-1]))

    @classmethod
    def free(cls) -> Cores:
        """Everybody everywhere."""
        mine = frozenset(os.sched_getaffinity(0))
        return cls(mine, mine)


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def in_child(cores: frozenset[int]) -> Callable[[], None]:
    """What a child runs before its program: it dies with us, keeps to its cores, and may open as many files as we."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.sched_setaffinity(0, cores)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


class Child:
    """One child process, with its output in a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        cores: frozenset[int],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        piped: bool = False,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                preexec_fn=in_child(cores),  # noqa: PLW1509 - one thread, and the kernel must hear it before the exec
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                start_new_session=True,
                text=piped,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def last_words(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-1500:].strip() or "no output"

    def wait_for(self, answers: Callable[[], bool], limit: float) -> None:
        """Wait until it answers. Raises CannotStart."""
        until = time.monotonic() + limit
        while not answers():
            if self.process.poll() is not None:
                raise CannotStart(f"{self.process.args!r} ended at once: {self.last_words()}")
            if time.monotonic() > until:
                raise CannotStart(f"{self.process.args!r} did not answer in {limit:g} s: {self.last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it: politely first."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def answers_with(port: int, request: bytes, wanted: bytes = b" 200 ", timeout: float = 5.0) -> Callable[[], bool]:
    """Whether a server on loopback answers these bytes as wanted in the first line."""

    def ask() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
                connection.sendall(request)
                return wanted in connection.recv(4096).partition(b"\r\n")[0]
        except OSError:
            return False

    return ask
