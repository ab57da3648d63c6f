"""Many runs keep to their time, lose nothing when they are stopped, and add up to pages and charts."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.detect.settings import SIGNALS
from loadtest.campaigns import evasion, figures, fragments, report, trials
from loadtest.campaigns.attackers import TIERS
from loadtest.campaigns.bench import Bench, changes
from loadtest.campaigns.budget import Budget, SpentError
from loadtest.campaigns.cache import Cache
from loadtest.campaigns.judge import Group, Judgement, Moment
from loadtest.campaigns.records import Record
from loadtest.campaigns.trials import ALL, Results
from loadtest.campaigns.world import Options, attacker

NOBODY = Group(10, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
TINY = Options(scale=0.0005, days=1.0, negatives=0.02, benign=0.5)


def judgement(leak: float) -> Judgement:
    never = Moment()
    until = {"p50": 1.0, "p90": math.inf}
    return Judgement(leak, {"X": leak}, leak, never, never, never, never, until, 1.0, 1.0, NOBODY.told, NOBODY,
                     {"class": NOBODY}, attempts=1_000, accounts=10)  # fmt: skip


def record(leak: float, seed: int = 1) -> Record:
    course = [(1.0, 0.0), (40.0, 0.5), (1_000.0, 0.9)]
    return Record(judgement(leak), course, {"X": [0.0, 9.0, 12.0]}, [6.0], 500, 2_000, seed, 1.0, 2.0, "abc")


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Ending(Budget):
    """Time passes from one glance at it to the next."""

    def check(self) -> None:
        cast("Clock", self.clock).now += 0.6
        Budget.check(self)


class Instant:
    """A bench whose runs take as long as it is told, and find what it is told."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.ran: list[tuple[str, frozenset[str], str]] = []

    def record(
        self, options: Options, budget: Budget, without: frozenset[str] = frozenset(), *, baseline: str = ""
    ) -> Record:
        budget.begin("one")
        self.clock.now += self.seconds
        budget.check()
        budget.took("one", self.seconds)
        self.ran.append((options.attacker.name, without, baseline))
        return record(0.1 if without else 0.05, options.seed)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 1.0], (1.0, 0.0, 2)), ([math.nan, 2.0], (2.0, math.nan, 1)), ([math.inf, 1.0], (math.inf, math.nan, 2))],
    ids=["equal", "one known", "never"],
)
def test_mean(values: list[float], expected: tuple[float, float, int]) -> None:
    """What is unknown is left out; a mean of never is never."""
    assert figures.mean(values) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([math.inf, math.inf], "never"),
        ([2.0, math.inf], "2.0; never in 1 of 2"),
        ([math.nan], "-"),
        ([20.0, 20.0], "20 ± 0.0"),
    ],
    ids=["never", "sometimes", "unknown", "always"],
)
def test_amounts(values: list[float], shown: str) -> None:
    """What is not always reached says how often it was not."""
    assert figures.amount(values) == shown


def test_upper_end_of_a_share() -> None:
    """Nobody of a hundred is below 3.6 %; everybody is everybody."""
    assert figures.at_most(0, 100) == pytest.approx(0.0362, abs=1e-4)
    assert figures.at_most(5, 5) == 1.0


@pytest.mark.parametrize(("minutes", "runs"), [(35.0, 3), (45.0, 4), (5.0, 0)], ids=["three fit", "four", "cut short"])
def test_a_run_that_would_not_fit_is_not_begun(minutes: float, runs: int) -> None:
    """Of runs of ten, 35 hold three: the fourth is not begun, and the first that takes too long is given up."""
    clock, said = Clock(), list[str]()
    bench, into = Instant(clock, 10.0), Results()
    keys = [("mid", 0), ("careful", 50)]
    assert not trials.grid(cast("Any", bench), Options(), keys, range(1, 6), Budget(clock, minutes), said.append, into)
    assert sum(map(len, into.table.values())) == len(bench.ran) == runs
    assert clock.now <= max(minutes, 10.0)
    assert f"{10 - runs} of 10" in into.missing["table"]
    assert "no time" in said[-1]


def test_part_of_a_budget_knows_of_runs() -> None:
    """A part ends earlier, and knows what the whole knows."""
    clock = Clock()
    whole = Budget(clock, 100.0)
    whole.took("slow", 60.0)
    with pytest.raises(SpentError):
        whole.part(0.5).begin("slow")
    whole.begin("slow")


def found(into: Results, bench: Instant, minutes: float) -> None:
    budget = Budget(bench.clock, minutes)
    report.everything(
        cast("Any", bench),
        Options(),
        Options(),
        2,
        3,
        budget,
        lambda _: None,
        into,
        [("mid", 0), ("mid", 50)],
        ((ALL, "links"), ("minted",)),
    )


