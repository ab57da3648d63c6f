"""How often clusters of benign traffic score as much: a table, and how it is made.

From `tests/detect/worlds.py`, the benign half of 40 seeds and every hard negative: each cluster of five parties or more
that a grouping proposed, told of or not, with the highest score that it came to. It is no promise for other traffic:
`table` makes it again from the scores of one's own shadow weeks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

TABLE: Final[tuple[tuple[float, float], ...]] = ((0.0, 1.0),)
"""(Score, share of benign clusters that reach it), rising scores."""


def false_alarm(score: float, known: Sequence[tuple[float, float]] = TABLE) -> float:
    """The share of benign clusters that reach this score; beyond the last one the share of that."""
    share = 1.0
    for least, reached in known:
        if score < least:
            break
        share = reached
    return share


def table(scores: Sequence[float], step: float = 0.5) -> tuple[tuple[float, float], ...]:
    """From the scores of benign clusters. No share is 0: of n that were seen one more would be (n + 1) (Laplace)."""
    ordered = sorted(scores)
    count = len(ordered)
    steps = max(0, math.ceil(max(ordered, default=0.0) / step)) + 1
    found = []
    for place in range(steps + 1):
        least = place * step
        reach = sum(score >= least for score in ordered)
        found.append((least, round((reach + 1) / (count + 1), 6)))
    return tuple(found)
