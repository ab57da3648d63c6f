"""Clusters: what they are known by, who is of them, and an id that stays while most of one stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.campaigns.verdict import Level
from gateway.detect.batch import Ints
from gateway.detect.belonging import Belonging, Weights

STAYS: Final = 0.3
"""Of the accounts of a known cluster so many must be in a new one for it to go on under its id."""

NOBODY: Final = np.empty(0, np.int32)


@dataclass
class Cluster:
    """Rows are of `Accounts`."""

    number: int
    templates: Ints
    """Ids, ascending; none of one that is known by links alone."""
    hard: Ints
    """Accounts that links alone have joined."""
    weights: Weights | None = None
    accounts: Ints = field(default_factory=lambda: NOBODY)
    """All that may belong, ascending,"""
    nats: Ints = field(default_factory=lambda: np.empty(0))
    """and logarithm of the odds that each does."""
    score: float = 0.0
    families: tuple[tuple[str, float], ...] = ()
    evidence: tuple[str, ...] = ()
    signs: Mapping[str, float] = field(default_factory=dict)
    most: Level = Level.SUSPEND
    crowds: Ints = field(default_factory=lambda: np.empty(0, np.uint64))
    """Networks whose accounts come to a shared budget at the most, as a cluster in one place does."""
    began: float = 0.0
    judged: float = 0.0
    """When; 0: not yet."""
    weighed: int = 0
    """Evidence (hits and links) that there was at the time."""
    merged: tuple[str, ...] = ()
    told: bool = False
    approved: bool = False

    @property
    def id(self) -> str:
        return f"c{self.number}"

    @property
    def core(self) -> Ints:
        """Who certainly belongs."""
        return self.accounts[self.nats >= -0.5]

    def odds(self, accounts: Ints) -> Ints:
        """Logarithm of the odds of each; minus infinity for who is not of it."""
        at = np.minimum(np.searchsorted(self.accounts, accounts), max(len(self.accounts) - 1, 0))
        if not len(self.accounts):
            return np.full(len(accounts), -np.inf)
        return np.where(self.accounts[at] == accounts, self.nats[at], -np.inf)

    def take(self, found: Belonging) -> None:
        """Says anew what is known of some of its accounts."""
        rest = ~np.isin(self.accounts, found.accounts)
        accounts = np.concatenate([self.accounts[rest], found.accounts.astype(np.int32)])
        order = np.argsort(accounts, kind="stable")
        self.accounts = accounts[order]
        self.nats = np.concatenate([self.nats[rest], found.nats])[order]


class Candidate(NamedTuple):
    """What a grouping proposes."""

    templates: Ints
    hard: Ints
    accounts: Ints
    """That certainly belong, ascending."""


def continued(
    candidates: list[Candidate], known: Iterable[Cluster], following: int
) -> tuple[list[Cluster], list[Cluster], int]:
    """(Clusters of the candidates in their order, known ones that are no more, next number).

    The candidate that has most of a known cluster goes on as that one; a known one that goes into another is merged.
    """
    taken: dict[int, Cluster] = {}
    gone = []
    into: dict[int, list[str]] = {}
    accounts, templates = Places([one.accounts for one in candidates]), Places([one.templates for one in candidates])
    for cluster in sorted(known, key=lambda cluster: (-len(cluster.core), cluster.number)):
        shares = np.maximum(accounts.shares(cluster.core), templates.shares(cluster.templates))
        best = int(np.argmax(shares)) if len(shares) else -1
        if best >= 0 and shares[best] >= STAYS and best not in taken:
            taken[best] = cluster
            continue
        gone.append(cluster)
        if best >= 0 and shares[best] >= STAYS:
            into.setdefault(best, []).append(cluster.id)
    clusters = []
    for place, candidate in enumerate(candidates):
        if place in taken:
            cluster = taken[place]
        else:
            cluster = Cluster(following, candidate.templates, candidate.hard)
            following += 1
        if not np.array_equal(cluster.templates, candidate.templates) or not np.array_equal(
            cluster.hard, candidate.hard
        ):
            cluster.judged = 0.0
        cluster.templates, cluster.hard = candidate.templates, candidate.hard
        cluster.merged = tuple(dict.fromkeys((*cluster.merged, *into.get(place, []))))[-64:]
        clusters.append(cluster)
    return clusters, gone, following


class Places:
    """In which of some sets each number is."""

    def __init__(self, sets: list[Ints]) -> None:
        """Each of them without repetitions."""
        self._count = len(sets)
        numbers = np.concatenate([NOBODY, *sets])
        order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[order]
        self._of = np.repeat(np.arange(len(sets)), [len(one) for one in sets])[order]

    def shares(self, numbers: Ints) -> Ints:
        """For each set, the part of these (without repetitions) that is in it."""
        if not len(numbers) or not self._count:
            return np.zeros(self._count)
        low, high = (np.searchsorted(self._numbers, numbers, side) for side in ("left", "right"))
        there = high > low
        low, counts = low[there], (high - low)[there]
        # The places low, low + 1, … of each number, one after the other.
        at = np.arange(counts.sum()) + np.repeat(low - np.cumsum(counts) + counts, counts)
        return np.bincount(self._of[at], minlength=self._count) / len(numbers)


def keeping(cluster: Cluster) -> dict[str, Ints]:
    """Its arrays, to be saved."""
    held = {name: getattr(cluster, name) for name in ("templates", "hard", "accounts", "nats", "crowds")}
    if cluster.weights is not None:
        held |= {f"weights.{name}": getattr(cluster.weights, name) for name in ("templates", "rates", "bases")}
    return held


def stating(cluster: Cluster) -> dict[str, Any]:
    """What is plain of it."""
    names = ("number", "score", "families", "evidence", "began", "judged", "weighed", "merged", "told", "approved")
    plain = {name: getattr(cluster, name) for name in names}
    plain["signs"], plain["most"] = dict(cluster.signs), int(cluster.most)
    plain["weights"] = None if cluster.weights is None else [cluster.weights.prior, cluster.weights.since]
    return plain


def restored(plain: dict[str, Any], arrays: Mapping[str, Ints]) -> Cluster:
    """Raises KeyError, TypeError or ValueError where that is of another shape."""
    of = f"c{plain['number']}."
    cluster = Cluster(int(plain["number"]), arrays[f"{of}templates"], arrays[f"{of}hard"])
    cluster.accounts, cluster.nats = arrays[f"{of}accounts"], arrays[f"{of}nats"]
    cluster.crowds = arrays[f"{of}crowds"]
    if plain["weights"] is not None:
        prior, since = plain["weights"]
        templates, rates, bases = (arrays[f"{of}weights.{name}"] for name in ("templates", "rates", "bases"))
        cluster.weights = Weights(templates, rates, bases, float(prior), float(since))
    cluster.score, cluster.began, cluster.judged = float(plain["score"]), float(plain["began"]), float(plain["judged"])
    cluster.weighed, cluster.told, cluster.approved = (
        int(plain["weighed"]),
        bool(plain["told"]),
        bool(plain["approved"]),
    )
    cluster.families = tuple((str(name), float(nats)) for name, nats in plain["families"])
    cluster.evidence, cluster.merged = tuple(plain["evidence"]), tuple(plain["merged"])
    cluster.signs, cluster.most = dict(plain["signs"]), Level(plain["most"])
    return cluster
