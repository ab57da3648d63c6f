"""A checked ruleset and the services that its policies want -> the entries of a chain."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.chain.entry import Entry
from gateway.feeds.sightings_aside import SightingsAside
from gateway.feeds.sightings_memory import RecentSightings
from gateway.policies import Services
from gateway.policy import PolicyKind
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Entry as Written
from gateway.rules.ruleset import Ruleset

log = logging.getLogger(__name__)

FREE: Mapping[str, tuple[float, float, float, float]] = {"default": (0.0, 0.0, 0.0, 0.0)}
"""Prices where there is no table; the ruleset refuses `spend` without one."""


def policy_kinds() -> dict[str, PolicyKind[Any]]:
    """Every kind that is installed, ours and strangers', by the entry points `tidegate.policies`.

    One that cannot be loaded is said and left out: whoever names it in chain.yaml is told that there is no such kind.
    """
    kinds = {}
    for point in importlib.metadata.entry_points(group="tidegate.policies"):
        try:
            kinds[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            log.error("policy kind %s (%s) cannot be loaded: %s", point.name, point.value, error)
    return kinds


def build(ruleset: Ruleset, services: Services, *, shadowed: bool = False) -> tuple[Entry, ...]:
    """The entries of a chain. Raises Problems where a policy cannot be made, such as by a key file that holds none.

    `shadowed`: nothing is enforced but who is asking, whatever the rules say; each other entry is as with `rollout: 0`.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    for entry in ruleset.entries:
        try:
            rollout = 0.0 if shadowed and not entry.kind.identifies else entry.rollout
            policy = entry.kind.build(entry.config, replace(_services(ruleset, entry, services), rollout=rollout))
            when = entry.when.bind(services.lists) if entry.when is not None else None
            entries.append(Entry.of(entry.name, entry.kind.name, policy, entry.on_failure, when=when, rollout=rollout))
        except (OSError, ValueError, TypeError, LookupError) as error:
            problems.append(Problem(entry.path, 1, 1, f"policy `{entry.name}` cannot be made: {error}"))
    if problems:
        raise Problems(problems)
    return tuple(entries)


def _services(ruleset: Ruleset, entry: Written, services: Services) -> Services:
    """What one entry is built with, but for its rollout.

    Where another entry of its kind is enforced for more accounts, that one says where accounts are: what this one takes
    for possible in shadow must not move them. An entry by itself is told to the fleet in shadow, too.
    """
    sightings = services.sightings
    if sightings is not None and any(
        other.kind.name == entry.kind.name and other.rollout > entry.rollout for other in ruleset.entries
    ):
        sightings = SightingsAside(sightings, RecentSightings(services.now))
    return replace(services, entry=entry.name, sightings=sightings)
