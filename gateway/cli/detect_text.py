"""What `tidegate detect` says to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway.cli.columns import aligned, second
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


def show_status(states: Sequence[Mapping[str, Any]], now: float) -> None:
    """A line a detector, who tells first."""
    console = Console(highlight=False)
    if not states:
        console.print("No detector says anything of itself. Is `detector` stated in tidegate.yaml?", markup=False)
        return
    rows = [
        (
            state["name"],
            "tells" if state["leader"] else "warm",
            f"{state['lag']:.1f} s",
            f"{state['rate']:,.0f}/s",
            f"{state['events']:,}",
            f"{state['accounts']:,}",
            f"{state['clusters']:,}",
            f"{state['verdicts']:,}",
            f"{state['bytes'] / 1e6:,.0f} MB",
            f"{max(0.0, now - state['time']):.0f} s ago",
        )
        for state in states
    ]
    headings = ("detector", "", "behind", "rate", "exchanges", "accounts", "clusters", "verdicts", "memory", "seen")
    console.print(aligned(headings, rows), markup=False, soft_wrap=True)
    for state in states:
        if state["leader"] and state["levels"]:
            words = ", ".join(f"{count:,} at {level}" for level, count in sorted(state["levels"].items()))
            console.print(f"Clusters: {words}.", markup=False)
        if state["missed_seconds"] or state["unreadable"]:
            said = f"{state['name']} missed {state['missed_seconds']:.0f} s of observations"
            console.print(f"{said}, and could not read {state['unreadable']:,} entries.", markup=False, style="bold")
    if not any(state["leader"] for state in states):
        console.print("None of them tells: no verdict is renewed.", markup=False, style="bold")


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
