"""Which shingles come together: those whose rings are equal in at least `alike` of the places that either uses."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.content.arrays import I32, I64, U8, U32, distinct

_NEIGHBOURS: Final = (1, 2, 3, 5)
"""In a place, those with the same event are compared with these after them: a stranger between breaks no chain."""
_AT_ONCE: Final = 1024
"""Pairs that are compared: what is made of them stays in the processor's cache."""
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_STAYS: Final = 0.6
"""What was together needs this much of `alike` to stay so: no template flickers."""


def group(rings: U32, together: I32, alike: float, places: int) -> I64:
    """A label for each ring: the smallest row of its group. A ring with fewer than `places` in use is alone.

    `together` is the number of the template that each is of, -1 for none.
    """
    labels = np.arange(len(rings))
    used = np.packbits(rings != 0, axis=1)
    able = np.flatnonzero(_set(used) >= places)
    codes = _neighbours(rings, able)
    if not len(codes):
        return labels
    one, other = codes >> 32, codes & 0xFFFFFFFF
    either = _set(used[one] | used[other])
    equal = np.empty(len(one), np.int64)
    for at in range(0, len(one), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        equal[some] = _set(np.packbits(rings[one[some]] == rings[other[some]], axis=1) & used[one[some]])
    stays = (together[one] == together[other]) & (together[one] >= 0)
    kept = equal >= np.where(stays, alike * _STAYS, alike) * either
    return _components(labels, one[kept], other[kept])


def _set(bits: U8) -> I64:
    """How many of each row's."""
    counts: I64 = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
    return counts


def _neighbours(rings: U32, able: I64) -> I64:
    """Pairs to compare, each once, as one number: the first row in its upper half, the second in the lower one."""
    keys = np.ascontiguousarray(rings[able].T).astype(np.uint64) << _HALF
    keys |= able.astype(np.uint64)
    keys.sort(axis=1)
    events, rows = keys >> _HALF, (keys & _LOW).astype(np.int64)
    found = []
    for step in _NEIGHBOURS:
        same = (events[:, :-step] == events[:, step:]) & (events[:, step:] != 0)
        found.append((rows[:, :-step][same] << 32) | rows[:, step:][same])
    return distinct(np.concatenate(found))


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
