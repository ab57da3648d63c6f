"""How each list and database stands: what is there, how old it is, where it comes from. For tables and metrics."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.feeds.databases import DatabaseRefused
from gateway.feeds.lists import compile_list, read_lines
from gateway.feeds.probe import OPEN_ONLY, check_database
from gateway.feeds.sources import DatabaseFeed, FeedSet, ListFeed, location_of
from gateway.feeds.update import recall


@dataclass(frozen=True, slots=True)
class Standing:
    """One list or database."""

    name: str
    kind: str
    """Of a list; of a database, what it knows."""
    source: str
    entries: int = 0
    """Items of a list, nodes of a database."""
    built: float = 0.0
    """Unix time: of a database's data; of a list's last fetch or change. 0 where that is not known."""
    age: float = 0.0
    """Seconds."""
    stale: bool = False
    problem: str = ""
    """Why it cannot be used."""


def standings(feeds: FeedSet, base: Path, data: Path, now: float) -> list[Standing]:
    """Of each, in the order of the file. Reads all of them: seconds, where they are long. `now` is Unix time."""
    found = [_of_database(feed, location_of(base, data, feed) or base, now) for feed in feeds.databases]
    with tempfile.TemporaryDirectory(prefix="tidegate-") as work:
        found += [_of_list(feed, location_of(base, data, feed), data, Path(work), now) for feed in feeds.lists]
    return found


def _of_database(feed: DatabaseFeed, path: Path, now: float) -> Standing:
    source = str(feed.source or feed.path)
    try:
        database = check_database(path, OPEN_ONLY)
    except (OSError, DatabaseRefused) as error:
        return Standing(feed.name, "database", source, problem=_said(error))
    database.close()
    age = max(0.0, now - database.build_epoch)
    stale = bool(feed.stale_after) and age > feed.stale_after
    kind = ", ".join(sorted(database.facts))
    return Standing(feed.name, kind, source, database.node_count, float(database.build_epoch), age, stale)


def _of_list(feed: ListFeed, path: Path | None, data: Path, work: Path, now: float) -> Standing:
    source = str(feed.source or feed.path or "feeds.yaml")
    try:
        compiled = compile_list(feed.kind, read_lines(path) if path else feed.items or (), work / "counted.list")
        built = path.stat().st_mtime if path else 0.0
    except OSError as error:
        return Standing(feed.name, feed.kind, source, problem=_said(error))
    if feed.source is not None:
        # A source that has nothing newer makes it as fresh as a fetch does.
        built = recall(data, feed).checked or built
    age = max(0.0, now - built) if built else 0.0
    problem = f"{compiled.rejected_count} lines are wrong" if compiled.rejected_count else ""
    stale = bool(feed.stale_after) and age > feed.stale_after
    return Standing(feed.name, feed.kind, source, compiled.count, built, age, stale, problem)


def _said(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "not there: run `tidegate feeds update`"
    return str(error)
