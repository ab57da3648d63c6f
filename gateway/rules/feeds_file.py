"""The shape of `policies/feeds.yaml`: knowledge from elsewhere that rules lean on. Geo databases, and lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.feeds.kinds import ListKind
from gateway.feeds.signing_keys import unsafe_address
from gateway.feeds.sources import (
    DatabaseFeed,
    FeedProblem,
    FeedSet,
    FeedsRefused,
    FileSource,
    ListFeed,
    MaxMindSource,
    NpmSource,
    RedisSource,
    Source,
    Unpack,
    UrlSource,
)
from gateway.policy import NetworkKind
from gateway.quantities import Duration, Name, Secret
from gateway.rules.problems import Problem, Problems
from gateway.rules.read import Document

ListName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""It stands in conditions: no hyphen."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]


def _safe_url(url: str) -> str:
    if unsafe_address(url):
        raise ValueError("must be https://…; http:// only on loopback")
    if "@" in urlsplit(url).netloc:
        raise ValueError("holds a user or a password, which would stand in logs: use `username` and `password`")
    return url


SafeUrl = Annotated[str, AfterValidator(_safe_url)]
"""https, or http on loopback."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MaxMindFile(Strict):
    """An account with MaxMind, and which of its databases."""

    account_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
    """In quotes."""
    licence_key: Secret
    """Of that account."""
    edition: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    """Such as GeoLite2-Country."""
    host: SafeUrl = "https://download.maxmind.com"
    """Where it is fetched, such as a mirror of yours."""


_GOES_WITH = {
    "url": ("sha256", "checksum_url", "unpack", "member", "username", "password", "bearer"),
    "maxmind": (),
    "npm": ("version",),
    "redis": (),
    "file": ("unpack", "member"),
}
"""Where it comes from -> the keys that may stand beside it. `every` always may."""


class SourceFile(Strict):
    """Where `tidegate feeds update` gets it: exactly one of url, maxmind, npm, redis and file."""

    url: SafeUrl | None = None
    """https, or http on loopback."""
    sha256: Digest | None = None
    """Of what is at the URL."""
    checksum_url: SafeUrl | None = None
    """Where that stands, as sha256sum writes it."""
    unpack: Unpack | None = None
    """gzip, or tar of any compression."""
    member: Text | None = None
    """Of a tar archive: how the name of the file ends. If not stated: the only database, or the only text."""
    username: Text | None = None
    """For the URL, beside `password`."""
    password: Secret | None = None
    """Of that user."""
    bearer: Secret | None = None
    """For the URL, in place of user and password."""
    maxmind: MaxMindFile | None = None
    """Of an account with MaxMind."""
    npm: Annotated[str, StringConstraints(pattern=r"^(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*$")] | None = None
    """A package. It is fetched by the npm client, with that one's configuration; nothing of it is run."""
    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z^~][0-9A-Za-z.+^~-]{0,63}$")] | None = None
    """Of the package; the latest if not stated."""
    redis: Text | None = None
    """The key of a SET, in the Redis of tidegate.yaml. For lists."""
    file: Text | None = None
    """A file that something else puts there; it is taken when it is good. Relative to the folder of this file. Beside
    `npm`: the file's path in the package.
    """
    every: Duration = 0.0
    """How often the gateway itself looks for a newer one; if not stated, only the command does."""

    @model_validator(mode="after")
    def _laws(self) -> SourceFile:
        chosen = [key for key in _GOES_WITH if getattr(self, key) is not None]
        if self.npm is not None and self.file is not None:
            chosen.remove("file")
        _one_of(self, chosen, tuple(_GOES_WITH))
        wrong = {
            key: f"is for {_or(where for where, keys in _GOES_WITH.items() if key in keys)}, not for {chosen[0]}"
            for keys in _GOES_WITH.values()
            for key in keys
            if getattr(self, key) is not None and key not in _GOES_WITH[chosen[0]]
        }
        if self.sha256 is not None and self.checksum_url is not None:
            wrong["checksum_url"] = "the checksum is stated already, by `sha256`"
        if self.member is not None and self.unpack is not Unpack.TAR:
            wrong.setdefault("member", "needs `unpack: tar`")
        if (self.username is None) != (self.password is None):
            stated, other = ("username", "password") if self.password is None else ("password", "username")
            wrong.setdefault(stated, f"needs `{other}`")
        if self.bearer is not None and self.username is not None:
            wrong["bearer"] = "is one way to say who we are, `username` another: choose"
        if self.npm is not None and self.file is None:
            wrong["npm"] = "needs `file`: which one of the package it is"
        if 0.0 < self.every < 60.0:
            wrong["every"] = "must be 1m or more"
        _raise_at(self, wrong)
        return self

    def plain(self) -> Source:
        """The same without secrets that hide themselves."""
        unpack, member = self.unpack or Unpack.NOTHING, self.member or ""
        if self.url is not None:
            return UrlSource(
                self.url,
                self.sha256 or "",
                self.checksum_url or "",
                unpack,
                member,
                self.username or "",
                self.password.get_secret_value() if self.password else "",
                self.bearer.get_secret_value() if self.bearer else "",
                self.every,
            )
        if self.maxmind is not None:
            key = self.maxmind.licence_key.get_secret_value()
            return MaxMindSource(self.maxmind.account_id, key, self.maxmind.edition, self.maxmind.host, self.every)
        if self.npm is not None:
            return NpmSource(self.npm, self.file or "", self.version or "latest", self.every)
        if self.redis is not None:
            return RedisSource(self.redis, self.every)
        return FileSource(self.file or "", unpack, member, self.every)


