"""`tidegate demo`: starts everything, says where it is, and ends all of it at once.

Order: Redis, the stand-in inference API (if no --upstream), the folder, the gateway; ends in reverse. A child that ends
by itself ends the demo with its last words; Ctrl-C and SIGTERM end it with status 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import aiohttp

from gateway.demo.children import Child, ChildEnded
from gateway.demo.greeting import Ready, greeting
from gateway.demo.world import PROVIDER, Places, make, shipped_policies, write_private
from gateway.tasks import spawn

HOST = "127.0.0.1"
USUAL_PORT = 8080
START_TIME = 90.0
"""Seconds for a child to serve."""

GATEWAY: Sequence[str] = (sys.executable, "-m", "gateway", "serve", "--config")
"""The command line of the gateway, to which its tidegate.yaml is added. The same program that we are."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `tidegate demo` can be told."""

    port: int | None = None
    """None: 8080, or any that is free; 0: any that is free."""
    upstream: str = ""
    """An inference API instead of the stand-in; its credential is read from TIDEGATE_UPSTREAM_KEY."""
    workers: int = 1
    ready_file: Path | None = None
    directory: Path | None = None
    """None: a temporary folder, removed at the end."""
    latency: float = 0.05
    """Of the stand-in: seconds before an answer."""
    tokens_per_second: float = 100.0
    """Of the stand-in; 0: as fast as it goes."""
    gateway: Sequence[str] = GATEWAY


class CannotStart(Exception):
    """The demo cannot start; the text is for people."""


async def run_until_signal(
    options: Options, redis: AbstractAsyncContextManager[str], say: Callable[[str], object]
) -> int:
    """Run until a signal or trouble; returns the exit status. `redis` gives the URL of a server while it is entered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    demo = spawn(_trouble(options, redis, say), "demo")
    stopped = spawn(stop.wait(), "signal")
    await asyncio.wait({demo, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    demo.cancel()
    try:
        say(f"\n{await demo}\n")
    except asyncio.CancelledError:
        say("\nAll of it has ended.\n")
        return 0
    return 1


async def _trouble(options: Options, redis: AbstractAsyncContextManager[str], say: Callable[[str], object]) -> str:
    """Serve for ever, or return what went wrong, in words for people."""
    try:
        await _serve(options, redis, say)
    except (CannotStart, ChildEnded) as problem:
        return str(problem)


async def _serve(options: Options, redis: AbstractAsyncContextManager[str], say: Callable[[str], object]) -> NoReturn:
    """Start all, tell, and wait for the first child that ends. Raises CannotStart or ChildEnded."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder(options.directory))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        places = Places(
            listen=f"{HOST}:{_port(options.port)}",
            admin=f"{HOST}:{free_port()}",
            redis=await stack.enter_async_context(redis),
            upstream=options.upstream or f"http://{HOST}:{free_port()}",
            provider=f"http://{HOST}:{free_port()}",
        )
        children = []
        if not options.upstream:
            standin = await stack.enter_async_context(_running("stand-in", _standin(options, places), folder))
            await _until_it_serves(standin, http, f"{places.upstream}/standin/stats")
            children.append(standin)
        provider = await stack.enter_async_context(_running("provider", _provider(places), folder))
        await _until_it_serves(provider, http, f"{places.provider}/standin/sessions")
        children.append(provider)
        world = make(folder, places, options.workers, shipped_policies())
        command = [*options.gateway, str(world.config)]
        gateway = await stack.enter_async_context(_running("gateway", command, folder))
        await _until_it_serves(gateway, http, f"http://{places.admin}/readyz")
        children.append(gateway)

        ready = Ready(
            f"http://{places.listen}",
            f"http://{places.admin}",
            places.upstream,
            places.redis,
            world.keys,
            os.getpid(),
            str(folder),
            places.provider,
        )
        if options.ready_file is not None:
            stack.callback(options.ready_file.unlink, missing_ok=True)
            write_private(options.ready_file, json.dumps(ready._asdict(), indent=2) + "\n")
        say(greeting(ready))
        ends = [spawn(child.ended(), f"watch {child.name}") for child in children]
        for end in ends:
            stack.callback(end.cancel)
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        raise done.pop().result()


def _standin(options: Options, places: Places) -> list[str]:
    port = places.upstream.rpartition(":")[2]
    pace = ["--latency", str(options.latency), "--tokens-per-second", str(options.tokens_per_second)]
    return [sys.executable, "-m", "gateway.demo.inference", "--port", port, *pace]


def _provider(places: Places) -> list[str]:
    hooks = f"http://{places.listen}/tidegate/hooks/{PROVIDER}"
    port = places.provider.rpartition(":")[2]
    return [sys.executable, "-m", "gateway.demo.verification", "--port", port, "--hooks", hooks]


@contextlib.asynccontextmanager
async def _running(name: str, command: Sequence[str], folder: Path) -> AsyncIterator[Child]:
    child = await Child.start(name, command, folder / f"{name}.log")
    try:
        yield child
    finally:
        await child.stop()


@contextlib.contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield directory.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _until_it_serves(child: Child, http: aiohttp.ClientSession, url: str) -> None:
    """Ask until it answers 200. Raises ChildEnded where it ends instead, CannotStart where it takes too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_TIME):
            while True:
                if not child.running:
                    raise await child.ended()
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(url) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)
    raise CannotStart(f"the {child.name} does not serve after {START_TIME:.0f} s:\n{child.last_words()}")


def _port(wanted: int | None) -> int:
    """The gateway's port. Raises CannotStart for one that was asked for and is taken."""
    if wanted == 0:
        return free_port()
    port = USUAL_PORT if wanted is None else wanted
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            if wanted is None:
                return free_port()
            raise CannotStart(f"port {port} cannot be used: {problem.strerror}") from problem
    return port


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
