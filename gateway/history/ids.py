"""Which part of the log may hold an id, without opening it: a small file beside each part.

    <folder>/date=2026-11-22/part-….parquet.ids

It is a Bloom filter of our ids and of those that callers stated, in blocks of one cache line, so that a look reads 64
bytes (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2009). With 12 bits an id some 5 of
1,000 looks are in vain; no id that is there is missed. It can be made again from the part at any time, so its name
is not synced; and it goes with the part, whose name it begins with.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MAGIC: Final = b"tg-ids-1"
BLOCK: Final = 64
"""Bytes."""
BITS: Final = 12
"""Of each id."""
_HEAD: Final = 16


def index_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.ids")


def write_index(part: Path, ids: Iterable[str]) -> None:
    """Of all ids in a part; empty ones are none. Raises OSError."""
    wanted = [one for one in ids if one]
    count = max(1, -(-len(wanted) * BITS // (BLOCK * 8)))
    blocks = [0] * count
    for one in wanted:
        number, mask = _marks(one)
        blocks[number % count] |= mask
    content = MAGIC + count.to_bytes(8, "little") + b"".join([block.to_bytes(BLOCK, "little") for block in blocks])
    path = index_of(part)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content)
        # What a power cut leaves must not look whole: bits that are lost would hide ids that are there.
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def may_hold(part: Path, wanted: str) -> bool:
    """True also where there is no index, or none that can be read: then the part has to be opened."""
    try:
        descriptor = os.open(index_of(part), os.O_RDONLY)
    except OSError:
        return True
    try:
        head = os.pread(descriptor, _HEAD, 0)
        count = int.from_bytes(head[8:], "little")
        if head[:8] != MAGIC or not count or os.fstat(descriptor).st_size != _HEAD + count * BLOCK:
            return True
        number, mask = _marks(wanted)
        block = os.pread(descriptor, BLOCK, _HEAD + number % count * BLOCK)
        return int.from_bytes(block, "little") & mask == mask
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _marks(one: str) -> tuple[int, int]:
    """Number of the block, and up to eight bits in it."""
    digest = hashlib.blake2b(one.encode("utf-8", "surrogateescape"), digest_size=17).digest()
    bits = int.from_bytes(digest[8:], "little")
    mask = 0
    for _ in range(8):
        mask |= 1 << (bits & 511)
        bits >>= 9
    return int.from_bytes(digest[:8], "little"), mask
