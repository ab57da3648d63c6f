"""`tidegate test`: the tests that stand beside policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gateway.cli.configured import fail, fail_with
from gateway.cli.trail import console, show_exchange, show_trail
from gateway.rehearsal.coverage import Coverage, Seen
from gateway.rehearsal.places import Places
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import FOLDER, Suite, suites
from gateway.rehearsal.telling import told
from gateway.rehearsal.trial import Result, Trial
from gateway.rules.problems import Problems

MANY = 200
"""Tests from which on a bar shows how far it is."""


def run(
    policies: Annotated[Path, typer.Argument(help="The folder with chain.yaml; its tests are in `tests/`.")] = Path(
        "policies"
    ),
    keyword: Annotated[str, typer.Option("-k", help="Only tests whose name or file has this word.")] = "",
    coverage: Annotated[bool, typer.Option("--coverage", help="Show what no test reaches.")] = False,
    fail_under: Annotated[
        float, typer.Option(help="Fail where less than this many percent are reached.", min=0, max=100)
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Run the tests of a folder of policies. Exit status 1 where one fails, 2 where there is none to run."""
    began = time.perf_counter()
    try:
        with Rehearsal(policies) as rehearsal:
            chosen = _chosen(suites(policies, rehearsal.ruleset), keyword)
            if not chosen:
                word = f" with `{keyword}`" if keyword else ""
                fail(f"no tests{word} in {policies / FOLDER}: `tidegate schema tests` has their shape", 2)
            trial = Trial(rehearsal)
            results = list(_run(trial, chosen, quiet=as_json))
            seen = Seen(rehearsal.ruleset)
            seen.note(trial.heard)
            reached = seen.coverage()
            places = Places(rehearsal.ruleset)
            notes = rehearsal.notes
    except Problems as problems:
        fail_with(problems)
    seconds = time.perf_counter() - began
    thin = reached.share * 100 < fail_under
    if as_json:
        typer.echo(json.dumps(_data(results, reached, places, notes, seconds), indent=2))
    else:
        out = console()
        for note in notes:
            out.print(Text(f"note: {note}", "yellow"))
        _show(out, results, places, seconds)
        if coverage or thin:
            _show_coverage(out, reached)
        if thin:
            out.print(f"{reached.share:.0%} is less than the {fail_under:g}% asked for")
    if thin or not all(result.passed for result in results):
        raise typer.Exit(1)


def _chosen(found: tuple[Suite, ...], keyword: str) -> list[tuple[Suite, int]]:
    word = keyword.lower()
    return [
        (suite, index)
        for suite in found
        for index, one in enumerate(suite.file.tests)
        if word in one.name.lower() or word in suite.document.path.name.lower()
    ]


def _run(trial: Trial, chosen: list[tuple[Suite, int]], *, quiet: bool) -> Iterator[Result]:
    with Progress(console=console(error=True), transient=True, disable=quiet or len(chosen) < MANY) as progress:
        bar = progress.add_task("tests", total=len(chosen))
        for suite, index in chosen:
            yield trial.run(suite, index)
            progress.advance(bar)


def _show(out: Console, results: list[Result], places: Places, seconds: float) -> None:
    for path in dict.fromkeys(result.suite.document.path for result in results):
        own = [result for result in results if result.suite.document.path == path]
        failed = sum(not result.passed for result in own)
        said = f"FAILED  {failed} of {len(own)}" if failed else f"ok      {len(own)}"
        out.print(Text(said, "bold red" if failed else "green"), Text(str(path)), soft_wrap=True)
    for result in results:
        if not result.passed:
            _show_failure(out, result, places)
    failed = sum(not result.passed for result in results)
    requests = sum(result.asked for result in results)
    verdict = f"{failed} of {len(results)} tests failed" if failed else f"all {len(results)} tests passed"
    out.print(Text(f"\n{verdict}", "bold red" if failed else "bold green"), f"({requests} requests, {seconds:.1f} s)")


def _show_failure(out: Console, result: Result, places: Places) -> None:
    out.print()
    out.print(Text(f"FAILED {result.test.name}", "bold red"))
    at = f"{result.suite.document.path}:{result.line}"
    out.print(Text(f"  {at}" + (f", step {result.failed + 1}" if result.test.steps else ""), "dim"), soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    table.add_row("", Text("expected", "dim"), Text("got", "dim"))
    for difference in result.differences:
        table.add_row(difference.key, Text(difference.expected, "green"), Text(difference.got, "red"))
    out.print(Padding(table, (0, 0, 1, 2), expand=False))
    data = told(result.answer, places)
    if data.get("at"):
        out.print(Text(f"  decided by {data['rule'] or data['entry']}, {data['at']}: {data['detail']}"))
    show_exchange(out, data)
    step = result.test.sequence[result.failed]
    wanted = (step.expect.rule if step.expect else None) or ""
    show_trail(out, data, all_rules=False, wanted=wanted)


def _show_coverage(out: Console, reached: Coverage) -> None:
    out.print(Text(f"\nreached: {reached.share:.0%} ({reached.reached} of {reached.all})", "bold"))
    for gap in reached.gaps:
        out.print(Text(f"  {gap.place}: {gap.what} {gap.name}: {gap.problem}"), soft_wrap=True)


def _data(
    results: list[Result], reached: Coverage, places: Places, notes: tuple[str, ...], seconds: float
) -> dict[str, Any]:
    return {
        "ok": all(result.passed for result in results),
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "seconds": round(seconds, 3),
        "notes": list(notes),
        "tests": [_result(result, places) for result in results],
        "coverage": {
            "reached": reached.reached,
            "of": reached.all,
            "gaps": [
                {"path": str(gap.place.path), "line": gap.place.line, "column": gap.place.column}
                | {"what": gap.what, "entry": gap.entry, "name": gap.name, "problem": gap.problem}
                for gap in reached.gaps
            ],
        },
    }


def _result(result: Result, places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": result.test.name,
        "path": str(result.suite.document.path),
        "line": result.line,
        "passed": result.passed,
        "requests": result.asked,
    }
    if not result.passed:
        found["step"] = result.failed
        found["differences"] = [difference._asdict() for difference in result.differences]
        found["answer"] = told(result.answer, places)
    return found
