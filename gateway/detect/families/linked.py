"""Hard links inside the cluster: how many share them, against how many honest parties do."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.detect.accounts import parties_of
from gateway.detect.components import components
from gateway.detect.evidence import Case, Sign
from gateway.detect.links import KINDS, NAMES, WANDERING
from gateway.detect.measures import binomial, sure

PRIOR: Final = 100.0
"""Parties that the honest shares of `links.KINDS` weigh, beside the trusted ones that were counted."""
SHARE: Final = 0.25
"""The part of a cluster that must share one for it to say all that it can: two pairs say nothing of the others."""
HOUSEHOLD: Final = 6.0
"""Parties that one household, or one friend's help, may come to."""


def weigh(case: Case) -> list[Sign]:
    shared = case.everybody.shared
    inside = np.isin(shared.account, case.members)
    signs = []
    for code, name in enumerate(NAMES):
        mine = np.flatnonzero(inside & (shared.kind == code))
        if not len(mine):
            continue
        linked, largest = _linked(case, shared.account[mine], shared.number[mine])
        if linked < 2:
            continue
        hits, of = case.everybody.linked.get(name, (0, 0))
        honest = (hits + PRIOR * KINDS[name].honest) / (of + PRIOR)
        share = linked / case.size
        nats = math.log(max(share / honest, 1.0)) * sure(binomial(linked, case.size, honest) + (3 if linked > 2 else 0))
        nats *= min(1.0, share / SHARE)
        if case.hard:
            # It was found because they share: what speaks is only that more do than a household.
            excess = max(0.0, math.log(largest / HOUSEHOLD))
            nats = min(nats, excess if name not in WANDERING else 2.0 + excess)
        if nats > 0:
            words = f"{linked} of {case.size} share {KINDS[name].words}, of honest parties {honest:.2%}"
            signs.append(Sign(name, min(nats, 4.0 if name not in WANDERING else 6.0), words))
    return signs


def _linked(case: Case, accounts: np.typing.NDArray[np.int32], numbers: np.typing.NDArray[np.int64]) -> tuple[int, int]:
    """(Parties of the cluster that share one with another of it, the largest group of them)."""
    party, count = parties_of(case.accounts, accounts)
    attribute, attributes = np.unique(numbers, return_inverse=True)
    labels = components(count + len(attribute), party, count + attributes)[:count]
    sizes = np.bincount(labels)
    in_group = sizes[labels] >= 2
    return int(in_group.sum()), int(sizes.max())
