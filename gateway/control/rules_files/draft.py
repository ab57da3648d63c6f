"""A folder of policies with some texts instead: a copy, for whoever checks it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

COPIED: Final = 4 * 1024 * 1024
"""Bytes up to which a file is copied; a longer one is a list, and is linked to."""


def lay(policies: Path, texts: Mapping[str, str | None], into: Path) -> Path:
    """The folder `into/policies`, and beside it links to all that stands beside `policies`, as its files may name that.

    None instead of a text: without that file. Names were checked before (folder.named). Raises OSError.
    """
    if into.exists():
        shutil.rmtree(into)
    draft = into / "policies"
    draft.mkdir(parents=True, mode=0o700)
    _beside(policies, into)
    for folder, folders, files in os.walk(policies):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(folder).relative_to(policies)
        (draft / below).mkdir(exist_ok=True)
        for name in files:
            path = (below / name).as_posix()
            if not name.startswith(".") and path not in texts:
                _copy(Path(folder) / name, draft / path)
    for path, text in texts.items():
        if text is not None:
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_bytes(text.encode("utf-8"))
    return draft


def texts_of(policies: Path) -> dict[str, str | None]:
    """All files of a whole's policies. Raises OSError."""
    paths = sorted(path for path in policies.rglob("*") if path.is_file())
    return {path.relative_to(policies).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _beside(policies: Path, into: Path) -> None:
    """A list may stand at `../lists/…`."""
    for path in policies.resolve().parent.iterdir():
        if path.name != "policies" and path.resolve() != policies.resolve():
            (into / path.name).symlink_to(path)


def _copy(path: Path, target: Path) -> None:
    try:
        if path.stat().st_size > COPIED:
            target.symlink_to(path.resolve())
        else:
            shutil.copyfile(path, target)
    except FileNotFoundError:
        # Somebody edits with another editor meanwhile: gone is gone.
        return
