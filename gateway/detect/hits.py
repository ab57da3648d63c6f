"""Which account has shown which template: the first time counts, how often after that is only a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from gateway.detect.batch import Ints
from gateway.detect.table import Column, Table

COLUMNS: Final = {"account": "i4", "template": "i4", "first": "f8", "last": "f8", "count": "u4"}
SELDOM: Final = 4
"""Up to so many hits of a template each one is news: they say more about who is of a cluster."""
AT_MOST: Final = 1 << 22
"""Pairs that are kept; then those that were seen longest ago go."""


class Hits:
    def __init__(self) -> None:
        self.rows = Table(COLUMNS)
        self._known: dict[int, int] = {}
        """account << 32 | template -> row."""

    def __getitem__(self, column: str) -> Column:
        return self.rows[column]

    def add(self, accounts: Ints, templates: Ints, times: Ints) -> Ints:
        """Counts; the accounts that have shown a template for the first or one of the next times."""
        if not len(accounts):
            return np.empty(0, np.int32)
        keys = (accounts.astype(np.int64) << 32) | templates.astype(np.int64)
        unique, first, count = np.unique(keys, return_index=True, return_counts=True)
        latest = np.zeros(len(unique))
        np.maximum.at(latest, np.searchsorted(unique, keys), times)
        known = self._known
        rows = np.array([known.get(key, -1) for key in unique.tolist()], np.int64)
        new = rows < 0
        if new.any():
            rows[new] = self.rows.add(int(new.sum()))
            known.update(zip(unique[new].tolist(), rows[new].tolist(), strict=True))
            self["account"][rows[new]] = accounts[first[new]]
            self["template"][rows[new]] = templates[first[new]]
            self["first"][rows[new]] = times[first[new]]
        seldom = self["count"][rows] < SELDOM
        self["count"][rows] += count.astype(np.uint32)
        self["last"][rows] = np.maximum(self["last"][rows], latest)
        return np.unique(accounts[first[seldom]])

    def of(self, accounts: Ints, templates: Ints) -> Ints:
        """Rows of these accounts with these templates: a few of each, or all."""
        if len(accounts) * max(1, len(templates)) < 4096:
            found = (self._known.get((a << 32) | t) for a in accounts.tolist() for t in templates.tolist())
            return np.array([row for row in found if row is not None], np.int64)
        return np.flatnonzero(np.isin(self["account"], accounts) & np.isin(self["template"], templates))

    def rename(self, template: int, into: int) -> None:
        """What was shown of one template is another's; of -1, nobody's."""
        mine = self["template"] == template
        if not mine.any():
            return
        accounts, times, counts = (self[name][mine].copy() for name in ("account", "first", "count"))
        self.rows.keep(~mine)
        self._index()
        if into >= 0:
            self.add(
                np.repeat(accounts, np.minimum(counts, 64)),
                np.full(int(np.minimum(counts, 64).sum()), into),
                np.repeat(times, np.minimum(counts, 64)),
            )

    def sweep(self, since: float, freed: Ints, alive: Ints | None = None) -> None:
        """Drops what was last seen before `since`, what is of `freed` accounts, and of templates that are not alive."""
        keep = self["last"] >= since
        if len(freed):
            keep &= ~np.isin(self["account"], freed)
        if alive is not None:
            keep &= np.isin(self["template"], alive)
        if int(keep.sum()) > AT_MOST:
            keep &= self["last"] >= np.partition(self["last"][keep], -AT_MOST)[-AT_MOST]
        if not keep.all():
            self.rows.keep(keep)
            self._index()

    def _index(self) -> None:
        keys = (self["account"].astype(np.int64) << 32) | self["template"].astype(np.int64)
        self._known = dict(zip(keys.tolist(), range(len(keys)), strict=True))

    @property
    def bytes(self) -> int:
        return self.rows.bytes + 120 * len(self._known)

    def load(self, arrays: Mapping[str, Column]) -> None:
        self.rows.load("hits.", arrays)
        self._index()
