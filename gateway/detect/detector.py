"""The detector: hears, looks, tells. The order of things; what they are stands in the files that are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.ruling import Ruling
from gateway.campaigns.verdict import Verdict
from gateway.detect.batch import Ints
from gateway.detect.clusters import NOBODY, Cluster
from gateway.detect.deciding import Deciding
from gateway.detect.memory import Memory
from gateway.detect.rulings import Rulings
from gateway.detect.saved import read, write
from gateway.detect.saying import Saying
from gateway.detect.settings import Settings
from gateway.detect.telling import tell
from gateway.detect.told import Told

TIDY: float = 86_400.0
"""Seconds between two sweeps of what is long ago."""
RENEW: float = 6 * 3600.0
"""Seconds between two looks at whether verdicts end."""


class Detector:
    """Implements `interface.Detecting`."""

    def __init__(self, settings: Settings, tag: Callable[[str], str] | None = None) -> None:
        """`tag`: account -> the tag of its minted ids (`minted.Mint.tag`); None where events name the account."""
        self._settings = settings
        self._tag = tag
        self._begin()

    def _begin(self) -> None:
        self._memory = Memory(self._settings, self._tag)
        self._rulings = Rulings(self._memory)
        self._deciding = Deciding(self._memory, self._rulings, self._settings)
        self._saying = Saying(self._memory.accounts, self._settings)
        self._tidied = 0.0
        self._renewed = 0.0

    def learn(self, facts: Iterable[AccountFacts]) -> None:
        self._memory.learn(facts)

    def hear(self, events: Sequence[Event]) -> None:
        self._memory.hear(events)

    def rule(self, rulings: Iterable[Ruling]) -> None:
        if self._rulings.rule(rulings, self._deciding.clusters):
            # What was said of anybody may hold no more.
            self._memory.news.update(np.flatnonzero(self._memory.accounts["score"] > 0).tolist())
            self._deciding.touch(1)
            self._deciding.grouped = 0.0

    def forget(self, accounts: Iterable[str]) -> None:
        names = frozenset(accounts)
        self._rulings.forget(names)
        self._freed(self._memory.erase(names))

    def look(self, now: float) -> Told:
        memory, deciding = self._memory, self._deciding
        memory.settle(now)
        memory.now = max(memory.now, now)
        self._tidy(now)
        if self._rulings.expire(now):
            deciding.touch(1)
            deciding.grouped = 0.0
        deciding.touch(memory.look(now))
        news = np.array(sorted(memory.news), np.int32)
        memory.news.clear()
        memory.links.news.clear()
        gone: list[Cluster] = []
        changed = [NOBODY]
        if deciding.due(now):
            gone = deciding.group(now)
            changed += [cluster.accounts for cluster in gone if cluster.told]
        if len(news) and deciding.clusters:
            deciding.add(news)
        judged = deciding.judge(now)
        changed += [cluster.accounts for cluster in judged if cluster.told or self._loud(cluster)]
        changed += [news, self._ending(now)]
        for cluster in judged:
            cluster.told = cluster.told or self._loud(cluster)
        verdicts = self._say(np.unique(np.concatenate(changed)), now)
        return self._told(judged, gone, verdicts)

    def _loud(self, cluster: Cluster) -> bool:
        return cluster.score >= self._settings.alarm

    def _say(self, rows: Ints, now: float) -> list[Verdict]:
        if not len(rows):
            return []
        loud = [cluster for cluster in self._deciding.clusters.values() if cluster.told]
        return self._saying.say(rows, loud, now)

    def _told(self, judged: list[Cluster], gone: list[Cluster], verdicts: list[Verdict]) -> Told:
        usual = self._deciding.everybody
        told = [cluster for cluster in judged if cluster.told]
        clusters = tuple(tell(cluster, self._memory, usual) for cluster in told) if usual is not None else ()
        return Told(tuple(verdicts), clusters, tuple(cluster.id for cluster in gone if cluster.told))

    def _ending(self, now: float) -> Ints:
        """Accounts whose verdict has to be renewed, or has ended."""
        if now - self._renewed < RENEW:
            return NOBODY
        self._renewed = now
        accounts = self._memory.accounts
        return np.flatnonzero((accounts["score"] > 0) & (accounts["expires"] - now < self._settings.lasts / 2))

    def _tidy(self, now: float) -> None:
        if now - self._tidied < TIDY:
            return
        self._tidied = now
        self._freed(self._memory.forget(now))

    def _freed(self, rows: Ints) -> None:
        """Rows that are nobody's now are in no cluster."""
        if not len(rows):
            return
        for cluster in self._deciding.clusters.values():
            stays = ~np.isin(cluster.accounts, rows)
            cluster.accounts, cluster.nats = cluster.accounts[stays], cluster.nats[stays]
            cluster.hard = cluster.hard[~np.isin(cluster.hard, rows)]

    def save(self, path: Path) -> None:
        arrays, memory = self._memory.save()
        clusters, deciding = self._deciding.save()
        plain = {
            "memory": memory,
            "rulings": self._rulings.save(),
            "deciding": deciding,
            "tidied": self._tidied,
            "renewed": self._renewed,
        }
        write(path, arrays | clusters, plain)

    def load(self, path: Path) -> bool:
        found = read(path)
        if found is None:
            return False
        before = self.__dict__.copy()
        self._begin()
        try:
            self._memory.load(found.arrays, found.plain["memory"])
            self._rulings.load(found.plain["rulings"])
            self._deciding.load(found.arrays, found.plain["deciding"])
            self._tidied, self._renewed = float(found.plain["tidied"]), float(found.plain["renewed"])
        except (KeyError, TypeError, ValueError):
            # Written by another version: what was known before stays.
            self.__dict__.update(before)
            return False
        return True

    @property
    def size(self) -> tuple[int, int]:
        return len(self._memory.accounts), self._memory.bytes
