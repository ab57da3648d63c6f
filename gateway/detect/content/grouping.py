"""Which shingles come together: those whose rings are equal in at least `alike` of the places that either uses."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.content.arrays import I32, I64, U32, Flags

_NEIGHBOURS: Final = (1, 2, 3, 5)
"""In a place, those with the same event are compared with these after them: a stranger between breaks no chain."""
_STAYS: Final = 0.6
"""What was together needs this much of `alike` to stay so: no template flickers."""


def group(rings: U32, together: I32, alike: float, places: int) -> I64:
    """A label for each ring: the smallest row of its group. A ring with fewer than `places` in use is alone.

    `together` is the number of the template that each is of, -1 for none.
    """
    rows, width = rings.shape
    labels = np.arange(rows)
    able = np.count_nonzero(rings, axis=1) >= places
    codes = np.unique(np.concatenate([_neighbours(rings[:, place], able) for place in range(width)]))
    if not len(codes):
        return labels
    one, other = codes // rows, codes % rows
    either = np.count_nonzero((rings[one] != 0) | (rings[other] != 0), axis=1)
    equal = np.count_nonzero((rings[one] == rings[other]) & (rings[one] != 0), axis=1)
    stays = (together[one] == together[other]) & (together[one] >= 0)
    kept = equal >= np.where(stays, alike * _STAYS, alike) * either
    return _components(labels, one[kept], other[kept])


def _neighbours(column: U32, able: Flags) -> I64:
    """Pairs to compare, as one number each: first row times rows, and the second row."""
    rows = np.flatnonzero((column != 0) & able)
    rows = rows[np.argsort(column[rows], kind="stable")]
    found = []
    for step in _NEIGHBOURS:
        same = column[rows[:-step]] == column[rows[step:]]
        found.append(rows[:-step][same] * len(column) + rows[step:][same])
    return np.concatenate(found)


def _components(labels: I64, one: I64, other: I64) -> I64:
    """Least labels are handed on along the pairs, and jumped over, until nothing moves."""
    while True:
        low = np.minimum(labels[one], labels[other])
        new = labels.copy()
        for ends in (labels[one], labels[other], one, other):
            np.minimum.at(new, ends, low)
        new = new[new]
        if np.array_equal(new, labels):
            return labels
        labels = new
