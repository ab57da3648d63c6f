"""`python -m loadtest.campaigns`: make worlds, judge runs, and write what came of it."""

from __future__ import annotations

import json
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.detect.settings import Settings
from loadtest.campaigns import commands, live
from loadtest.campaigns.attackers import COVERS
from loadtest.campaigns.bench import Bench, changes
from loadtest.campaigns.judge import judge
from loadtest.campaigns.runs import Run
from loadtest.campaigns.shown import console, show
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, attacker, make

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


class Tier(StrEnum):
    LAZY = "lazy"
    MID = "mid"
    CAREFUL = "careful"
    VERY_CAREFUL = "very_careful"
    ADAPTIVE = "adaptive"
    NONE = "none"


class HalfName(StrEnum):
    TUNE = "tune"
    REPORT = "report"


class Language(StrEnum):
    EN = "en"
    DE = "de"
    ES = "es"
    ZH = "zh"
    MIXED = "mixed"


Bare = Annotated[bool, typer.Option("--bare", help="Only who asked what of which model, and when.")]
Spoken = Annotated[Language, typer.Option(help="Of honest texts and templates.")]
Data = Annotated[Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")]


@app.callback()
def main() -> None:
    """Worlds with campaigns, and who judges a detector on them."""


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder for events.parquet, accounts.jsonl, truth.json, truth.npz.")],
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0, help="Of accounts and exchanges.")] = 0.02,
    days: Annotated[float, typer.Option(min=0.5, max=45.0)] = 10.0,
    attacked: Annotated[Tier, typer.Option("--attacker", help="Or none.")] = Tier.MID,
    cover: Annotated[int, typer.Option(min=0, max=99, help=f"Per cent, such as {COVERS}.")] = 0,
    campaign: Annotated[str, typer.Option(help="A (February) or B (June).")] = "A",
    data: Data = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    half: Annotated[HalfName, typer.Option()] = HalfName.TUNE,
    negatives: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the size of hard negatives.")] = 1.0,
    trusted: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of honest accounts with trust.")] = 0.22,
    pool: Annotated[int, typer.Option(min=0, help="Distinct fillings of a template; 0 is without end.")] = 0,
    prompts: Annotated[int, typer.Option(min=0, help="Honest people ask nothing but so many texts.")] = 0,
    language: Spoken = Language.EN,
    bare: Bare = False,
) -> None:
    """Write a world."""
    nobody = attacked is Tier.NONE
    options = Options(
        seed=seed,
        half=half.value,
        scale=scale,
        days=days,
        campaign="" if nobody else campaign,
        attacker=attacker("mid" if nobody else attacked.value, cover, {"pool": pool}),
        negatives=negatives,
        trusted=trusted,
        prompts_at_most=prompts,
        language=language.value,
        bare=bare,
    )
    started = time.perf_counter()
    count = make(options, data, out)
    print(f"{count:,} exchanges in {time.perf_counter() - started:.1f} s: {out}")


@app.command("judge")
def judge_run(
    folder: Annotated[Path, typer.Option("--world", help="What `world` wrote.")],
    run: Annotated[Path, typer.Option(help="What `tidegate detect backtest --out` wrote.")],
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all figures there.")] = None,
) -> None:
    """Judge a run by the truth."""
    truth = Truth.read(folder)
    judgement = judge(truth, Run.read(run, len(truth.kinds)))
    show(str(truth.options["attacker"]["name"]), judgement, console())
    if as_json is not None:
        as_json.write_text(json.dumps(judgement.plain(), indent=1) + "\n")


@app.command()
def once(
    policies: Annotated[Path, typer.Option(help="Folder with chain.yaml.")] = Path("policies"),
    out: Annotated[Path | None, typer.Option(help="Keep world and run there.")] = None,
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0)] = 0.005,
    days: Annotated[float, typer.Option(min=0.5, max=45.0)] = 4.0,
    attacked: Annotated[Tier, typer.Option("--attacker")] = Tier.MID,
    cover: Annotated[int, typer.Option(min=0, max=99)] = 0,
    campaign: Annotated[str, typer.Option()] = "A",
    data: Data = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    half: Annotated[HalfName, typer.Option()] = HalfName.TUNE,
    negatives: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1.0,
    trusted: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.22,
    prompts: Annotated[int, typer.Option(min=0)] = 0,
    language: Spoken = Language.EN,
    bare: Bare = False,
    without: Annotated[list[str] | None, typer.Option(help="A family or a signal to leave out.")] = None,
    change: Annotated[list[str] | None, typer.Option(help="Of the attacker: name=number.")] = None,
    look: Annotated[float, typer.Option(min=1.0, help="Seconds of the events' clock between looks.")] = 60.0,
) -> None:
    """A world, a backtest in this process, and the judgement."""
    name = "mid" if attacked is Tier.NONE else attacked.value
    options = Options(
        seed=seed,
        half=half.value,
        scale=scale,
        days=days,
        campaign="" if attacked is Tier.NONE else campaign,
        attacker=attacker(name, cover, changes(change or [])),
        negatives=negatives,
        trusted=trusted,
        prompts_at_most=prompts,
        language=language.value,
        bare=bare,
    )
    bench = Bench(data, policies, Settings(look=look))
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as temporary:
        tried = bench.tried(options, out or Path(temporary), frozenset(without or ()))
    show(name, tried.judgement, console())
    print(f"world {tried.made:.1f} s, backtest {tried.ran:.1f} s, {tried.exchanges:,} exchanges")


app.command("report")(commands.everything)
for command in (commands.table, commands.ablate, commands.compare, commands.evade, commands.charts, live.live):
    app.command()(command)


if __name__ == "__main__":
    app()
