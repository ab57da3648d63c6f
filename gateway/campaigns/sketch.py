"""Text to sketch: which runs of words it has, as keyed hashes. Nobody without the key can ask whether a text was there.

A FracMinHash of word shingles (Irber and others, 2022): of all shingles those are kept whose hash falls below a bound,
so that the same words are kept in every text, and sketches of long and short texts can be compared.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.campaigns.event import Sketch
from gateway.campaigns.words import PIECE, WHOLE, bounded

SHINGLE: Final = 5
"""Words in one."""
FRACTION: Final = 1 / 4
BOUND: Final = int(2**64 * FRACTION)
"""Hashes below it are kept."""
WORDS: Final = 512
"""Of a text that has more than twice as many, or is longer than two pieces, the first and the last so many count."""
CHUNK: Final = 1 << 16
"""Bytes that are read at once: what is made of them stays in the processor's cache."""

_SPACE: Final = 0x20
_ZERO: Final = 0x30
_BLANKS: Final = bytes([*range(0x09, 0x0E), *range(0x1C, 0x21)])
"""What `str.split` takes for a space, of ASCII."""
_LOWER: Final = bytes(code | 0x20 if 0x41 <= code <= 0x5A else code for code in range(256))
_ZEROS: Final = re.compile(rb"00+")
_SOLID: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3100-\u312f\u31a0-\u31bf"  # bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
"""Scripts that put no spaces between words: there a character is one."""
_BLANK, _LETTER, _ALONE, _DIGIT, _NULL = range(5)
"""What a character is: no part of a word, part of one, one by itself, a digit; or what stands between two texts."""
_DEFINED: Final = bytes(code for code in range(256) if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D})
_WESTERN: Final = bytes.maketrans(
    _DEFINED,
    "".join(
        "0" if letter.isdecimal() else letter.lower() if letter.isalnum() or letter == "_" else " "
        for letter in _DEFINED.decode("cp1252")
    ).encode("cp1252"),
)
"""English with its dashes and quotation marks, and most of western Europe: ten times as fast as any script."""
_APART: Final = b"\0" + _WESTERN[1:]
"""The same for texts that stand one after the other, with a null between two."""

Words64 = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


class Segment(NamedTuple):
    """Words that stand together. Of a long text there are two."""

    owner: int
    """Which text."""
    plain: bytes
    """Its words, in UTF-8, with spaces between them."""
    words: int = -1
    """Of all its text, as far as can be said, where that was cut; -1 where this is all of it."""


