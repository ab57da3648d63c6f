"""What tests of commands over the directory begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.directories import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """With an empty directory."""
    made = Folder(tmp_path)
    made.well("directory", "upgrade")
    return made


@pytest.fixture
def acme(folder: Folder) -> Folder:
    """With one account in it."""
    folder.well("account", "create", "acme")
    return folder
