"""The folder of one gateway's life."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.cli.runtime import LOCK, YOUNG, runtime_folder

NOW = 1_800_000_000.0


def aged(folder: Path, seconds: float) -> None:
    os.utime(folder / LOCK, (NOW - seconds, NOW - seconds))


def test_it_is_its_owners_and_goes_with_the_process(tmp_path: Path) -> None:
    """It holds keys' digests and policies."""
    with runtime_folder(NOW, tmp_path) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "more").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    """One that lives is not touched, nor one that is just being made, nor what is none of ours."""
    dead, young, other = (tmp_path / f"tidegate-{name}" for name in ("dead", "young", "other"))
    for folder in (dead, young, other):
        folder.mkdir()
    for folder, age in ((dead, YOUNG + 1), (young, YOUNG - 1)):
        (folder / LOCK).touch()
        aged(folder, age)
    with runtime_folder(NOW, tmp_path) as alive:
        assert not dead.exists() and young.exists() and other.exists()
        aged(alive, YOUNG + 1)
        with runtime_folder(NOW, tmp_path) as second:
            assert alive.exists() and second.exists()
