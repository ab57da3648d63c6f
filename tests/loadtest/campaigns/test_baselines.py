"""Baselines find what they are made for on a toy, and leave the others alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway.campaigns.event import EMPTY, Sketch
from loadtest.campaigns.baselines import Traffic, addresses, duplicates, mmd, near, prada, quota
from loadtest.campaigns.judge import judge
from loadtest.campaigns.truth import AccountTruth, Truth


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
