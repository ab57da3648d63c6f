"""A hand-made run has the figures that can be counted on one's fingers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gateway.campaigns.verdict import Level
from loadtest.campaigns.columns import Kind
from loadtest.campaigns.goals import GOALS, Goal
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.runs import Run, Word
from loadtest.campaigns.traces import DAY, gini
from loadtest.campaigns.truth import AccountTruth, Truth

ACCOUNTS = [
    AccountTruth("a0", "campaign", "D", "campaign"),
    AccountTruth("a1", "campaign", "X", "campaign"),
    AccountTruth("b0", "benign", "", "b0"),
    AccountTruth("c0", "class", "", "c0"),
    AccountTruth("c1", "class", "", "c1"),
]
#: Account, kind and whether the new model was asked, one exchange every 60 s; the release is at 300 s.
ASKED = [
    (0, Kind.DISTILLATION, False),
    (1, Kind.DISTILLATION, False),
    (2, Kind.BENIGN, False),
    (0, Kind.DISTILLATION, False),
    (1, Kind.REFUSED, False),
    (1, Kind.DISTILLATION, True),
    (3, Kind.BENIGN, False),
    (4, Kind.BENIGN, False),
    (0, Kind.COVER, False),
    (1, Kind.DISTILLATION, True),
]


@pytest.fixture
def truth() -> Truth:
    return Truth(
        options={},
        began=0.0,
        ends=DAY,
        release=300.0,
        accounts=ACCOUNTS,
        kinds=np.array([kind for _, kind, _ in ASKED], np.int8),
        new=np.array([new for _, _, new in ASKED]),
        of=np.array([account for account, _, _ in ASKED], np.int32),
        times=np.arange(len(ASKED), dtype=np.float64) * 60.0,
    )


@pytest.fixture
def run() -> Run:
    said = ["allow", "allow", "allow", "challenge", "refused_before", "allow", "budget", "allow", "verify", "trace"]
    verdicts = (
        Word(90.0, "a0", "c1", int(Level.CHALLENGE), 10.0),
        Word(330.0, "a1", "c1", int(Level.TRACE), 6.0),
        Word(330.0, "c0", "c2", int(Level.CHALLENGE), 10.0),
        Word(340.0, "c1", "c2", int(Level.CHALLENGE), 0.0),
        Word(400.0, "b0", "c2", int(Level.BUDGET), 5.0),
    )
    return Run(np.array(said, dtype=object), verdicts, {"c1": ("a0", "a1"), "c2": ("c0", "b0", "a1")})


@pytest.fixture
def judged(truth: Truth, run: Run) -> Judgement:
    return judge(truth, run)


def test_leak(judged: Judgement) -> None:
    """What leaks is distillation that was allowed; what the account's own quota refused was never at stake."""
    assert judged.attempts == 5
    assert judged.leak == pytest.approx(3 / 5)
    assert judged.leak_by_lab == pytest.approx({"D": 1 / 2, "X": 2 / 3})
    assert judged.new_model_leak == pytest.approx(1 / 2)


def test_moments(judged: Judgement) -> None:
    """Moments are counted from the campaign's first exchange, in minutes and in what was attempted until then."""
    assert (judged.alarm.minutes, judged.alarm.exchanges) == (1.5, 2)
    assert judged.half.minutes == 1.5
    assert math.isinf(judged.nine_tenths.minutes)
    assert math.isinf(judged.confirmed.minutes), "two accounts confirm nothing"
    assert judged.until_contained == {"p50": 1.0, "p90": math.inf}


def test_honest_people(judged: Judgement) -> None:
    """A verdict by which an honest account would be challenged counts, also where it did not ask again."""
    assert judged.benign.challenged == pytest.approx(1 / 3)
    assert judged.benign.delayed == pytest.approx(1 / 3)
    assert judged.negatives["class"].challenged == pytest.approx(1 / 2), "one that was taken back is none"
    assert judged.worst == ("class", 0.5)
    assert judged.benign.suspended == 0.0


def test_clusters(judged: Judgement) -> None:
    """Precision is over accounts that are contained, purity over members of clusters."""
    assert judged.precision == pytest.approx(1 / 2)
    assert judged.recall == pytest.approx(1 / 2)
    assert judged.purity == pytest.approx((2 + 1) / 5)
    assert judged.burnt == pytest.approx(1_000 / 3)


def test_ten_contained_accounts_confirm(truth: Truth, run: Run) -> None:
    """A cluster is confirmed by its tenth contained account of the campaign."""
    many = [AccountTruth(f"d{number}", "campaign", "D", "campaign") for number in range(12)]
    words = tuple(Word(float(number), f"d{number}", "c9", int(Level.VERIFY), 12.0) for number in range(12))
    judged = judge(replace(truth, accounts=ACCOUNTS + many), replace(run, verdicts=words))
    assert judged.confirmed.minutes == pytest.approx(9 / 60)


def test_plain_and_back(judged: Judgement) -> None:
    """JSON knows neither infinity nor NaN: they become "never" and null, and are read as what they were."""
    plain = replace(judged, new_model_leak=math.nan).plain()
    assert plain["nine_tenths"]["minutes"] == "never"
    assert plain["new_model_leak"] is None
    again = Judgement.read(json.loads(json.dumps(plain)))
    assert again.plain() == plain
    assert math.isinf(again.nine_tenths.minutes)
    assert math.isnan(again.new_model_leak)
    assert again.negatives["class"] == judged.negatives["class"]


def test_who_met_it(judged: Judgement) -> None:
    """An honest account of which a challenge was said and that did not ask again counts, but did not meet it."""
    assert judged.negatives["class"].challenged == pytest.approx(1 / 2)
    assert judged.negatives["class"].met == 0.0


@pytest.mark.parametrize(
    ("value", "grade"),
    [(0.0005, "best"), (0.002, "pass"), (0.02, "missed"), (math.nan, "")],
    ids=["best", "pass", "missed", "nothing to grade"],
)
def test_grades(value: float, grade: str) -> None:
    """The best column whose bound holds is the one that is reached."""
    goal = Goal("x", lambda _: 0.0, (0.005, 0.001, 0.0006))
    assert goal.grade(value) == grade


def test_goals_fall(judged: Judgement) -> None:
    """Every goal can be read of a judgement, and its columns grow stricter."""
    for goal in GOALS:
        goal.show(goal.of(judged))
        assert list(goal.bounds) == sorted(goal.bounds, reverse=not goal.at_least)


@pytest.mark.parametrize(
    ("volumes", "value"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 8], 0.75), ([], 0.0)], ids=["equal", "one has all", "none"]
)
def test_gini(volumes: list[int], value: float) -> None:
    """0 for equal shares, 1 - 1/n where one has everything."""
    assert gini(np.array(volumes)) == pytest.approx(value)
