"""What tests of commands over the directory begin with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.directories import Folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that nobody has written to, and its secret: made once, copied by all."""
    made = Folder(tmp_path_factory.mktemp("empty"))
    made.well("directory", "upgrade")
    return made.path


@pytest.fixture
def folder(tmp_path: Path, empty: Path) -> Folder:
    """With an empty directory."""
    for file in empty.glob("directory.db*"):
        shutil.copy(file, tmp_path)
    return Folder(tmp_path)


@pytest.fixture
def acme(folder: Folder) -> Folder:
    """With one account in it."""
    folder.well("account", "create", "acme")
    return folder