class DatabaseFile(Strict):
    """One geo database of the MaxMind format; what it knows is found out from its schema."""

    name: Name
    """In `tidegate feeds show`, metrics and logs."""
    path: Text | None = None
    """Relative to the folder of this file."""
    source: SourceFile | None = None
    """Where `tidegate feeds update` gets it, instead of a path."""
    stale_after: Duration = 45 * 86400.0
    """How old the data may be before that is an alarm."""

    @model_validator(mode="after")
    def _laws(self) -> DatabaseFile:
        _one_of(self, [key for key in ("path", "source") if getattr(self, key) is not None], ("path", "source"))
        if self.source is not None and self.source.redis is not None:
            _raise_at(self, {("source", "redis"): "has lists, not databases"})
        return self

    def plain(self) -> DatabaseFeed:
        source = self.source.plain() if self.source else None
        return DatabaseFeed(self.name, self.path or "", source, self.stale_after)


class ListFile(Strict):
    """One list."""

    kind: ListKind
    """What its items are."""
    items: tuple[str, ...] | None = None
    """Written here, for a few."""
    path: Text | None = None
    """A text file, a line an item, `#` begins a comment. Relative to the folder of this file."""
    source: SourceFile | None = None
    """Where `tidegate feeds update` gets such a file, instead of a path."""
    network_kind: NetworkKind | None = None
    """Who is in this list, of kind networks or asns, has that `client.network_kinds`."""
    stale_after: Annotated[Duration, Field(gt=0)] | None = None
    """How long ago it may have been fetched, or changed, before that is an alarm; never if not stated."""

    @model_validator(mode="after")
    def _laws(self) -> ListFile:
        keys = ("items", "path", "source")
        _one_of(self, [key for key in keys if getattr(self, key) is not None], keys)
        if self.network_kind is not None and self.kind not in {ListKind.NETWORKS, ListKind.ASNS}:
            _raise_at(self, {"network_kind": f"is for kind networks or asns, not for {self.kind}"})
        if self.source is not None and self.source.maxmind is not None:
            _raise_at(self, {("source", "maxmind"): "has databases, not lists"})
        return self

    def plain(self, name: str) -> ListFeed:
        source = self.source.plain() if self.source else None
        kind = str(self.network_kind.value) if self.network_kind else ""
        return ListFeed(name, self.kind, self.items, self.path or "", source, kind, self.stale_after or 0.0)


class FeedsFile(Strict):
    """The whole file."""

    databases: tuple[DatabaseFile, ...] = ()
    """Where two know an address, the first that states a fact counts."""
    lists: dict[ListName, ListFile] = {}
    """Name -> list. In conditions it is `lists.<name>`."""

    @model_validator(mode="after")
    def _laws(self) -> FeedsFile:
        seen: set[str] = set()
        wrong: dict[tuple[str | int, ...], str] = {}
        for index, database in enumerate(self.databases):
            if database.name in seen:
                wrong["databases", index, "name"] = f"two databases are named {database.name}"
            seen.add(database.name)
        _raise_at(self, wrong)
        return self

    def plain(self) -> FeedSet:
        """What `gateway.feeds.folder.prepare` takes."""
        lists = tuple(written.plain(name) for name, written in self.lists.items())
        return FeedSet(tuple(database.plain() for database in self.databases), lists)


def placed(refused: FeedsRefused, feeds: FeedsFile, document: Document) -> Problems:
    """What `gateway.feeds.folder.prepare` refused, each at its place. `document` is feeds.yaml as it was read."""
    return Problems(_placed(found, feeds, document) for found in refused.problems)


def _placed(found: FeedProblem, feeds: FeedsFile, document: Document) -> Problem:
    """In the list's own file, or at the place in feeds.yaml that names it."""
    if found.path is not None and found.line:
        return Problem(found.path, found.line, 1, f"list `{found.name}`: {found.message}")
    loc: tuple[str | int, ...]
    if not found.database:
        written: DatabaseFile | ListFile = feeds.lists[found.name]
        loc, what = ("lists", found.name), "list"
    else:
        index = next(index for index, one in enumerate(feeds.databases) if one.name == found.name)
        written = feeds.databases[index]
        loc, what = ("databases", index), "database"
    if isinstance(written, ListFile) and written.items is not None:
        loc = (*loc, "items", found.line - 1) if found.line else (*loc, "items")
    else:
        loc = (*loc, "path" if written.path is not None else "source")
    return document.problem(loc, f"{what} `{found.name}`: {found.message}")


def _one_of(model: BaseModel, chosen: list[str], keys: tuple[str, ...]) -> None:
    if not chosen:
        raise ValueError(f"needs one of {_or(keys)}")
    _raise_at(model, dict.fromkeys(chosen[1:], f"must not stand beside `{chosen[0]}`: only one of {_or(keys)} may"))


def _or(keys: Iterable[str]) -> str:
    *most, last = [f"`{key}`" for key in keys]
    return f"{', '.join(most)} and {last}" if most else last


def _raise_at(model: BaseModel, wrong: dict[Any, str]) -> None:
    """All of them at once, each at its key (or the way to it) below the model."""
    if not wrong:
        return
    details = [
        InitErrorDetails(
            type=PydanticCustomError("feeds", "{said}", {"said": said}),
            loc=key if isinstance(key, tuple) else (key,),
            input=None,
        )
        for key, said in wrong.items()
    ]
    raise ValidationError.from_exception_data(type(model).__name__, details)
