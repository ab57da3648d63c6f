"""`tidegate replay`: exchanges of the past under other policies, before anybody is hurt by them."""

from __future__ import annotations

import gc
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.cli.configured import fail, fail_with
from gateway.cli.period import (
    LogOption,
    MaybeConfigOption,
    SinceOption,
    UntilOption,
    configuration_of,
    log_folder,
    period,
    shown,
)
from gateway.history.columns import HistoryError
from gateway.history.shares import ROOM_FOR_BARS, WIDTH, bar, percent
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rules.problems import Problems

if TYPE_CHECKING:
    from gateway.rehearsal.past import Past

RECORDED = "recorded"
NO_COMPARISON = "A comparison needs something on both sides."
NARROW = 80
"""Columns of a terminal below which a table leaves out what can be had with --json: words and numbers stay whole."""
EVERY = 2_000
"""Exchanges between two steps of the progress bar."""


def replay(
    policies: Annotated[Path, typer.Argument(help="The folder with the new chain.yaml.")],
    since: SinceOption = "24h",
    until: UntilOption = "",
    against: Annotated[
        str, typer.Option(help="`recorded`: what was decided then; or a folder: what those policies say of the same.")
    ] = RECORDED,
    config: MaybeConfigOption = None,
    log: LogOption = None,
    locate: Annotated[
        bool, typer.Option("--locate", help="Look addresses up anew, instead of the countries of the log.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many exchanges, the oldest first.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows in each table.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a chart over time, as SVG.")] = None,
) -> None:
    """Ask new policies about past exchanges: how many, and whose, would be decided otherwise.

    Buckets are full at the beginning, and who asked is taken from the log. Nobody is asked, and nothing is changed.
    """
    begin, end = period(since, until)
    configuration = configuration_of(config)
    folder = log_folder(log, configuration)
    data = configuration.data if configuration is not None else None
    # pyarrow takes a while to load, and nothing of a gateway that serves needs it.
    from gateway.history.reading import open_log  # noqa: PLC0415
    from gateway.rehearsal.findings import findings  # noqa: PLC0415
    from gateway.rehearsal.past import COLUMNS, Reader  # noqa: PLC0415
    from gateway.rehearsal.replay import Side, identifying, pasts  # noqa: PLC0415
    from gateway.rehearsal.replay import replay as run  # noqa: PLC0415
    from gateway.rehearsal.timeline import timeline  # noqa: PLC0415

    try:
        with ExitStack() as stack:
            new, old = (
                stack.enter_context(_rehearsal(path, data)) if path is not None else None
                for path in (policies, None if against == RECORDED else Path(against))
            )
            if new is None:
                raise ValueError(NO_COMPARISON)
            opened = open_log(folder, begin, end, COLUMNS)
            names = identifying(new) | (identifying(old) if old is not None else frozenset())
            past = itertools.islice(pasts(opened.batches(), Reader(names, locate=locate)), limit)
            # An exchange leaves no cycle behind: looking for them would be a third of the work.
            gc.disable()
            watched = _watched(past, min(opened.rows, limit or opened.rows), quiet=as_json)
            comparison = run(watched, Side(new), Side(old) if old is not None else None)
            failures = {f"{entry}: {what}": count for (entry, what), count in new.failures.items()}
    except Problems as problems:
        fail_with(problems)
    except HistoryError as error:
        fail(str(error))
    finally:
        gc.enable()
    found = findings(comparison, rows) | {"policies": str(policies), "against": against, "failures": failures}
    if plot is not None:
        plot.write_text(timeline(comparison, f"{policies} against {against}, UTC"), encoding="utf-8")
    show(found, as_json=as_json)


def _rehearsal(folder: Path, data: Path | None) -> Rehearsal:
    # Buckets answer all that a replay asks of Counters.
    return Rehearsal(folder, os.environ, data=data, make_store=Buckets)  # type: ignore[arg-type]


