"""Volumes, hours and sizes from real traces, or from what was fitted to them where there is no file.

ServeGen (alibaba/ServeGen f891d11): rates of single clients in bins of 600 s. Azure (Azure/AzurePublicDataset
b469a11): tokens asked and generated.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from loadtest.campaigns.grammar import Half

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BIN: Final = 600.0
DAY: Final = 86_400.0
DIURNAL: Final = np.array([2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 10, 9, 9, 9, 8, 6, 4], float)
"""Weight of each hour for a person, by the clock of the place."""
HEAVY_SIGMA: Final = 2.1
"""Of a log-normal with the Gini of ServeGen's clients (0.83-0.87) once its tail is capped."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Of one half of the clients."""

    rates: tuple[Floats, ...]
    """Of each client: cumulative share of its requests by the end of each bin."""
    volumes: Floats
    """Of each client, relative to their mean."""
    chat: Ints
    """n x 2: tokens asked and generated."""
    code: Ints

    @classmethod
    def read(cls, data: Path | None, half: Half) -> Self:
        wanted = 0 if half == "tune" else 1
        rates, volumes = [], []
        folder = data / "servegen" if data else None
        for path in sorted(folder.glob("*-trace.csv")) if folder and folder.exists() else ():
            if zlib.crc32(path.name.encode()) % 2 != wanted:
                continue
            rate = np.array([float(line.split(",")[1] or 0.0) for line in path.read_text().splitlines()])
            total = float(rate.sum())
            if total > 0:
                rates.append(np.cumsum(rate) / total)
                volumes.append(total / len(rate))
        rng = np.random.default_rng(21 + wanted)
        if not rates:
            rates = [_made(rng) for _ in range(24)]
            volumes = rng.lognormal(0.0, HEAVY_SIGMA, 200).tolist()
        mean = float(np.mean(volumes))
        chat, code = (_sizes(data, name, rng) for name in ("conv", "code"))
        return cls(tuple(rates), np.array(volumes) / mean, chat, code)

    def moments(self, rng: np.random.Generator, which: int, count: int, days: float) -> Floats:
        """Seconds from the beginning at which client `which` asks, over its own trace again and again."""
        cumulative = self.rates[which % len(self.rates)]
        at = np.searchsorted(cumulative, rng.random(count) * cumulative[-1])
        length = len(cumulative) * BIN
        rounds = max(1, int(np.ceil(days * DAY / length)))
        moment = (at + rng.random(count)) * BIN + rng.integers(0, rounds, count) * length
        return np.asarray(moment % (days * DAY))

    def volume(self, rng: np.random.Generator, count: int) -> Floats:
        """Of clients like these, relative to their mean: between the clients that were seen, and a little beyond."""
        order = np.sort(self.volumes)
        return np.asarray(np.quantile(order, rng.random(count)) * rng.lognormal(0.0, 0.3, count))


def people(rng: np.random.Generator, count: int, days: float) -> Floats:
    """Seconds from the beginning at which people sit down: by day, less at night."""
    hour = rng.choice(24, count, p=DIURNAL / DIURNAL.sum())
    return np.asarray((rng.integers(0, max(1, round(days)), count) * 24 + hour + rng.random(count)) * 3_600.0)


def gini(volumes: npt.NDArray[np.generic]) -> float:
    """0 where all have the same, 1 where one has everything."""
    ordered = np.sort(np.asarray(volumes, np.float64))
    count, total = len(ordered), float(ordered.sum())
    if not count or total <= 0:
        return 0.0
    return float(2 * np.sum(np.arange(1, count + 1) * ordered) / (count * total) - (count + 1) / count)


def _made(rng: np.random.Generator) -> Floats:
    """Two weeks of a client that nobody recorded: by day or all day, with bursts."""
    hours = DIURNAL if rng.random() < 0.6 else np.ones(24)
    rate = np.tile(np.repeat(hours, 6), 14) * rng.gamma(0.5, 2.0, 24 * 6 * 14)
    return np.asarray(np.cumsum(rate) / rate.sum())


def _sizes(data: Path | None, name: str, rng: np.random.Generator) -> Ints:
    path = data / "azure" / f"AzureLLMInferenceTrace_{name}.csv" if data else None
    if path is not None and path.exists():
        return np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(1, 2)).astype(np.int64)
    asked, made = (1_020, 130) if name == "conv" else (1_500, 13)
    drawn = rng.lognormal(0.0, 1.0, (5_000, 2)) * (asked, made)
    return np.maximum(1, drawn).astype(np.int64)
