"""`tidegate worker`: one process that serves callers."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.configuration import Configuration
from gateway.app.worker import Worker
from gateway.cli.configured import ConfigOption
from gateway.cli.supervised import run_supervised
from gateway.control.worker import Door
from gateway.control.worker import serve as serve_worker_control
from gateway.edge.listener import bind


def worker(
    config: ConfigOption,
    listen: Annotated[str, typer.Option()],
    control: Annotated[Path, typer.Option()],
    wholes: Annotated[Path, typer.Option()],
    index: Annotated[int, typer.Option()] = 0,
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """One worker process; the supervisor starts it."""
    run_supervised(
        config,
        copy,
        parent,
        lambda configuration, stopping: _work(configuration, stopping, bind(listen), control, wholes, index),
    )


async def _work(
    configuration: Configuration,
    stopping: asyncio.Event,
    bound: socket.socket,
    control: Path,
    wholes: Path,
    index: int,
) -> None:
    name = f"{socket.gethostname()}-{os.getpid()}-{index}"
    served = Worker(configuration, name=name)
    door = Door(served.snapshot, served.rules, [served.live, served.overriding])
    # Open before the rules are read: a change that comes meanwhile is told here, or found by `catch_up`.
    runner = await serve_worker_control(control, door)
    await served.start(bound, wholes)
    await served.catch_up(wholes)
    door.serves = True
    # What is here now stays for good, and an exchange leaves no cycle behind: the collector has next to nothing to do.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    await stopping.wait()
    await served.stop()
    await runner.cleanup()
