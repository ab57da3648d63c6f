"""`tidegate clerk`: the process that works off what providers tell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clerk import work
from gateway.cli.configured import ConfigOption
from gateway.cli.supervised import run_supervised


def clerk(
    config: ConfigOption,
    wholes: Annotated[Path, typer.Option()],
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """The clerk's process; the supervisor starts it."""
    run_supervised(config, copy, parent, lambda configuration, stopping: work(configuration, wholes, stopping))
