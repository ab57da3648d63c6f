"""Lists and databases made ready in one folder, for whoever builds a ruleset: supervisor, check, tests, replay.

    prepared = prepare(feeds, base=Path("policies"), data=Path("data"), into=runtime / "feeds")
    feeds = open_feeds(prepared)
    ... "192.0.2.1" in feeds.lists["blocked"] ... feeds.locator.locate("192.0.2.1") ...
    feeds.close()

`prepare` does the work: it compiles, copies and checks, for seconds where lists are long, so it belongs in a thread or
a process that serves nobody. What it makes is named by its content: a list that did not change is not compiled again,
and nothing in `into` is ever overwritten. `open_feeds` only maps. A process that is told nothing but the folder reads
what `Prepared.save` left there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.feeds import list_file
from gateway.feeds.databases import Database, DatabaseRefused, Fact
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import Compiled, ListRefused, MappedList, compile_list, open_list, read_lines
from gateway.feeds.locator import Locator
from gateway.feeds.probe import check_database
from gateway.feeds.sources import DatabaseFeed, FeedProblem, FeedSet, FeedsRefused, ListFeed, location_of

__all__ = ["Feeds", "FeedsRefused", "Prepared", "PreparedDatabase", "open_feeds", "prepare"]

MANIFEST = "feeds.json"
TRIES = 3
"""How often a list that changes while it is read is read again."""
BAD_SHARE = 0.05
"""Of the lines of a list from elsewhere: more than that are no items, and it is not the list that it was."""
BAD_LINES = 3
"""So many bad lines are never too many, such as the heads of a CSV file."""


@dataclass(frozen=True, slots=True)
class PreparedDatabase:
    """A database that is there and readable."""

    name: str
    path: Path
    stale_after: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a process needs to open the feeds: files that nobody changes."""

    folder: Path
    """What `into` was."""
    lists: Mapping[str, Path] = field(default_factory=dict)
    """Name -> compiled list."""
    network_kinds: Mapping[str, str] = field(default_factory=dict)
    """Name of a list -> what kind of network those are that are in it."""
    databases: tuple[PreparedDatabase, ...] = ()
    digest: str = ""
    """Of all content, in hex: two of one digest answer alike."""
    notes: tuple[str, ...] = ()
    """What was tolerated, for people."""

    def save(self) -> Path:
        """Write `feeds.json` into the folder. Raises OSError."""
        content = {
            "lists": {name: path.name for name, path in self.lists.items()},
            "network_kinds": dict(self.network_kinds),
            "databases": [[one.name, one.path.name, one.stale_after] for one in self.databases],
            "digest": self.digest,
            "notes": list(self.notes),
        }
        path = self.folder / MANIFEST
        temporary = path.with_name(f".{MANIFEST}.{os.getpid()}")
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return temporary.replace(path)

    @classmethod
    def load(cls, folder: Path) -> Prepared:
        """What `save` wrote. Raises OSError, and ValueError or KeyError if it did not."""
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return cls(
            folder,
            {name: folder / file for name, file in content["lists"].items()},
            content["network_kinds"],
            tuple(PreparedDatabase(name, folder / file, stale) for name, file, stale in content["databases"]),
            content["digest"],
            tuple(content["notes"]),
        )


class Feeds:
    """Lists and databases, open."""

    def __init__(self, lists: Mapping[str, MappedList], locator: Locator | None) -> None:
        self.lists = lists
        self.locator = locator
        """None where nothing says where anybody is."""

    def close(self) -> None:
        """When the last exchange that asks them has ended."""
        if self.locator is not None:
            self.locator.close()
        for found in self.lists.values():
            found.close()


NO_FEEDS = FeedSet()


def prepare(feeds: FeedSet, base: Path, data: Path, into: Path) -> Prepared:
    """Compile, copy and check everything into the folder `into`, which is made.

    `base` is the folder of feeds.yaml, to which its paths are relative; `data` is where `tidegate feeds update` puts
    things. Raises FeedsRefused with all that is wrong, and OSError if `into` cannot be written.
    """
    into.mkdir(parents=True, exist_ok=True)
    problems: list[FeedProblem] = []
    lists: dict[str, Path] = {}
    databases: list[PreparedDatabase] = []
    notes: list[str] = []
    for one in feeds.lists:
        try:
            lists[one.name] = _prepare_list(one, location_of(base, data, one), into, notes)
        except FeedsRefused as refused:
            problems.extend(refused.problems)
    for database in feeds.databases:
        path = location_of(base, data, database)
        try:
            ready = _prepare_database(database, path or base, into)
        except FeedsRefused as refused:
            problems.extend(refused.problems)
        else:
            databases.append(PreparedDatabase(database.name, ready, database.stale_after))
    if not problems:
        problems.extend(_without_asns(feeds, databases))
    if problems:
        raise FeedsRefused(tuple(problems))
    kinds = {one.name: one.network_kind for one in feeds.lists if one.network_kind}
    return Prepared(into, lists, kinds, tuple(databases), _digest(lists, kinds, databases), tuple(notes))


def _without_asns(feeds: FeedSet, databases: Iterable[PreparedDatabase]) -> Iterator[FeedProblem]:
    """Lists of ASNs that make a network kind, where nobody says what ASN an address has: they would never match."""
    lists = [one for one in feeds.lists if one.network_kind and one.kind is ListKind.ASNS]
    if lists and not any(Fact.ASN in _facts(database.path) for database in databases):
        for one in lists:
            yield FeedProblem(one.name, "has a network kind for ASNs, and no database says what ASN an address has")


