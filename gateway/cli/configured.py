"""Options and failures that commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway.rules.problems import Problems

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", help="The gateway's configuration.", envvar="TIDEGATE_CONFIG", show_default=True),
]


def fail(message: str, status: int = 1) -> NoReturn:
    """One clear error on standard error, and out."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(status)


def fail_with(problems: Problems) -> NoReturn:
    """Every problem with the line that it stands in, and how many there are."""
    count = len(problems.problems)
    lines = [problem.shown() for problem in problems.problems]
    fail("\n".join([*lines, f"{count} problem{'s' if count != 1 else ''} found"]))
