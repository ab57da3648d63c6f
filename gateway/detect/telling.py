"""A cluster as an analyst sees it: marks, members, edges of a picture, a timeline. No text of callers."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.campaigns.verdict import Family
from gateway.detect.batch import Ints
from gateway.detect.calibrated import false_alarm
from gateway.detect.clusters import Cluster
from gateway.detect.evidence import Everybody
from gateway.detect.links import KINDS, NAMES
from gateway.detect.memory import Memory
from gateway.detect.told import Cluster as Told
from gateway.detect.told import Edge, Mark

MARKS: Final = 32
EDGES: Final = 400
MODELS: Final = 16
DRAWN: Final = 60
"""Members in the picture."""
SAMPLE: Final = 8
"""Shingles of a template that are shown."""


def tell(cluster: Cluster, memory: Memory, everybody: Everybody) -> Told:
    accounts = memory.accounts
    order = np.lexsort((cluster.accounts, -cluster.nats))
    members = [
        (accounts.names[row], round(float(nats), 2))
        for row, nats in zip(cluster.accounts[order].tolist(), cluster.nats[order].tolist(), strict=True)
    ]
    core = cluster.core
    mask = np.zeros(accounts.rows.size, np.bool_)
    mask[core] = True
    marks, held = _marks(cluster, memory, everybody)
    return Told(
        id=cluster.id,
        at=everybody.now,
        began=cluster.began,
        accounts=len(core),
        score=round(cluster.score, 3),
        families=cluster.families,
        evidence=cluster.evidence,
        most=cluster.most,
        exchanges=int(accounts["heard"][core].sum()),
        marks=tuple(marks),
        members=tuple(members),
        edges=_edges(held, accounts.names, cluster.accounts[order[:DRAWN]]),
        timeline=memory.hours.of(mask),
        models=_models(core, memory),
        countries=_countries(core, memory),
        merged=cluster.merged,
        false_alarm=false_alarm(cluster.score),
    )


def _marks(cluster: Cluster, memory: Memory, everybody: Everybody) -> tuple[list[Mark], list[tuple[Mark, str, Ints]]]:
    """The strongest marks, and with each (mark, kind of edge, accounts that show it)."""
    found: list[tuple[Mark, str, Ints]] = []
    hits, core = memory.hits, cluster.core
    rows = np.flatnonzero(np.isin(hits["template"], cluster.templates) & np.isin(hits["account"], core))
    shown, who = hits["template"][rows], hits["account"][rows]
    for place, id_ in enumerate(cluster.templates.tolist()):
        template = memory.content.templates.get(id_)
        if template is None or cluster.weights is None:
            continue
        showing = np.unique(who[shown == id_])
        trusted = "none of them trusted" if not template.trusted else f"{template.trusted} trusted parties show it too"
        words = f"a template of {len(template.shingles)} shingles, in {len(showing)} accounts, {trusted}"
        sample = tuple(f"{int(shingle):016x}" for shingle in template.shingles[:SAMPLE])
        nats = float(cluster.weights.nats[place]) if place < len(cluster.weights.nats) else 0.0
        mark = Mark(f"t{template.key:016x}", Family.CONTENT, words, len(showing), round(nats, 2), sample)
        found.append((mark, str(Family.CONTENT), showing))
    shared = everybody.shared
    # Rows of one attribute after the other: those of each in their order.
    inside = np.flatnonzero(np.isin(shared.account, core))
    inside = inside[np.argsort(shared.number[inside], kind="stable")]
    _, starts, counts = np.unique(shared.number[inside], return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        if count < 2:
            continue
        mine = inside[start : start + min(count, EDGES)]
        name = NAMES[int(shared.kind[mine[0]])]
        nats = KINDS[name].nats / float(np.log2(max(2, shared.degree[mine[0]])))
        words = f"{KINDS[name].words}, shared by {count} of them"
        mark = Mark(f"l{int(shared.attribute[mine[0]]):016x}", Family.LINKS, words, int(count), round(nats, 2))
        found.append((mark, name, shared.account[mine]))
        if len(found) >= 8 * MARKS:
            break
    found.sort(key=lambda one: (-one[0].nats * np.log1p(one[0].accounts), one[0].id))
    return [mark for mark, _, _ in found[:MARKS]], found[:MARKS]


def _edges(held: list[tuple[Mark, str, Ints]], names: list[str], drawn: Ints) -> tuple[Edge, ...]:
    edges = []
    for mark, kind, showing in held:
        edges += [Edge(names[row], mark.id, kind, mark.nats) for row in showing[np.isin(showing, drawn)].tolist()]
        if len(edges) >= EDGES:
            break
    return tuple(edges[:EDGES])


def _models(core: Ints, memory: Memory) -> tuple[tuple[str, int], ...]:
    counts = memory.accounts["models"][core].sum(axis=0)
    names = memory.reading.models.names
    known = [(names[at + 1], int(count)) for at, count in enumerate(counts.tolist()) if count and at + 1 < len(names)]
    return tuple(sorted(known, key=lambda one: (-one[1], one[0]))[:MODELS])


def _countries(core: Ints, memory: Memory) -> tuple[tuple[str, int], ...]:
    numbers, counts = np.unique(memory.accounts["country"][core], return_counts=True)
    names = memory.reading.countries.names
    known = [
        (names[number], int(count)) for number, count in zip(numbers.tolist(), counts.tolist(), strict=True) if number
    ]
    return tuple(sorted(known, key=lambda one: (-one[1], one[0]))[:MODELS])
