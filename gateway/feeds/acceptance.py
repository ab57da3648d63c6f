"""Whether what was fetched may take the place of what is in use."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gateway.feeds.databases import Database, DatabaseRefused
from gateway.feeds.download import FetchFailed
from gateway.feeds.folder import refusal_of
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import compile_list, read_lines
from gateway.feeds.probe import OPEN_ONLY, check_database

SHRUNK = 0.5
"""Less than this share of what is in use, and the source is probably broken."""
FORCE = "`--force` takes it all the same"


class Accepted(NamedTuple):
    """What is known of it."""

    entries: int
    """Items of a list, nodes of a database."""
    built: float
    """Unix time of a database's data; 0 for a list."""
    note: str = ""


def accept_database(new: Path, old: Path, *, force: bool) -> Accepted:
    """`old` is what is in use, if anything. Raises FetchFailed, and OSError."""
    try:
        found = check_database(new)
    except DatabaseRefused as error:
        raise FetchFailed(str(error)) from error
    found.close()
    accepted = Accepted(found.node_count, float(found.build_epoch), f"{found.type}: {', '.join(sorted(found.facts))}")
    used = _in_use(old)
    if used is None or force:
        return accepted
    if found.build_epoch < used.build_epoch:
        raise FetchFailed(f"older than what is in use: {FORCE}")
    if lost := used.facts - found.facts:
        raise FetchFailed(f"does not say {', '.join(sorted(lost))}, as what is in use does: {FORCE}")
    _refuse_shrunk(found.node_count, used.node_count, "nodes")
    return accepted


def _in_use(path: Path) -> Database | None:
    try:
        used = check_database(path, OPEN_ONLY)
    except (OSError, DatabaseRefused):
        return None
    used.close()
    return used


def accept_list(kind: ListKind, new: Path, old: Path, work: Path, *, from_redis: bool, force: bool) -> Accepted:
    """As `accept_database`. `work` is a folder for what has to be written. A SET that holds nothing is not there in
    Redis, so from there an empty list is a list.
    """
    compiled = compile_list(kind, read_lines(new), work / "new.list")
    if refusal := refusal_of(compiled, fetched=True):
        raise FetchFailed(refusal)
    note = f"{compiled.rejected_count} lines are left out, they are no {kind}" if compiled.rejected_count else ""
    accepted = Accepted(compiled.count, 0.0, note)
    if force:
        return accepted
    if not compiled.count and not from_redis:
        raise FetchFailed(f"has no items: {FORCE}")
    if old.exists():
        used = compile_list(kind, read_lines(old), work / "old.list")
        _refuse_shrunk(compiled.count, used.count, "items")
    return accepted


def _refuse_shrunk(new: int, old: int, what: str) -> None:
    if new < old * SHRUNK:
        raise FetchFailed(f"shrunk from {old} to {new} {what}: {FORCE}")
