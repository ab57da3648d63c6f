"""One file: arrays, and what is plain beside them. Whole or not there."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from gateway.detect.batch import Ints

VERSION: Final = 1
_PLAIN: Final = "plain.json"


class Saved(NamedTuple):
    arrays: dict[str, Ints]
    plain: dict[str, Any]


def write(path: Path, arrays: Mapping[str, Ints], plain: Mapping[str, object]) -> None:
    """To a temporary name beside it, to the disk, then renamed. Raises OSError."""
    text = orjson.dumps({"version": VERSION, "names": sorted(arrays), **plain}, option=orjson.OPT_NON_STR_KEYS)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_PLAIN: np.frombuffer(text, np.uint8)}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> Saved | None:
    """None where there is no file, or it is torn, foreign, or of another version."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            plain = orjson.loads(file[_PLAIN].tobytes())
            if not isinstance(plain, dict) or plain.get("version") != VERSION:
                return None
            return Saved({name: file[name] for name in plain["names"]}, plain)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
