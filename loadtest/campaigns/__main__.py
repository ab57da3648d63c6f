"""`python -m loadtest.campaigns`: make worlds, judge runs, and write what came of it."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loadtest.campaigns.attackers import COVERS, TIERS
from loadtest.campaigns.world import Options, attacker, make

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Tier = StrEnum("Tier", {name: name for name in (*TIERS, "none")})


class HalfName(StrEnum):
    TUNE = "tune"
    REPORT = "report"


Data = Annotated[Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")]


@app.callback()
def main() -> None:
    """Worlds with campaigns, and who judges a detector on them."""


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder for events.parquet, accounts.jsonl, truth.json, truth.npz.")],
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0, help="Of accounts and exchanges.")] = 0.02,
    days: Annotated[float, typer.Option(min=0.5, max=45.0)] = 10.0,
    attacked: Annotated[Tier, typer.Option("--attacker", help="Or none.")] = Tier("mid"),
    cover: Annotated[int, typer.Option(min=0, max=99, help=f"Per cent, such as {COVERS}.")] = 0,
    campaign: Annotated[str, typer.Option(help="A (February) or B (June).")] = "A",
    data: Data = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    half: Annotated[HalfName, typer.Option()] = HalfName.TUNE,
    negatives: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the size of hard negatives.")] = 1.0,
    trusted: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of honest accounts with trust.")] = 0.22,
    pool: Annotated[int, typer.Option(min=0, help="Distinct fillings of a template; 0 is without end.")] = 0,
    prompts: Annotated[int, typer.Option(min=0, help="Honest people ask nothing but so many texts.")] = 0,
) -> None:
    """Write a world."""
    nobody = attacked.value == "none"
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
    )
    started = time.perf_counter()
    count = make(options, data, out)
    print(f"{count:,} exchanges in {time.perf_counter() - started:.1f} s: {out}")


if __name__ == "__main__":
    app()