def test_everything_is_written_run_by_run(tmp_path: Path) -> None:
    """After each run all of it can be read; at the end there is every part, and charts that are XML with words."""
    into = Results({"command": "c", "machine": "m", "commit": "abc"})
    counts: list[int] = []

    def changed() -> None:
        report.write(into, tmp_path)
        plain = json.loads((tmp_path / "results.json").read_bytes())
        counts.append(sum(map(len, plain["table"].values())))

    into.changed = changed
    found(into, Instant(Clock(), 1.0), 1_000.0)
    assert counts[:2] == [1, 2]
    assert counts[-1] == 4
    assert {path.name for path in tmp_path.iterdir()} == {
        *("results.json", "table.md", "ablation.md", "baselines.md", "evasion.md"),
        *("leak-by-cover.svg", "time-to-detection.svg", "roc-by-size.svg"),
    }
    assert "| mid | 0 % | 2 | 5.00% ± 0 |" in (tmp_path / "table.md").read_text()
    assert "| links | family | 10.0% | +5.0 |" in (tmp_path / "ablation.md").read_text()
    for path in tmp_path.glob("*.svg"):
        tree = ET.fromstring(path.read_text())
        names = [child.tag.rpartition("}")[2] for child in tree]
        assert names[:3] == ["title", "desc", "style"]
        assert "polyline" in names
        assert "prefers-color-scheme" in "".join(tree.itertext())


def test_what_there_was_no_time_for_is_named(tmp_path: Path) -> None:
    """A page says what it does not show."""
    into = Results({"command": "c", "machine": "m", "commit": "abc"})
    found(into, Instant(Clock(), 1.0), 30.0)
    report.write(into, tmp_path)
    assert "No time for" in (tmp_path / "ablation.md").read_text()
    assert set(into.ablation["mid", 50]) >= {ALL}


def test_every_signal_is_one_that_the_detector_knows() -> None:
    """Ablation names what there is: each stands as a word of its own in the detector's source."""
    files = (Path(__file__).parents[3] / "gateway/detect").rglob("*.py")
    source = "".join(path.read_text() for path in files if path.name != "settings.py")
    assert [name for name in SIGNALS if f'"{name}"' not in source] == []


def test_records_are_kept_by_world_and_code(tmp_path: Path) -> None:
    """The same world and code give the record that was kept, as it was; else, or cut short, none."""
    cache, asked = Cache(tmp_path, "v1"), {"world": {"seed": 1}}
    assert cache.get(asked) is None
    cache.put(asked, record(0.25))
    again = cache.get(asked)
    assert again is not None
    assert again.plain() == record(0.25).plain()
    assert cache.get({"world": {"seed": 2}}) is None
    assert Cache(tmp_path, "v2").get(asked) is None
    assert Cache(None, "v1").get(asked) is None
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:50])
    assert cache.get(asked) is None


def test_a_bench_runs_and_remembers(tmp_path: Path) -> None:
    """A real run gives a record; asked again it takes no time, and out of time a new one is not begun."""
    clock = Clock()
    bench, budget = Bench(None, None, cache=tmp_path), Budget(clock, 1.0)
    options = replace(TINY, attacker=attacker("lazy", 0))
    try:
        first = bench.record(options, budget)
        clock.now = 2.0
        assert bench.record(options, budget).plain() == first.plain()
        with pytest.raises(SpentError):
            bench.record(options, budget, frozenset({"links"}))
        with pytest.raises(SpentError):
            # Time is up at the first look: the run is given up, and nothing of it is kept.
            bench.record(options, Ending(clock, 3.0), frozenset({"work"}))
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        bench.close()
    assert first.exchanges > 0
    assert first.judgement.attempts > 0
    assert first.commit


def test_search_keeps_the_best() -> None:
    """A search goes on from what leaks most, and never runs more worlds than it may."""
    tried: list[Options] = []

    def run(options: Options) -> Record:
        tried.append(options)
        return record(options.attacker.cover)

    base = Options(attacker=TIERS["adaptive"])
    attempts = evasion.search(run, base, 40, lambda _: None)
    assert len(tried) == len(attempts) == 40
    assert max(attempts, key=evasion.worth).leak == 0.95
    text = fragments.evasion(Results(bases={"evasion": base}, evasion=attempts))
    assert "as it was" in text
    assert "95.0%" in text


def test_cost_counts_accounts_and_cover() -> None:
    """Cover is paid for as well; nothing leaked costs without end."""
    plain = replace(TIERS["mid"], cover=0.0)
    assert evasion.cost(plain, judgement(1.0)) == pytest.approx(10 * evasion.ACCOUNT + 1_000 * evasion.EXCHANGE)
    assert evasion.cost(replace(plain, cover=0.5), judgement(1.0)) > evasion.cost(plain, judgement(1.0))
    assert math.isinf(evasion.cost(plain, judgement(0.0)))


def test_changes_of_an_attacker() -> None:
    """A knob is read as its type; one that there is not is refused."""
    assert changes(["cover=0.5", "life=7", "rewrites_ids=true"]) == {"cover": 0.5, "life": 7, "rewrites_ids": True}
    with pytest.raises(ValueError, match="no `nonsense`"):
        changes(["nonsense=1"])
