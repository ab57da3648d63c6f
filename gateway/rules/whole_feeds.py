"""The lists and databases of a whole: what `feeds.yaml` names becomes files that workers map.

They are compiled into one folder for all wholes, where each is named by its content, so that a change of a rule
compiles no list again; a whole holds links to its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from pathlib import Path
from typing import Final

from gateway.feeds.folder import Feeds, Prepared, open_feeds, prepare
from gateway.feeds.sources import FeedsRefused
from gateway.rules.feeds_file import placed
from gateway.rules.ruleset import FEEDS, Ruleset

COMPILED: Final = ".compiled"
"""Beside the wholes."""
NO_FEEDS: Final = Feeds({}, None)


def prepare_feeds(ruleset: Ruleset, policies: Path, data: Path, compiled: Path, into: Path) -> str:
    """Compile lists and copy databases; returns their digest, empty where there are none.

    Raises Problems with all that is wrong in them, and OSError where nothing can be written.
    """
    into.mkdir(mode=0o700)
    if not ruleset.feeds.databases and not ruleset.feeds.lists:
        return ""
    try:
        made = prepare(ruleset.feeds.plain(), base=policies, data=data, into=compiled)
    except FeedsRefused as refused:
        raise placed(refused, ruleset.feeds, ruleset.documents[policies / FEEDS]) from refused
    own = dataclasses.replace(
        made,
        folder=into,
        lists={name: _linked(path, into) for name, path in made.lists.items()},
        databases=tuple(dataclasses.replace(one, path=_linked(one.path, into)) for one in made.databases),
    )
    own.save()
    return own.digest


def open_prepared(into: Path) -> Feeds:
    """Map what is there. Raises OSError or ValueError where that is not whole."""
    try:
        prepared = Prepared.load(into)
    except FileNotFoundError:
        return NO_FEEDS
    except KeyError as error:
        raise ValueError(f"{into} is not what it should be: {error}") from error
    return open_feeds(prepared)


def sweep(compiled: Path, before: float = math.inf) -> None:
    """Remove what no whole holds, or has held since `before` (Unix time)."""
    for path in compiled.glob("*") if compiled.is_dir() else ():
        with contextlib.suppress(OSError):
            status = path.stat()
            # A link that was made or removed is a change of the inode.
            if status.st_nlink == 1 and status.st_ctime < before:
                path.unlink()


def _linked(path: Path, into: Path) -> Path:
    target = into / path.name
    if not target.exists():
        os.link(path, target)
    return target
