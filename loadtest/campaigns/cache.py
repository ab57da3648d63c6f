"""Records of runs by everything that they follow from: the world, the code, the rules and the data.

What follows from code is only reused where the files of detector, rules and generator are the same, byte by byte: a
commit says too little where somebody is at work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtest.campaigns.records import Record

ROOT: Final = Path(__file__).parents[2]
CODE: Final = ("gateway/campaigns", "gateway/detect", "gateway/policies/risk", "loadtest/campaigns")
OUTER: Final = 3
"""Levels of JSON that are laid out."""
AFTERWARDS: Final = frozenset(
    {"commands.py", "curves.py", "fragments.py", "goals.py", "live.py", "plots.py", "report.py", "shown.py"}
)
"""Of ours: what is done with records once they are there."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A file for each record. `folder` None keeps nothing."""

    folder: Path | None
    version: str
    """Of code, rules and data."""

    def get(self, asked: dict[str, Any]) -> Record | None:
        if self.folder is None:
            return None
        try:
            return Record.read(json.loads(self._path(asked).read_bytes())["record"])
        except (OSError, ValueError, KeyError, TypeError):
            # Not there, or cut short: it is made again.
            return None

    def put(self, asked: dict[str, Any], record: Record) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self._path(asked), {"asked": asked, "version": self.version, "record": record.plain()})

    def _path(self, asked: dict[str, Any]) -> Path:
        assert self.folder is not None
        words = json.dumps([self.version, asked], sort_keys=True, default=str)
        return self.folder / f"{hashlib.sha256(words.encode()).hexdigest()[:24]}.json"


def replace(path: Path, value: Any) -> None:
    """Whole, or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(laid_out(value) + "\n")
    part.replace(path)


def laid_out(value: Any, depth: int = 0) -> str:
    """JSON whose outer three levels have a line for each member: a record is one line."""
    if not isinstance(value, dict) or depth == OUTER or not value:
        if isinstance(value, list) and depth < OUTER and value:
            return "[\n" + ",\n".join(json.dumps(member) for member in value) + "\n]"
        return json.dumps(value)
    members = (f"{json.dumps(str(name))}: {laid_out(member, depth + 1)}" for name, member in value.items())
    return "{\n" + ",\n".join(members) + "\n}"


def version(policies: Path | None, data: Path | None) -> str:
    """A digest of what a record follows from, apart from the world's options."""
    digest = hashlib.sha256()
    for path in _files(ROOT / folder for folder in CODE):
        if path.suffix == ".py" and not (path.parent.name == "campaigns" and path.name in AFTERWARDS):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    for path in _files([policies] if policies else []):
        digest.update(path.name.encode() + path.read_bytes())
    for path in _files([data] if data else []):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def _files(folders: Iterable[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
