"""`python -m loadtest`: run the plan, show the tables, write what is asked for."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from loadtest import machine, plot, report, targets
from loadtest.bench import Bench, Plan
from loadtest.load import find_wrk
from loadtest.peers import DEFAULT, Peers, install
from loadtest.processes import CannotStart
from loadtest.results import Results
from loadtest.scenarios import NAMES, QUICK, SLOW
from loadtest.targets import TARGETS

IDLE_STREAMS = 2000
ACCOUNTS = 100_000
TABLE_WIDTH = 150
STOPPED = "the run was stopped before its end"


def main(
    scenario: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(NAMES)}. May be said again.")] = None,
    target: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(TARGETS)}. May be said again.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="About a minute: fewer scenarios, one short round.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, max=50, help="3 unless said; with --quick 1.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.2, max=60, help="Of a sample: 5 unless said; with --quick 2.")
    ] = None,
    idle_streams: Annotated[int, typer.Option(min=10, max=9_000, help="How many streams to hold.")] = IDLE_STREAMS,
    accounts: Annotated[int, typer.Option(min=100, max=1_000_000, help="How many accounts are many.")] = ACCOUNTS,
    peers_venv: Annotated[Path, typer.Option(help="Where Envoy, LiteLLM and Portkey are installed.")] = DEFAULT,
    install_peers: Annotated[bool, typer.Option("--install-peers", help="Install them there first.")] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write machine, versions and every sample.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the page, such as docs/benchmarks.md.")] = None,
    plotted: Annotated[Path | None, typer.Option("--plot", help="Write a chart, as SVG.")] = None,
    read: Annotated[
        Path | None, typer.Option(help="Measure nothing: take the samples of a file that --json wrote.")
    ] = None,
) -> None:
    """Measure Tidegate beside its peers, on loopback, and clean up."""
    # What is piped has no width of its own, and these tables need some.
    console, progress_console = Console(), Console(stderr=True)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    names = tuple(scenario or (sorted(QUICK, key=NAMES.index) if quick else NAMES))
    for name, known in [*((name, NAMES) for name in names), *((name, tuple(TARGETS)) for name in target or ())]:
        if name not in known:
            raise typer.BadParameter(f"there is no `{name}`: there are {', '.join(known)}")
    if read is not None:
        results = Results.of(json.loads(read.read_text()))
    else:
        plan = Plan(
            names=names,
            rounds=rounds or (1 if quick else 3),
            seconds=seconds or (2.0 if quick else 5.0),
            idle_streams=idle_streams,
            accounts=accounts if not quick else min(accounts, 10_000),
            targets=tuple(target or ([name for name in TARGETS if name not in SLOW] if quick else ())),
        )
        if install_peers:
            for trouble in install(peers_venv, lambda text: progress_console.print(text, markup=False)):
                progress_console.print(f"! {trouble}", markup=False)
        results = measure(plan, Peers(peers_venv.absolute()), progress_console)
    report.show(results, console)
    if as_json is not None:
        as_json.write_text(json.dumps(results.plain(), indent=1, ensure_ascii=False) + "\n")
    if plotted is not None:
        plotted.write_text(plot.chart(results))
    if write is not None:
        chart = os.path.relpath(plotted, write.parent) if plotted else ""
        write.write_text(report.page(results, chart))
    if STOPPED in results.problems and read is None:
        raise typer.Exit(130)


def measure(plan: Plan, peers: Peers, console: Console) -> Results:
    """Run the plan, and say on the way what is being done."""
    commit, dirty = machine.commit()
    results = Results(
        date=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit,
        dirty=dirty,
        machine=machine.facts(),
        versions=machine.libraries() | targets.versions(peers),
        options={"rounds": plan.rounds, "seconds": plan.seconds, "generator": "wrk" if find_wrk() else "our own"},
    )
    wrk = find_wrk()
    if wrk:
        # It says its version with status 1, before its usage.
        results.versions["wrk"] = machine.first_line([wrk, "-v"]).removeprefix("wrk ").split(" ")[0]
    else:
        console.print("wrk is not installed: a generator of our own, which is slower, takes its place")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task("starting", total=plan.steps())

        def say(text: str) -> None:
            progress.update(task, description=text[:70])
            if not console.is_terminal or text.startswith("!") or "not measured" in text:
                progress.console.print(text, markup=False, highlight=False)

        # SIGTERM ends a run as Ctrl-C does: with what was measured so far, and with nothing left behind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        bench = Bench(plan, peers, Path(folder), results, say, lambda: progress.advance(task))
        try:
            bench.run()
        except CannotStart as error:
            console.print(f"cannot measure: {error}", markup=False)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            console.print("stopped; what was measured so far:")
            results.problems.append(STOPPED)
    return results


if __name__ == "__main__":
    typer.run(main)
