"""Groups of shingles that keep their id and key while most of the group stays, and what was ruled of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from gateway.detect.content.arrays import I32, I64, U64, starts_of
from gateway.detect.content.slots import Slots


class Word(StrEnum):
    """What a person has said of a template."""

    NOTHING = ""
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(slots=True)
class Template:
    """As of the last look."""

    id: int
    """Never used again."""
    key: int
    """The least of its first shingles, 64 bits: stays through regrouping and restart."""
    shingles: U64
    """Hashes as sketches hold them, ascending."""
    need: int
    """Of them an event shows so many to hit it."""
    born: float
    """Unix time."""
    founders: I32
    """Untrusted parties that had shown it before it was known, ascending; at most 32. Their hits were not counted."""
    author: int = -1
    """Hash (16 bits) of the party that alone had shown most of it before others did; -1 for nobody."""
    parties: int = 0
    """Distinct untrusted ones that have hit it."""
    trusted: int = 0
    """Distinct trusted ones."""
    hits: int = 0
    """Events."""
    first: float = 0.0
    last: float = 0.0
    suspect: bool = True
    """It counts: approved, or neither rejected nor public."""
    word: Word = Word.NOTHING
    slots: Slots = field(default_factory=Slots)

    @property
    def prompts(self) -> float:
        """Distinct fillings."""
        return self.slots.distinct


class Rulings:
    """By key, and by the shingles that the template had: a new group that is mostly of those is under the same word."""

    def __init__(self) -> None:
        self.words: dict[int, tuple[Word, U64]] = {}

    def rule(self, key: int, word: Word, shingles: U64) -> None:
        self.words[key] = (word, shingles)

    def word_of(self, key: int, shingles: U64) -> Word:
        exact = self.words.get(key)
        if exact is not None:
            return exact[0]
        for word, known in self.words.values():
            if len(known) and 2 * np.isin(shingles, known, assume_unique=True).sum() >= len(shingles):
                return word
        return Word.NOTHING


def plan(labels: I64, held: I32, least: int) -> list[tuple[I64, int, tuple[int, ...]]]:
    """Groups of at least `least` rows: (rows, id of the template that goes on in it or -1, ids that end in it).

    A template goes on, or ends, in the group that has most of its rows; of several in one the one with most goes on.
    """
    order = np.argsort(labels, kind="stable")
    starts = starts_of(labels[order])
    sizes = np.diff(starts, append=len(order))
    # Nearly all are alone: what follows is for the others.
    large = np.flatnonzero(sizes >= least)
    large = large[np.lexsort((order[starts[large]], -sizes[large]))]
    groups = [order[start : start + size] for start, size in zip(starts[large], sizes[large], strict=True)]
    best: dict[int, tuple[int, int]] = {}
    shares: list[list[tuple[int, int]]] = [[] for _ in groups]
    for number, id_, count in _overlaps(groups, held):
        shares[number].append((count, id_))
        if count > best.get(id_, (0, 0))[0]:
            best[id_] = (count, number)
    for share in shares:
        share.sort(key=lambda one: (-one[0], one[1]))
    planned = []
    for number, rows in enumerate(groups):
        mine = [id_ for _, id_ in shares[number] if best[id_][1] == number]
        planned.append((rows, mine[0] if mine else -1, tuple(mine[1:])))
    return planned


def _overlaps(groups: list[I64], held: I32) -> list[tuple[int, int, int]]:
    """(Number of a group, id of a template, how many of its rows are of it), ascending."""
    if not groups:
        return []
    numbers = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
    ids = held[np.concatenate(groups)]
    keys, counts = np.unique((numbers[ids >= 0] << 32) | ids[ids >= 0], return_counts=True)
    return list(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), counts.tolist(), strict=True))


def need_of(size: int, hit: int) -> int:
    """All but a third of a small template, two at least; `hit` of a big one."""
    return max(2, min(hit, size - size // 3))
