"""A cluster before its judges: who is of it, and everybody else to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from gateway.detect.accounts import Accounts, parties_of
from gateway.detect.batch import Ints
from gateway.detect.content import Template
from gateway.detect.links import NAMES, WANDERING, Shared

_WANDERING: Final = [NAMES.index(name) for name in WANDERING]
ENOUGH: Final = 3
"""Exchanges from which on an account says something of its habits."""


class Sign(NamedTuple):
    """What one signal comes to."""

    signal: str
    """A name for `Settings.without`."""
    nats: float
    """Negative where it speaks for them."""
    words: str
    """What an analyst reads; no text of callers."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Accounts by party: `number` for each account, 0 … `count`-1."""

    number: Ints
    count: int

    def sum(self, values: Ints) -> Ints:
        return np.bincount(self.number, values, self.count)

    def any(self, values: Ints) -> Ints:
        return self.sum(values) > 0


@dataclass(frozen=True)
class Everybody:
    """All accounts that were heard of, and of them those that no cluster has: what is usual."""

    accounts: Accounts
    rows: Ints
    """That were heard of."""
    others: Ints
    """Of them those of no cluster that was told of."""
    now: float
    templates: Mapping[int, Template]
    shared: Shared
    trusted: int
    """Parties that are trusted and were heard of."""
    untrusted: int
    released: Mapping[int, float] = field(default_factory=dict)
    """Bit of a new model -> when anybody used it first."""
    linked: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Kind of link -> (trusted parties that share one, those in it at all)."""

    @cached_property
    def parties(self) -> Parties:
        return Parties(*parties_of(self.accounts, self.others))

    @cached_property
    def share_trusted(self) -> float:
        """Of all parties; a Beta(1, 1) before anybody was heard of."""
        return (self.trusted + 1) / (self.trusted + self.untrusted + 2)


@dataclass(frozen=True)
class Case:
    """One cluster."""

    everybody: Everybody
    members: Ints
    """Rows of accounts, ascending, that certainly belong."""
    templates: Sequence[int]
    hit_account: Ints
    """Place in `members` of each pair of account and template of it,"""
    hit_template: Ints
    """and place in `templates`,"""
    hit_count: Ints
    """and how often."""
    began: float
    hard: bool
    """It was found by its links alone: that there are any says less."""

    @property
    def accounts(self) -> Accounts:
        return self.everybody.accounts

    @property
    def now(self) -> float:
        return self.everybody.now

    @cached_property
    def parties(self) -> Parties:
        return Parties(*parties_of(self.accounts, self.members))

    @cached_property
    def believed(self) -> Ints:
        """For each party whether it is trusted: trust that was bought goes with what wanders between them."""
        shared = self.everybody.shared
        inside = np.isin(shared.account, self.members) & np.isin(shared.kind, _WANDERING)
        held = np.bincount(shared.number, inside, int(shared.number.max()) + 1) if len(shared.number) else np.empty(0)
        moved = shared.account[inside & (held[shared.number] >= 2)] if len(held) else shared.account
        stated = self.column("contract") | (self.column("cleared") > self.now)
        return self.parties.any(self.column("trusted") & (stated | ~np.isin(self.members, moved)))

    @property
    def size(self) -> int:
        """Parties."""
        return self.parties.count

    def column(self, name: str) -> Ints:
        return self.accounts[name][self.members]

    def usual(self, name: str) -> Ints:
        """The same of everybody else."""
        return self.accounts[name][self.everybody.others]
