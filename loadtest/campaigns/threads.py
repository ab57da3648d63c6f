"""Conversations: several exchanges one after another, each bringing back what was answered before."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from loadtest.campaigns.columns import Floats, Ints
from loadtest.campaigns.people import mixed

LONG: Final = 6
"""Of ten answers so many are long enough to be told from others (64 words)."""


class Threads(NamedTuple):
    """Of each exchange."""

    owner: Ints
    """Who asks: a number below the count of owners."""
    talk: Ints
    """Which conversation: rising from 0."""
    turn: Ints
    """Which of its exchanges: from 0."""
    heads: Ints
    """Where each conversation begins."""


def threads(rng: np.random.Generator, counts: Ints, mean: float) -> Threads:
    """As many exchanges as `counts` says for each owner, in conversations of `mean` exchanges."""
    owner = np.repeat(np.arange(len(counts)), counts)
    if not len(owner):
        nothing = np.empty(0, np.int64)
        return Threads(nothing, nothing, nothing, nothing)
    fresh = rng.random(len(owner)) < 1.0 / mean
    fresh[0] = True
    fresh[1:] |= owner[1:] != owner[:-1]
    heads = np.flatnonzero(fresh)
    talk = np.cumsum(fresh) - 1
    return Threads(owner, talk, np.arange(len(owner)) - heads[talk], heads)


def spread(rng: np.random.Generator, made: Threads, starts: Floats, pause: float) -> Floats:
    """The time of each exchange: its conversation's start, and pauses (seconds, mean) since."""
    gaps = rng.exponential(pause, len(made.owner)) + 1.0
    gaps[made.heads] = 0.0
    passed = np.cumsum(gaps)
    return np.asarray(starts[made.talk] + passed - passed[made.heads][made.talk])


def brought_back(first_talk: int, made: Threads) -> tuple[Ints, Ints]:
    """Hashes of the last two assistant turns, 0 where there is none or it was short."""

    def of(back: int) -> Ints:
        hashes = mixed((made.talk + first_talk) * 4_099 + made.turn - back)
        return np.where((made.turn >= back) & (hashes % 10 < LONG), hashes, 0)

    return of(1), of(2)
