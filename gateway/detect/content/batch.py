"""A batch of sketches as one array, and its distinct shingles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from gateway.campaigns.sketch import FRACTION
from gateway.detect.content.arrays import F64, I32, I64, U32, U64, Flags, grid_bit, mixed, spread, starts_of

_ENOUGH: Final = round(12 * FRACTION)
"""So many shingles make a filling another one, of a short prompt a quarter of them: eight words, not one changed."""


class Batch(NamedTuple):
    """Occurrences of shingles in the order given: all system prompts, then all last turns."""

    size: int
    """Events."""
    segments: I64
    """Of each occurrence: the event, plus `size` where it stands in the last turn."""
    events: I64
    ends: I64
    """Of each segment, where it ends; it begins where the one before ends."""
    spread: U64
    order: I64
    """Occurrences by value, and within one in the order given."""
    starts: I64
    """In `order`, where each distinct shingle begins."""
    shingles: U64
    """Distinct, spread, ascending."""
    inverse: I64
    """Of each occurrence, which of the distinct ones."""

    def of(self, event: int, wanted: Flags) -> U64:
        """The wanted shingles of an event."""
        parts = []
        for segment in (event, event + self.size):
            part = slice(int(self.ends[segment - 1]) if segment else 0, int(self.ends[segment]))
            parts.append(self.spread[part][wanted[part]])
        return np.concatenate(parts)

    def tally(self, weights: Flags | None = None) -> I32:
        """Occurrences an event."""
        return np.bincount(self.events, weights, self.size).astype(np.int32)


def batch_of(systems: Sequence[U64], prompts: Sequence[U64]) -> Batch:
    size = len(prompts)
    sketches = [*systems, *prompts]
    lengths = np.fromiter(map(len, sketches), np.int64, 2 * size)
    values = spread(np.concatenate(sketches)) if size else np.empty(0, np.uint64)
    segments = np.repeat(np.arange(2 * size), lengths)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = starts_of(ordered)
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    return Batch(
        size,
        segments,
        np.where(segments >= size, segments - size, segments),
        np.cumsum(lengths),
        values,
        order,
        starts,
        ordered[starts],
        inverse,
    )


class Fillings(NamedTuple):
    events: U64
    """Hash of each event's whole prompt."""
    turns: U64
    """Of each event's last turn: a sum over its shingles."""
    least: U64
    """Of each event's last turn, or of all where that is empty: the least of its shingles' hashes. Two texts have the
    same with the probability of their Jaccard similarity, so that small variations of one prompt are few fillings."""


def fillings_of(batch: Batch, prompt_hashes: U64) -> Fillings:
    hashes = mixed(batch.spread)
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes, out=sums[1:])
    each = np.diff(sums[batch.ends], prepend=np.uint64(0))
    systems, turns = each[: batch.size], each[batch.size :]
    whole = np.where(prompt_hashes != 0, prompt_hashes, systems * np.uint64(3) + turns)
    least = np.zeros(2 * batch.size, np.uint64)
    lengths = np.diff(batch.ends, prepend=0)
    there = lengths > 0
    least[there] = np.minimum.reduceat(hashes, (batch.ends - lengths)[there])
    return Fillings(
        mixed(whole), mixed(turns), mixed(np.where(there[batch.size :], least[batch.size :], least[: batch.size]))
    )


def filling_bits(batch: Batch, fillings: Fillings, fresh: Flags, apart: Flags, codes: U32) -> U64:
    """Of each occurrence the bits of its filling: of its least hash; of the least one apart from what may be a
    template, where there is enough of that; and of all of it where it brings enough that nobody had shown.

    A shingle of the system prompt is filled with the whole event; one of the last turn with that turn alone: a popular
    prompt under a hundred system prompts is one filling.
    """
    asked: F64 = np.diff(batch.ends, prepend=0)[batch.size :] / 4
    enough = np.clip(np.ceil(asked), 1, _ENOUGH)
    rows = np.tile(codes, 2)
    bits = grid_bit(np.tile(fillings.least, 2), rows)
    rest = np.full(2 * batch.size, 2**64 - 1, np.uint64)
    np.minimum.at(rest, batch.segments[apart], mixed(batch.spread[apart]))
    rest[: batch.size] = np.minimum(rest[: batch.size], rest[batch.size :])
    whole = np.concatenate([fillings.events, fillings.turns])
    for flags, hashes in ((fresh, whole), (apart, mixed(rest))):
        counts = np.bincount(batch.segments, flags, 2 * batch.size)
        turn = counts[batch.size :]
        there = np.concatenate([counts[: batch.size] + turn >= enough, turn >= enough])
        bits |= np.where(there, grid_bit(hashes, rows), np.uint64(0))
    spots: U64 = bits[batch.segments]
    return spots
