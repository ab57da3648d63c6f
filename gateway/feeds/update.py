"""Fetch, check, swap: what makes a new list or database the one that is used, or leaves the last good one in force.

What is fetched lies in `<data>/databases/<name>.mmdb` and `<data>/lists/<name>.txt`. Beside each stand `.previous`, the
one before it, and `.json`, what is remembered of the fetch. A swap is a rename: whoever has the old file open keeps it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from redis.exceptions import RedisError

from gateway.feeds.acceptance import Accepted, accept_database, accept_list
from gateway.feeds.download import NO_VALIDATORS, FetchFailed, Progress, Validators, download, of_maxmind
from gateway.feeds.folder import file_digest
from gateway.feeds.npm import fetch_package
from gateway.feeds.sources import (
    DatabaseFeed,
    FileSource,
    ListFeed,
    MaxMindSource,
    NpmSource,
    RedisSource,
    Unpack,
    UrlSource,
    landing,
)
from gateway.feeds.unpack import DATABASES, TEXTS, unpack

_FAILURES = (FetchFailed, aiohttp.ClientError, OSError, TimeoutError, RedisError, ValueError)


class Scans(Protocol):
    """What is asked of a redis.asyncio client."""

    def sscan_iter(self, name: str, match: Any = None, count: int | None = None) -> AsyncIterator[bytes | str]: ...


@dataclass(frozen=True, slots=True)
class World:
    """What an update needs from outside."""

    base: Path
    """The folder of feeds.yaml."""
    data: Path
    """The data folder."""
    now: Callable[[], float]
    """Unix time."""
    redis: Scans | None = None
    progress: Callable[[str, int, int], None] | None = None
    """Called with the name, bytes so far, and bytes in all: 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of the last good fetch."""

    source: str = ""
    content: str = ""
    """Digest of what landed: if somebody changed it, nothing here counts."""
    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    fetched: float = 0.0
    """Unix time at which it landed."""
    checked: float = 0.0
    """Unix time at which the source last said that there is nothing newer."""
    entries: int = 0
    built: float = 0.0
    """Unix time of a database's data; 0 for a list."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What happened to one list or database."""

    name: str
    what: str
    """`updated`, `unchanged` or `failed`."""
    detail: str = ""
    entries: int = 0
    built: float = 0.0


Feed = DatabaseFeed | ListFeed


def recall(data: Path, feed: Feed) -> Remembered:
    """Of the last good fetch; all empty if there was none, or if what landed was changed since. Never fails."""
    path = landing(data, feed)
    try:
        found = Remembered(**json.loads(_memory(path).read_text(encoding="utf-8")))
        valid = found.source == _identity(feed) and found.content == file_digest(path)
    except (OSError, ValueError, TypeError):
        return Remembered()
    return found if valid else Remembered()


def last_checked(data: Path, feed: Feed) -> float:
    """`recall(...).checked`, without reading what landed: for whoever asks often. Never fails."""
    path = landing(data, feed)
    try:
        memory = _memory(path)
        found = Remembered(**json.loads(memory.read_text(encoding="utf-8")))
        # It is written after what it speaks of: what is newer was changed since.
        valid = found.source == _identity(feed) and path.stat().st_mtime <= memory.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return 0.0
    return found.checked if valid else 0.0


async def update(feed: Feed, world: World, *, force: bool = False) -> Updated:
    """Bring one up to date. Never fails: what went wrong is in the answer, and then the last good one is in use."""
    path = landing(world.data, feed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            _alone(path),
            tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-", ignore_cleanup_errors=True) as work,
        ):
            return await _update(feed, path, Path(work), world, force=force)
    except _FAILURES as error:
        kept = "; the last good one stays in use" if path.exists() else ""
        return Updated(feed.name, "failed", f"{str(error) or type(error).__name__}{kept}")


