"""Which templates are one campaign's: those that the same parties show (Leiden on their projection)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from graspologic_native import leiden_csr

from gateway.detect.batch import Ints
from gateway.detect.components import components

EACH: Final = 48
"""Templates of one party that are paired; of a party with more (an evaluation harness) some are left out."""
SHARED: Final = 4
"""Parties that two templates must have in common."""
WEIGHT: Final = 0.05
"""Least weight of an edge: shared parties by the geometric mean of both."""
OVERLAP: Final = 0.6
"""Communities of which one has so much of the other's parties are one: Leiden also cuts what is one."""


class Grouped(NamedTuple):
    templates: Ints
    """Ids, ascending."""
    community: Ints
    """Of each: the smallest place in `templates` that is of it."""


def group(parties: Ints, templates: Ints, everybody: int, seed: int) -> Grouped:
    """`parties`, `templates`: pairs, each once. `everybody`: parties that were heard of."""
    ids, column = np.unique(templates, return_inverse=True)
    count = len(ids)
    if count < 2:
        return Grouped(ids, np.arange(count))
    sizes = np.bincount(column, minlength=count).astype(np.float64)
    one, other, shared = _pairs(parties, column)
    # What two of their sizes would share by chance is no tie.
    weight = (shared - sizes[one] * sizes[other] / max(everybody, 1)) / np.sqrt(sizes[one] * sizes[other])
    tied = (shared >= SHARED) & (weight >= WEIGHT)
    one, other, weight, shared = one[tied], other[tied], weight[tied], shared[tied]
    if not len(one):
        return Grouped(ids, np.arange(count))
    found = _communities(count, one, other, weight, seed)
    return Grouped(ids, _merged(found, parties, column))


def _pairs(parties: Ints, column: Ints) -> tuple[Ints, Ints, Ints]:
    """Templates that are shown by the same party: (one, other, in how many), one < other."""
    # The rank within a party turns with the party, so that it is not always the same templates that are left out.
    order = np.lexsort(((column * 2654435761 + parties.astype(np.int64) * 40503) % 65521, parties))
    who, what = parties[order], column[order]
    starts = np.r_[True, who[1:] != who[:-1]]
    rank = np.arange(len(who)) - np.maximum.accumulate(np.where(starts, np.arange(len(who)), 0))
    who, what = who[rank < EACH], what[rank < EACH]
    keys = [
        (np.minimum(what[:-step], what[step:])[same].astype(np.int64) << 32)
        | np.maximum(what[:-step], what[step:])[same]
        for step in range(1, min(EACH, len(who)))
        if (same := who[:-step] == who[step:]).any()
    ]
    if not keys:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    return unique >> 32, unique & 0xFFFFFFFF, counts


def _communities(count: int, one: Ints, other: Ints, weight: Ints, seed: int) -> Ints:
    rows, columns = np.r_[one, other], np.r_[other, one]
    order = np.lexsort((columns, rows))
    pointers = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=count), out=pointers[1:])
    _, found = leiden_csr(
        pointers, columns[order].astype(np.int32), np.r_[weight, weight][order].astype(np.float64), count, seed=seed
    )
    return np.array([found.get(node, count + node) for node in range(count)])


def _merged(found: Ints, parties: Ints, column: Ints) -> Ints:
    """Labels as smallest places; communities with the same parties joined."""
    _, label = np.unique(found, return_inverse=True)
    pairs = np.unique((parties.astype(np.int64) << 32) | label[column])
    who, what = pairs >> 32, pairs & 0xFFFFFFFF
    sizes = np.bincount(what)
    one, other, shared = _pairs(who, what)
    alike = shared >= OVERLAP * np.minimum(sizes[one], sizes[other])
    joined = components(len(sizes), one[alike], other[alike])[label]
    smallest = np.full(len(sizes), len(found))
    np.minimum.at(smallest, joined, np.arange(len(found)))
    return smallest[joined]
