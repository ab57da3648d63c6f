"""What `tidegate detect` says to people."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway.cli.columns import second
from gateway.history.shares import ROOM_FOR_BARS, WIDTH, bar, percent

DECISIONS: Final = {
    "allow": "allowed",
    "budget": "refused: the cluster's shared bucket was empty",
    "trace": "told to come again in some seconds",
    "hold": "refused: feature or model withheld",
    "challenge": "challenged",
    "verify": "asked for verification",
    "refused_before": "refused by the log",
}
"""In the order of how much they hurt."""


def show_backtest(found: dict[str, Any], out: Path) -> None:
    """What came of it, the alarm first."""
    console = Console(highlight=False)
    wall = found["wall"]
    console.print(
        f"{found['events']:,} exchanges of {found['accounts']:,} accounts, {second(found['from'])} to"
        f" {second(found['until'])} UTC, in {wall['seconds']:,.1f} s ({wall['events_per_second']:,} a second)",
        markup=False,
    )
    alarm = found["first_alarm"]
    if alarm is None:
        console.print("No alarm.", style="bold")
    else:
        console.print(
            f"First alarm {second(alarm['at'])} UTC, after {alarm['exchanges']:,} exchanges: {alarm['cluster']},"
            f" {alarm['accounts']:,} accounts at once. In all {found['clusters']:,} clusters,"
            f" {found['accounts_told']:,} accounts.",
            markup=False,
            style="bold",
        )
    bars = console.width >= ROOM_FOR_BARS
    console.print(_decisions(found, bars=bars))
    console.print(_levels(found))
    for note in _notes(found, out):
        console.print(note, markup=False, style="dim")


def _decisions(found: dict[str, Any], *, bars: bool) -> Table:
    table = Table(title="What became of exchanges" + (" (in shadow)" if found["shadow"] else ""), title_justify="left")
    table.add_column("", overflow="fold")
    for heading in ("exchanges", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    if bars:
        table.add_column("", width=WIDTH)
    total = max(1, found["events"])
    for decision, words in DECISIONS.items():
        count = found["decisions"].get(decision, 0)
        if count:
            share = count / total
            table.add_row(words, f"{count:,}", percent(share), *((bar(share),) if bars else ()))
    return table


def _levels(found: dict[str, Any]) -> Table:
    table = Table(title="How far it came", title_justify="left")
    table.add_column("level")
    for heading in ("accounts", "share", "exchanges"):
        table.add_column(heading, justify="right", no_wrap=True)
    total = max(1, found["accounts"])
    for level, counts in found["levels"].items():
        if counts["accounts"] or counts["exchanges"]:
            share = percent(counts["accounts"] / total)
            table.add_row(level, f"{counts['accounts']:,}", share, f"{counts['exchanges']:,}")
    return table


def _notes(found: dict[str, Any], out: Path) -> list[str]:
    notes = []
    if not found["policies"]:
        notes.append("No --policies: nothing follows from what was found.")
    if found["accounts_known"] is None:
        notes.append("No --accounts: of accounts only what the exchanges state is known.")
    if found["bad_rows"]:
        notes.append(f"{found['bad_rows']:,} rows made no sense and were left out.")
    if found["blind"]:
        notes.append(f"Nothing was stated that these look at: {'; '.join(found['blind'])}.")
    notes.append(f"Written: {out}/verdicts.jsonl, decisions.jsonl, clusters.jsonl, summary.json.")
    return notes
