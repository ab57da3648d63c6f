"""Many worlds: attackers by cover by seeds, ablation, baselines. What is found is told at once, run by run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.campaigns.verdict import Family
from loadtest.campaigns.baselines import BASELINES
from loadtest.campaigns.bench import Bench
from loadtest.campaigns.budget import Budget, SpentError
from loadtest.campaigns.evasion import Attempt
from loadtest.campaigns.records import Record
from loadtest.campaigns.world import Options, attacker

Say = Callable[[str], None]
Key = tuple[str, int]
"""Attacker, per cent of cover."""
ALL: Final = "all"
"""Nothing is left out."""
OURS: Final = "tidegate"
FAMILIES: Final = tuple(family.value for family in Family)


@dataclass(slots=True)
class Results:
    """What was found so far. `changed` is called after each run."""

    about: dict[str, Any] = field(default_factory=dict)
    bases: dict[str, Options] = field(default_factory=dict)
    """Part -> what its worlds have in common."""
    table: dict[Key, list[Record]] = field(default_factory=dict)
    ablation: dict[Key, dict[str, Record]] = field(default_factory=dict)
    baselines: dict[Key, dict[str, Record]] = field(default_factory=dict)
    evasion: list[Attempt] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Part -> what there was no time for."""
    changed: Callable[[], None] = lambda: None

    def plain(self) -> dict[str, Any]:
        """For JSON."""

        def named(key: Key) -> str:
            return f"{key[0]} {key[1]}"

        return {
            "about": self.about,
            "worlds": {part: base.plain() for part, base in self.bases.items()},
            "missing": self.missing,
            "table": {named(key): [record.plain() for record in records] for key, records in self.table.items()},
            "ablation": {
                named(key): {name: record.short() for name, record in records.items()}
                for key, records in self.ablation.items()
            },
            "baselines": {
                named(key): {name: record.short() for name, record in records.items()}
                for key, records in self.baselines.items()
            },
            "evasion": [attempt.plain() for attempt in self.evasion],
        }


def grid(
    bench: Bench, base: Options, keys: Sequence[Key], seeds: Iterable[int], budget: Budget, say: Say, into: Results
) -> bool:
    """Seed by seed, so that what the time allows is spread over all of them. False where time was up.

    What is there already is not asked for again.
    """
    there = {(record.seed, *key) for key, records in into.table.items() for record in records}
    wanted = [(seed, *key) for seed in seeds for key in keys if (seed, *key) not in there]
    into.bases["table"] = base
    for number, (seed, name, cover) in enumerate(wanted):
        try:
            record = bench.record(replace(base, seed=seed, attacker=attacker(name, cover)), budget)
        except SpentError:
            into.missing["table"] = f"{len(wanted) - number} of {len(wanted)} worlds of seeds {wanted[0][0]} and above"
            say(f"! table: no time for {into.missing['table']}")
            return False
        into.table.setdefault((name, cover), []).append(record)
        say(line(f"[{number + 1}/{len(wanted)}] {name}, cover {cover} %, seed {seed}", record, budget))
        into.changed()
    into.missing.pop("table", None)
    return True


def ablation(
    bench: Bench, base: Options, keys: Sequence[Key], rounds: Sequence[Sequence[str]], budget: Budget, say: Say,
    into: Results,
) -> None:  # fmt: skip
    """One world for each key, with all evidence and then without each; the first round on all worlds, then the next."""
    wanted = [(key, name) for names in rounds for key in keys for name in names]
    into.bases["ablation"] = base
    for number, (key, left_out) in enumerate(wanted):
        without = frozenset[str]() if left_out == ALL else frozenset({left_out})
        try:
            record = bench.record(replace(base, attacker=attacker(*key)), budget, without)
        except SpentError:
            into.missing["ablation"] = left(wanted[number:])
            say(f"! ablation: no time for {len(wanted) - number} of {len(wanted)} runs")
            return
        into.ablation.setdefault(key, {})[left_out] = record
        say(line(f"[{number + 1}/{len(wanted)}] {key[0]} {key[1]} % without {left_out}", record, budget))
        into.changed()


def baselines(bench: Bench, base: Options, keys: Sequence[Key], budget: Budget, say: Say, into: Results) -> None:
    """Each on the same worlds, and ours beside them."""
    into.bases["baselines"] = base
    wanted = [(key, name) for key in keys for name in (*BASELINES, OURS)]
    for number, (key, name) in enumerate(wanted):
        options = replace(base, attacker=attacker(*key))
        try:
            record = bench.record(options, budget, baseline="" if name == OURS else name)
        except SpentError:
            into.missing["baselines"] = left(wanted[number:])
            say(f"! baselines: no time for {len(wanted) - number} of {len(wanted)} runs")
            return
        into.baselines.setdefault(key, {})[name] = record
        say(line(f"[{number + 1}/{len(wanted)}] {key[0]} {key[1]} %, {name}", record, budget))
        into.changed()


def left(wanted: Iterable[tuple[Key, str]]) -> str:
    """What was not begun, by world."""
    names: dict[Key, list[str]] = {}
    for key, name in wanted:
        names.setdefault(key, []).append(name)
    return "; ".join(f"{', '.join(some)} (on {who}, {cover} %)" for (who, cover), some in names.items())


def line(name: str, record: Record, budget: Budget) -> str:
    judgement = record.judgement
    label, worst = judgement.worst
    return (
        f"{name}: leak {judgement.leak:.2%}, recall {judgement.recall:.2%}, honest challenged"
        f" {judgement.benign.challenged:.3%}, worst {label} {worst:.2%}; {record.exchanges:,} exchanges in"
        f" {record.ran:.0f} s; {budget.left / 60:.1f} min left"
    )
