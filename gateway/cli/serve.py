"""`tidegate serve`: a supervisor with its workers and the operators' port."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from aiohttp import web

from gateway.app import Configuration, Worker, check_everything, read_configuration
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.control import admin
from gateway.control.worker import serve as serve_worker_control
from gateway.edge.listener import address_of, bind, claim
from gateway.edge.workers import Supervisor, die_with_parent
from gateway.rules.problems import Problems

log = logging.getLogger("tidegate")


def serve(
    config: ConfigOption = Path("tidegate.yaml"),
    workers: Annotated[int | None, typer.Option(help="Instead of what the file says.", min=1, max=256)] = None,
) -> None:
    """Serve. SIGTERM drains, SIGHUP reads the policies again."""
    _log_to_stderr()
    try:
        configuration, ruleset = check_everything(config)
    except Problems as problems:
        fail_with(problems)
    log.info("chain: %s", " → ".join(entry.name for entry in ruleset.entries))
    try:
        uvloop.run(_supervise(configuration, workers or configuration.file.workers))
    except OSError as error:
        fail(f"cannot serve on {error.strerror or error}")


async def _supervise(configuration: Configuration, count: int) -> None:
    file = configuration.file
    bound, admin_bound = claim(file.listen), bind(file.admin, shared=False)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="tidegate-") as runtime:
        command = ["-m", "gateway", "worker", "--config", str(configuration.path), "--index", "{index}"]
        command += ["--listen", address_of(bound), "--control", "{socket}", "--parent", str(os.getpid())]
        supervisor = Supervisor(command, count, Path(runtime))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, supervisor.signal, signal.SIGHUP)
        fleet = admin.Fleet(supervisor.sockets, lambda: supervisor.restarts)
        runner = web.AppRunner(admin.application(fleet), access_log=None)
        await runner.setup()
        await web.SockSite(runner, admin_bound).start()
        await supervisor.start()
        log.info("serving on %s with %d worker(s); admin on %s", address_of(bound), count, address_of(admin_bound))
        await stopping.wait()
        log.info("draining")
        await supervisor.stop(file.timeouts.drain + 5.0)
        await runner.cleanup()
        bound.close()


def worker(
    config: ConfigOption,
    listen: Annotated[str, typer.Option()],
    control: Annotated[Path, typer.Option()],
    index: Annotated[int, typer.Option()] = 0,
    parent: Annotated[int, typer.Option()] = 0,
) -> None:
    """One worker process; the supervisor starts it."""
    if parent:
        die_with_parent(parent)
    _log_to_stderr()
    try:
        uvloop.run(_work(config, bind(listen), control, index))
    except Problems as problems:
        fail_with(problems)


async def _work(config: Path, bound: socket.socket, control: Path, index: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    name = f"{socket.gethostname()}-{os.getpid()}-{index}"
    served = Worker(read_configuration(config), name=name)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    changed = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    await served.start(bound)
    loop.add_signal_handler(signal.SIGHUP, served.reload)
    if changed.is_set():
        served.reload()
    runner = await serve_worker_control(control, served.snapshot)
    # What is here now stays for good, and an exchange leaves no cycle behind: the collector has next to nothing to do.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    await stopping.wait()
    await served.stop()
    await runner.cleanup()


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
