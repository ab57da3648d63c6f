"""What a draft may not newly reach for: files outside of the folder of the policies, and secrets sent elsewhere.

Whoever writes rules is not whoever keeps the machine. A list that stands at `../tidegate.yaml` would be told line by
line, since none of them is an entry; a password of the environment that goes to another host is that host's. What the
feeds.yaml on the disk has already was put there by somebody who may, and stays usable.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from gateway.rules.problems import Problem, Problems
from gateway.rules.read import Document, Loc, read
from gateway.rules.ruleset import FEEDS

OUTSIDE: Final = "this file is outside of the policies' folder: who keeps the machine can name it, nobody from here"
SENT: Final = "this secret would go where none is sent by now: who keeps the machine can say so, nobody from here"
_SECRETS: Final = ("password", "bearer", "licence_key")


class _Reach(NamedTuple):
    """One thing that a feeds.yaml reaches for, told apart by what would be got of it."""

    loc: Loc
    what: tuple[str, ...]
    said: str


def strangers(policies: Path, draft: Path) -> list[Problem]:
    """Of the draft's feeds.yaml, what that of `policies` does not reach for already."""
    document = _read(draft)
    if document is None:
        return []
    before = _read(policies)
    known = {one.what for one in _reaches(before.data)} if before is not None else set()
    return [document.problem(one.loc, one.said) for one in _reaches(document.data) if one.what not in known]


def _read(folder: Path) -> Document | None:
    """None where there is none, or none that can be read: then nothing is reached for."""
    try:
        return read(folder / FEEDS)
    except Problems:
        return None


def _reaches(data: Any, loc: tuple[str | int, ...] = ()) -> Iterator[_Reach]:
    """At any place: a file of a shape that is wrong may be looked at all the same."""
    if isinstance(data, Mapping):
        for key in ("path", "file"):
            stated = data.get(key)
            if isinstance(stated, str) and not (key == "file" and data.get("npm")) and _is_outside(stated):
                yield _Reach((*loc, key), ("file", os.path.normpath(stated)), OUTSIDE)
        for key in _SECRETS:
            stated = data.get(key)
            if isinstance(stated, str) and stated.startswith(("file:", "${")):
                for there in _hosts(data):
                    yield _Reach((*loc, key), ("secret", stated, there), SENT)
    steps = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        yield from _reaches(value, (*loc, step))


def _hosts(source: Mapping[str, Any]) -> set[str]:
    """Where a source's secret goes: its checksum is asked for with the same one."""
    stated = [source.get("url", source.get("host", "")), source.get("checksum_url")]
    return {_origin(one) for one in stated if isinstance(one, str)}


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.netloc}".lower()


def _is_outside(stated: str) -> bool:
    plain = os.path.normpath(stated)
    return Path(plain).is_absolute() or plain.split(os.sep, 1)[0] == ".."
