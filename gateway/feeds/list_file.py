"""The form of a compiled list: one file that every worker maps, and that holds no pointer and nothing to parse.

A header of 128 bytes, then up to eight sections, each of whole 8-byte words, in the byte order of the machine:

| kind | sections |
|---|---|
| networks | index of v4, v4 firsts, v4 lasts (uint32); v6 firsts, high and low; v6 lasts, high and low (uint64) |
| asns | numbers (uint32), sorted |
| countries, accounts, domains | index, hashes (uint64, sorted), ends of texts, label counts (uint32), texts |

An index says for each value of a key's first bits where those keys begin, so that a search has few steps left.
The digest is over all that the file holds, so a file that is cut short or was changed is refused.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import threading
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.feeds.kinds import ListKind

MAGIC = b"TIDELIST"
VERSION = 1
SECTIONS = 8
_HEADER = struct.Struct(f"=8sHHIQQ{SECTIONS}Q32s")
_BEFORE_DIGEST = _HEADER.size - 32
_WORD = 8
_KINDS = tuple(ListKind)
"""Its place in here is a kind's number in the file: new ones go to the end."""

_ITEMS_A_SLOT = 8


class ListRefused(ValueError):
    """A file that is no compiled list, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the sections."""

    kind: ListKind
    count: int
    """Items: of networks, before those that overlap were merged."""
    rejected: int
    """Lines of the source that were no items."""
    bits: int
    """First bits of a key that the index goes by."""
    sizes: tuple[int, ...]
    """Bytes of each section."""
    digest: str
    """BLAKE2b-256, in hex."""


def index_bits(count: int, most: int) -> int:
    """So many that a slot has a few items."""
    return min(max(0, (count // _ITEMS_A_SLOT).bit_length()), most)


def make_index(keys: Sequence[int], width: int, bits: int) -> array[int]:
    """Where the keys of each slot begin, and at last the number of keys. `keys` are sorted, of `width` bits."""
    shift = width - bits
    starts = array("I", (bisect_left(keys, slot << shift) for slot in range(1 << bits)))
    starts.append(len(keys))
    return starts


def write(path: Path, kind: ListKind, count: int, rejected: int, bits: int, sections: Sequence[bytes]) -> str:
    """Write the file in full or not at all; its digest. Raises OSError."""
    sizes = [len(section) for section in sections] + [0] * (SECTIONS - len(sections))
    head = _HEADER.pack(MAGIC, VERSION, _KINDS.index(kind), bits, count, rejected, *sizes, b"")[:_BEFORE_DIGEST]
    state = hashlib.blake2b(head, digest_size=32)
    padded = [part for section in sections for part in (section, bytes(-len(section) % _WORD))]
    for part in padded:
        state.update(part)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(head)
            file.write(state.digest())
            file.writelines(padded)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return state.hexdigest()


class Mapping:
    """The file in memory, which all processes that map it share."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, and ListRefused for what is no whole compiled list of this version."""
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < _HEADER.size:
                raise ListRefused(f"{path} is no compiled list: too short")
            self._mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._views: list[memoryview[int]] = []
        try:
            self.header = self._check(path)
        except ListRefused:
            self.close()
            raise

    def _check(self, path: Path) -> Header:
        magic, version, kind, bits, count, rejected, *sizes, digest = _HEADER.unpack_from(self._mmap)
        if magic != MAGIC:
            raise ListRefused(f"{path} is no compiled list")
        if version != VERSION or kind >= len(_KINDS):
            raise ListRefused(f"{path} is of another version or machine")
        if _HEADER.size + sum(size + -size % _WORD for size in sizes) != len(self._mmap):
            raise ListRefused(f"{path} is not whole")
        with memoryview(self._mmap) as whole, whole[:_BEFORE_DIGEST] as head, whole[_HEADER.size :] as body:
            state = hashlib.blake2b(head, digest_size=32)
            state.update(body)
        if state.digest() != digest:
            raise ListRefused(f"{path} is damaged")
        return Header(_KINDS[kind], count, rejected, bits, tuple(sizes), digest.hex())

    def section(self, number: int, code: Literal["B", "I", "Q"]) -> memoryview[int]:
        """A section as items of `code`, as `array` has them."""
        begin = _HEADER.size + sum(size + -size % _WORD for size in self.header.sizes[:number])
        view = memoryview(self._mmap)[begin : begin + self.header.sizes[number]].cast(code)
        self._views.append(view)
        return view

    def close(self) -> None:
        """Whoever asks a list afterwards gets a ValueError."""
        for view in self._views:
            view.release()
        self._mmap.close()
