"""From judgements and runs to the lines of the charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from loadtest.campaigns.columns import Kind
from loadtest.campaigns.judge import CONTAINED, Judgement, first_reached
from loadtest.campaigns.plots import lines, said
from loadtest.campaigns.runs import Run
from loadtest.campaigns.trials import Key, mean
from loadtest.campaigns.truth import Truth

Scores = npt.NDArray[np.float64]
SIZES: Final = ((2, 9), (10, 49), (50, 10**9))
"""Accounts of a cluster, for the ROC."""


def leak_by_cover(found: Mapping[Key, Sequence[Judgement]]) -> str:
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (name, cover), judgements in sorted(found.items()):
        series[name].append((float(cover), 100 * mean([judgement.leak for judgement in judgements]).value))
    unit = "per cent of distillation exchanges that were answered in full, by per cent of cover traffic"
    return lines("Leak by cover traffic", said(series, unit), "cover traffic, %", "leak, %", series)


def contained_by_exchanges(runs: Mapping[str, tuple[Truth, Run]]) -> str:
    """How many of the campaign's accounts are contained after so many of its exchanges."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name, (truth, run) in runs.items():
        tried = np.sort(truth.times[truth.kinds == Kind.DISTILLATION])
        hostile = np.flatnonzero(truth.labels() == "campaign")
        reached = np.sort(first_reached(truth, run)[CONTAINED][hostile])
        seen = np.searchsorted(tried, reached[np.isfinite(reached)])
        share = 100 * (np.arange(len(seen)) + 1) / max(1, len(hostile))
        step = max(1, len(seen) // 200)
        points = list(zip(np.maximum(seen, 1)[::step].tolist(), share[::step].tolist(), strict=True))
        series[name] = [*points, (float(len(tried)), float(share[-1]) if len(share) else 0.0)]
    unit = "per cent of accounts that are contained, by distillation exchanges of the whole campaign until then"
    return lines("Time to detection", said(series, unit), "exchanges of the campaign (log)", "accounts contained, %",
                 series, logarithmic=True)  # fmt: skip


def roc(runs: Sequence[tuple[Truth, Run]]) -> str:
    """Accounts by the highest score that was ever said of them, by the size of the cluster they came to be in."""
    series: dict[str, list[tuple[float, float]]] = {}
    for least, most in SIZES:
        good, bad, total = [], [], 0
        honest = 0
        for truth, run in runs:
            size = {account: len(accounts) for accounts in run.members.values() for account in accounts}
            best: dict[str, float] = {}
            for word in run.verdicts:
                best[word.account] = max(best.get(word.account, 0.0), word.score)
            for account in truth.accounts:
                inside = least <= size.get(account.account, 0) <= most
                if account.label != "campaign":
                    honest += 1
                    if inside:
                        bad.append(best.get(account.account, 0.0))
                elif inside:
                    total += 1
                    good.append(best.get(account.account, 0.0))
        if total:
            name = f"{least}-{most} accounts" if most < 10**9 else f"{least} and more"
            series[name] = _curve(np.array(good), np.array(bad), total, max(1, honest))
    unit = "per cent of accounts of campaigns found, by accounts of honest customers per 10,000 found, by score"
    return lines("ROC by size of cluster", said(series, unit), "honest accounts found, per 10,000", "found, %", series)


def _curve(good: Scores, bad: Scores, total: int, honest: int) -> list[tuple[float, float]]:
    scores = sorted({*good.round(1).tolist(), *bad.round(1).tolist()}, reverse=True)
    found = ((float((bad >= score).sum()) / honest, float((good >= score).sum()) / total) for score in scores)
    return [(0.0, 0.0), *((10_000 * wrong, 100 * right) for wrong, right in found)]
