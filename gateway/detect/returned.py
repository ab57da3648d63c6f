"""What wanders speaks against who presents it: anybody can present what was made for another.

So nobody is tied by what others present of his. A party presents something, which leads to whom it was made for; those
are tied between whom that leads back, directly or around a ring (strongly connected), and those who present the same.
A star that rests on one party has no way back: its other ends are tied to nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.batch import Ints

ROUNDS: Final = 8
"""Of dropping whom nothing can lead back to: what is left after that is searched."""


def returned(party: Ints, attribute: Ints, acts: Ints) -> Ints:
    """Mask of rows (party, attribute, whether that party presented it) that lie on a way that leads back."""
    kept = np.arange(len(party))
    for _ in range(ROUNDS):
        if not len(kept):
            break
        _, who = np.unique(party[kept], return_inverse=True)
        _, what = np.unique(attribute[kept], return_inverse=True)
        pairs = np.unique((what.astype(np.int64) << 32) | who)
        stays = (np.bincount(pairs >> 32) > 1)[what] & (np.bincount(who, acts[kept]) > 0)[who]
        if stays.all():
            break
        kept = kept[stays]
    mask = np.zeros(len(party), np.bool_)
    if len(kept):
        names, who = np.unique(party[kept], return_inverse=True)
        _, what = np.unique(attribute[kept], return_inverse=True)
        found = _strong(len(names), who, len(names) + what, acts[kept])
        mask[kept] = found[who] == found[len(names) + what]
    return mask


def _strong(parties: int, who: Ints, what: Ints, acts: Ints) -> Ints:
    """Strongly connected component of each node, by Tarjan (SIAM J. Comput. 1972), without recursion.

    Parties come first, then attributes: from an attribute to each that has it, and back to it from who presented it.
    """
    count = int(what.max()) + 1
    one, other = np.r_[what, who[acts]], np.r_[who, what[acts]]
    edges = np.unique((one.astype(np.int64) << 32) | other)
    ends = (edges & 0xFFFFFFFF).tolist()
    first = np.searchsorted(edges >> 32, np.arange(count + 1)).tolist()
    following, number = first[:-1], 0
    index, low, component = [-1] * count, [0] * count, [-1] * count
    open_: list[int] = []
    for root in range(parties):
        path = [root] if index[root] < 0 else []
        while path:
            node = path[-1]
            if index[node] < 0:
                index[node] = low[node] = number
                number += 1
                open_.append(node)
            if following[node] < first[node + 1]:
                end = ends[following[node]]
                following[node] += 1
                if index[end] < 0:
                    path.append(end)
                elif component[end] < 0:
                    low[node] = min(low[node], index[end])
                continue
            path.pop()
            if path:
                low[path[-1]] = min(low[path[-1]], low[node])
            while low[node] == index[node] and component[node] < 0:
                component[open_.pop()] = node
    return np.array(component)
