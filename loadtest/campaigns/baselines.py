"""What others do, before the same judge: each is given thresholds that suit it on honest traffic.

Per-account quota, per-account MMD over hashed sketches (after 2606.05725), PRADA (1805.02628) over sketches, shared
addresses, near-duplicate prompts (MinHash). All act for good: an account that is found is contained.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]

from gateway.campaigns.event import Sketch
from gateway.campaigns.verdict import Level
from gateway.detect.backtest.files import batches, refuse_all
from gateway.detect.backtest.rows import WANTED, Reader
from loadtest.campaigns.runs import ALLOW, REFUSED_BEFORE, Run, Word
from loadtest.campaigns.traces import DAY
from loadtest.campaigns.truth import Truth

BUCKETS: Final = 256
"""Of a histogram of sketches."""
FALSE: Final = 0.003
"""Of honest windows so many may be found: MMD's published rate."""
QUOTA_FALSE: Final = 0.001
NEAR: Final = 0.5
"""Jaccard from which two prompts are near duplicates."""
CROWD: Final = 10
"""Other accounts with a near duplicate, or in one network, that make a cluster."""
HASHES, ROWS = 32, 4
"""Of a MinHash signature, and of a band: so J = 0.5 is met with a chance of 0.4, and J = 0.8 of 0.98."""

Floats = npt.NDArray[np.float64]
Found = dict[int, float]
"""Number of an account -> when it was found."""


@dataclass(slots=True)
class Traffic:
    """What a baseline may see: columns by exchange, in order of time."""

    truth: Truth
    time: Floats
    account: npt.NDArray[np.int32]
    network: list[str]
    sketches: list[Sketch]
    refused: npt.NDArray[np.bool_]
    honest: npt.NDArray[np.bool_]
    """Of each account: it may be calibrated on. Half of the honest ones."""

    @classmethod
    def read(cls, world: Path, truth: Truth) -> Traffic:
        events = [
            event
            for batch in Reader(refuse_all).events(batches(world / "events.parquet", refuse_all, WANTED))
            for event in batch
        ]
        honest = (truth.labels() != "campaign") & (np.arange(len(truth.accounts)) % 2 == 0)
        return cls(
            truth,
            truth.times,
            truth.of,
            [event.network for event in events],
            [event.prompt for event in events],
            np.array([event.action != ALLOW for event in events]),
            honest,
        )

    def by_account(self) -> Iterable[tuple[int, npt.NDArray[np.intp]]]:
        order = np.argsort(self.account, kind="stable")
        cuts = np.flatnonzero(np.diff(self.account[order])) + 1
        for rows in np.split(order, cuts):
            if len(rows):
                yield int(self.account[rows[0]]), rows

    def run(self, found: Found) -> Run:
        """What comes of it: nothing passes of an account that was found."""
        times = np.full(len(self.truth.accounts), math.inf)
        for account, at in found.items():
            times[account] = at
        decisions = np.where(self.time > times[self.account], "challenge", ALLOW).astype(object)
        decisions[self.refused] = REFUSED_BEFORE
        names = [account.account for account in self.truth.accounts]
        words = sorted(
            Word(at, names[account], "baseline", int(Level.CHALLENGE), 10.0) for account, at in found.items()
        )
        return Run(decisions, tuple(words), {"baseline": tuple(names[account] for account in found)})


