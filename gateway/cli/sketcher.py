"""`tidegate sketcher`: the process that turns what workers note into events for the detector."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway.app.configuration import Configuration, read_configuration
from gateway.app.sketcher import work as sketcher_at_work
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.cli.process_log import log_to_stderr
from gateway.edge.workers import die_with_parent
from gateway.rules.problems import Problems


def sketcher(
    config: ConfigOption,
    socket: Annotated[Path, typer.Option()],
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """The sketcher's process; the supervisor starts it."""
    if parent:
        die_with_parent(parent)
    log_to_stderr()
    try:
        configuration = read_configuration(config, copy=copy)
        log_to_stderr(configuration.file.process_log)
        uvloop.run(_work(configuration, socket))
    except Problems as problems:
        fail_with(problems)
    except OSError as error:
        fail(f"cannot listen on {socket}: {error.strerror or error}")


async def _work(configuration: Configuration, socket: Path) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await sketcher_at_work(configuration, socket, stopping)
