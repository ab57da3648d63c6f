"""What feeds.yaml says, as plain values: which lists and databases there are, and where they come from."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from gateway.feeds.kinds import ListKind


class Unpack(enum.StrEnum):
    """What the fetched bytes are packed in."""

    NOTHING = "none"
    GZIP = "gzip"
    TAR = "tar"
    """Of any compression. The member is named, or it is the only one of its kind."""


@dataclass(frozen=True, slots=True)
class UrlSource:
    """https, or http on loopback."""

    url: str
    sha256: str = ""
    """Of what is at the address, in hex."""
    checksum_url: str = ""
    """Where that checksum stands, as sha256sum writes it."""
    unpack: Unpack = Unpack.NOTHING
    member: str = ""
    """Of the tar archive: the end of its name."""
    username: str = ""
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    every: float = 0.0
    """Seconds between fetches by the gateway itself; 0: only by command."""

    def __str__(self) -> str:
        # The query may hold a key.
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class MaxMindSource:
    """A database of an account with MaxMind (dev.maxmind.com/geoip/updating-databases, "Direct Downloads")."""

    account_id: str
    licence_key: str = field(repr=False)
    edition: str
    """Such as GeoLite2-Country."""
    host: str = "https://download.maxmind.com"
    every: float = 0.0

    def __str__(self) -> str:
        return f"MaxMind {self.edition}"


@dataclass(frozen=True, slots=True)
class NpmSource:
    """A file of a package, fetched by the npm client with its own configuration: registry, proxy, credentials."""

    package: str
    file: str
    """Its path in the package."""
    version: str = "latest"
    every: float = 0.0

    def __str__(self) -> str:
        return f"npm {self.package}@{self.version}"


@dataclass(frozen=True, slots=True)
class RedisSource:
    """A SET. For lists only."""

    key: str
    every: float = 0.0

    def __str__(self) -> str:
        return f"redis {self.key}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file that something else puts there, copied when it is good."""

    path: str
    """Relative to the folder of feeds.yaml."""
    unpack: Unpack = Unpack.NOTHING
    member: str = ""
    every: float = 0.0

    def __str__(self) -> str:
        return f"file {self.path}"


Source = UrlSource | MaxMindSource | NpmSource | RedisSource | FileSource


@dataclass(frozen=True, slots=True)
class DatabaseFeed:
    """One geo database: exactly one of `path` and `source`."""

    name: str
    path: str = ""
    source: Source | None = None
    stale_after: float = 45 * 86400.0
    """Seconds since it was built."""


@dataclass(frozen=True, slots=True)
class ListFeed:
    """One list: exactly one of `items`, `path` and `source`."""

    name: str
    kind: ListKind
    items: tuple[str, ...] | None = None
    path: str = ""
    source: Source | None = None
    network_kind: str = ""
    """Who is in this list, of kind networks or asns, has this kind of network (policy.NetworkKind)."""
    stale_after: float = 0.0
    """Seconds since it was last fetched, or changed; 0: never."""


@dataclass(frozen=True, slots=True)
class FeedSet:
    """The whole file."""

    databases: tuple[DatabaseFeed, ...] = ()
    lists: tuple[ListFeed, ...] = ()

    def all(self) -> tuple[DatabaseFeed | ListFeed, ...]:
        """Databases first."""
        return (*self.databases, *self.lists)


@dataclass(frozen=True, slots=True, order=True)
class FeedProblem:
    """One thing wrong with a list or a database."""

    name: str
    """Of the list or database."""
    message: str
    path: Path | None = None
    """The file in which it stands; None for items of feeds.yaml, and where no file can be read."""
    line: int = 0
    """In that file; of the items, counted from 1; 0 for the whole."""
    database: bool = False
    """Of a database; a list may have the same name."""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: " if self.path is not None and self.line else ""
        return f"{where}{self.name}: {self.message}"


class FeedsRefused(Exception):
    """Lists or databases that cannot be used, all of them at once."""

    def __init__(self, problems: tuple[FeedProblem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def landing(data: Path, feed: DatabaseFeed | ListFeed) -> Path:
    """Where what is fetched for it lies. `data` is the data folder."""
    if isinstance(feed, DatabaseFeed):
        return data / "databases" / f"{feed.name}.mmdb"
    return data / "lists" / f"{feed.name}.txt"


def landed(data: Path) -> list[Path]:
    """All that was fetched, whoever wants it."""
    return [*data.glob("databases/*.mmdb"), *data.glob("lists/*.txt")]


def location_of(base: Path, data: Path, feed: DatabaseFeed | ListFeed) -> Path | None:
    """The file that is used for it; None for a list that is written in feeds.yaml. `base` is the folder of that."""
    if feed.source is not None:
        return landing(data, feed)
    return base / feed.path if feed.path else None
