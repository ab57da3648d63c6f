"""As if a load balancer stood before them: alike in volume where honest clients differ by orders of magnitude."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.detect.evidence import Case, Sign
from gateway.detect.measures import gini, normal

LEAST: Final = 30
"""Parties: of fewer a low Gini is chance."""
EXCHANGES: Final = 5.0
"""On average: of fewer all are alike."""
ABOVE: Final = 3.0
"""Times the exchanges of a usual party in the same time: small users are alike because they are small."""
HONEST: Final = (0.75, 0.11)
"""Mean and deviation of the Gini of real clients of inference APIs: 0.65 to 0.87 in five traces (ServeGen, GenTD26)."""


def weigh(case: Case) -> list[Sign]:
    if case.size < LEAST:
        return []
    parties = case.parties
    heard = parties.sum(case.column("heard").astype(np.float64))
    mean = float(heard.mean())
    first = np.full(parties.count, np.inf)
    np.minimum.at(first, parties.number, case.column("first"))
    # Accounts that came later have done less: by time in use it is fair, in total it is robust. The lower one counts.
    used = np.maximum(case.now - first, 3600.0)
    found = min(_corrected(heard, mean), _corrected(heard / used, mean))
    others = case.everybody.parties
    usual = float(np.median(others.sum(case.usual("heard").astype(np.float64)))) if others.count else 0.0
    if mean < EXCHANGES or mean < ABOVE * usual:
        return []
    # Pools lie anywhere below a half: 0.00 to 0.18 by turns, 0.36 with jitter.
    pooled = math.log(2.0) if found <= 0.5 else math.log(2.0) - ((found - 0.5) / 0.08) ** 2
    spread = math.hypot(HONEST[1], 0.5 / math.sqrt(parties.count))
    nats = max(0.0, pooled - normal(min(found, HONEST[0]), HONEST[0], spread))
    words = f"a Gini of {found:.2f} over {mean:.0f} exchanges each, where other clients have 0.65 or more"
    return [Sign("gini", min(nats, 3.0), words)]


def _corrected(values: np.typing.NDArray[np.float64], mean: float) -> float:
    """Without what chance adds to a mean of so few (Poisson: 1/sqrt(pi * mean))."""
    return math.sqrt(max(0.0, gini(values) ** 2 - 1 / (math.pi * max(mean, 1.0))))
