"""The long commands: the table, ablation, baselines, the search for an evasion, the charts."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gateway.detect.settings import Settings
from loadtest.campaigns import curves, evasion, trials
from loadtest.campaigns.bench import Bench
from loadtest.campaigns.judge import Judgement
from loadtest.campaigns.runs import Run
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, attacker

Data = Annotated[Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")]
Policies = Annotated[Path, typer.Option(help="Folder with chain.yaml.")]
Minutes = Annotated[float, typer.Option(min=0.1, help="No world is begun after so many.")]
Scale = Annotated[float, typer.Option(min=0.0001, max=1.0)]
Days = Annotated[float, typer.Option(min=0.5, max=45.0)]
Seed = Annotated[int, typer.Option(min=0)]
Look = Annotated[float, typer.Option(min=1.0, help="Seconds of the events' clock between looks.")]
Negatives = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the size of hard negatives.")]
Out = Annotated[Path | None, typer.Option(help="Folder for what is written: markdown, JSON, SVG.")]
Attackers = Annotated[list[str] | None, typer.Option("--attacker", help="Repeatable.")]
Covers = Annotated[list[int] | None, typer.Option("--cover", help="Per cent. Repeatable.")]
POLICIES = Path("policies")


def within(minutes: float) -> trials.Budget:
    return trials.Budget(time.perf_counter, time.perf_counter() + 60.0 * minutes)


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
    half: Annotated[str, typer.Option(help="report; or tune, to look.")] = "report",
    minutes: Minutes = 60.0,
    look: Look = 60.0,
    out: Out = None,
) -> None:
    """Attackers by cover by seeds, with confidence intervals, on the half that nobody tuned on."""
    bench = Bench(data, policies, Settings(look=look))
    keys = [(name, cover) for cover in covers or [0, 50, 90] for name in attackers or ["lazy", "mid", "careful"]]
    base = Options(half="tune" if half == "tune" else "report", scale=scale, days=days, negatives=negatives)
    found = trials.grid(bench, replace(base, campaign=campaign), keys, seeds, within(minutes), print)
    text = trials.markdown(found, base)
    print(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "campaigns.md").write_text(text)
        (out / "campaigns.json").write_text(json.dumps(trials.plain(found), indent=1) + "\n")
        (out / "leak-by-cover.svg").write_text(curves.leak_by_cover(found))


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
    minutes: Minutes = 30.0,
    look: Look = 60.0,
    out: Out = None,
) -> None:
    """What each family and signal is worth: leak and false alarms without it."""
    bench = Bench(data, policies, Settings(look=look))
    base = Options(seed=seed, scale=scale, days=days, negatives=negatives, attacker=attacker(name, cover))
    _write(out, "ablation.json", trials.ablation(bench, base, signal or trials.FAMILIES, within(minutes), print))


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
    out: Out = None,
) -> None:
    """Baselines before the same judge, on the half that is reported."""
    bench = Bench(data, policies, Settings(look=look))
    base = Options(
        seed=seed, half="report", scale=scale, days=days, negatives=negatives, attacker=attacker(name, cover)
    )
    _write(out, "baselines.json", trials.baselines(bench, base, within(minutes), print))


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
    out: Out = None,
) -> None:
    """Search for the evasion that lets most through, and what it costs."""
    bench = Bench(data, policies, Settings(look=look))
    base = Options(seed=seed, scale=scale, days=days, negatives=negatives, attacker=attacker(name, 0))
    attempts = evasion.search(
        lambda options: trials.one(bench, options), base, worlds, within(minutes), print, seed=seed
    )
    for attempt in sorted(attempts, key=evasion.worth, reverse=True)[:5]:
        turned = evasion.changed(base.attacker, attempt.attacker)
        print(f"leak {attempt.leak:.1%}, ${attempt.cost:,.2f} per 1,000 leaked, honest challenged"
              f" {attempt.challenged:.3%}: {turned}")  # fmt: skip
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evasion.json").write_text(json.dumps([attempt.plain() for attempt in attempts], indent=1) + "\n")


def charts(
    data: Data = None,
    policies: Policies = POLICIES,
    attackers: Attackers = None,
    cover: Annotated[int, typer.Option(min=0, max=99)] = 50,
    scale: Scale = 0.01,
    days: Days = 3.0,
    seed: Seed = 1,
    look: Look = 60.0,
    out: Annotated[Path, typer.Option(help="Folder for the SVG files.")] = Path("docs/detection"),
) -> None:
    """Time to detection, and ROC by size of cluster. `table --out` writes leak by cover."""
    bench = Bench(data, policies, Settings(look=look))
    runs: dict[str, tuple[Truth, Run]] = {}
    for name in attackers or ["lazy", "mid", "careful"]:
        with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as folder:
            world = Path(folder)
            options = Options(seed=seed, half="report", scale=scale, days=days, attacker=attacker(name, cover))
            bench.made(options, world)
            bench.run(world, world / "run")
            truth = Truth.read(world)
            runs[name] = truth, bench.read(world / "run", truth)
            print(f"{name}: done")
    out.mkdir(parents=True, exist_ok=True)
    (out / "time-to-detection.svg").write_text(curves.contained_by_exchanges(runs))
    (out / "roc-by-size.svg").write_text(curves.roc(list(runs.values())))


def _write(out: Path | None, name: str, found: dict[str, Judgement]) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(trials.plain(found), indent=1) + "\n")
