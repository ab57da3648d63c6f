"""The rules and limits that a folder of policies names, and where each stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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

    @property
    def is_limit(self) -> bool:
        return self.list == "limits"


class Rollout(NamedTuple):
    """Something that is enforced for a part of the accounts."""

    key: str
    """By which `gateway.rollout.share_of` tells accounts apart."""
    share: float


def rollouts(ruleset: Ruleset) -> dict[str, Rollout]:
    """Name of an entry or rule with a rollout -> that."""
    found = {
        thing.name: Rollout(f"{thing.entry}/{thing.name}", thing.share)
        for thing in named(ruleset)
        if 0.0 < thing.share < 1.0
    }
    return found | {
        entry.name: Rollout(entry.name, entry.rollout) for entry in ruleset.entries if 0.0 < entry.rollout < 1.0
    }


def named(ruleset: Ruleset) -> tuple[Named, ...]:
    """All of them, in the order of the chain and of the files."""
    return tuple(found for entry in ruleset.entries for found in _of_entry(ruleset, entry))


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
        found = self._named.get((entry, rule)) or self._named.get((entry, head_of(rule)))
        if found is not None:
            return found
        document = self._ruleset.documents[self._entries[entry].path]
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


def _of_entry(ruleset: Ruleset, entry: Entry) -> Iterator[Named]:
    document = ruleset.documents[entry.path]
    for key in type(entry.config).model_fields:
        items = getattr(entry.config, key)
        for index, item in enumerate(items if isinstance(items, tuple | list) else ()):
            name = getattr(item, "name", None)
            if isinstance(item, BaseModel) and isinstance(name, str):
                place = Place(entry.path, *document.position((key, index, "name")))
                local = key == "limits" and getattr(entry.config, "store", "") == "local"
                yield Named(entry.name, entry.kind.name, key, name, place, _share(item), local)


def _share(item: BaseModel) -> float:
    if getattr(item, "mode", "enforce") == "shadow":
        return 0.0
    share = getattr(item, "rollout", 1.0)
    return share if isinstance(share, float) else 1.0
