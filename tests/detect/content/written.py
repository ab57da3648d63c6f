"""Prompts as sketches, made up: the core never sees text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from gateway.campaigns.event import EMPTY, Sketch
from gateway.detect.content import Content, Hits, Numbers
from gateway.detect.settings import Settings

NOW: Final = 1_800_000_000.0
SLOTS: Final = 1 << 14


class Said(NamedTuple):
    party: int
    prompt: Sketch
    system: Sketch = EMPTY
    trusted: bool = False


class Writer:
    """Shingles that nobody else has written."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)

    def some(self, count: int) -> Sketch:
        return np.unique(self._random.integers(1, 2**62, count, dtype=np.uint64))

    def shuffled(self, said: Sequence[Said]) -> list[Said]:
        return [said[row] for row in self._random.permutation(len(said))]

    def campaign(self, template: Sketch, parties: range, each: int = 3, trusted: bool = False) -> list[Said]:
        """Every party fills it with something new each time."""
        return [Said(party, together(template, self.some(8)), EMPTY, trusted) for party in parties for _ in range(each)]


def together(*sketches: Sketch) -> Sketch:
    return np.unique(np.concatenate(sketches))


def core(slots: int = SLOTS, numbers: Numbers | None = None, half_life: float = 7 * 86_400.0) -> Content:
    return Content(Settings(shingles_at_most=slots, half_life=half_life), numbers)


def hear(content: Content, said: Sequence[Said], now: float = NOW) -> Hits:
    return content.hear(
        np.array([one.party for one in said], np.int32),
        np.array([one.trusted for one in said], np.bool_),
        np.full(len(said), now),
        np.zeros(len(said), np.uint64),
        [one.system for one in said],
        [one.prompt for one in said],
    )


def told(content: Content, said: Sequence[Said], size: int = 64, now: float = NOW) -> None:
    """In batches, with a look after each."""
    for first in range(0, len(said), size):
        hear(content, said[first : first + size], now)
        content.look(now)


def suspects(content: Content) -> list[list[int]]:
    """The shingles of each template that counts."""
    return [template.shingles.tolist() for template in content.templates.values() if template.suspect]
