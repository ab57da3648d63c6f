"""Everything that a page needs, part by part within the minutes given, written after each run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gateway.detect.settings import SIGNALS
from loadtest.campaigns import curves, evasion, fragments, trials
from loadtest.campaigns.bench import Bench
from loadtest.campaigns.budget import Budget, SpentError
from loadtest.campaigns.cache import replace as written
from loadtest.campaigns.trials import ALL, FAMILIES, Key, Results, Say
from loadtest.campaigns.world import Options, attacker
from loadtest.machine import facts

ATTACKERS: Final = ("lazy", "mid", "careful", "very_careful", "adaptive")
GRID: Final[tuple[Key, ...]] = (
    *((name, cover) for cover in (0, 50) for name in ATTACKERS),
    *((name, 95) for name in ("mid", "careful")),
)
STUDIED: Final[tuple[Key, ...]] = (("mid", 50), ("careful", 0))
"""For ablation and baselines."""
LARGE: Final = Options(half="report", scale=0.01, days=6.0, negatives=0.3)
"""2,700 accounts, of which 280 attack, and 55,000 exchanges."""
SMALL: Final = Options(half="tune", scale=0.005, days=4.0, negatives=0.3)
"""For what is turned again and again: what is looked at so often may not be what is reported on."""
ROUNDS: Final = ((ALL, *FAMILIES), SIGNALS)
LOOK: Final = 300.0
"""Seconds between two looks: every minute finds the same some minutes sooner, and takes twice as long to run."""
SHOWN: Final = 50
"""Per cent of cover of the chart of time to detection."""
SHARE_OF_TABLE, SHARE_OF_ABLATION, SHARE_OF_EVASION = 0.5, 0.4, 0.35
"""Of what is left when they begin; the rest is for more seeds."""


def about(bench: Bench, arguments: Sequence[str], minutes: float) -> dict[str, Any]:
    """What figures mean nothing without."""
    machine = facts()
    shown = f"{machine['cpu']}, {machine['cores']} cores{', virtual' if machine['virtual'] else ''}"
    return {
        "command": " ".join(["python -m loadtest.campaigns", *arguments]),
        "machine": shown,
        "python": sys.version.split()[0],
        "commit": bench.commit,
        "changed": bench.changed,
        "minutes": minutes,
        "look": bench.look,
    }


def write(results: Results, out: Path) -> None:
    """JSON first, then the parts and charts for which there is something."""
    out.mkdir(parents=True, exist_ok=True)
    written(out / "results.json", results.plain())
    if results.table:
        (out / "table.md").write_text(fragments.table(results))
        for name, chart in drawn(results).items():
            (out / f"{name}.svg").write_text(chart)
    for found, make in (
        (results.ablation, fragments.ablation),
        (results.baselines, fragments.baselines),
        (results.evasion, fragments.evasion),
    ):
        if found:
            (out / f"{make.__name__}.md").write_text(make(results))


def drawn(results: Results) -> dict[str, str]:
    """File -> SVG."""
    covers = {cover for _, cover in results.table}
    cover = SHOWN if SHOWN in covers else max(covers)
    return {
        "leak-by-cover": curves.leak_by_cover(results.table),
        "time-to-detection": curves.contained_by_exchanges(results.table, cover),
        "roc-by-size": curves.roc(results.table),
    }


def evade(bench: Bench, base: Options, worlds: int, budget: Budget, say: Say, into: Results) -> None:
    """The search, and what it was not given time for."""
    into.bases["evasion"] = base

    def found(attempt: evasion.Attempt) -> None:
        into.evasion.append(attempt)
        into.changed()

    evasion.search(lambda options: bench.record(options, budget), base, worlds, say, found, seed=base.seed)
    if len(into.evasion) < worlds:
        into.missing["evasion"] = f"{worlds - len(into.evasion)} of {worlds} worlds"


def everything(
    bench: Bench, large: Options, small: Options, seeds: int, worlds: int, budget: Budget, say: Say, into: Results,
    keys: Sequence[Key] = GRID, rounds: Sequence[Sequence[str]] = ROUNDS,
) -> None:  # fmt: skip
    """A whole first, then what is missing of the table, and more seeds of it."""
    trials.grid(bench, large, keys, [1], budget.part(SHARE_OF_TABLE), say, into)
    trials.baselines(bench, replace(large, seed=1), STUDIED, budget, say, into)
    trials.ablation(bench, small, STUDIED, rounds, budget.part(SHARE_OF_ABLATION), say, into)
    evade(bench, replace(small, attacker=attacker("adaptive", 0)), worlds, budget.part(SHARE_OF_EVASION), say, into)
    trials.grid(bench, large, keys, range(1, seeds + 1), budget, say, into)


def guarded(work: Callable[[], None], results: Results, say: Say) -> None:
    """What was found is written, also where time is up in between or somebody has enough."""
    try:
        work()
    except SpentError:
        say("! time is up")
    except KeyboardInterrupt:
        say("! stopped; what was found so far is written")
    results.changed()
