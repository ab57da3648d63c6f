"""What differs between two folders of policies, as unified diffs."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Final

from gateway.control.rules_files.folder import LARGEST, PolicyFolder

MOST_LINES: Final = 4000
"""Of all diffs together."""
AROUND: Final = 3


def diff(before: Path, after: Path, only: frozenset[str] | None = None) -> list[dict[str, Any]]:
    """One a file that differs, by name: `what` is added, removed or changed. `only`: of these files alone."""
    old, new = (_texts(folder) for folder in (before, after))
    found = []
    left = MOST_LINES
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or (only is not None and path not in only):
            continue
        lines = unified(old.get(path), new.get(path), path)
        what = "added" if path not in old else "removed" if path not in new else "changed"
        added = sum(line.startswith("+") for line in lines[2:])
        removed = sum(line.startswith("-") for line in lines[2:])
        shown, left = lines[: max(0, left)], left - len(lines)
        row = {"path": path, "what": what, "added": added, "removed": removed}
        found.append(row | {"lines": shown, "cut": len(lines) - len(shown)})
    return found


def unified(old: str | None, new: str | None, path: str) -> list[str]:
    """Lines without their ends; the first two are the names."""
    names = ("/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}")
    return list(difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), *names, n=AROUND, lineterm=""))


def _texts(folder: Path) -> dict[str, str]:
    files = PolicyFolder(folder)
    return {
        seen.path: files.read(seen.path).data.decode("utf-8", "replace")
        for seen in files.files()
        if seen.size <= LARGEST
    }
