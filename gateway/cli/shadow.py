"""`tidegate shadow`: what rules in shadow would have done."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.configured import fail
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

app = typer.Typer(help="Rules in shadow: what they would have done.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Rules in shadow: what they would have done."""


@app.command()
def report(
    since: SinceOption = "24h",
    until: UntilOption = "",
    config: MaybeConfigOption = None,
    log: LogOption = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows in each table.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Compare what rules in shadow would have done with what was enforced, by tier and country."""
    begin, end = period(since, until)
    folder = log_folder(log, configuration_of(config) if log is None else None)
    # pyarrow takes a while to load, and nothing of a gateway that serves needs it.
    from gateway.history.reading import read  # noqa: PLC0415
    from gateway.history.shadows import COLUMNS, ShadowReport  # noqa: PLC0415

    try:
        told = ShadowReport().read(read(folder, begin, end, COLUMNS)).told(rows)
    except HistoryError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        show(Console(highlight=False), told)


def show(out: Console, told: dict[str, Any]) -> None:
    """One block a rule, the one that would hurt most first."""
    out.print(
        f"{told['exchanges']:,} exchanges of {told['accounts']:,} accounts, {shown(told['first'])} to"
        f" {shown(told['last'])} UTC; {told['refused']:,} were refused by what is enforced",
        markup=False,
    )
    if not told["rules"]:
        out.print("Nothing in shadow applied: no entry or rule is in shadow, or none of them met such an exchange.")
    for rule in told["rules"]:
        name = f"{rule['entry']}/{rule['rule']}" if rule["rule"] else rule["entry"]
        out.print()
        out.print(f"{name}: {rule['action']} {rule['reason']}".rstrip(), markup=False, style="bold")
        out.print(rule["verdict"], markup=False, style="red" if rule["newly_refused"] else "green")
        out.print(_cells(rule, bars=out.width >= ROOM_FOR_BARS))
        if rule["top"]:
            named = ", ".join(
                f"{row['account'] or 'strangers'} ({row['newly_refused']:,}{', verified' if row['verified'] else ''})"
                for row in rule["top"]
            )
            out.print(f"most hit: {named}", markup=False, soft_wrap=True)


def _cells(rule: dict[str, Any], *, bars: bool) -> Table:
    table = Table()
    for heading in ("tier", "from"):
        table.add_column(heading, overflow="fold")
    for heading in ("exch.", "of all", "acc.", "anyway", "newly"):
        table.add_column(heading, justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=WIDTH)
    for cell in [*rule["by"], rule | {"tier": "all", "country": ""}]:
        table.add_row(
            cell["tier"] or "-", cell["country"] or "-", f"{cell['exchanges']:,}", percent(cell["share"]),
            f"{cell['accounts']:,}", f"{cell['refused_anyway']:,}", f"{cell['newly_refused']:,}",
            *([bar(cell["newly_refused"] / max(1, rule["newly_refused"]))] if bars else []),
        )  # fmt: skip
    return table