class Sketcher:
    """Deterministic for one key, in every process.

    A word is hashed as a polynomial over its bytes, a shingle as one over its words, both modulo 2^64 and with secret
    bases, so that numpy does it for a whole batch. Each is then mixed by SplitMix64's finaliser between two secrets, as
    Even and Mansour make a keyed permutation of a public one. That is no MAC: it is to keep a reader of Redis from
    asking whether a text was there, not from forging.
    """

    def __init__(self, key: bytes) -> None:
        secret = blake2b(key, digest_size=32, person=b"tidegate-sketch").digest()
        self._texts = blake2b(key=secret, digest_size=8, person=b"text")
        self._bytes = _secrets(secret, b"bytes", 256)
        self._bytes[_SPACE] = 0
        base, shingle, *self._mix = _secrets(secret, b"bases", 6)
        odd = int(base) | 1
        self._powers = _powers(odd, CHUNK + 2)
        self._back = _powers(pow(odd, -1, 2**64), CHUNK + 2)
        self._shingle = np.uint64(int(shingle) | 1)

    def sketch(self, text: str) -> Sketch:
        """Of one text; of many `sketch_many` is faster by far."""
        return self.sketch_many((text,))[0]

    def sketch_many(self, texts: Sequence[str]) -> list[Sketch]:
        """Each as `sketch` would say."""
        return self.read(texts)[0]

    def read(self, texts: Sequence[str]) -> tuple[list[Sketch], list[int]]:
        """Their sketches, and how many words each has: of one that is cut here, by what its pieces have."""
        sketches: list[Sketch] = []
        counts: list[int] = []
        for first, last, segments in _chunks(texts):
            begun = len(counts)
            words, ends, of = self._words(segments)
            for segment, count in zip(segments, np.diff(ends, prepend=0).tolist(), strict=True):
                if segment.owner - first == len(counts) - begun:
                    counts.append(count if segment.words < 0 else segment.words)
            sketches += _by_owner(*self._shingles(segments, words, ends, of), first, last)
        return sketches, counts

    def hash(self, *texts: str, size: int = 0) -> int:
        """Of whole texts together, spaces and case apart: 63 bits, 0 where there is nothing.

        Of a long text its two pieces count, and the size of all: `size`, in characters, where it was cut already.
        """
        bare = [_bare(bounded(text)) for text in texts]
        if not any(bare):
            return 0
        beyond = size or sum(map(len, texts)) if any(len(text) > WHOLE for text in texts) else 0
        digest = self._texts.copy()
        digest.update(b"%b\0%d" % (b"\0".join(bare), beyond))
        return int.from_bytes(digest.digest(), "little") >> 1 or 1

    def _words(self, segments: Sequence[Segment]) -> tuple[Words64, Indices, Indices]:
        """Hashes of all words, where among them each segment ends, and each word's segment."""
        joined = b" %b " % b" ".join([segment.plain for segment in segments])
        letters = np.frombuffer(joined, np.uint8)
        blank = letters == _SPACE
        edges = np.flatnonzero(blank[1:] != blank[:-1])
        starts, stops = edges[0::2], edges[1::2]
        sums = np.cumsum(self._bytes[letters] * self._powers[: len(letters)])
        one, other = self._mix[:2]
        words = _mixed(((sums[stops] - sums[starts]) * self._back[starts]) ^ one) + other
        sizes = np.fromiter((len(segment.plain) + 1 for segment in segments), np.int64, len(segments))
        ends = np.searchsorted(starts, np.cumsum(sizes))
        return words, ends, np.repeat(np.arange(len(segments)), np.diff(ends, prepend=0))

    def _shingles(
        self, segments: Sequence[Segment], words: Words64, ends: Indices, of: Indices
    ) -> tuple[Words64, Indices]:
        """Those below the bound, and whose they are."""
        owners = np.fromiter((segment.owner for segment in segments), np.int64, len(segments))
        count = max(len(words) - SHINGLE + 1, 0)
        whole = np.arange(SHINGLE, count + SHINGLE) <= ends[of[:count]]
        found = [self._finished(self._polynomial(words, np.arange(count), SHINGLE)[whole])]
        whose = [owners[of[:count][whole]]]
        sizes = np.diff(ends, prepend=0)
        for size in range(1, SHINGLE):
            short = [row for row in np.flatnonzero(sizes == size).tolist() if segments[row].words < 0]
            if short:
                found.append(self._finished(self._polynomial(words, ends[short] - size, size) + np.uint64(size)))
                whose.append(owners[short])
        return np.concatenate(found), np.concatenate(whose)

    def _polynomial(self, words: Words64, starts: Indices, size: int) -> Words64:
        """Of the runs of `size` words that begin at `starts`."""
        total = words[starts]
        for offset in range(1, size):
            total *= self._shingle
            total += words[starts + offset]
        return total

    def _finished(self, shingles: Words64) -> Words64:
        one, other = self._mix[2:]
        finished: Words64 = _mixed(shingles ^ one) + other
        return finished


def plain_of(text: str) -> bytes:
    """Words with spaces between them: lower case; a number is 0, whatever it says; in scripts without spaces a
    character is a word. In UTF-8.
    """
    try:
        plain = text.encode() if text.isascii() else text.encode("cp1252")
    except UnicodeEncodeError:
        return _any_script(text.replace("\0", " "))
    plain = plain.translate(_WESTERN)
    if b"00" in plain:
        plain = _ZEROS.sub(b"0", plain)
    return plain if plain.isascii() else plain.decode("cp1252").encode()


