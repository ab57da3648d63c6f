"""Commands, run in this process as a user types them."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from gateway.cli import app


def tidegate(*words: object, columns: int = 100, given: str | None = None, **environment: str) -> Result:
    """Its exit code, standard output and standard error. `given` is its standard input."""
    environment = {"COLUMNS": str(columns), **environment}
    return CliRunner().invoke(app, [str(word) for word in words], input=given, env=environment)


def data(result: Result) -> Any:
    """What `--json` printed."""
    return json.loads(result.stdout)
