"""The long commands: the table, ablation, baselines, the search for an evasion, the charts, and all of them."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.detect.settings import Settings
from loadtest.campaigns import fragments, report, trials
from loadtest.campaigns.bench import Bench
from loadtest.campaigns.budget import Budget
from loadtest.campaigns.records import Record
from loadtest.campaigns.trials import Results, Say
from loadtest.campaigns.world import Options, attacker

Data = Annotated[Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")]
Policies = Annotated[Path, typer.Option(help="Folder with chain.yaml.")]
Minutes = Annotated[float, typer.Option(min=0.1, help="Kept to: what would not fit is not begun.")]
Scale = Annotated[float, typer.Option(min=0.0001, max=1.0)]
Days = Annotated[float, typer.Option(min=0.5, max=45.0)]
Seed = Annotated[int, typer.Option(min=0)]
Look = Annotated[float, typer.Option(min=1.0, help="Seconds of the events' clock between looks.")]
Negatives = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the size of hard negatives.")]
Out = Annotated[Path | None, typer.Option(help="Folder for what is written: markdown, JSON, SVG.")]
Attackers = Annotated[list[str] | None, typer.Option("--attacker", help="Repeatable.")]
Covers = Annotated[list[int] | None, typer.Option("--cover", help="Per cent. Repeatable.")]
Cached = Annotated[Path, typer.Option("--cache", help="Records of runs, kept by world, code, rules and data.")]
HalfName = Annotated[str, typer.Option(help="report; or tune, to look.")]
POLICIES = Path("policies")
CACHE = Path(tempfile.gettempdir()) / "tidegate-campaigns-records"


def within(minutes: float) -> Budget:
    return Budget(time.perf_counter, time.perf_counter() + 60.0 * minutes)


def begun(bench: Bench, minutes: float, out: Path | None) -> Results:
    """Written after each run, where there is somewhere to write."""
    results = Results(report.about(bench, sys.argv[1:], minutes))
    if out is not None:
        results.changed = partial(report.write, results, out)
    return results


def said(text: str) -> None:
    print(text, flush=True)


def ran(bench: Bench, work: Callable[[Budget, Say, Results], None], minutes: float, out: Path | None) -> Results:
    """Within the minutes; the last world is thrown away whatever happens."""
    results, budget = begun(bench, minutes, out), within(minutes)
    try:
        report.guarded(lambda: work(budget, said, results), results, said)
    finally:
        bench.close()
    return results


def base_of(half: str, **members: float | str) -> Options:
    return replace(Options(half="tune" if half == "tune" else "report"), **members)  # type: ignore[arg-type]


def everything(
    data: Data = None,
    policies: Policies = POLICIES,
    seeds: Annotated[int, typer.Option(min=1, max=50, help="At most; as many as the minutes allow.")] = 5,
    worlds: Annotated[int, typer.Option(min=1, max=10_000, help="Of the search for an evasion.")] = 24,
    scale: Scale = report.LARGE.scale,
    days: Days = report.LARGE.days,
    small_scale: Scale = report.SMALL.scale,
    small_days: Days = report.SMALL.days,
    negatives: Negatives = report.LARGE.negatives,
    minutes: Minutes = 25.0,
    look: Look = report.LOOK,
    cache: Cached = CACHE,
    out: Annotated[Path, typer.Option()] = Path("docs/detection"),
) -> None:
    """All of it, for docs: table, baselines, ablation, evasion, charts, and then more seeds."""
    bench = Bench(data, policies, Settings(look=look), cache)
    large = replace(report.LARGE, scale=scale, days=days, negatives=negatives)
    small = replace(report.SMALL, scale=small_scale, days=small_days, negatives=negatives)
    ran(bench, lambda budget, say, into: report.everything(bench, large, small, seeds, worlds, budget, say, into),
        minutes, out)  # fmt: skip
    said(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def table(
    data: Data = None,
    policies: Policies = POLICIES,
    seeds: Annotated[int, typer.Option(min=1, max=50)] = 5,
    attackers: Attackers = None,
    covers: Covers = None,
    scale: Scale = 0.01,
    days: Days = 3.0,
    negatives: Negatives = 1.0,
    campaign: Annotated[str, typer.Option()] = "A",
    half: HalfName = "report",
    minutes: Minutes = 60.0,
    look: Look = 60.0,
    cache: Cached = CACHE,
    out: Out = None,
) -> None:
    """Attackers by cover by seeds, with confidence intervals, on the half that nobody tuned on."""
    bench = Bench(data, policies, Settings(look=look), cache)
    keys = [(name, cover) for cover in covers or [0, 50, 90] for name in attackers or ["lazy", "mid", "careful"]]
    base = base_of(half, scale=scale, days=days, negatives=negatives, campaign=campaign)
    found = ran(bench, lambda budget, say, into: _grid(bench, base, keys, seeds, budget, say, into), minutes, out)
    if found.table:
        said(fragments.table(found))


def _grid(
    bench: Bench, base: Options, keys: list[trials.Key], seeds: int, budget: Budget, say: Say, into: Results
) -> None:
    trials.grid(bench, base, keys, range(1, seeds + 1), budget, say, into)


def ablate(
    data: Data = None,
    policies: Policies = POLICIES,
    name: Annotated[str, typer.Option("--attacker")] = "mid",
    cover: Annotated[int, typer.Option(min=0, max=99)] = 50,
    signal: Annotated[list[str] | None, typer.Option(help="Family or signal; all families unless said.")] = None,
    scale: Scale = 0.01,
    days: Days = 3.0,
    negatives: Negatives = 1.0,
    seed: Seed = 1,
    half: HalfName = "tune",
    minutes: Minutes = 30.0,
    look: Look = 60.0,
    cache: Cached = CACHE,
    out: Out = None,
) -> None:
    """What each family and signal is worth: leak and false alarms without it."""
    bench = Bench(data, policies, Settings(look=look), cache)
    base = base_of(half, seed=seed, scale=scale, days=days, negatives=negatives)
    rounds = ((trials.ALL, *(signal or trials.FAMILIES)),)
    found = ran(
        bench,
        lambda budget, say, into: trials.ablation(bench, base, [(name, cover)], rounds, budget, say, into),
        minutes,
        out,
    )
    if found.ablation:
        said(fragments.ablation(found))


def compare(
    data: Data = None,
    policies: Policies = POLICIES,
    name: Annotated[str, typer.Option("--attacker")] = "mid",
    cover: Annotated[int, typer.Option(min=0, max=99)] = 50,
    scale: Scale = 0.01,
    days: Days = 3.0,
    negatives: Negatives = 1.0,
    seed: Seed = 1,
    minutes: Minutes = 30.0,
    look: Look = 60.0,
    cache: Cached = CACHE,
    out: Out = None,
) -> None:
    """Baselines before the same judge, on the half that is reported."""
    bench = Bench(data, policies, Settings(look=look), cache)
    base = base_of("report", seed=seed, scale=scale, days=days, negatives=negatives)
    found = ran(
        bench,
        lambda budget, say, into: trials.baselines(bench, base, [(name, cover)], budget, say, into),
        minutes,
        out,
    )
    if found.baselines:
        said(fragments.baselines(found))


def evade(
    data: Data = None,
    policies: Policies = POLICIES,
    name: Annotated[str, typer.Option("--attacker", help="Where the search begins.")] = "adaptive",
    worlds: Annotated[int, typer.Option(min=1, max=10_000)] = 60,
    scale: Scale = 0.005,
    days: Days = 2.0,
    negatives: Negatives = 0.2,
    seed: Seed = 1,
    minutes: Minutes = 60.0,
    look: Look = 60.0,
    cache: Cached = CACHE,
    out: Out = None,
) -> None:
    """Search for the evasion that lets most through, and what it costs."""
    bench = Bench(data, policies, Settings(look=look), cache)
    base = base_of("tune", seed=seed, scale=scale, days=days, negatives=negatives)
    base = replace(base, attacker=attacker(name, 0))
    found = ran(
        bench, lambda budget, say, into: report.evade(bench, base, worlds, budget, say, into), minutes, out
    )  # fmt: skip
    if found.evasion:
        said(fragments.evasion(found))


def charts(
    results: Annotated[Path, typer.Option(help="results.json of `table` or `report`.")] = Path(
        "docs/detection/results.json"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the SVG files.")] = Path("docs/detection"),
) -> None:
    """Draws again what was found: leak by cover, time to detection, ROC by size."""
    plain = json.loads(results.read_bytes())["table"]
    named = ((key.split(), [Record.read(one) for one in records]) for key, records in plain.items())
    found = Results(table={(name, int(cover)): records for (name, cover), records in named})
    out.mkdir(parents=True, exist_ok=True)
    for name, chart in report.drawn(found).items():
        (out / f"{name}.svg").write_text(chart)
        said(str(out / f"{name}.svg"))
