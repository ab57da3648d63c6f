"""Hashes, bits and estimates over whole arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

GOLDEN: Final = 0x9E3779B97F4A7C15
"""2**64 / phi, odd: multiplication by it is a bijection that spreads the low bits upwards (Knuth, TAOCP 6.4)."""
INVERSE: Final = pow(GOLDEN, -1, 1 << 64)
_MULTIPLY: Final = np.uint64(GOLDEN)
_BACK: Final = np.uint64(INVERSE)
_ONE: Final = np.uint64(1)
_HALF: Final = np.uint64(32)
_LN: Final = np.array([-64.0 * np.log(1 - min(bits, 63.5) / 64) for bits in range(65)])


_ROWS: Final = np.arange(8, dtype=np.uint8)[:, None]
_COLUMNS: Final = np.array([-8.0 * np.log(1 - min(bits, 7.5) / 8) for bits in range(9)])


def spread(hashes: U64) -> U64:
    """A bijection: the high bits are good for buckets, whatever bound the hashes were taken under."""
    return hashes * _MULTIPLY


def gather(spread_out: U64) -> U64:
    """What `spread` was given."""
    return spread_out * _BACK


def mixed(values: U64) -> U64:
    """A hash of each: murmur3's finaliser, its first half, and a multiplication."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    return (values ^ (values >> _HALF)) * _MULTIPLY


def grid_bit(fillings: U64, codes: U32) -> U64:
    """A place in a grid of eight parties by eight fillings, by a hash of each."""
    row = ((codes >> np.uint32(11)) & np.uint32(7)).astype(np.uint64)
    place: U64 = _ONE << ((row << np.uint64(3)) | (fillings >> np.uint64(61)))
    return place


def filled(grids: U64) -> F64:
    """Distinct fillings in a grid: linear counting over eight columns, at most 22. Without the two fullest rows: what
    one party or two put in alone says nothing of what many do.
    """
    rows = np.ascontiguousarray(np.ascontiguousarray(grids).view(np.uint8).reshape(-1, 8).T)
    # How full each row is; of two that are as full the later one is taken for the fuller.
    ranks = np.bitwise_count(rows) * np.uint8(8) + _ROWS
    fullest = ranks.max(axis=0)
    second = np.where(ranks == fullest, np.uint8(0), ranks).max(axis=0)
    columns = np.bitwise_or.reduce(np.where(ranks < second, rows, np.uint8(0)), axis=0)
    estimates: F64 = _COLUMNS[np.bitwise_count(columns)]
    return estimates


def counted(bits: U64) -> F64:
    """Distinct things that set these bits: linear counting (Whang et al. 1990); 63 and 64 bits say 310 at the most."""
    estimates: F64 = _LN[np.bitwise_count(bits)]
    return estimates


def distinct(values: I64) -> I64:
    """As `np.unique`, which hashes whole numbers: of many that are different to sort them is five times as fast."""
    ordered = np.sort(values)
    return ordered[starts_of(ordered)]


def starts_of(ordered: npt.NDArray[np.generic]) -> I64:
    """Where in a sorted array a new value begins."""
    fresh = np.empty(len(ordered), np.bool_)
    fresh[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return np.flatnonzero(fresh)


class Distinct:
    """HyperLogLog of 4,096 registers (Flajolet et al. 2007): 1.6 % standard error, exact-like below some thousand."""

    BITS: Final = 12

    def __init__(self) -> None:
        self.registers: U8 = np.zeros(1 << self.BITS, np.uint8)

    def add(self, values: npt.NDArray[np.integer]) -> None:
        if not len(values):
            return
        hashes = mixed(values.astype(np.uint64) + np.uint64(0x51ED27))
        index = (hashes >> np.uint64(64 - self.BITS)).astype(np.int64)
        rest = hashes << np.uint64(self.BITS)
        # The exponent of a float is the place of its highest bit.
        zeros = 64 - np.frexp(rest.astype(np.float64))[1].astype(np.int64)
        rank = np.where(rest == 0, 64 - self.BITS + 1, zeros + 1).astype(np.uint8)
        np.maximum.at(self.registers, index, rank)

    def count(self) -> float:
        size = len(self.registers)
        empty = int(np.count_nonzero(self.registers == 0))
        raw = 0.7213 / (1 + 1.079 / size) * size * size / float(np.ldexp(1.0, -self.registers.astype(np.int64)).sum())
        return size * float(np.log(size / empty)) if empty and raw <= 2.5 * size else raw
