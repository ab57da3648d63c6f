"""Means over seeds with their intervals, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

STUDENT: Final = (math.nan, math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""t at 97.5 % by the number of seeds; beyond, as of a normal distribution."""


class Mean(NamedTuple):
    """Over seeds."""

    value: float
    half: float
    """Half the width of the 95 % interval; NaN of one seed."""
    seeds: int


def mean(values: Sequence[float]) -> Mean:
    """Infinite where one of them is: a mean of `never` is never."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Mean(math.nan, math.nan, 0)
    if any(math.isinf(value) for value in known):
        return Mean(math.inf, math.nan, len(known))
    count = len(known)
    t = STUDENT[count] if count < len(STUDENT) else 1.96
    half = t * float(np.std(known, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    return Mean(float(np.mean(known)), half, count)


def at_most(hits: int, of: int) -> float:
    """Upper end of the 95 % interval of a share (Clopper and Pearson)."""
    return float(stats.beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0


def per_cent(value: float) -> str:
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}"


def share(values: Sequence[float]) -> str:
    """Mean and half of its interval, in per cent."""
    found = mean(values)
    return per_cent(found.value) + (f" ± {per_cent(found.half)}" if math.isfinite(found.half) else "")


def plain(value: float) -> str:
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def amount(values: Sequence[float], shown: Callable[[float], str] = plain) -> str:
    """The same of what may never be reached: then the mean of the others, and how many never did."""
    known = [value for value in values if not math.isnan(value)]
    finite = [value for value in known if math.isfinite(value)]
    if not known:
        return "-"
    if not finite:
        return "never"
    found = mean(finite)
    text = shown(found.value) + (f" ± {shown(found.half)}" if math.isfinite(found.half) else "")
    return text if len(finite) == len(known) else f"{text}; never in {len(known) - len(finite)} of {len(known)}"
