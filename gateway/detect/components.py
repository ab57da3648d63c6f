"""Connected components, in numpy: least labels are handed along the edges and jumped over until nothing moves."""

from __future__ import annotations

import numpy as np

from gateway.detect.batch import Ints


def components(count: int, one: Ints, other: Ints) -> Ints:
    """For each of `count` nodes the smallest node that it is connected with."""
    labels = np.arange(count)
    while len(one):
        low = np.minimum(labels[one], labels[other])
        new = labels.copy()
        for side in (labels[one], labels[other], one, other):
            np.minimum.at(new, side, low)
        new = new[new]
        if np.array_equal(new, labels):
            break
        labels = new
    return labels
