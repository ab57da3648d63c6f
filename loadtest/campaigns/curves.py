"""From records to the lines of the charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from loadtest.campaigns.figures import mean
from loadtest.campaigns.plots import lines, said
from loadtest.campaigns.records import Record
from loadtest.campaigns.trials import Key

Found = Mapping[Key, Sequence[Record]]
FEW, MANY = 0.1, 1_000.0
"""Honest accounts per 10,000: the ends of the ROC's axis."""
SIZES: Final = ((1, 49), (50, 149), (150, 10**9))
"""Accounts that a lab has, for the ROC."""


def leak_by_cover(found: Found) -> str:
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (name, cover), records in sorted(found.items(), key=lambda one: one[0][1]):
        series[name.replace("_", " ")].append(
            (float(cover), 100 * mean([record.judgement.leak for record in records]).value)
        )
    unit = "per cent of distillation exchanges that were answered in full, by per cent of cover traffic"
    return lines(
        "Leak by cover traffic", said(series, unit), "cover traffic, %", "leak, %", series, most=100.0, end=100.0
    )


def contained_by_exchanges(found: Found, cover: int) -> str:
    """How many of a campaign's accounts are contained after so many of its exchanges: of the first world each."""
    series = {
        name.replace("_", " "): [(exchanges, 100 * share) for exchanges, share in records[0].contained]
        for (name, mixed), records in found.items()
        if mixed == cover and records
    }
    unit = "per cent of a campaign's accounts that are contained, by its distillation exchanges until then"
    title = f"Time to detection, {cover} % cover"
    return lines(title, said(series, unit), "exchanges of the whole campaign (log)", "accounts contained, %", series,
                 logarithmic=True, least=1.0, most=100.0)  # fmt: skip


def roc(found: Found) -> str:
    """Accounts by the highest score that was said of them, by how many accounts their lab has: over all worlds."""
    records = [record for every in found.values() for record in every]
    honest = np.array([score for record in records for score in record.honest])
    people = sum(record.people for record in records)
    series: dict[str, list[tuple[float, float]]] = {}
    for least, most in SIZES:
        scores = [
            score
            for record in records
            for lab in record.labs.values()
            if least <= len(lab) <= most
            for score in lab
        ]  # fmt: skip
        if scores:
            name = f"{least} and more" if most == 10**9 else f"up to {most}" if least == 1 else f"{least} to {most}"
            series[name] = _curve(np.array(scores), honest, max(1, people))
    unit = "per cent of a campaign's accounts found, by honest accounts found per 10,000, for labs by their accounts"
    return lines("ROC by accounts of a lab", said(series, unit), "honest accounts found, per 10,000 (log)", "found, %",
                 series, logarithmic=True, least=FEW, most=100.0)  # fmt: skip


def _curve(good: np.ndarray, bad: np.ndarray, people: int) -> list[tuple[float, float]]:
    """For each score above 0 from which on an account would be found; left of the axis is drawn at its end."""
    levels = np.unique(np.concatenate([good, bad]).round(1))[::-1]
    levels = levels[levels > 0]
    wrong, right = (1 - np.searchsorted(np.sort(one), levels) / max(1, len(one)) for one in (bad, good))
    share = wrong * len(bad) / people * 10_000
    inside = np.flatnonzero(share <= MANY)
    points = zip(np.maximum(share[inside], FEW).tolist(), (100 * right[inside]).tolist(), strict=True)
    return list(dict.fromkeys(points)) or [(FEW, 0.0)]