def quota(traffic: Traffic) -> Found:
    """Exchanges of a day, bounded where one in a thousand honest accounts comes to."""
    days = ((traffic.time - traffic.truth.began) // DAY).astype(np.int64)
    key = traffic.account.astype(np.int64) * 1_000 + days
    order = np.argsort(key, kind="stable")
    owner, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    most = np.zeros(len(traffic.truth.accounts))
    np.maximum.at(most, owner // 1_000, counts)
    bound = float(np.quantile(most[traffic.honest], 1 - QUOTA_FALSE))
    found: Found = {}
    for day, start, count in zip(owner.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if count > bound:
            at = float(traffic.time[order[start + int(bound)]])
            found[day // 1_000] = min(at, found.get(day // 1_000, math.inf))
    return found


def histograms(traffic: Traffic) -> npt.NDArray[np.float32]:
    """Of each prompt: its shingles in buckets, of length one."""
    made = np.zeros((len(traffic.sketches), BUCKETS), np.float32)
    lengths = np.array([len(sketch) for sketch in traffic.sketches])
    rows = np.repeat(np.arange(len(lengths)), lengths)
    columns = (np.concatenate(traffic.sketches) % np.uint64(BUCKETS)).astype(np.int64) if len(rows) else rows
    np.add.at(made, (rows, columns), 1.0)
    return np.asarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9))


def mmd(window: int) -> Callable[[Traffic], Found]:
    """Of each account's last `window` prompts against the honest ones, with a linear kernel."""

    def search(traffic: Traffic) -> Found:
        points = histograms(traffic)
        centre = points[traffic.honest[traffic.account]].mean(axis=0)
        values: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for account, rows in traffic.by_account():
            for end in range(window, len(rows) + 1, window // 2):
                mean = points[rows[end - window : end]].mean(axis=0)
                values[account].append((float(traffic.time[rows[end - 1]]), float(((mean - centre) ** 2).sum())))
        honest = [value for account, seen in values.items() if traffic.honest[account] for _, value in seen]
        bound = float(np.quantile(honest, 1 - FALSE)) if honest else math.inf
        return {
            account: at
            for account, seen in values.items()
            if (at := min((at for at, value in seen if value > bound), default=math.inf)) < math.inf
        }

    return search


def prada(traffic: Traffic, window: int = 100) -> Found:
    """Whether distances to the nearest prompt before are as a normal distribution has them, by account."""
    points = histograms(traffic)
    values: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for account, rows in traffic.by_account():
        if len(rows) < window:
            continue
        mine = points[rows[: 4 * window]]
        close = np.where(np.tri(len(mine), k=-1, dtype=bool), mine @ mine.T, -1.0).max(axis=1)[1:]
        for end in range(window - 1, len(close) + 1, window // 2):
            part = close[end - window + 1 : end]
            if np.ptp(part) > 0:
                at = float(traffic.time[rows[min(end, len(rows) - 1)]])
                values[account].append((at, float(stats.shapiro(part).statistic)))
    honest = [value for account, seen in values.items() if traffic.honest[account] for _, value in seen]
    bound = float(np.quantile(honest, FALSE)) if honest else -math.inf
    return {
        account: at
        for account, seen in values.items()
        if (at := min((at for at, value in seen if value < bound), default=math.inf)) < math.inf
    }


def addresses(traffic: Traffic) -> Found:
    """`CROWD` accounts and more in one /24."""
    members: dict[str, dict[int, float]] = defaultdict(dict)
    found: Found = {}
    for at, account, network in zip(traffic.time.tolist(), traffic.account.tolist(), traffic.network, strict=True):
        mine = members[network]
        if account in mine:
            continue
        mine[account] = at
        if len(mine) == CROWD:
            found.update({other: min(at, found.get(other, math.inf)) for other in mine})
        elif len(mine) > CROWD:
            found.setdefault(account, at)
    return found


def duplicates(traffic: Traffic) -> Found:
    """Prompts that are nearly those of `CROWD` other accounts: MinHash in bands, before Jaccard."""
    rng = np.random.default_rng(5)
    odd = rng.integers(1, 2**63, HASHES, dtype=np.uint64) | np.uint64(1)
    bands: dict[tuple[int, bytes], dict[int, int]] = defaultdict(dict)
    others: dict[int, set[int]] = defaultdict(set)
    found: Found = {}
    for row, sketch in enumerate(traffic.sketches):
        if len(sketch) < 4:
            continue
        account = int(traffic.account[row])
        signature = (sketch[:, None] * odd).min(axis=0)
        for band in range(HASHES // ROWS):
            seen = bands[band, signature[band * ROWS : (band + 1) * ROWS].tobytes()]
            for other, at in list(seen.items())[: 4 * CROWD]:
                if other != account and other not in others[account] and near(sketch, traffic.sketches[at]):
                    others[account].add(other)
                    others[other].add(account)
                    for one in (account, other):
                        if len(others[one]) >= CROWD:
                            found.setdefault(one, float(traffic.time[row]))
            seen.setdefault(account, row)
    return found


def near(one: Sketch, other: Sketch) -> bool:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common >= NEAR * (len(one) + len(other) - common)


BASELINES: Final[Mapping[str, Callable[[Traffic], Found]]] = {
    "per-account quota": quota,
    "per-account MMD, 100": mmd(100),
    "per-account MMD, 500": mmd(500),
    "PRADA": prada,
    "shared /24": addresses,
    "near-duplicate MinHash": duplicates,
}
