"""The page for operators: its commands are one story, on the demo; its tables are the code's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.control.access.roles import MAY, Permission, Role
from gateway.demo.greeting import Ready
from tests.docs.pages import ROOT, blocks, rows, section, text_of

PAGE: Final = ROOT / "docs" / "operations.md"
COLUMNS: Final = {
    "looks": Permission.LOOK,
    "sees people": Permission.PEOPLE,
    "tunes limits": Permission.TUNE,
    "acts on accounts": Permission.ACT,
    "decides reviews": Permission.JUDGE,
    "writes rules": Permission.WRITE,
    "governs": Permission.GOVERN,
}


class Shell:
    """Commands of whoever runs the demo."""

    def __init__(self, demo: Ready, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        config = f"{demo.folder}/tidegate.yaml"
        self._environment = os.environ | {"PATH": path, "TIDEGATE_CONFIG": config, "NO_COLOR": "1", "COLUMNS": "200"}
        self._environment.pop("TIDEGATE_ADMIN_TOKEN", None)
        self._folder = folder

    def run(self, command: str) -> str:
        """What it prints; it has to end well."""
        ended = subprocess.run(
            ["bash", "-euc", command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stdout


@pytest.fixture
def shell(demo: Ready, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(demo, tmp_path)
    yield made
    # Others use the same demo.
    for one in json.loads(made.run("tidegate quota list --json"))["overrides"]:
        made.run(f"tidegate quota remove {one['id']} --reason 'the page is over'")


def test_the_page_is_one_story(shell: Shell) -> None:
    """Every command of the page does what it says, one after another, for whoever runs the demo."""
    commands = [line for block in blocks("sh", pages=[PAGE]) for line in block.text.splitlines()]
    printed = {command: shell.run(command) for command in commands}
    boosted = next(text for command, text in printed.items() if "boost" in command and "dry" not in command)
    assert "60 every minute instead of 20, for account free" in boosted
    assert "held by 1 of 1 worker" in boosted
    assert "quota undo 1" in boosted, "how it is taken back"
    assert "account pro" in printed["tidegate quota list"]
    assert "whole" in printed["tidegate audit verify"]


def test_the_roles_are_those_of_the_code() -> None:
    """Who decides by the page whom to give which role decides right."""
    table = rows(section(PAGE, "Who may what"))
    header = [
        cell.strip() for cell in text_of(PAGE).partition("| role |")[2].splitlines()[0].split("|") if cell.strip()
    ]
    assert [COLUMNS[name] for name in header] == list(COLUMNS.values())
    assert set(table) == {str(role) for role in Role}
    for role, cells in table.items():
        may = {permission for permission, cell in zip(COLUMNS.values(), cells, strict=True) if cell.strip()}
        assert may == MAY[Role(role)], role
