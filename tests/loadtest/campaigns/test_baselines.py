"""Baselines find what they are made for on a toy, and leave the others alone; figures of many worlds add up."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway.campaigns.event import EMPTY, Sketch
from loadtest.campaigns import curves, evasion, trials
from loadtest.campaigns.attackers import TIERS
from loadtest.campaigns.baselines import Traffic, addresses, duplicates, mmd, near, prada, quota
from loadtest.campaigns.bench import changes
from loadtest.campaigns.judge import Group, Judgement, Moment, judge
from loadtest.campaigns.truth import AccountTruth, Truth
from loadtest.campaigns.world import Options

NOBODY = Group(10, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def traffic(asked: list[tuple[int, float, str, Sketch]], accounts: int, hostile: int = 0) -> Traffic:
    """Exchanges as (account, time, network, sketch); the first `hostile` accounts are a campaign's."""
    truth = Truth(
        {},
        0.0,
        1e6,
        0.0,
        accounts=[AccountTruth(f"a{n}", "campaign" if n < hostile else "benign") for n in range(accounts)],
        kinds=np.array([int(account < hostile) for account, *_ in asked], np.int8),
        new=np.zeros(len(asked), np.bool_),
        of=np.array([account for account, *_ in asked], np.int32),
        times=np.array([time for _, time, *_ in asked]),
    )
    honest = np.arange(accounts) >= hostile
    networks, sketches = [network for *_, network, _ in asked], [sketch for *_, sketch in asked]
    return Traffic(truth, truth.times, truth.of, networks, sketches, np.zeros(len(asked), np.bool_), honest)


def random_sketches(count: int, seed: int = 1) -> list[Sketch]:
    return list(np.sort(np.random.default_rng(seed).integers(0, 2**62, (count, 20), dtype=np.uint64), axis=1))


def test_quota_finds_who_asks_most() -> None:
    """An account that asks more a day than honest ones do is found when it does."""
    asked = [(0, float(at), "n", EMPTY) for at in range(50)] + [(1, 60.0, "n", EMPTY), (2, 61.0, "n", EMPTY)]
    assert quota(traffic(asked, 3, hostile=1)) == {0: 1.0}


def test_addresses_finds_a_crowd() -> None:
    """Ten accounts behind one network are found at the tenth; nine are not."""
    crowd = [(n, float(n), "one", EMPTY) for n in range(11)]
    others = [(11 + n, 100.0 + n, "two", EMPTY) for n in range(9)]
    found = addresses(traffic(crowd + others, 20))
    assert sorted(found) == list(range(11))
    assert found[0] == 9.0


def test_duplicates_finds_the_same_prompt() -> None:
    """A prompt that eleven accounts ask is found; prompts of their own are not."""
    same, *own = random_sketches(30)
    asked = [(n, float(n), "n", same) for n in range(11)] + [(11 + n, 50.0, "n", own[n]) for n in range(9)]
    assert sorted(duplicates(traffic(asked, 20))) == list(range(11))


def test_near_is_jaccard() -> None:
    """Half of all shingles in common is near, a third is not."""
    numbers = np.arange(12, dtype=np.uint64)
    assert near(numbers[:9], numbers[3:])
    assert not near(numbers[:6], numbers[3:9])


@pytest.mark.parametrize("search", [mmd(100), prada], ids=["mmd", "prada"])
def test_windows_find_one_shape(search: Callable[[Traffic], dict[int, float]]) -> None:
    """An account whose prompts are all alike is told from those whose prompts are not."""
    sketches = random_sketches(1_000)
    asked = [(1 + n % 5, float(n), "n", sketch) for n, sketch in enumerate(sketches)]
    asked += [(0, 2_000.0 + n, "n", sketches[n % 3]) for n in range(200)]
    assert 0 in search(traffic(asked, 6, hostile=1))


def test_found_accounts_are_contained() -> None:
    """From the moment an account is found nothing of it passes."""
    toy = traffic([(0, 1.0, "n", EMPTY), (0, 3.0, "n", EMPTY), (1, 4.0, "n", EMPTY)], 2, hostile=1)
    assert judge(toy.truth, toy.run({0: 2.0})).leak == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 1.0], (1.0, 0.0, 2)), ([math.nan, 2.0], (2.0, math.nan, 1)), ([math.inf, 1.0], (math.inf, math.nan, 2))],
    ids=["equal", "one known", "never"],
)
def test_mean(values: list[float], expected: tuple[float, float, int]) -> None:
    """What is unknown is left out; a mean of never is never."""
    assert trials.mean(values) == pytest.approx(expected, nan_ok=True)


def judgement(leak: float) -> Judgement:
    never = Moment()
    until = {"p50": 1.0, "p90": 2.0}
    return Judgement(leak, {"X": leak}, leak, never, never, never, never, until, 1.0, 1.0, 1.0, NOBODY,
                     {"class": NOBODY}, attempts=1_000, accounts=10)  # fmt: skip


def test_grid_keeps_to_its_time() -> None:
    """Where the time is up no world is begun, and it is said."""
    said: list[str] = []
    budget = trials.Budget(lambda: 1.0, 0.0)
    assert trials.grid(None, Options(), [("mid", 0)], 2, budget, said.append) == {}  # type: ignore[arg-type]
    assert "time is up" in said[0]


def test_markdown_and_charts() -> None:
    """The page has a line for each goal and negative; the chart is XML with a title and words for who cannot see it."""
    found = {("mid", 0): [judgement(0.1), judgement(0.2)], ("mid", 90): [judgement(0.5)]}
    text = trials.markdown(found, Options())
    assert "15.000%" in text
    assert "| class | 10 |" in text
    tree = ET.fromstring(curves.leak_by_cover(found))
    names = [child.tag.rpartition("}")[2] for child in tree]
    assert names[:2] == ["title", "desc"]
    assert "polyline" in names


def test_search_keeps_the_best() -> None:
    """A search goes on from what leaks most, and never runs more worlds than it may."""
    tried: list[Options] = []

    def run(options: Options) -> Judgement:
        tried.append(options)
        return judgement(options.attacker.cover)

    base = Options(attacker=TIERS["adaptive"])
    attempts = evasion.search(run, base, 40, trials.Budget(lambda: 0.0, 1.0), lambda _: None)
    assert len(tried) == len(attempts) == 40
    assert max(attempts, key=evasion.worth).leak == 0.95


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
