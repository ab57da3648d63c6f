"""`tidegate clerk`: the process that works off what providers tell."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway.app.clerk import work as clerk_at_work
from gateway.app.configuration import Configuration, read_configuration
from gateway.cli.configured import ConfigOption, fail_with
from gateway.cli.process_log import log_to_stderr
from gateway.edge.workers import die_with_parent
from gateway.rules.problems import Problems


def clerk(
    config: ConfigOption,
    wholes: Annotated[Path, typer.Option()],
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """The clerk's process; the supervisor starts it."""
    if parent:
        die_with_parent(parent)
    log_to_stderr()
    try:
        configuration = read_configuration(config, copy=copy)
        log_to_stderr(configuration.file.process_log)
        uvloop.run(_work_off(configuration, wholes))
    except Problems as problems:
        fail_with(problems)


async def _work_off(configuration: Configuration, wholes: Path) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await clerk_at_work(configuration, wholes, stopping)
