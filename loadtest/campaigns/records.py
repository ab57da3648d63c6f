"""What is kept of a run: the judgement, and what charts are drawn from. Everything else of it is thrown away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np

from gateway.campaigns.verdict import Level
from loadtest.campaigns.columns import Kind
from loadtest.campaigns.judge import CONTAINED, Judgement, first_reached, judge
from loadtest.campaigns.runs import Run
from loadtest.campaigns.truth import Truth

POINTS: Final = 60
"""Of the course of containment."""


@dataclass(frozen=True, slots=True)
class Record:
    """Of one run. What came out of a file is as what went in."""

    judgement: Judgement
    contained: list[tuple[float, float]]
    """Distillation exchanges of the whole campaign so far, and the share of its accounts that are contained."""
    labs: dict[str, list[float]]
    """Lab -> of each active account the highest score that was said of it; 0 for none."""
    honest: list[float]
    """The same of honest accounts, without those at 0."""
    people: int
    """Honest accounts."""
    exchanges: int
    seed: int
    made: float = 0.0
    """Seconds to make the world; 0 where it was made already."""
    ran: float = 0.0
    """Seconds of the backtest."""
    commit: str = ""

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"judgement": self.judgement.plain()}

    def short(self) -> dict[str, Any]:
        """Without what only charts need."""
        return {name: value for name, value in self.plain().items() if name not in {"contained", "labs", "honest"}}

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError for what was written by another version."""
        course = [(float(one), float(other)) for one, other in plain["contained"]]
        return cls(**plain | {"judgement": Judgement.read(plain["judgement"]), "contained": course})


def recorded(truth: Truth, run: Run, *, made: float = 0.0, ran: float = 0.0, commit: str = "") -> Record:
    """Judged."""
    best: dict[str, float] = {}
    for word in run.verdicts:
        # A group in one place may have any score: it is never challenged, and so not found.
        if word.most > Level.BUDGET:
            best[word.account] = max(best.get(word.account, 0.0), word.score)
    active = set(np.unique(truth.of[truth.kinds == Kind.DISTILLATION]).tolist())
    labs: dict[str, list[float]] = {}
    honest, people = [], 0
    for number, account in enumerate(truth.accounts):
        score = round(best.get(account.account, 0.0), 2)
        if account.label == "campaign":
            if number in active:
                labs.setdefault(account.lab, []).append(score)
        else:
            people += 1
            honest += [score] if score else []
    return Record(
        judge(truth, run),
        course(truth, run),
        {lab: sorted(scores) for lab, scores in sorted(labs.items())},
        sorted(honest),
        people,
        len(truth.kinds),
        int(truth.options.get("seed", 0)),
        round(made, 2),
        round(ran, 2),
        commit,
    )


def course(truth: Truth, run: Run) -> list[tuple[float, float]]:
    """Where each further part of the accounts was contained; the last point is the end of the world."""
    tried = np.sort(truth.times[truth.kinds == Kind.DISTILLATION])
    active = np.unique(truth.of[truth.kinds == Kind.DISTILLATION])
    if not len(active):
        return []
    reached = np.sort(first_reached(truth, run)[CONTAINED][active])
    seen = np.searchsorted(tried, reached[np.isfinite(reached)])
    share = (np.arange(len(seen)) + 1) / len(active)
    step = max(1, len(seen) // POINTS)
    # Before the first of them there is none.
    points = [(max(1.0, float(seen[0]) - 1), 0.0)] if len(seen) else [(1.0, 0.0)]
    points += zip(np.maximum(seen, 1).astype(float)[::step].tolist(), share[::step].round(4).tolist(), strict=True)
    return [*points, (float(len(tried)), round(float(share[-1]), 4) if len(share) else 0.0)]
