"""How often clusters of benign traffic score as much: a table, and how it is made.

From worlds without a campaign (`tests/detect/worlds.py`: 250 honest accounts for a day, seeds 11 to 14, alone and with
each crowd of `tests/detect/crowds.py`, each once with a quarter of them trusted and once with nobody): each cluster
that was proposed, told of or not, with the highest score that it came to, 166 in all. Those above 10 are classes, which
sit in one place and are never challenged; from 7 to 10 there are families on one card besides, whose members' own
scores stayed below a challenge. It is no promise for other traffic: `table` makes it again from the scores of one's
own shadow weeks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

TABLE: Final[tuple[tuple[float, float], ...]] = (
    (0.0, 1.0),
    (0.5, 0.66),
    (1.0, 0.51),
    (1.5, 0.43),
    (2.0, 0.37),
    (2.5, 0.34),
    (3.0, 0.32),
    (3.5, 0.25),
    (4.0, 0.17),
    (4.5, 0.14),
    (5.0, 0.13),
    (6.0, 0.1),
    (6.5, 0.09),
    (7.0, 0.08),
    (9.0, 0.07),
    (9.5, 0.06),
    (10.0, 0.05),
    (12.5, 0.04),
    (13.5, 0.03),
    (14.5, 0.02),
    (15.0, 0.01),
)
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
        reach = sum(bool(score >= least) for score in ordered)
        found.append((least, round((reach + 1) / (count + 1), 6)))
    return tuple(found)
