"""From what was heard to clusters: proposed now and then, added to at once, judged anew where evidence has grown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from gateway.detect.accounts import parties_of
from gateway.detect.batch import Ints
from gateway.detect.belonging import Belonging, Weights, belong, weigh
from gateway.detect.clusters import NOBODY, Candidate, Cluster, continued, keeping, restored, stating
from gateway.detect.evidence import Case, Everybody
from gateway.detect.judging import crowds, judge
from gateway.detect.links import KINDS, NAMES, Shared
from gateway.detect.memory import Memory
from gateway.detect.proposing import LEAST, joined, propose
from gateway.detect.rulings import Rulings
from gateway.detect.settings import Settings
from gateway.detect.usual import everybody

SOON: Final = 60.0
"""Seconds between two groupings, and between two judgements of a cluster, at the least."""
GROWN: Final = 0.1
"""By so much evidence must have grown to be grouped and judged again before it is old,"""
OLD: Final = 6 * 3600.0
"""after so many seconds."""
FEW: Final = 0.05
"""Of the templates so many may be others before they are grouped again at once."""
SURE: Final = 0.5
"""Odds (in nats) from which on an account is surely of a cluster."""
HARD: Final = 3.0
"""Odds (in nats) of who is of a cluster that links alone have joined."""


class Showing:
    """Hits that count, to be had by template; what clusters of some templates come to by them is weighed once."""

    def __init__(self, memory: Memory, rows: Ints, everybody: int) -> None:
        """`rows` of hits; `everybody`: parties that were heard of."""
        templates = memory.hits["template"][rows]
        order = np.argsort(templates, kind="stable")
        self._memory, self._everybody = memory, everybody
        self._rows, self._templates = rows[order], templates[order]
        self._born = np.zeros(max(memory.content.templates, default=0) + 1)
        for id_, template in memory.content.templates.items():
            self._born[id_] = template.born
        self._weighed: dict[bytes, tuple[Weights, Belonging]] = {}

    def weighed(self, templates: Ints) -> tuple[Weights, Belonging]:
        """Of a cluster that is known by these, at least one."""
        key = templates.tobytes()
        if key not in self._weighed:
            memory = self._memory
            low, high = (np.searchsorted(self._templates, templates, side) for side in ("left", "right"))
            parts = [self._rows[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)]
            rows = np.sort(np.concatenate(parts))
            weights = weigh(memory.hits, rows, memory.accounts, self._born, self._everybody)
            self._weighed[key] = weights, belong(memory.hits, rows, memory.accounts, weights)
        return self._weighed[key]


class Deciding:
    def __init__(self, memory: Memory, rulings: Rulings, settings: Settings) -> None:
        self.memory = memory
        self.clusters: dict[str, Cluster] = {}
        self.everybody: Everybody | None = None
        """As of the last judgement."""
        self._rulings = rulings
        self._settings = settings
        self._following = 1
        self.grouped = 0.0
        self._weighed = 0
        self._stale = 0
        """Templates that are others than when they were grouped."""
        self._checked = 0.0

    def touch(self, templates: int) -> None:
        """So many templates are others than before."""
        self._stale += templates

    @property
    def _evidence(self) -> int:
        return self.memory.hits.rows.size + self.memory.links.rows.size

    def due(self, now: float) -> bool:
        """Whether it is time to group: at once for news of templates, else when there is more, or it is long ago."""
        since = now - self.grouped
        known = any(cluster.told for cluster in self.clusters.values())
        if since < (self._settings.group / 2 if known else SOON) or not self._evidence:
            return False
        grown = self._evidence > (1 + GROWN) * self._weighed
        return (
            self._stale > FEW * len(self.memory.content.templates)
            or (self._stale > 0 and since >= self._settings.group)
            or (grown and since >= min(SOON * 2, self._settings.group))
            or (since >= OLD and bool(self.clusters))
        )

    def group(self, now: float) -> list[Cluster]:
        """Proposes anew; the clusters that are none any more."""
        memory = self.memory
        self.grouped, self._weighed, self._stale = now, self._evidence, 0
        self._checked = 0.0
        accounts = memory.accounts
        usual = self._usual(now)
        suspects = self._suspects(now)
        live = memory.copied(
            np.flatnonzero(
                np.isin(memory.hits["template"], suspects) & ~(accounts["cleared"][memory.hits["account"]] > now)
            )
        )
        candidates = propose(
            memory.hits,
            live,
            accounts,
            usual.shared,
            usual.trusted + usual.untrusted,
            self._settings.seed,
            self._rulings.must(now),
        )
        showing = Showing(memory, live, usual.trusted + usual.untrusted)
        candidates = joined(candidates, [_sure(candidate, showing) for candidate in candidates])
        kept, gone, self._following = continued(candidates, self.clusters.values(), self._following)
        self.clusters = {cluster.id: cluster for cluster in kept}
        for cluster, candidate in zip(kept, candidates, strict=True):
            self._fill(cluster, candidate, usual, showing)
        self._taint(usual.shared, now)
        return gone

    def _usual(self, now: float) -> Everybody:
        memory = self.memory
        shared = memory.links.shared(memory.accounts)
        rejected = self._rulings.rejected(now)
        if len(rejected):
            keep = ~np.isin(shared.attribute, rejected)
            shared = Shared(*(column[keep] for column in shared))
        clustered = [cluster.core for cluster in self.clusters.values() if cluster.told]
        usual = everybody(
            memory.accounts,
            np.unique(np.concatenate([NOBODY, *clustered])),
            now,
            memory.content.templates,
            shared,
            memory.pivots.released(now),
            self._settings.seed,
        )
        self.everybody = usual
        return usual

    def _suspects(self, now: float) -> Ints:
        rejected = self._rulings.templates(now)
        ids = self.memory.suspects()
        if not rejected:
            return ids
        return np.array(
            [id_ for id_ in ids.tolist() if self.memory.content.templates[id_].key not in rejected], np.int64
        )

    def _fill(self, cluster: Cluster, candidate: Candidate, usual: Everybody, showing: Showing) -> None:
        """Says anew who is of a cluster, and how surely."""
        memory = self.memory
        cluster.accounts, cluster.nats = NOBODY, np.empty(0)
        if len(candidate.templates):
            cluster.weights, found = showing.weighed(candidate.templates)
            cluster.take(found)
        self._link(cluster, candidate.hard, usual.shared)
        split = self._rulings.split(cluster.id, usual.now)
        if len(split):
            stays = ~np.isin(cluster.accounts, split)
            cluster.accounts, cluster.nats = cluster.accounts[stays], cluster.nats[stays]
        first = memory.accounts["first"][cluster.core]
        times = memory.hits["first"][np.isin(memory.hits["template"], candidate.templates)]
        began = times if len(times) else first
        cluster.began = float(began.min()) if len(began) else usual.now

    def _link(self, cluster: Cluster, hard: Ints, shared: Shared) -> None:
        """Who has something in common with who certainly belongs, belongs by so much more."""
        if len(hard):
            cluster.take(Belonging(hard, np.full(len(hard), HARD)))
        core = cluster.core
        inside = np.isin(shared.account, core)
        if not inside.any():
            return
        # Of each attribute: how many of the cluster have it, without the account itself.
        held = np.bincount(shared.number, inside, int(shared.number.max()) + 1)
        others = held[shared.number] - inside
        tied = others > 0
        nats = np.array([KINDS[name].nats for name in NAMES])[shared.kind] / np.log2(np.maximum(2, shared.degree))
        who, at = np.unique(shared.account[tied], return_inverse=True)
        gain = np.minimum(np.bincount(at, nats[tied], len(who)), self._settings.caps["links"])
        before = cluster.odds(who)
        prior = cluster.weights.prior if cluster.weights is not None else 0.0
        cluster.take(Belonging(who, np.where(np.isfinite(before), before, prior) + gain))

    def _taint(self, shared: Shared, now: float) -> None:
        """Trust that was bought goes where what wanders, or a document, is shared with a cluster that was told of."""
        told = [
            cluster.core for cluster in self.clusters.values() if cluster.told and cluster.score >= self._settings.alarm
        ]
        inside = np.isin(shared.account, np.unique(np.concatenate([NOBODY, *told])))
        held = np.bincount(shared.number, inside, int(shared.number.max()) + 1) if len(shared.number) else np.empty(0)
        strong = np.array([KINDS[name].nats >= 4.0 for name in NAMES])[shared.kind]
        tainted = np.unique(shared.account[strong & inside & (held[shared.number] >= 2)]) if len(held) else NOBODY
        accounts = self.memory.accounts
        changed = np.union1d(np.flatnonzero(accounts["tainted"]), tainted)
        accounts["tainted"][:] = False
        accounts["tainted"][tainted] = True
        accounts.trust(changed, now)

    def add(self, rows: Ints) -> None:
        """Accounts with new hits, to the clusters whose templates they show: at once, at what is known of these."""
        for cluster in self.clusters.values():
            if cluster.weights is None:
                continue
            at = self.memory.copied(self.memory.hits.of(rows, cluster.templates))
            if len(at):
                found = belong(self.memory.hits, at, self.memory.accounts, cluster.weights)
                split = self._rulings.split(cluster.id, self.memory.now)
                stays = ~np.isin(found.accounts, split)
                # What links have said stays: the higher one counts.
                before = cluster.odds(found.accounts)
                cluster.take(Belonging(found.accounts[stays], np.maximum(found.nats, before)[stays]))

    def judge(self, now: float) -> list[Cluster]:
        """Those whose evidence has grown, or is old, judged anew."""
        if now - self._checked < SOON:
            return []
        self._checked = now
        due = [cluster for cluster in self.clusters.values() if self._ripe(cluster, now)]
        if not due:
            return []
        usual = self._usual(now)
        for cluster in due:
            cluster.judged, cluster.weighed = now, self._weight(cluster)
            # Who may have come to it by chance dilutes what the others show: the cluster is judged without them, too.
            cores = [cluster.core, *([cluster.accounts[cluster.nats >= SURE]] if len(cluster.templates) > 1 else [])]
            cases = [case for core in cores if (case := self.case(cluster, usual, core)) is not None]
            if not cases:
                cluster.score, cluster.families, cluster.evidence = 0.0, (), ()
                continue
            found = max((judge(case, self._settings) for case in cases), key=lambda one: one.score)
            cluster.score, cluster.families, cluster.evidence = found.score, found.families, found.evidence
            cluster.signs, cluster.most = found.signs, found.most
            cluster.crowds = crowds(self.memory.accounts["network"][cluster.accounts])
        return due

    def _weight(self, cluster: Cluster) -> int:
        return len(cluster.accounts) + int(self.memory.accounts["heard"][cluster.core].sum())

    def _ripe(self, cluster: Cluster, now: float) -> bool:
        since = now - cluster.judged
        if not cluster.judged or since >= OLD:
            return True
        return (
            since >= (5 * SOON if cluster.told else SOON) and self._weight(cluster) > (1 + 2 * GROWN) * cluster.weighed
        )

    def case(self, cluster: Cluster, usual: Everybody, core: Ints) -> Case | None:
        """None where there are too few parties to judge."""
        if not len(core) or parties_of(self.memory.accounts, core)[1] < LEAST:
            return None
        hits = self.memory.hits
        rows = np.flatnonzero(np.isin(hits["template"], cluster.templates) & np.isin(hits["account"], core))
        return Case(
            usual,
            core,
            cluster.templates.tolist(),
            np.searchsorted(core, hits["account"][rows]),
            np.searchsorted(cluster.templates, hits["template"][rows]),
            hits["count"][rows],
            cluster.began,
            not len(cluster.templates),
        )

    def save(self) -> tuple[dict[str, Ints], dict[str, Any]]:
        arrays: dict[str, Ints] = {}
        plain = []
        for cluster in self.clusters.values():
            for name, column in keeping(cluster).items():
                arrays[f"{cluster.id}.{name}"] = column
            plain.append(stating(cluster))
        return arrays, {
            "clusters": plain, "following": self._following, "grouped": self.grouped, "weighed": self._weighed,
            "stale": self._stale, "checked": self._checked,
        }  # fmt: skip

    def load(self, arrays: Mapping[str, Ints], saved: Mapping[str, Any]) -> None:
        clusters = [restored(plain, arrays) for plain in saved["clusters"]]
        self.clusters = {cluster.id: cluster for cluster in clusters}
        self._following, self.grouped, self._weighed = (
            int(saved["following"]),
            float(saved["grouped"]),
            int(saved["weighed"]),
        )
        self._stale, self._checked = int(saved["stale"]), float(saved["checked"])


def _sure(candidate: Candidate, showing: Showing) -> Ints:
    """The accounts that its templates are sure of."""
    if not len(candidate.templates):
        return NOBODY
    _, belonging = showing.weighed(candidate.templates)
    return belonging.accounts[belonging.nats >= SURE]
