"""How they signed up: all at once, with one domain, by one path."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.detect.batch import Ints
from gateway.detect.evidence import Case, Sign
from gateway.detect.measures import binomial, lift, sure

WINDOWS: Final = ((3600.0, "hour"), (86_400.0, "day"), (7 * 86_400.0, "week"))


def weigh(case: Case) -> list[Sign]:
    signs = _cohort(case)
    for column, signal, words in (
        ("domain", "email_domain", "have one e-mail domain"),
        ("path", "path", "signed up by one path"),
        ("signup_country", "signup_country", "signed up from one country"),
    ):
        nats, share, usual = lift(case.column(column), case.usual(column))
        if nats > 0:
            signs.append(Sign(signal, min(nats, 1.0), f"{share:.0%} {words}, elsewhere {usual:.1%}"))
    return signs


def _cohort(case: Case) -> list[Sign]:
    """The window in which most of them were created, against how many others were created in it."""
    mine, usual = case.column("created"), np.sort(case.usual("created"))
    mine, usual = np.sort(mine[mine > 0]), usual[usual > 0]
    if len(mine) < 5 or len(mine) < len(case.members) / 2 or len(usual) < 20:
        return []
    best = (0.0, "")
    for seconds, word in WINDOWS:
        start, hits = _densest(mine, seconds)
        there = np.searchsorted(usual, [start, start + seconds])
        elsewhere = (int(there[1] - there[0]) + 1) / (len(usual) + 2)
        share = hits / len(mine)
        # As many windows were tried as there are accounts, in three widths.
        excess = binomial(hits, len(mine), elsewhere) - math.log(len(WINDOWS) * len(mine))
        nats = share * math.log(max(share / elsewhere, 1.0)) * sure(excess)
        best = max(best, (nats, f"{share:.0%} were created within one {word}, of the others {elsewhere:.1%}"))
    return [Sign("cohort", min(best[0], 2.0), best[1])] if best[0] > 0 else []


def _densest(times: Ints, seconds: float) -> tuple[float, int]:
    ends = np.searchsorted(times, times + seconds, side="right")
    counts = ends - np.arange(len(times))
    at = int(np.argmax(counts))
    return float(times[at]), int(counts[at])
