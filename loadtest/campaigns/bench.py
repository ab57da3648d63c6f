"""Worlds and backtests in this process, one after another, with what they have in common read once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.detect.backtest.summary import settings_row
from gateway.detect.backtest.whole import Wanted, backtest
from gateway.detect.detector import Detector
from gateway.detect.settings import Settings
from gateway.detect.told import Told
from loadtest.campaigns.attackers import Attacker
from loadtest.campaigns.baselines import BASELINES, Traffic
from loadtest.campaigns.budget import Budget
from loadtest.campaigns.cache import Cache, version
from loadtest.campaigns.grammar import Half
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.records import Record, recorded
from loadtest.campaigns.runs import Run
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, Sources, make
from loadtest.machine import commit


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


class Watched(Detector):
    """One that can be stopped between two looks."""

    def __init__(self, settings: Settings, check: Callable[[], None]) -> None:
        super().__init__(settings)
        self._check = check

    def look(self, now: float) -> Told:
        self._check()
        return super().look(now)


class Bench:
    """Reads traces and prompts once for each half, and keeps the last world for what is run on it next."""

    def __init__(
        self, data: Path | None, policies: Path | None, settings: Settings | None = None, cache: Path | None = None
    ) -> None:
        self._data = data
        self._policies = policies
        self._settings = settings or Settings()
        self._sources: dict[tuple[Half, str], Sources] = {}
        self._cache = Cache(cache, version(policies, data))
        self._world: tuple[Options, TemporaryDirectory[str]] | None = None
        self.commit, self.changed = commit()

    @property
    def look(self) -> float:
        """Seconds of the events' clock between looks."""
        return self._settings.look

    def sources(self, half: Half, language: str = "en") -> Sources:
        if (half, language) not in self._sources:
            self._sources[half, language] = Sources.read(self._data, half, language)
        return self._sources[half, language]

    def made(self, options: Options, folder: Path) -> int:
        return make(options, self._data, folder, self.sources(options.half, options.language))

    def run(
        self,
        world: Path,
        out: Path,
        without: frozenset[str] = frozenset(),
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """A backtest of a world that was made; the summary. What `check` raises before a look ends it."""
        settings = replace(self._settings, without=self._settings.without | without)
        accounts = world / "accounts.jsonl"
        wanted = Wanted(world / "events.parquet", out, accounts if accounts.exists() else None, self._policies)
        make_it = partial(Watched, check=check)
        return backtest(wanted, settings, make_it, time.perf_counter, environment=os.environ)

    def record(
        self, options: Options, budget: Budget, without: frozenset[str] = frozenset(), *, baseline: str = ""
    ) -> Record:
        """Of one run of ours, or of a baseline. Raises SpentError where there is no time for it."""
        asked = {
            "world": options.plain(),
            "without": sorted(without),
            "baseline": baseline,
            "settings": settings_row(self._settings),
        }
        found = self._cache.get(asked)
        if found is not None:
            return found
        kind = f"{baseline} {options.scale:g} {options.days:g} {options.negatives:g}"
        budget.begin(kind)
        start = budget.clock()
        world, fresh = self._kept(options)
        between = budget.clock()
        budget.check()
        truth = Truth.read(world)
        if baseline:
            traffic = Traffic.read(world, truth)
            run = traffic.run(BASELINES[baseline](traffic))
        else:
            self.run(world, world / "run", without, budget.check)
            run = Run.read(world / "run", len(truth.kinds))
        ended = budget.clock()
        made = between - start if fresh else 0.0
        record = recorded(truth, run, made=made, ran=ended - between, commit=self.commit + "+" * self.changed)
        budget.took(kind, budget.clock() - start)
        self._cache.put(asked, record)
        return record

    def close(self) -> None:
        """Throws the last world away."""
        if self._world is not None:
            self._world[1].cleanup()
            self._world = None

    def _kept(self, options: Options) -> tuple[Path, bool]:
        """Where the world is, and whether it was made for this."""
        if self._world is not None and self._world[0] == options:
            return Path(self._world[1].name), False
        self.close()
        folder = TemporaryDirectory(prefix="tidegate-campaigns-")
        self.made(options, Path(folder.name))
        self._world = options, folder
        return Path(folder.name), True

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
