"""Many worlds: attackers by cover by seeds, ablation, baselines. Figures with confidence intervals over seeds."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.campaigns.verdict import Family
from loadtest.campaigns.baselines import BASELINES, Traffic
from loadtest.campaigns.bench import Bench
from loadtest.campaigns.goals import GOALS, Goal
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, attacker

STUDENT: Final = (math.nan, math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""t at 97.5 % by the number of seeds; beyond, as of a normal distribution."""
Say = Callable[[str], None]
Key = tuple[str, int]
"""Attacker, per cent of cover."""


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


@dataclass(slots=True)
class Budget:
    """Of wall-clock time: no world is begun after it."""

    clock: Callable[[], float]
    until: float

    @property
    def spent(self) -> bool:
        return self.clock() >= self.until


def grid(
    bench: Bench, base: Options, keys: Iterable[Key], seeds: int, budget: Budget, say: Say
) -> dict[Key, list[Judgement]]:
    """Seed by seed, so that what the time allows is spread over all of them."""
    found: defaultdict[Key, list[Judgement]] = defaultdict(list)
    wanted = list(keys)
    for seed in range(1, seeds + 1):
        for name, cover in wanted:
            if budget.spent:
                say(f"! time is up: {sum(map(len, found.values()))} of {seeds * len(wanted)} worlds")
                return dict(found)
            judgement = one(bench, replace(base, seed=seed, attacker=attacker(name, cover)))
            found[name, cover].append(judgement)
            say(line(f"{name}, cover {cover} %, seed {seed}", judgement))
    return dict(found)


def one(bench: Bench, options: Options, without: frozenset[str] = frozenset()) -> Judgement:
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as folder:
        return bench.tried(options, Path(folder), without).judgement


def ablation(bench: Bench, base: Options, signals: Sequence[str], budget: Budget, say: Say) -> dict[str, Judgement]:
    """One world with all evidence, then without each; `all` is the first."""
    found: dict[str, Judgement] = {}
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as folder:
        world = Path(folder)
        bench.made(base, world)
        truth = Truth.read(world)
        for left_out in ("all", *signals):
            if budget.spent:
                say("! time is up")
                break
            without = frozenset[str]() if left_out == "all" else frozenset({left_out})
            bench.run(world, world / "run", without)
            found[left_out] = judge(truth, bench.read(world / "run", truth))
            say(line(f"without {left_out}", found[left_out]))
    return found


def baselines(bench: Bench, base: Options, budget: Budget, say: Say) -> dict[str, Judgement]:
    """Each on the same world, and ours beside them."""
    found: dict[str, Judgement] = {}
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as folder:
        world = Path(folder)
        bench.made(base, world)
        truth = Truth.read(world)
        traffic = Traffic.read(world, truth)
        for name, search in BASELINES.items():
            if budget.spent:
                say("! time is up")
                return found
            found[name] = judge(truth, traffic.run(search(traffic)))
            say(line(name, found[name]))
        bench.run(world, world / "run")
        found["tidegate"] = judge(truth, bench.read(world / "run", truth))
        say(line("tidegate", found["tidegate"]))
    return found


def line(name: str, judgement: Judgement) -> str:
    label, worst = judgement.worst
    return (
        f"{name}: leak {judgement.leak:.2%}, recall {judgement.recall:.2%}, honest challenged"
        f" {judgement.benign.challenged:.3%}, worst {label} {worst:.2%}"
    )


FAMILIES: Final = tuple(family.value for family in Family if family is not Family.TRUST)


def markdown(found: Mapping[Key, Sequence[Judgement]], base: Options) -> str:
    """For docs: goals by attacker, leak by cover, hard negatives."""
    lines = [
        f"Worlds of the `{base.half}` half at scale {base.scale:g}, {base.days:g} days, campaign {base.campaign}.",
        "Figures are means over seeds, ± half of the 95 % interval (Student's t).",
        "",
        "| attacker, cover | goal | reached | pass | strong | best | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for (name, cover), judgements in found.items():
        mine = (goal for goal in GOALS if goal.only in {"", name})
        lines += [f"| {name}, {cover} % | {_row(goal, judgements)} |" for goal in mine]
    lines += [
        "",
        "| attacker, cover | leak | by lab | new model | challenged | refused | seeds |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for (name, cover), judgements in found.items():
        labs = sorted({lab for judgement in judgements for lab in judgement.leak_by_lab})
        shares = ((lab, mean([one.leak_by_lab.get(lab, math.nan) for one in judgements])) for lab in labs)
        by_lab = ", ".join(f"{lab} {_share(share)}" for lab, share in shares)
        cells = (
            _share(mean([judgement.leak for judgement in judgements])),
            by_lab,
            _share(mean([judgement.new_model_leak for judgement in judgements])),
            _share(mean([judgement.benign.challenged for judgement in judgements])),
            _share(mean([judgement.benign.refused for judgement in judgements])),
            str(len(judgements)),
        )
        lines.append(f"| {name}, {cover} % | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_negatives(found), ""])


def _negatives(found: Mapping[Key, Sequence[Judgement]]) -> list[str]:
    every = [judgement for judgements in found.values() for judgement in judgements]
    names = sorted({name for judgement in every for name in judgement.negatives})
    lines = [
        "| hard negative | accounts | told | challenged (mean) | challenged (worst world) |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in names:
        groups = [judgement.negatives[name] for judgement in every if name in judgement.negatives]
        told, challenged = (mean([getattr(group, part) for group in groups]) for part in ("told", "challenged"))
        worst = max(group.challenged for group in groups)
        lines.append(f"| {name} | {groups[0].accounts} | {told.value:.2%} | {challenged.value:.2%} | {worst:.2%} |")
    return lines


def _row(goal: Goal, judgements: Sequence[Judgement]) -> str:
    value = mean([goal.of(judgement) for judgement in judgements])
    shown = goal.show(value.value)
    if not math.isnan(value.half) and math.isfinite(value.half):
        shown += f" ± {goal.show(value.half)}"
    return " | ".join([goal.name, shown, *map(goal.show, goal.bounds), goal.grade(value.value)])


def _share(value: Mean) -> str:
    if math.isnan(value.value):
        return "-"
    return f"{value.value:.2%}" + (f" ± {value.half:.2%}" if math.isfinite(value.half) else "")


def plain(found: Mapping[Any, Sequence[Judgement] | Judgement]) -> dict[str, Any]:
    """For JSON."""
    return {
        " ".join(map(str, key)) if isinstance(key, tuple) else str(key): value.plain()
        if isinstance(value, Judgement)
        else [judgement.plain() for judgement in value]
        for key, value in found.items()
    }
