"""What an editor completes: the keys of each file, what conditions may say, and the names that the files have given.

In the bench's process: it reads the sources of the models for what their docstrings say.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, RootModel

from gateway.expressions.functions import FUNCTIONS
from gateway.expressions.variables import VARIABLES
from gateway.rehearsal.key_words import keys, models_in
from gateway.rehearsal.places import named
from gateway.rehearsal.suite import TestFile
from gateway.rules.build import policy_kinds
from gateway.rules.chain_file import ChainFile
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.prices_file import PricesFile
from gateway.rules.problems import Problems
from gateway.rules.ruleset import CHAIN, FEEDS, PRICES, Ruleset, load

TESTS: Final = "tests/*.yaml"
OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "in", "&&", "||", "!", "?:", "+", "-", "*", "/", "%")


def words(folders: Iterable[Path]) -> dict[str, Any]:
    """The names are of the first of the folders that can be read: the draft, else what is in force."""
    kinds = policy_kinds()
    files: dict[str, type[BaseModel]] = {CHAIN: ChainFile, FEEDS: FeedsFile, PRICES: PricesFile, TESTS: TestFile}
    tops = files | {f"kind: {name}": kind.config for name, kind in sorted(kinds.items())}
    ruleset = next(_readable(folders), None)
    return {
        "files": {heading: model.__name__ for heading, model in tops.items()},
        "kinds_of": _kinds_of(ruleset),
        "models": _models(tops.values()),
        "variables": [
            {"name": one.name, "type": one.type.value, "doc": one.doc, "missing": one.missing}
            | {"values": list(one.vocabulary.words) if one.vocabulary is not None else []}
            for one in VARIABLES.values()
        ],
        "functions": [
            {"name": name, "usage": one.usage, "macro": one.macro, "method": bool(one.method)}
            for name, one in FUNCTIONS.items()
        ],
        "operators": list(OPERATORS),
        "names": {"kinds": sorted(kinds)} | (_names(ruleset) if ruleset is not None else {}),
    }


def _readable(folders: Iterable[Path]) -> Iterator[Ruleset]:
    for folder in folders:
        try:
            yield load(folder, policy_kinds(), os.environ)
        except Problems:
            continue


def _kinds_of(ruleset: Ruleset | None) -> dict[str, str]:
    """File -> the kind of policy whose config it is."""
    if ruleset is None:
        return {}
    return {entry.path.name: entry.kind.name for entry in ruleset.entries}


def _models(tops: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Name of a mapping -> its keys, with the mappings that stand in their values."""
    found: dict[str, Any] = {}
    waiting = list(tops)
    while waiting:
        model = waiting.pop()
        if model.__name__ in found:
            continue
        if issubclass(model, RootModel):
            inner = models_in(model.model_fields["root"].annotation)
            found[model.__name__] = {"keys": [], "any": [one.__name__ for one in inner]}
            waiting += inner
            continue
        rows = list(keys(model, {}))
        found[model.__name__] = {
            "keys": [
                {"name": key.name, "takes": key.takes, "default": key.default, "doc": key.meaning}
                | {"models": [one.__name__ for one in key.models]}
                for key in rows
            ],
            "any": [],
        }
        waiting += [one for key in rows for one in key.models]
    return found


def _names(ruleset: Ruleset) -> dict[str, list[str]]:
    """What the files call things."""
    things = named(ruleset)
    tiers = {tier for item in _items(ruleset) for tier in getattr(item, "tiers", None) or () if isinstance(tier, str)}
    tags = {tag for item in _items(ruleset) for tag in getattr(item, "tags", None) or () if isinstance(tag, str)}
    for entry in ruleset.entries:
        tiers |= {one.name for one in getattr(entry.config, "tiers", None) or () if hasattr(one, "name")}
    return {
        "entries": [entry.name for entry in ruleset.entries],
        "rules": sorted({thing.name for thing in things if not thing.is_limit}),
        "limits": sorted({thing.name for thing in things if thing.is_limit}),
        "lists": sorted(ruleset.feeds.lists),
        "tiers": sorted(tiers),
        "tags": sorted(tags),
        "models": sorted(name for name in ruleset.prices if name != "default"),
    }


def _items(ruleset: Ruleset) -> Iterator[Any]:
    for entry in ruleset.entries:
        for key in type(entry.config).model_fields:
            value = getattr(entry.config, key)
            yield from (
                (item for item in value if isinstance(item, BaseModel)) if isinstance(value, tuple | list) else ()
            )
