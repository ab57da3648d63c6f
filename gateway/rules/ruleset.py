"""The policies' folder -> one immutable ruleset with a digest, or every problem of every file at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway.chain.entry import OnFailure
from gateway.expressions.expression import Expression
from gateway.feeds.kinds import ListKind
from gateway.policy import PolicyKind
from gateway.rules.chain_file import ChainEntry, ChainFile
from gateway.rules.check import check, read_as
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.prices_file import PricesFile
from gateway.rules.problems import Problem, Problems, did_you_mean
from gateway.rules.read import Document

CHAIN = "chain.yaml"
PRICES = "prices.yaml"
FEEDS = "feeds.yaml"

MOST_BESIDE = 1024 * 1024
"""Bytes of a file that a policy names."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the chain, checked and not yet built: `kind.build(config, services)` makes the policy."""

    name: str
    kind: PolicyKind[Any]
    config: BaseModel
    on_failure: OnFailure
    path: Path
    when: Expression | None = None
    rollout: float = 1.0
    """The share of accounts for whom it is enforced; 0 in shadow."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All that the folder says. Two rulesets with one digest are the same."""

    entries: tuple[Entry, ...]
    prices: Mapping[str, tuple[float, float, float, float]]
    """As `Services.prices`; empty where there is no price table."""
    feeds: FeedsFile
    """Empty where there is no such file."""
    documents: Mapping[Path, Document]
    """What was read, for whoever has to say where something stands."""
    digest: str
    """BLAKE2b-128 over the names and bytes of all files read, in hex."""
    files: tuple[Path, ...]
    """What was read: what has to be watched for changes."""
    beside: Mapping[Path, bytes] = field(default_factory=dict)
    """Files that policies named, such as key sets, as they were read."""


def load(folder: Path, kinds: Mapping[str, PolicyKind[Any]], environment: Mapping[str, str] = os.environ) -> Ruleset:
    """Read and check everything. Raises Problems with all that is wrong, in all files."""
    return _Loading(folder, kinds, environment).ruleset()


