"""Lists, geo databases and signing keys: what they hold, how old they are, who reads them. In the bench's process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.control.rules_files.check import relative
from gateway.feeds.folder import Prepared
from gateway.feeds.lists import open_list, read_lines
from gateway.feeds.sources import DatabaseFeed, FeedSet, ListFeed, location_of
from gateway.feeds.standing import Standing, standings
from gateway.policies.auth.config import AuthConfig
from gateway.rules.build import policy_kinds
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.problems import Problems
from gateway.rules.read import Document, Loc, read
from gateway.rules.ruleset import FEEDS, Ruleset, load

SCANNED: Final = 20_000_000
"""Characters of a list that are looked through for a part of an entry."""


def listed(policies: Path, serving: Path, data: Path, now: float) -> dict[str, Any]:
    """All of feeds.yaml on the disk, by the readers of the rules in force (`serving`). `now` is Unix time."""
    feeds, problem = _feeds(policies)
    ruleset = _readable(serving)
    used = _readers(ruleset, serving, [feed.name for feed in feeds.lists]) if ruleset is not None else {}
    rows = []
    # Both are in the order of the file.
    for row, feed in zip(standings(feeds, policies, data, now), feeds.all(), strict=True):
        readers = [] if isinstance(feed, DatabaseFeed) else used.get(row.name, [])
        rows.append(_row(row, feed, location_of(policies, data, feed), policies) | {"readers": readers})
    return {"lists": rows, "keys": list(_keys(ruleset, serving)) if ruleset is not None else [], "problem": problem}


def search(policies: Path, feeds_of: Path, data: Path, name: str, wanted: str, most: int) -> dict[str, Any]:
    """Entries of a list that have `wanted` in them, with their lines, and whether what is in force takes it for one.

    `feeds_of` is the folder of compiled lists in force. `kind` is empty where there is no such list.
    """
    feeds, _ = _feeds(policies)
    feed = next((feed for feed in feeds.lists if feed.name == name), None)
    if feed is None:
        return {"kind": ""}
    found: list[dict[str, Any]] = []
    count = looked = 0
    whole = True
    folded = wanted.casefold()
    for number, line in enumerate(_lines(feed, policies, data), 1):
        entry = line.split("#")[0].strip()
        if not entry:
            continue
        looked += len(line)
        if looked > SCANNED:
            whole = False
            break
        if folded in entry.casefold():
            count += 1
            if len(found) < most:
                found.append({"line": number, "text": line.strip()[:300]})
    contains = _contains(feeds_of, name, wanted) if wanted else None
    return {"kind": str(feed.kind), "found": found, "matching": count, "whole": whole, "contains": contains}


def _feeds(policies: Path) -> tuple[FeedSet, str]:
    path = policies / FEEDS
    try:
        return (check(read(path), FeedsFile).plain(), "") if path.exists() else (FeedSet(), "")
    except Problems as wrong:
        return FeedSet(), str(wrong).replace(f"{policies}/", "")


def _readable(serving: Path) -> Ruleset | None:
    try:
        return load(serving, policy_kinds(), os.environ)
    except Problems:
        return None


def _row(row: Standing, feed: DatabaseFeed | ListFeed, path: Path | None, policies: Path) -> dict[str, Any]:
    size = None
    if path is not None and path.exists():
        size = path.stat().st_size
    is_database = isinstance(feed, DatabaseFeed)
    return {
        "name": row.name,
        "what": "database" if is_database else "list",
        "kind": row.kind,
        "network_kind": "" if is_database else getattr(feed, "network_kind", ""),
        "entries": row.entries,
        "size": size,
        "built": row.built or None,
        "age": row.age if row.built else None,
        "stale_after": feed.stale_after or None,
        "stale": row.stale,
        "problem": row.problem.replace(f"{policies}/", ""),
        "source": row.source,
        "path": getattr(feed, "path", "") or "",
        "fetched": feed.source is not None,
        "every": feed.source.every if feed.source is not None else None,
    }


def _lines(feed: ListFeed, policies: Path, data: Path) -> Iterator[str]:
    path = location_of(policies, data, feed)
    if path is None:
        yield from feed.items or ()
        return
    try:
        yield from read_lines(path)
    except OSError:
        return


def _contains(feeds_of: Path, name: str, wanted: str) -> bool | None:
    """None where what is in force has no such list."""
    try:
        path = Prepared.load(feeds_of).lists.get(name)
        if path is None:
            return None
        opened = open_list(path)
    except (OSError, ValueError, KeyError):
        return None
    try:
        return wanted in opened
    finally:
        opened.close()


# -- who reads them ---------------------------------------------------------------------------------------------------


def _readers(ruleset: Ruleset, serving: Path, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Name of a list -> where it is asked."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for path, document in ruleset.documents.items():
        if path.name == FEEDS:
            continue
        for name in names:
            for loc in _mentions(document, name):
                line, _ = document.position(loc)
                found[name].append({"path": relative(serving, path), "line": line, "what": _called(document, loc)})
    return found


def _mentions(document: Document, name: str) -> Iterator[Loc]:
    asked = re.compile(rf"\blists\.{re.escape(name)}\b")
    for loc, value in _values(document.data, ()):
        if (value == name and not _is_own_name(loc)) or asked.search(value):
            yield loc


def _is_own_name(loc: Loc) -> bool:
    return bool(loc) and loc[-1] in {"name", "tier", "reason", "message", "kind"}


def _values(data: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if isinstance(data, str):
        yield loc, data
    for key, value in data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ():
        yield from _values(value, (*loc, key))


def _called(document: Document, loc: Loc) -> str:
    """The rule that it stands in, else its key."""
    data: Any = document.data
    called = ""
    for step in loc:
        if isinstance(data, Mapping) and isinstance(data.get("name"), str):
            called = data["name"]
        data = data[step]
    return called or ".".join(str(step) for step in loc)


def _keys(ruleset: Ruleset, serving: Path) -> Iterator[dict[str, Any]]:
    """Whose signatures are taken. Workers fetch key sets by themselves, each when it needs one."""
    for entry in ruleset.entries:
        if isinstance(entry.config, AuthConfig):
            for issuer in entry.config.jwt:
                address = urlsplit(str(issuer.jwks_url)) if issuer.jwks_url is not None else None
                where = f"{address.scheme}://{address.hostname}{address.path}" if address is not None else ""
                yield {
                    "issuer": issuer.issuer,
                    "entry": entry.name,
                    "path": relative(serving, entry.path),
                    "source": where or f"file {issuer.keys_file}",
                    "algorithms": sorted(str(one) for one in issuer.algorithms),
                }
