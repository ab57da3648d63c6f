"""What processes of a supervisor have in common: they end with it, log as the file says, and are told when to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from gateway.app.configuration import Configuration, read_configuration
from gateway.cli.configured import fail_with
from gateway.cli.process_log import log_to_stderr
from gateway.edge.workers import die_with_parent
from gateway.rules.problems import Problems

Work = Callable[[Configuration, asyncio.Event], Awaitable[None]]
"""Until the event is set."""


def run_supervised(config: Path, copy: Path | None, parent: int, work: Work) -> None:
    """Work until SIGTERM or SIGINT. `copy` is the file as the supervisor read it; `parent` its pid, 0 for nobody's.

    Problems end the process, with all of them on standard error.
    """
    if parent:
        die_with_parent(parent)
    log_to_stderr()
    try:
        configuration = read_configuration(config, copy=copy)
        log_to_stderr(configuration.file.process_log)
        uvloop.run(_until_told(configuration, work))
    except Problems as problems:
        fail_with(problems)


async def _until_told(configuration: Configuration, work: Work) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await work(configuration, stopping)
