"""A backtest from files to files."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gateway import __version__
from gateway.campaigns.event import Event
from gateway.detect.backtest.acting import Acting
from gateway.detect.backtest.facts import facts_in
from gateway.detect.backtest.files import Refuse, batches, refuse_all
from gateway.detect.backtest.order import WINDOW, in_order
from gateway.detect.backtest.rows import WANTED, Reader
from gateway.detect.backtest.run import DELAY, Backtest
from gateway.detect.backtest.summary import Input, settings_row, summary
from gateway.detect.backtest.writing import Output
from gateway.detect.interface import Detecting
from gateway.detect.settings import Settings
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.config import RiskConfig
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import CHAIN, load

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Times are Unix time and seconds."""

    events: Path
    out: Path
    accounts: Path | None = None
    policies: Path | None = None
    begin: float = -math.inf
    end: float = math.inf
    limit: int | None = None
    shadow: bool = False
    delay: float = DELAY
    window: float = WINDOW
    skip_bad: bool = False


def backtest(
    wanted: Wanted,
    settings: Settings,
    make: Callable[[Settings], Detecting],
    clock: Callable[[], float],
    progress: Progress = lambda _: None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The summary, which stands in summary.json as well. `clock` is in seconds, for how long it took.

    Raises RowError, OutOfOrderError, Problems (of the policies), OSError (where nothing can be written).
    """
    began = clock()
    response = response_of(wanted.policies, environment or {}) if wanted.policies is not None else None
    skipped = Skipped()
    refuse: Refuse = skipped if wanted.skip_bad else refuse_all
    facts = list(facts_in(wanted.accounts, refuse)) if wanted.accounts is not None else None
    reader = Reader(refuse)
    acting = Acting(response, shadow=wanted.shadow)
    detector = make(settings)
    events = in_order(reader.events(batches(wanted.events, refuse, WANTED)), wanted.window)
    # What is heard leaves no cycles behind: to look for them would cost more, the more is remembered.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with Output(wanted.out) as output:
            run = Backtest(detector, acting, output, settings.look, wanted.delay, facts or ())
            course = run.run(within(events, wanted.begin, wanted.end, wanted.limit), progress)
            given = Input(reader.rows, skipped.count, reader.stated, facts)
            found = summary(given, course, acting, len(output.clusters))
            found |= {
                "shadow": wanted.shadow,
                "policies": response is not None,
                "delay": wanted.delay,
                "version": __version__,
                "settings": settings_row(settings),
                "held": dict(zip(("accounts", "bytes"), map(int, detector.size), strict=True)),
            }
            seconds = clock() - began
            found["wall"] = {
                "seconds": round(seconds, 3),
                "events_per_second": round(course.events / max(seconds, 1e-9)),
            }
            output.finish(found, frozenset(course.gone))
    finally:
        gc.enable()
        gc.unfreeze()
    return found


class Skipped:
    """Counts bad rows, for who wants to go on without them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _path: Path, _row: int, _said: str) -> None:
        self.count += 1


def within(batches: Iterable[list[Event]], begin: float, end: float, limit: int | None) -> Iterator[list[Event]]:
    """The events from `begin` to before `end`, and no more than `limit` of them. What is in order stays so."""
    left = math.inf if limit is None else limit
    for batch in batches:
        if batch[0].time >= end or left <= 0:
            return
        if batch[0].time < begin or batch[-1].time >= end:
            batch = [event for event in batch if begin <= event.time < end]  # noqa: PLW2901 - the same, cut
        if len(batch) > left:
            batch = batch[: int(left)]  # noqa: PLW2901 - likewise
        left -= len(batch)
        if batch:
            yield batch


def response_of(folder: Path, environment: Mapping[str, str]) -> Response:
    """The first entry that says what follows from campaigns, whatever its rollout. Raises Problems."""
    ruleset = load(folder, policy_kinds(), environment)
    for entry in ruleset.entries:
        if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None:
            return Response(entry.config.campaigns, entry.name)
    raise Problems([Problem(folder / CHAIN, 1, 1, NOTHING_FOLLOWS)])


NOTHING_FOLLOWS: Final = "no entry of kind `risk` states `campaigns`: nothing would follow from what is found"


def with_settings(look: float | None, seed: int | None, without: Iterable[str]) -> Settings:
    """The usual ones, but for what is stated."""
    usual = Settings(without=frozenset(without))
    return replace(usual, look=usual.look if look is None else look, seed=usual.seed if seed is None else seed)