def _watched(past: Iterator[Past], total: int, *, quiet: bool) -> Iterator[Past]:
    """The same, with a bar where somebody looks."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from past
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=total)
        for number, one in enumerate(past):
            if number % EVERY == 0:
                progress.update(task, completed=number)
            yield one


# -- for people -------------------------------------------------------------------------------------------------------


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """The dangerous first."""
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    out = Console(highlight=False)
    out.print(
        f"{found['exchanges']:,} exchanges of {found['accounts']:,} accounts, {shown(found['first'])} to"
        f" {shown(found['last'])} UTC: {found['policies']} against {found['against']}",
        markup=False,
    )
    bars, narrow = out.width >= ROOM_FOR_BARS, out.width < NARROW
    out.print(_changes(found, bars=bars))
    for change in ("newly refused", "newly allowed", "refused for another reason"):
        if found["groups"][change]:
            out.print(_groups(change, found["groups"][change], bars=bars, narrow=narrow))
    if found["hurt"]:
        out.print(_hurt(found, narrow=narrow))
    out.print(found["verdict"], markup=False, style="bold")
    for note in _notes(found):
        out.print(note, markup=False, style="dim")


def _changes(found: dict[str, Any], *, bars: bool) -> Table:
    table = Table(title="Decisions", title_justify="left")
    for heading in ("", "exchanges", "share", "accounts"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=bool(heading))
    if bars:
        table.add_column("", width=WIDTH)
    for row in found["changes"]:
        share = row["share"]
        table.add_row(
            row["change"],
            f"{row['exchanges']:,}",
            "" if share is None else percent(share),
            "" if row["accounts"] is None else f"{row['accounts']:,}",
            *((bar(share or 0.0),) if bars else ()),
            style="bold red" if row["change"] == "newly refused" and row["exchanges"] else None,
        )
    return table


def _groups(change: str, groups: list[dict[str, Any]], *, bars: bool, narrow: bool) -> Table:
    title = {
        "newly refused": "Newly refused, by what refuses them now",
        "newly allowed": "Newly allowed, by what refused them then",
    }.get(change, "Refused then as now, by what refuses them now")
    table = Table(title=title, title_justify="left")
    for heading in ("tier", "from", "entry", "rule", "reason"):
        table.add_column(heading, overflow="fold")
    for heading in ("exch.", "acc.") if narrow else ("exch.", "acc.", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=WIDTH)
    most = max(group["exchanges"] for group in groups)
    for group in groups:
        names = [group[name] or "-" for name in ("tier", "country", "entry", "rule", "reason")]
        counts = [f"{group['exchanges']:,}", f"{group['accounts']:,}", percent(group["share"])]
        table.add_row(*names, *counts[: 2 if narrow else 3], *([bar(group["exchanges"] / most)] if bars else []))
    return table


def _hurt(found: dict[str, Any], *, narrow: bool) -> Table:
    title = f"Accounts newly refused, those that look honest first ({len(found['hurt'])} of {found['hurt_accounts']})"
    table = Table(title=title, title_justify="left")
    for heading in ("account", "tier") if narrow else ("account", "tier", "e-mail", "from"):
        table.add_column(heading, overflow="fold")
    for heading in ("ver.", "days", "before", "newly", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found["hurt"]:
        age = "" if row["age_days"] is None else f"{row['age_days']:,.0f}"
        table.add_row(
            row["account"], row["tier"],
            *(() if narrow else (row["email_domain"] or "-", " ".join(row["countries"][:3]) or "-")),
            str(row["verification"] or "-"), age, f"{row['refused_before']:,}", f"{row['newly_refused']:,}",
            f"{row['share']:.0%}", style="bold" if row["honest"] else "dim",
        )  # fmt: skip
    return table


def _notes(found: dict[str, Any]) -> list[str]:
    notes = ["Buckets were full at the beginning; what was refused then is taken to have used what its like used."]
    unjudged = found["exchanges"] - found["judged"]
    if unjudged:
        notes.append(f"{unjudged:,} not judged: nobody was asked, or it was refused before anybody knew who asks.")
    notes += [f"failed: {name} ({count:,} times)" for name, count in found["failures"].items()]
    return notes
