"""Measures that several families use: of resemblance, of shares, of coincidence. Pure numbers."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from gateway.detect.batch import Ints

HEAVY: Final = 200.0
"""Exchanges above which a party's weight grows no more: one of them shall not be the whole sample."""


class Correlation(NamedTuple):
    """Intraclass correlation: which share of the variance lies between parties rather than within each."""

    value: float
    error: float
    """Standard error; infinite where there is nothing to say."""


NOTHING: Final = Correlation(0.0, math.inf)


def correlation(count: Ints, total: Ints, squares: Ints) -> Correlation:
    """ICC(1) by one-way analysis of variance (Donner 1986), groups of unequal size.

    By group: `count`; `total` of shape (groups,) or (groups, dimensions); `squares`, the sum of squared lengths.
    """
    enough = count >= 2
    count, total, squares = count[enough].astype(np.float64), total[enough].astype(np.float64), squares[enough]
    groups = len(count)
    if groups < 8:
        return NOTHING
    less = np.minimum(1.0, HEAVY / count)
    total = total.reshape(groups, -1) * less[:, None]
    squares, count = squares * less, count * less
    n = count.sum()
    mean = (total.sum(axis=0) ** 2).sum() / n
    between = max(float(((total**2).sum(axis=1) / count).sum() - mean), 0.0) / (groups - 1)
    within = max(float((squares - (total**2).sum(axis=1) / count).sum()), 0.0) / max(n - groups, 1.0)
    each = float(n - (count**2).sum() / n) / (groups - 1)
    spread = between + (each - 1) * within
    if spread <= 1e-9 or each <= 1:
        return NOTHING
    value = max(-0.2, min(1.0, (between - within) / spread))
    inside = max(0.0, value)
    error = math.sqrt(2 * (1 - inside) ** 2 * (1 + (each - 1) * inside) ** 2 / (each * (each - 1) * (groups - 1)))
    return Correlation(value, max(error, 0.01))


def normal(value: float, mean: float, deviation: float) -> float:
    """Logarithm of the density."""
    return -0.5 * ((value - mean) / deviation) ** 2 - math.log(deviation) - 0.9189385


def interchangeable(found: Correlation, usual: float, most: float) -> float:
    """Nats for "drawn from one list" against "each its own", where others correlate by `usual`; at most `most` nats.

    Of one list the correlation is 0, give or take what covers it; of honest groups it lies about `usual`, and groups of
    like-minded people below it.
    """
    if found.error > 0.3 or usual < 0.02:
        return 0.0
    one = normal(found.value, 0.0, math.hypot(0.05, found.error))
    own = normal(min(found.value, usual), usual, math.hypot(0.02 + 0.4 * usual, found.error))
    return max(-most, min(most, one - own))


def beta_binomial(hits: float, of: float, mean: float, strength: float) -> float:
    """Logarithm of the chance of `hits` among `of` (its binomial coefficient left out), the share itself being Beta."""
    a, b = mean * strength, (1 - mean) * strength
    return (
        math.lgamma(hits + a) + math.lgamma(of - hits + b) - math.lgamma(of + a + b)
        - math.lgamma(a) - math.lgamma(b) + math.lgamma(a + b)
    )  # fmt: skip


def binomial(hits: float, of: float, share: float) -> float:
    """Nats by which the share that was found explains the hits better than `share`; 0 where it is no higher."""
    if of <= 0 or hits / of <= share:
        return 0.0
    found = min(hits / of, 1 - 1e-12)
    nats = hits * math.log(found / share)
    return nats + (of - hits) * math.log((1 - found) / (1 - share)) if hits < of else nats


def sure(nats: float) -> float:
    """0 … 1: how much a lift counts whose excess explains so many nats; all from 12 on, none below 3 (one in 20)."""
    return max(0.0, min(1.0, (nats - 3.0) / 9.0))


def lift(cluster: Ints, usual: Ints) -> tuple[float, float, float]:
    """(Nats, share in the cluster, share elsewhere) of what the cluster has most; 0 is unknown and says nothing."""
    known, others = cluster[cluster != 0], usual[usual != 0]
    if len(known) < 5 or len(known) < len(cluster) / 2 or len(others) < 20:
        return 0.0, 0.0, 0.0
    values, counts = np.unique(known, return_counts=True)
    # Of several that are common the one that is usual least: the five most frequent are looked at.
    best = (0.0, 0.0, 0.0)
    for at in np.argsort(-counts, kind="stable")[:5].tolist():
        elsewhere = (np.count_nonzero(others == values[at]) + 1) / (len(others) + 2)
        share = counts[at] / len(known)
        excess = binomial(float(counts[at]), float(len(known)), elsewhere) - math.log(5)
        nats = share * math.log(max(share / elsewhere, 1.0)) * sure(excess)
        best = max(best, (nats, float(share), float(elsewhere)))
    return best


def coincidence(cluster: Ints, usual: Ints) -> tuple[float, float, float]:
    """(Nats, chance that two of the cluster have the same value, the same elsewhere)."""
    known, others = cluster[cluster != 0], usual[usual != 0]
    if len(known) < 5 or len(known) < len(cluster) / 2 or len(others) < 20:
        return 0.0, 0.0, 0.0
    pairs = len(known) * (len(known) - 1) / 2
    same = _same(known)
    elsewhere = (_same(others) + 1) / (len(others) * (len(others) - 1) / 2 + 1)
    share = same / pairs
    # Pairs of one value follow from each other: there are as many independent ones as accounts that share.
    excess = binomial(min(same, float(len(known))), pairs, elsewhere)
    nats = 0.5 * math.log(max(share / elsewhere, 1.0)) * sure(excess) if same else 0.0
    return nats, share, elsewhere


def _same(values: Ints) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())


def gini(values: Ints) -> float:
    """0: all alike; 1: one has everything."""
    ordered = np.sort(values.astype(np.float64))
    count = len(ordered)
    if not count or ordered[-1] <= 0:
        return 0.0
    return float(2 * (np.arange(1, count + 1) * ordered).sum() / (count * ordered.sum()) - (count + 1) / count)