def _any_script(text: str) -> bytes:
    """As `plain_of`, whatever is in it; a null is none of its blanks, and stays."""
    codes = np.frombuffer(text.lower().encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    kinds = _kinds()[codes]
    plain = np.where(kinds == _BLANK, np.uint32(_SPACE), np.where(kinds == _DIGIT, np.uint32(_ZERO), codes))
    alone = kinds == _ALONE
    if alone.any():
        # A space on each side of it.
        ends = np.cumsum(1 + 2 * alone)
        wider = np.full(ends[-1], _SPACE, np.uint32)
        wider[ends - 1 - alone] = plain
        plain = wider
    encoded = plain.astype("<u4", copy=False).tobytes().decode("utf-32-le").encode()
    return _ZEROS.sub(b"0", encoded) if b"00" in encoded else encoded


@lru_cache(1)
def _kinds() -> npt.NDArray[np.uint8]:
    """Of every character, by its code: a tenth of a second, for whom it takes more than western text."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    kinds = np.full(len(every), _BLANK, np.uint8)
    for kind, pattern in ((_LETTER, r"\w+"), (_ALONE, f"[{_SOLID}]+"), (_DIGIT, r"\d+"), (_NULL, r"\0")):
        for found in re.finditer(pattern, every):
            kinds[found.start() : found.end()] = kind
    return kinds


def _plains(texts: Sequence[str]) -> list[bytes | None]:
    """As `plain_of` of the short ones, which are most, many in one go; None for the others."""
    plains: list[bytes | None] = [None] * len(texts)
    short = [at for at, text in enumerate(texts) if len(text) < 4 * WORDS and "\0" not in text]
    simple = [at for at in short if texts[at].isascii()]
    if len(simple) < len(short):
        _plain_others(texts, [at for at in short if not texts[at].isascii()], plains)
    joined = "\0".join([texts[at] for at in simple]).encode().translate(_APART)
    if b"00" in joined:
        joined = _ZEROS.sub(b"0", joined)
    for at, plain in zip(simple, joined.split(b"\0"), strict=False):
        plains[at] = plain
    return plains


def _plain_others(texts: Sequence[str], places: Sequence[int], plains: list[bytes | None]) -> None:
    """The same of those that are not in ASCII."""
    gathered: list[int] = []
    size = 0
    for at in places:
        try:
            texts[at].encode("cp1252")
        except UnicodeEncodeError:
            gathered.append(at)
            size += len(texts[at]) + 1
        else:
            plains[at] = plain_of(texts[at])
        if gathered and (size >= CHUNK or at == places[-1]):
            joined = _any_script("\0".join([texts[other] for other in gathered]))
            for other, plain in zip(gathered, joined.split(b"\0"), strict=True):
                plains[other] = plain
            gathered, size = [], 0


def _bare(text: str) -> bytes:
    if text.isascii():
        return text.encode().translate(_LOWER, _BLANKS)
    return "".join(text.lower().split()).encode("utf-8", "surrogatepass")


def count_of(text: str) -> int:
    """Its words, as `Sketcher.read` counts them."""
    segment = _segments(0, text)[0]
    return segment.words if segment.words >= 0 else len(segment.plain.split())


def _segments(owner: int, text: str) -> tuple[Segment, ...]:
    if len(text) <= WHOLE:
        plain = plain_of(text)
        if len(plain) < 4 * WORDS or len(words := plain.split()) <= 2 * WORDS:
            return (Segment(owner, plain),)
        head, tail, count = words[:WORDS], words[-WORDS:], len(words)
    else:
        # The words at the cut are broken.
        head, tail = plain_of(text[:PIECE]).split()[:-1], plain_of(text[-PIECE:]).split()[1:]
        count = round((len(head) + len(tail) + 1) * len(text) / WHOLE)
    return Segment(owner, b" ".join(head[:WORDS]), count), Segment(owner, b" ".join(tail[-WORDS:]), count)


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int, list[Segment]]]:
    """(The first text, the one after the last, their segments), each of at most CHUNK bytes."""
    first, size = 0, 0
    segments: list[Segment] = []
    plains = _plains(texts)
    for owner, text in enumerate(texts):
        plain = plains[owner]
        if plain is not None and len(plain) < 4 * WORDS:
            fresh: tuple[Segment, ...] = (Segment(owner, plain),)
            more = len(plain) + 1
        else:
            fresh = _segments(owner, text)
            more = sum(len(segment.plain) + 1 for segment in fresh)
        if size + more > CHUNK:
            yield first, owner, segments
            first, size, segments = owner, 0, []
        segments += fresh
        size += more
    if segments:
        yield first, len(texts), segments


def _secrets(secret: bytes, what: bytes, count: int) -> Words64:
    """`count` numbers that only the key tells."""
    drawn = b"".join(
        blake2b(number.to_bytes(2, "little"), key=secret, digest_size=8, person=what).digest()
        for number in range(count)
    )
    return np.frombuffer(drawn, "<u8").astype(np.uint64)


def _powers(base: int, count: int) -> Words64:
    """base^0, base^1, … modulo 2^64."""
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _mixed(values: Words64) -> Words64:
    """The finaliser of SplitMix64 (Steele and others, 2014), in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _by_owner(hashes: Words64, of: Indices, first: int, last: int) -> list[Sketch]:
    """What is below the bound, distinct and ascending, for each text from `first` on."""
    below = np.flatnonzero(hashes < np.uint64(BOUND))
    hashes, of = hashes[below], of[below]
    order = np.lexsort((hashes, of))
    hashes, of = hashes[order], of[order]
    if len(hashes) > 1:
        distinct = np.concatenate(([True], (hashes[1:] != hashes[:-1]) | (of[1:] != of[:-1])))
        hashes, of = hashes[distinct], of[distinct]
    starts = np.searchsorted(of, np.arange(first, last + 1)).tolist()
    return [hashes[start:end] for start, end in itertools.pairwise(starts)]