class _Loading:
    """One load: what has been read so far, and what was found wrong."""

    def __init__(self, folder: Path, kinds: Mapping[str, PolicyKind[Any]], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.kinds = kinds
        self.environment = environment
        self.documents: dict[Path, Document] = {}
        self.beside: dict[Path, bytes] = {}
        self.problems: set[Problem] = set()
        self.lists: Mapping[str, ListKind] = {}
        self.chain: list[ChainEntry] = []

    def feeds(self) -> FeedsFile:
        """Read before all others, which name its lists."""
        path = self.folder / FEEDS
        feeds = self.checked(path, FeedsFile) if path.exists() else None
        if feeds is None:
            return FeedsFile()
        self.lists = {name: written.kind for name, written in feeds.lists.items()}
        return feeds

    def ruleset(self) -> Ruleset:
        feeds = self.feeds()
        chain = self.checked(self.folder / CHAIN, ChainFile)
        document = self.documents.get(self.folder / CHAIN)
        entries: tuple[Entry, ...] = ()
        if document is not None:
            entries = self.entries(document, list(enumerate(chain.chain)) if chain else _readable(document))
        prices = self.checked(self.folder / PRICES, PricesFile) if (self.folder / PRICES).exists() else None
        self.problems.update(self.claimed_twice(entries))
        if not (self.folder / PRICES).exists():
            self.problems.update(self.unpriced(entries))
        if self.problems:
            raise Problems(self.problems)
        table = prices.table() if prices else {}
        files = tuple(sorted({*self.documents, *self.beside}))
        return Ruleset(entries, table, feeds, self.documents, self.digest(), files, self.beside)

    def checked(self, path: Path, model: type[ModelT]) -> ModelT | None:
        """The file as `model`; None if it is wrong, and then its problems are kept."""
        try:
            document = self.documents.get(path)
            if document is None:
                document = self.documents[path] = read_as(path, model)
            return check(document, model, self.environment, self.lists)
        except Problems as found:
            self.problems.update(found.problems)
            return None

    def entries(self, document: Document, chain: list[tuple[int, ChainEntry]]) -> tuple[Entry, ...]:
        entries = []
        first: dict[str, int] = {}
        self.chain = [written for _, written in chain]
        for index, written in chain:
            loc = ("chain", index)
            if written.name in first:
                line, _ = document.position(("chain", first[written.name], "name"))
                self.problems.add(
                    document.problem((*loc, "name"), f"duplicate name `{written.name}`: it first stands in line {line}")
                )
            first.setdefault(written.name, index)
            entry = self.entry(document, loc, written)
            if entry is not None:
                entries.append(entry)
        return tuple(entries)

    def entry(self, document: Document, loc: tuple[str | int, ...], written: ChainEntry) -> Entry | None:
        kind = self.kinds.get(written.kind)
        if kind is None:
            known = did_you_mean(written.kind, self.kinds) or f": there are {', '.join(sorted(self.kinds)) or 'none'}"
            self.problems.add(document.problem((*loc, "kind"), f"unknown kind `{written.kind}`{known}"))
            return None
        try:
            path = self.config_path(written)
        except ValueError as error:
            where = "file" if written.file is not None else "name"
            self.problems.add(document.problem((*loc, where), str(error)))
            return None
        config = self.checked(path, kind.config)
        if config is None:
            return None
        config = self.with_files(config, self.documents[path])
        return Entry(written.name, kind, config, written.on_failure, path, written.when, written.share)

    def with_files(self, config: BaseModel, document: Document) -> BaseModel:
        """Read what the config names beside itself: it is part of the ruleset, and is copied with it."""
        named_files, in_folder = getattr(config, "named_files", None), getattr(config, "in_folder", None)
        if named_files is None or in_folder is None:
            return config
        for name, loc in named_files().items():
            try:
                self.beside[self.folder / name] = self.read_beside(name)
            except (OSError, ValueError) as error:
                said = error.strerror or error if isinstance(error, OSError) else error
                self.problems.add(document.problem(loc, f"file `{name}`: {said}"))
        found: BaseModel = in_folder(self.folder)
        return found

    def read_beside(self, name: str) -> bytes:
        """Raises OSError, and ValueError for one that is elsewhere, or too large."""
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"must be in the folder of {CHAIN} or below it, relative to that")
        with (self.folder / path).open("rb") as file:
            content = file.read(MOST_BESIDE + 1)
        if len(content) > MOST_BESIDE:
            raise ValueError(f"larger than {MOST_BESIDE >> 20} MiB")
        return content

    def config_path(self, written: ChainEntry) -> Path:
        """Where the config stands. Raises ValueError if that is nowhere, or outside of the folder."""
        if written.file is None:
            return self.default_path(written)
        path = self.folder / written.file
        # A mounted folder may be made of links (Kubernetes does that), so what counts is where they end.
        if ".." in path.parts or not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"file `{written.file}` is outside of the folder of {CHAIN}")
        if not path.is_file():
            raise ValueError(f"no file `{written.file}` beside {CHAIN}")
        return path

    def default_path(self, written: ChainEntry) -> Path:
        """By its name, else by its kind. A directory of that name is there, and no file: who reads it says so."""
        own, of_kind = f"{written.name}.yaml", f"{written.kind}.yaml"
        if (self.folder / own).exists():
            return self.folder / own
        if not (self.folder / of_kind).exists():
            raise ValueError(f"no file `{own}` or `{of_kind}` beside {CHAIN}")
        # One whose file is lost would go on with the rules of another: an embargo, say, with no embargo in it.
        for other in self.chain:
            if other.name != written.name and self.reads(other, of_kind):
                said = f"no file `{own}` beside {CHAIN}, and `{of_kind}` is read by entry `{other.name}`"
                raise ValueError(f"{said}: write `file: {of_kind}` here if both are to read it")
        return self.folder / of_kind

    def reads(self, entry: ChainEntry, name: str) -> bool:
        """Whether an entry's config is that file."""
        if entry.file is not None:
            return Path(entry.file) == Path(name)
        return name == (f"{entry.name}.yaml" if (self.folder / f"{entry.name}.yaml").exists() else f"{entry.kind}.yaml")

    def claimed_twice(self, entries: tuple[Entry, ...]) -> list[Problem]:
        """Names of limits that two entries share, and so their buckets."""
        found = []
        owners: dict[str, Entry] = {}
        for entry in entries:
            shared_names = getattr(entry.config, "shared_names", None)
            for name, place in (shared_names() if shared_names is not None else {}).items():
                owner = owners.setdefault(name, entry)
                if owner is not entry:
                    message = f"limit `{name}` is counted by entry `{owner.name}` already: give it another name"
                    found.append(self.documents[entry.path].problem(place, message))
        return found

    def unpriced(self, entries: tuple[Entry, ...]) -> list[Problem]:
        """Entries that count money where no price is stated: everything would be free."""
        found = []
        for entry in entries:
            needs_prices = getattr(entry.config, "needs_prices", None)
            place = needs_prices() if needs_prices is not None else None
            if place is not None:
                found.append(self.documents[entry.path].problem(place, f"`spend` needs prices: there is no {PRICES}"))
        return found

    def digest(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        sources = {path: document.source for path, document in self.documents.items()} | self.beside
        for path, source in sorted(sources.items()):
            name = path.relative_to(self.folder).as_posix().encode()
            for part in (name, source):
                state.update(len(part).to_bytes(8, "big"))
                state.update(part)
        return state.hexdigest()


def _readable(document: Document) -> list[tuple[int, ChainEntry]]:
    """The entries of a chain that did not check, as far as they can be read: so that their files are checked, too."""
    chain = document.data.get("chain")
    found = []
    for index, item in enumerate(chain if isinstance(chain, list) else []):
        name, kind, file = (item.get(key) for key in ("name", "kind", "file")) if isinstance(item, dict) else [None] * 3
        named = isinstance(name, str) and isinstance(kind, str) and "/" not in name + kind
        if named and (file is None or isinstance(file, str)):
            entry = ChainEntry.model_construct(name=name, kind=kind, file=file, on_failure=OnFailure.DENY)
            found.append((index, entry))
    return found
