"""The rules and limits that a folder of policies names, and where each stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from gateway.rules.ruleset import CHAIN, Entry, Ruleset


class Place(NamedTuple):
    """Where something stands, counted from 1."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Named(NamedTuple):
    """A rule or a limit of an entry: an item with a `name`, in a list of the entry's file."""

    entry: str
    kind: str
    list: str
    """The key of the list: `rules`, `limits`, or what a stranger's policy calls it."""
    name: str
    place: Place
    share: float
    """The share of accounts for whom it is enforced; 0 in shadow."""
    is_local: bool
    """Counted inside the policy, where no store sees it."""
    has_bucket: bool
    """Buckets of the store have its name: a limit, or a rule that throttles."""

    @property
    def is_limit(self) -> bool:
        return self.list == "limits"


class Rollout(NamedTuple):
    """Something that may be enforced for a part of the accounts: for all of them, or none, as well."""

    key: str
    """By which `gateway.rollout.share_of` tells accounts apart."""
    share: float


def rollouts(ruleset: Ruleset) -> dict[str, Rollout]:
    """Name of an entry, or of a rule that may have a rollout -> that."""
    found: dict[str, Rollout] = {}
    for entry in ruleset.entries:
        items = {item.name: item for _, _, item in _items(entry) if "rollout" in type(item).model_fields}
        found |= {name: Rollout(f"{entry.name}/{name}", _share(item)) for name, item in items.items()}
    return found | {entry.name: Rollout(entry.name, entry.rollout) for entry in ruleset.entries}


def enforcing(ruleset: Ruleset, names: Collection[str]) -> Ruleset:
    """The same, where these entries and rules are enforced for everybody, whatever their `mode` and `rollout`."""
    return replace(ruleset, entries=tuple(_enforcing(entry, names) for entry in ruleset.entries)) if names else ruleset


def _enforcing(entry: Entry, names: Collection[str]) -> Entry:
    changed: dict[str, list[Any]] = {}
    for key, index, item in _items(entry):
        if item.name in names:
            stated = {"mode": "enforce", "rollout": 1.0}
            update = {name: value for name, value in stated.items() if name in type(item).model_fields}
            changed.setdefault(key, list(getattr(entry.config, key)))[index] = item.model_copy(update=update)
    update = {key: type(getattr(entry.config, key))(items) for key, items in changed.items()}
    config = entry.config.model_copy(update=update) if update else entry.config
    return replace(entry, config=config, rollout=1.0 if entry.name in names else entry.rollout)


def named(ruleset: Ruleset) -> tuple[Named, ...]:
    """All of them, in the order of the chain and of the files."""
    return tuple(found for entry in ruleset.entries for found in _of_entry(ruleset, entry))


def parts(ruleset: Ruleset) -> frozenset[str]:
    """What policies that are no list of rules call their parts, as far as they are written: `networks.tor`, or
    `<rule>.countries` of a rule that has parts.
    """
    parts = {name for entry in ruleset.entries for name in _parts(entry.config, "")}
    return frozenset(parts.union(*(_rule_names(entry.config) for entry in ruleset.entries)))


def _rule_names(config: BaseModel) -> Mapping[str, tuple[str | int, ...]]:
    """Where a kind calls its rules otherwise than its file does."""
    stated = getattr(config, "rule_names", None)
    return stated() if stated is not None else {}


def _parts(config: BaseModel, prefix: str) -> Iterator[str]:
    for key in type(config).model_fields:
        if key not in config.model_fields_set or key == "name":
            continue
        value = getattr(config, key)
        yield f"{prefix}{key}"
        if isinstance(value, BaseModel):
            yield from _parts(value, f"{prefix}{key}.")
        for item in value if isinstance(value, tuple | list) else ():
            if isinstance(item, BaseModel) and isinstance(getattr(item, "name", None), str):
                yield from _parts(item, f"{prefix}{item.name}.")  # type: ignore[attr-defined]  # asked above


class Places:
    """Where the rules of a ruleset stand, by the names that policies call them."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._entries = {entry.name: entry for entry in ruleset.entries}
        self._named = {(thing.entry, thing.name): thing.place for thing in named(ruleset)}
        self._chain = {name: place_of_entry(ruleset, name) for name in self._entries}

    def entry(self, name: str) -> Place:
        """In chain.yaml."""
        return self._chain[name]

    def rule(self, entry: str, rule: str) -> Place | None:
        """Of a rule or a limit; of a part such as `vpn.networks`, the rule; of one such as `networks.tor`, the key."""
        if not rule:
            return None
        document = self._ruleset.documents[self._entries[entry].path]
        stated = _rule_names(self._entries[entry].config).get(rule)
        if stated is not None:
            return Place(document.path, *document.key_position(stated))
        found = self._named.get((entry, rule)) or self._named.get((entry, head_of(rule)))
        if found is not None:
            return found
        loc = document.real(tuple(rule.split(".")))
        return Place(document.path, *document.key_position(loc)) if loc else None


def head_of(rule: str) -> str:
    """Policies with parts call them `<rule>.<part>`."""
    return rule.partition(".")[0]


def place_of_entry(ruleset: Ruleset, name: str) -> Place:
    """Where an entry stands in chain.yaml."""
    for path, document in ruleset.documents.items():
        chain = document.data.get("chain") if path.name == CHAIN else None
        for index, written in enumerate(chain if isinstance(chain, list) else ()):
            if isinstance(written, dict) and written.get("name") == name:
                return Place(path, *document.position(("chain", index, "name")))
    raise LookupError(name)


def _items(entry: Entry) -> Iterator[tuple[str, int, Any]]:
    """(key of a list, index, item) for all that has a name in the lists of its file."""
    for key in type(entry.config).model_fields:
        items = getattr(entry.config, key)
        for index, item in enumerate(items if isinstance(items, tuple | list) else ()):
            if isinstance(item, BaseModel) and isinstance(getattr(item, "name", None), str):
                yield key, index, item


def _of_entry(ruleset: Ruleset, entry: Entry) -> Iterator[Named]:
    document = ruleset.documents[entry.path]
    shared_names = getattr(entry.config, "shared_names", None)
    shared = shared_names() if shared_names is not None else {}
    for key, index, item in _items(entry):
        place = Place(entry.path, *document.position((key, index, "name")))
        local = key == "limits" and getattr(entry.config, "store", "") == "local"
        has_bucket = key == "limits" or item.name in shared
        yield Named(entry.name, entry.kind.name, key, item.name, place, _share(item), local, has_bucket)
    for name in sorted(shared.keys() - {item.name for _, _, item in _items(entry)}):
        # A bucket that is called otherwise than what it belongs to.
        place = Place(entry.path, *document.position(shared[name]))
        yield Named(entry.name, entry.kind.name, "limits", name, place, 1.0, is_local=False, has_bucket=True)


def _share(item: BaseModel) -> float:
    if getattr(item, "mode", "enforce") == "shadow":
        return 0.0
    share = getattr(item, "rollout", 1.0)
    return share if isinstance(share, float) else 1.0