def _facts(path: Path) -> frozenset[Fact]:
    database = Database(path)
    database.close()
    return database.facts


def open_feeds(prepared: Prepared) -> Feeds:
    """Map all of it. Raises OSError, ListRefused or DatabaseRefused, and then nothing stays open."""
    lists: dict[str, MappedList] = {}
    databases: list[Database] = []
    try:
        for name, path in prepared.lists.items():
            lists[name] = open_list(path)
        databases.extend(Database(one.path, one.name, one.stale_after) for one in prepared.databases)
    except (OSError, ValueError):
        for found in lists.values():
            found.close()
        for database in databases:
            database.close()
        raise
    networks = [(kind, lists[name]) for name, kind in prepared.network_kinds.items()]
    return Feeds(lists, Locator(databases, networks) if databases or networks else None)


def _digest(lists: Mapping[str, Path], kinds: Mapping[str, str], databases: Iterable[PreparedDatabase]) -> str:
    said = [
        sorted((name, path.name) for name, path in lists.items()),
        sorted(kinds.items()),
        [(one.name, one.path.name, one.stale_after) for one in databases],
    ]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()


def _prepare_list(feed: ListFeed, path: Path | None, into: Path, notes: list[str]) -> Path:
    try:
        out = _compiled(feed, path, into)
    except OSError as error:
        raise _refused(feed, _missing(feed, path, error)) from error
    with_rejected = open_list(out)
    if with_rejected.rejected:
        notes.append(f"{feed.name}: {with_rejected.rejected} lines are left out, they are no {feed.kind}")
    with_rejected.close()
    return out


def _compiled(feed: ListFeed, path: Path | None, into: Path) -> Path:
    """Made, or found. Raises OSError and FeedsRefused."""
    fetched = feed.source is not None
    # What is tolerated in a list from elsewhere is none in a list of one's own, though the bytes may be the same.
    trust = "fetched" if fetched else "written"
    for _ in range(TRIES):
        source = _source_digest(feed, path)
        out = into / f"{source}-{feed.kind}-{trust}-{list_file.VERSION}-{sys.byteorder}.list"
        if _is_whole(out):
            return out
        compiled = compile_list(feed.kind, (feed.items or ()) if path is None else read_lines(path), out)
        # What was replaced meanwhile must not stand under the name of what it replaced: that may come back.
        if _source_digest(feed, path) != source:
            out.unlink()
            continue
        if refusal := refusal_of(compiled, fetched=fetched):
            out.unlink()
            raise FeedsRefused(_line_problems(feed, path, compiled, refusal if fetched else ""))
        return out
    raise _refused(feed, f"{path} keeps changing while it is read")


def _source_digest(feed: ListFeed, path: Path | None) -> str:
    return _items_digest(feed.items or ()) if path is None else file_digest(path)


def refusal_of(compiled: Compiled, *, fetched: bool) -> str:
    """Why a list is not taken; empty if it is. `fetched`: some bad lines are tolerated in what others write."""
    bad = compiled.rejected_count
    if not bad:
        return ""
    if not fetched:
        return f"{bad} lines are wrong"
    if not compiled.count or bad > max(BAD_LINES, BAD_SHARE * (bad + compiled.count)):
        number, text, why = compiled.rejected[0]
        return f"{bad} of {bad + compiled.count} lines are wrong, such as line {number}, `{text}`: {why}"
    return ""


def _line_problems(feed: ListFeed, path: Path | None, compiled: Compiled, refusal: str) -> tuple[FeedProblem, ...]:
    if refusal:
        return (FeedProblem(feed.name, refusal, path, compiled.rejected[0][0]),)
    found = [
        FeedProblem(feed.name, f"`{text}`: {why}" if text else why, path, number)
        for number, text, why in compiled.rejected
    ]
    more = compiled.rejected_count - len(found)
    if more:
        found.append(FeedProblem(feed.name, f"and {more} more lines", path, found[-1].line))
    return tuple(found)


def _is_whole(path: Path) -> bool:
    try:
        open_list(path).close()
    except (OSError, ListRefused):
        return False
    return True


def _items_digest(items: tuple[str, ...]) -> str:
    return hashlib.blake2b(json.dumps(items).encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """BLAKE2b-128 of a file's content, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _prepare_database(feed: DatabaseFeed, path: Path, into: Path) -> Path:
    try:
        out = into / f"{file_digest(path)}.mmdb"
        if out.exists():
            return out
        return _copied(path, into)
    except OSError as error:
        raise _refused(feed, _missing(feed, path, error)) from error
    except DatabaseRefused as error:
        raise _refused(feed, f"{path}: {error}") from error


def _copied(path: Path, into: Path) -> Path:
    """A copy, named by what was really copied: the file may change under us."""
    temporary = into / f".{os.getpid()}.{threading.get_ident()}.mmdb"
    try:
        shutil.copyfile(path, temporary)
        check_database(temporary).close()
        return temporary.replace(into / f"{file_digest(temporary)}.mmdb")
    finally:
        temporary.unlink(missing_ok=True)


def _missing(feed: ListFeed | DatabaseFeed, path: Path | None, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and feed.source is not None:
        return f"nothing was fetched from {feed.source} yet: run `tidegate feeds update {feed.name}`"
    if isinstance(error, FileNotFoundError):
        return f"no file {path}"
    return f"{path} cannot be read: {error.strerror or error}"


def _refused(feed: ListFeed | DatabaseFeed, message: str) -> FeedsRefused:
    return FeedsRefused((FeedProblem(feed.name, message, database=isinstance(feed, DatabaseFeed)),))
