"""The command line finds its commands when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from gateway.cli import COMMANDS, HIDDEN, app


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says(name: str) -> None:
    """Each can be asked for help, and those that the supervisor uses are hidden."""
    command = typer.main.get_command(app).get_command(None, name)  # type: ignore[attr-defined]
    assert command.name == name
    assert command.hidden is (name in HIDDEN)
    assert CliRunner().invoke(app, [name, "-h"]).exit_code == 0


def test_what_there_is_not_is_an_error() -> None:
    """Status 2, no traceback, and what is near."""
    ended = CliRunner().invoke(app, ["chek"])
    assert (ended.exit_code, "No such command 'chek'. Did you mean 'check'?" in ended.output) == (2, True)
    far = CliRunner().invoke(app, ["zzz"])
    assert (far.exit_code, "No such command 'zzz'." in far.output, "Did you mean" in far.output) == (2, True, False)


def test_the_version_needs_no_gateway() -> None:
    """Nothing is imported before it is asked for: a gateway takes a second."""
    script = "import sys, gateway.cli; sys.exit('gateway.app' in sys.modules or 'aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