async def _update(feed: Feed, path: Path, work: Path, world: World, *, force: bool) -> Updated:
    memory = await asyncio.to_thread(recall, world.data, feed)
    now = world.now()
    known = NO_VALIDATORS if force else Validators(memory.etag, memory.last_modified, memory.sha256)
    fresh = work / "fresh"
    validators = await _fetch(feed, work, fresh, known, world)
    if validators is None:
        _remember(path, replace(memory, checked=now))
        return Updated(feed.name, "unchanged", "the source has nothing newer", memory.entries, memory.built)
    accepted, content, same = await asyncio.to_thread(_examine, feed, fresh, path, work, force)
    if not same:
        await asyncio.to_thread(_swap, fresh, path)
    fetched = memory.fetched if same and memory.fetched else now
    _remember(
        path,
        Remembered(
            _identity(feed),
            content,
            **asdict(validators),
            fetched=fetched,
            checked=now,
            entries=accepted.entries,
            built=accepted.built,
        ),
    )
    what = "unchanged" if same else "updated"
    return Updated(feed.name, what, accepted.note, accepted.entries, accepted.built)


def _examine(feed: Feed, fresh: Path, path: Path, work: Path, force: bool) -> tuple[Accepted, str, bool]:
    """What it is, its digest, and whether it is what is in use already."""
    if isinstance(feed, DatabaseFeed):
        accepted = accept_database(fresh, path, force=force)
    else:
        redis = isinstance(feed.source, RedisSource)
        accepted = accept_list(feed.kind, fresh, path, work, from_redis=redis, force=force)
    content = file_digest(fresh)
    return accepted, content, path.exists() and file_digest(path) == content


async def _fetch(feed: Feed, work: Path, out: Path, known: Validators, world: World) -> Validators | None:
    """Into `out`; None if there is nothing newer."""
    source, packed = feed.source, work / "packed"
    endings = DATABASES if isinstance(feed, DatabaseFeed) else TEXTS
    how, member = Unpack.NOTHING, ""
    validators: Validators | None = NO_VALIDATORS
    if isinstance(source, MaxMindSource):
        source = of_maxmind(source)
    if isinstance(source, UrlSource):
        validators = await download(source, packed, known, _progress(feed.name, world))
        how, member = source.unpack, source.member
    elif isinstance(source, NpmSource):
        packed = await fetch_package(source, work)
        how, member = Unpack.TAR, f"/{source.file.removeprefix('./')}"
    elif isinstance(source, RedisSource):
        await _read_set(world.redis, source.key, packed)
    elif isinstance(source, FileSource):
        await asyncio.to_thread(shutil.copyfile, world.base / source.path, packed)
        how, member = source.unpack, source.member
    else:
        raise FetchFailed("has no source: it is not fetched")
    if validators is not None:
        await asyncio.to_thread(unpack, packed, how, member, endings, out)
    return validators


def _progress(name: str, world: World) -> Progress | None:
    told = world.progress
    return None if told is None else lambda done, total: told(name, done, total)


async def _read_set(redis: Scans | None, key: str, out: Path) -> None:
    if redis is None:
        raise FetchFailed("no Redis is at hand")
    members = set[str]()
    async for member in redis.sscan_iter(key, count=1000):
        text = member if isinstance(member, str) else member.decode("utf-8", "surrogateescape")
        # One member is one line, and so one item or none.
        members.add(text.replace("\n", " ").replace("\r", " "))
    content = "".join(f"{member}\n" for member in sorted(members))
    await asyncio.to_thread(out.write_text, content, encoding="utf-8", errors="surrogateescape")


def _swap(fresh: Path, path: Path) -> None:
    """Durable before it is visible; what was there is `.previous`, and at no moment is nothing there."""
    fresh.chmod(0o644)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    if path.exists():
        before = fresh.with_name("before")
        os.link(path, before)
        before.replace(previous(path))
    fresh.replace(path)


def previous(path: Path) -> Path:
    """The last good one before this."""
    return path.with_name(f"{path.name}.previous")


def _memory(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _remember(path: Path, remembered: Remembered) -> None:
    temporary = path.with_name(f".{path.name}.json.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(remembered), indent=1), encoding="utf-8")
    temporary.replace(_memory(path))


def _identity(feed: Feed) -> str:
    """What the source is, but for how often and by whose leave: validators of one are none of another's."""
    kind = feed.kind if isinstance(feed, ListFeed) else ""
    source = replace(feed.source, every=0.0) if feed.source is not None else ""
    # Its repr holds no secret, but an address may: so a digest.
    return hashlib.blake2b(f"{kind} {source!r}".encode(), digest_size=16).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process updates the same: a command and a gateway may want to at once. Raises FetchFailed."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchFailed("another process is updating it") from None
        yield
