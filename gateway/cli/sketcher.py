"""`tidegate sketcher`: the process that turns what workers note into events for the detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.sketcher import work
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.supervised import run_supervised


def sketcher(
    config: ConfigOption,
    socket: Annotated[Path, typer.Option()],
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """The sketcher's process; the supervisor starts it."""
    try:
        run_supervised(config, copy, parent, lambda configuration, stopping: work(configuration, socket, stopping))
    except OSError as error:
        fail(f"cannot listen on {socket}: {error.strerror or error}")
