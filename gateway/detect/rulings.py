"""What people have said, kept for the next looks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gateway.campaigns.ruling import Ruled, Ruling
from gateway.detect.accounts import chosen
from gateway.detect.batch import Ints
from gateway.detect.clusters import Cluster
from gateway.detect.content.templates import Word
from gateway.detect.memory import Memory


class Rulings:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.learnt = 0
        """Id of the last one."""
        self._held: list[Ruling] = []
        """Splits and merges, by the names of their accounts."""
        self._rejected: dict[int, float] = {}
        """Link attribute -> Unix time until which it counts for nothing."""
        self._templates: dict[int, float] = {}
        """Rejected template's key -> likewise."""

    def rule(self, rulings: Iterable[Ruling], clusters: dict[str, Cluster]) -> bool:
        """Whether there was a new one."""
        new = sorted((ruling for ruling in rulings if ruling.id > self.learnt), key=lambda ruling: ruling.id)
        for ruling in new:
            self.learnt = ruling.id
            self._keep(ruling, clusters)
        return bool(new)

    def _keep(self, ruling: Ruling, clusters: dict[str, Cluster]) -> None:
        memory, names = self._memory, memory_names(self._memory)
        cluster, until = clusters.get(ruling.cluster), ruling.until or math.inf
        core = [] if cluster is None else [names[row] for row in cluster.core.tolist()]
        if ruling.ruled is Ruled.CLEARED:
            self._clear(ruling.accounts, until, ruling.at)
        elif ruling.ruled is Ruled.APPROVED:
            for mark in ruling.marks:
                if mark.startswith("t"):
                    memory.content.approve(int(mark[1:], 16))
            if cluster is not None:
                cluster.approved = True
        elif ruling.ruled is Ruled.REJECTED:
            for mark in ruling.marks:
                if mark.startswith("t"):
                    memory.content.reject(int(mark[1:], 16))
                    self._templates[int(mark[1:], 16)] = until
                elif mark.startswith("l"):
                    self._rejected[int(mark[1:], 16)] = until
            self._clear(ruling.accounts or core, until, ruling.at)
        elif ruling.ruled is Ruled.SPLIT:
            self._held.append(ruling)
        else:
            other = clusters.get(ruling.other)
            both = [*core, *([names[row] for row in other.core.tolist()] if other is not None else [])]
            self._held.append(ruling._replace(accounts=tuple(both[:4096])))
        self._held = self._held[-256:]

    def _clear(self, accounts: Iterable[str], until: float, now: float) -> None:
        # Also who was not heard of yet: after a restart rulings come before what the stream holds.
        rows = self._memory.known(accounts)
        self._memory.accounts["cleared"][rows] = np.maximum(self._memory.accounts["cleared"][rows], until)
        self._memory.accounts.trust(rows, now)

    def forget(self, names: frozenset[str]) -> None:
        """Of rulings on accounts the names of those that were erased."""
        self._held = [
            ruling._replace(accounts=tuple(name for name in ruling.accounts if name not in names))
            for ruling in self._held
        ]

    def expire(self, now: float) -> bool:
        """Whether a rejection of templates has ended: they are looked at as if nobody had said anything of them."""
        over = [key for key, until in self._templates.items() if until <= now]
        for key in over:
            del self._templates[key]
            self._memory.content.catalogue.rule(key, Word.NOTHING)
        return bool(over)

    def must(self, now: float) -> list[Ints]:
        """Accounts that people have merged."""
        held = [ruling for ruling in self._held if ruling.ruled is Ruled.MERGED and (ruling.until or math.inf) > now]
        return [chosen(ruling.accounts, self._memory.accounts) for ruling in held]

    def split(self, cluster: str, now: float) -> Ints:
        """Accounts that people have said are not of this cluster."""
        held = [
            r for r in self._held if r.ruled is Ruled.SPLIT and r.cluster == cluster and (r.until or math.inf) > now
        ]
        return chosen((name for ruling in held for name in ruling.accounts), self._memory.accounts)

    def rejected(self, now: float) -> Ints:
        """Link attributes that count for nothing."""
        return np.array(sorted(mark for mark, until in self._rejected.items() if until > now), np.uint64)

    def templates(self, now: float) -> set[int]:
        """Keys of templates that count for nothing."""
        return {key for key, until in self._templates.items() if until > now}

    def save(self) -> dict[str, Any]:
        return {
            "learnt": self.learnt,
            "held": [ruling._asdict() for ruling in self._held],
            "rejected": [[mark, until if until < math.inf else 0.0] for mark, until in self._rejected.items()],
            "templates": [[mark, until if until < math.inf else 0.0] for mark, until in self._templates.items()],
        }

    def load(self, saved: dict[str, Any]) -> None:
        self.learnt = int(saved["learnt"])
        self._held = [_ruling(ruling) for ruling in saved["held"]]
        self._rejected = {int(mark): float(until) or math.inf for mark, until in saved["rejected"]}
        self._templates = {int(mark): float(until) or math.inf for mark, until in saved["templates"]}


def memory_names(memory: Memory) -> list[str]:
    return memory.accounts.names


def _ruling(saved: dict[str, Any]) -> Ruling:
    ruling = Ruling(**saved)
    return ruling._replace(ruled=Ruled(ruling.ruled), accounts=tuple(ruling.accounts), marks=tuple(ruling.marks))
