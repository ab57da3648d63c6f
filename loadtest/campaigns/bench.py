"""Worlds and backtests in this process, one after another, with what they have in common read once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gateway.detect.backtest.whole import Wanted, backtest
from gateway.detect.detector import Detector
from gateway.detect.settings import Settings
from loadtest.campaigns.attackers import Attacker
from loadtest.campaigns.grammar import Half
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.runs import Run
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, Sources, make


@dataclass(frozen=True, slots=True)
class Tried:
    """One world and what became of it."""

    options: Options
    judgement: Judgement
    exchanges: int
    made: float
    """Seconds to make the world."""
    ran: float
    """Seconds of the backtest."""


class Bench:
    """Reads traces and prompts once for each half."""

    def __init__(self, data: Path | None, policies: Path | None, settings: Settings | None = None) -> None:
        self._data = data
        self._policies = policies
        self._settings = settings or Settings()
        self._sources: dict[Half, Sources] = {}

    def sources(self, half: Half) -> Sources:
        if half not in self._sources:
            self._sources[half] = Sources.read(self._data, half)
        return self._sources[half]

    def made(self, options: Options, folder: Path) -> int:
        return make(options, self._data, folder, self.sources(options.half))

    def run(self, world: Path, out: Path, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """A backtest of a world that was made; the summary."""
        settings = replace(self._settings, without=self._settings.without | without)
        wanted = Wanted(world / "events.parquet", out, world / "accounts.jsonl", self._policies)
        return backtest(wanted, settings, Detector, time.perf_counter, environment=os.environ)

    @staticmethod
    def read(run: Path, truth: Truth) -> Run:
        return Run.read(run, len(truth.kinds))

    def tried(self, options: Options, folder: Path, without: frozenset[str] = frozenset()) -> Tried:
        """Make, run, judge."""
        start = time.perf_counter()
        exchanges = self.made(options, folder)
        between = time.perf_counter()
        self.run(folder, folder / "run", without)
        truth = Truth.read(folder)
        judgement = judge(truth, Run.read(folder / "run", exchanges))
        return Tried(options, judgement, exchanges, between - start, time.perf_counter() - between)


def changes(written: Iterable[str]) -> dict[str, Any]:
    """`name=number` of an attacker. Raises ValueError for what there is not."""
    known = {field.name: field.type for field in fields(Attacker)}
    found: dict[str, Any] = {}
    for word in written:
        name, _, value = word.partition("=")
        if name not in known:
            raise ValueError(f"an attacker has no `{name}`: there are {', '.join(known)}")
        kind = str(known[name])
        found[name] = value == "true" if kind == "bool" else int(value) if kind == "int" else float(value)
    return found
