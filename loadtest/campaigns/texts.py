"""Where the words of a world come from: real prompts and templates of one half, and babble fitted to them.

A detector of campaigns sees shingles, not sense. So what honest people write is babble with the word statistics of real
prompts: nearly all of its shingles are new, and those that are not are the common openings, as in real traffic.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from loadtest.campaigns import grammar, tongues
from loadtest.campaigns.grammar import Half, alternate, halves

JUMP: Final = 0.5
"""How often babble leaves the chain: with less, it would quote its source and make shingles heavy that are not."""
CHAINS, LINKS = 2_048, 128
PIECE: Final = 3
"""Words that a fixed part of a template has at least."""

Ints = npt.NDArray[np.int64]


class Template(NamedTuple):
    """Fixed pieces around slots: piece, slot, piece, … A piece may be empty."""

    pieces: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]
    """What was seen in each slot, one shorter than `pieces`; () where the slot takes anything."""
    words: tuple[int, ...]
    """About as many words are in each slot."""
    tongue: str = ""
    """Key of `tongues.TONGUES`; empty is English."""

    def fill(self, parts: Sequence[str]) -> str:
        out = [self.pieces[0]]
        for piece, part in zip(self.pieces[1:], parts, strict=True):
            out += [part, piece]
        return " ".join(part for part in out if part)


class Babble:
    """A chain of order one over the words of some texts, many sequences at a time."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = [word for text in texts for word in [*text.split()[:400], "\n"]]
        numbers: dict[str, int] = {}
        ids = np.array([numbers.setdefault(word, len(numbers)) for word in words])
        names = list(numbers)
        self.words = np.array(names, dtype=object)
        order = np.argsort(ids[:-1], kind="stable")
        self.next = ids[1:][order].astype(np.int32)
        self.any = ids.astype(np.int32)
        self.degree = np.bincount(ids[:-1], minlength=len(names)).astype(np.int64)
        self.first = np.concatenate(([0], np.cumsum(self.degree)[:-1]))

    def run(self, rng: np.random.Generator) -> list[str]:
        """`CHAINS` chains of `LINKS` words, one behind the other."""
        ids = np.empty((LINKS, CHAINS), np.int32)
        at = self.any[rng.integers(0, len(self.any), CHAINS)]
        last = len(self.next) - 1
        for link in range(LINKS):
            drawn, jumps = rng.random((2, CHAINS))
            degree = self.degree[at]
            chained = self.next[np.minimum(self.first[at] + (drawn * degree).astype(np.int64), last)]
            leaves = (jumps < JUMP) | (degree == 0)
            at = np.where(leaves, self.any[(drawn * len(self.any)).astype(np.int64)], chained)
            ids[link] = at
        words: list[str] = self.words[ids.T.ravel()].tolist()
        return words


class Reels:
    """Of several languages: each text is of one of them."""

    def __init__(self, texts: Texts, rng: np.random.Generator) -> None:
        self._rng = rng
        self._reels = [Reel(babble, rng, between) for babble, between in texts.babbles]

    def make(self, lengths: Ints) -> list[str]:
        """One text for each length in words."""
        if len(self._reels) == 1:
            return self._reels[0].make(lengths)
        which = self._rng.integers(0, len(self._reels), len(lengths)).tolist()
        return [self._reels[at].make(lengths[index : index + 1])[0] for index, at in enumerate(which)]


class Reel:
    """Babble of one world: text after text, none of it twice."""

    def __init__(self, babble: Babble, rng: np.random.Generator, between: str = " ") -> None:
        self._babble, self._rng, self._between = babble, rng, between
        self._words: list[str] = []
        self._at = 0

    def make(self, lengths: Ints) -> list[str]:
        """One text for each length in words."""
        made = []
        for length in lengths.tolist():
            if self._at + length > len(self._words):
                self._words, self._at = self._babble.run(self._rng), 0
            made.append(self._between.join(self._words[self._at : self._at + length]))
            self._at += length
        return made


@dataclass(frozen=True, slots=True)
class Texts:
    """Of one half."""

    half: Half
    prompts: tuple[str, ...]
    """Of real users, where there are any. Honest people ask them."""
    seeds: tuple[str, ...]
    """Others of the same kind: what a campaign fills its templates with."""
    maths: tuple[str, ...]
    """Questions of a benchmark."""
    templates: tuple[Template, ...]
    """For a campaign."""
    frameworks: tuple[str, ...]
    openings: tuple[str, ...]
    babbles: tuple[tuple[Babble, str], ...]
    """With what stands between words: of each language one."""

    @classmethod
    def read(cls, data: Path | None, half: Half, language: str = "en") -> Self:
        """`en`, a key of `tongues.TONGUES`, or `mixed`: all of them at once."""
        if language == "en":
            return cls._english(data, half)
        if language in tongues.TONGUES:
            return cls._of(tongues.TONGUES[language], half)
        every = [cls._english(data, half), *(cls._of(tongue, half) for tongue in tongues.TONGUES.values())]
        members = ("prompts", "seeds", "maths", "templates", "frameworks", "openings", "babbles")
        joined = {name: tuple(one for texts in every for one in getattr(texts, name)) for name in members}
        # Public prompts first of each language: hard negatives take the first ones.
        return cls(half=half, **joined)

    @classmethod
    def _of(cls, tongue: tongues.Tongue, half: Half) -> Self:
        """Nothing is read: words are made up, and differ between halves."""
        rng = np.random.default_rng([21 if half == "tune" else 22, *tongue.name.encode()])
        words = tongues.vocabulary(tongue, rng)

        def texts(count: int, median: float) -> list[str]:
            lengths = np.clip(rng.lognormal(np.log(median), 0.7, count), 5, 300).astype(int).tolist()
            return [tongues.spoken(rng, words, length) for length in lengths]

        source = texts(1_200, 40.0)
        shown = [text.replace(" ", tongue.between) for text in source[:700]]
        templates = (written(text)._replace(tongue=tongue.name) for text in alternate(tongue.templates, half))
        return cls(
            half=half,
            prompts=tuple(shown[:200]),
            seeds=tuple(shown[200:400]),
            maths=tuple(shown[400:]),
            templates=tuple(templates),
            frameworks=tuple(alternate(tongue.frameworks, half)),
            openings=tongue.openings,
            babbles=((Babble(source), tongue.between),),
        )

    @classmethod
    def _english(cls, data: Path | None, half: Half) -> Self:
        """From the files below `data`, and what is missing there from a grammar of our own."""
        prompts = halves(_members(data, "arena-hard-v2.0.jsonl", "prompt"), half)
        maths = halves(_members(data, "gsm8k-test.jsonl", "question"), half)
        rng = np.random.default_rng(11 if half == "tune" else 12)
        prompts = prompts or [sentence(rng, 3) for _ in range(300)]
        maths = maths or [sentence(rng, 3) + f" How many {noun} are left?" for noun in grammar.NOUNS for _ in range(6)]
        own = [written(text) for text in alternate(grammar.TEMPLATES, half)]
        return cls(
            half=half,
            prompts=tuple(prompts[::2]),
            seeds=tuple(prompts[1::2]),
            maths=tuple(maths),
            templates=(*own, *_templates(data, half)),
            frameworks=tuple(alternate(grammar.FRAMEWORKS, half)),
            openings=grammar.OPENINGS,
            babbles=((Babble([*prompts, *maths]), " "),),
        )


def sentence(rng: np.random.Generator, sentences: int) -> str:
    """Some sentences of the grammar: for a world without files."""
    words = (grammar.OTHERS, grammar.NOUNS, grammar.VERBS, grammar.OTHERS, grammar.NOUNS)
    said = []
    for _ in range(sentences):
        length = int(rng.integers(1, 4))
        picked = [
            kind[rng.integers(0, len(kind))] if rng.random() < 0.9 else str(rng.integers(2, 999))
            for _ in range(length)
            for kind in words
        ]
        said.append(" ".join(picked) + ".")
    return " ".join(said)


def written(text: str) -> Template:
    """A template of our own, `{}` where a slot is."""
    pieces = tuple(piece.strip() for piece in text.split("{}"))
    return Template(pieces, ((),) * (len(pieces) - 1), (30,) * (len(pieces) - 1))


def found(fillings: Sequence[str]) -> Template | None:
    """The fixed pieces of fillings of one template; None where fewer than eight words are fixed."""
    split = [words for words in (filling.split() for filling in fillings) if len(words) >= PIECE]
    joined = [f" {' '.join(words)} " for words in split]
    runs = [{tuple(words[at : at + PIECE]) for at in range(len(words) - PIECE + 1)} for words in split]
    seen_in = Counter(run for found_in in runs for run in found_in)
    heavy = {run for run, texts in seen_in.items() if texts >= 0.9 * len(split)}
    pieces: list[str] = []
    start = end = -1
    for at in range(len(split[0]) - PIECE + 1) if split else ():
        if tuple(split[0][at : at + PIECE]) not in heavy:
            continue
        if at > end:
            start = at
            pieces.append("")
        end = at + PIECE
        pieces[-1] = " ".join(split[0][start:end])
    if sum(len(piece.split()) for piece in pieces) < 8:
        return None
    slots: list[list[str]] = [[] for _ in range(len(pieces) + 1)]
    for text in joined:
        rest, parts = text, []
        for piece in pieces:
            before, found_it, rest = rest.partition(f" {piece} ")
            rest = " " + rest if found_it else rest
            parts.append(before.strip() if found_it else "")
        for seen, part in zip(slots, [*parts, rest.strip()], strict=True):
            if part:
                seen.append(part)
    words = tuple(int(np.median([len(part.split()) for part in seen])) if seen else 0 for seen in slots)
    return Template(("", *pieces, ""), tuple(map(tuple, slots)), words)


def reworded(text: str, rng: np.random.Generator, much: float = 0.45) -> str:
    """Other words for the same: by a table and with fillers, as a relay rewords a template."""
    out: list[str] = []
    for word in text.split():
        others = grammar.SYNONYMS.get(word.lower())
        out.append(others[rng.integers(0, len(others))] if others and rng.random() < 0.75 else word)
        if rng.random() < much / 3:
            out.append(grammar.FILLERS[rng.integers(0, len(grammar.FILLERS))])
    return " ".join(out)


def variant(template: Template, rng: np.random.Generator) -> Template:
    """The same template in other words."""
    if template.tongue:
        tongue = tongues.TONGUES[template.tongue]
        return template._replace(pieces=tuple(tongues.reworded(tongue, piece, rng, 0.45) for piece in template.pieces))
    return template._replace(pieces=tuple(reworded(piece, rng) for piece in template.pieces))


def _members(data: Path | None, name: str, member: str) -> list[str]:
    path = data / "prompts" / name if data else None
    if path is None or not path.exists():
        return []
    return [str(json.loads(line)[member]) for line in path.read_text().split("\n") if line.strip()]


def _templates(data: Path | None, half: Half) -> list[Template]:
    """P3's, split by the family of data sets, so that two wordings of one task are in one half."""
    folder = data / "prompts" / "templates" if data else None
    if folder is None or not folder.exists():
        return []
    paths = sorted(folder.glob("*.jsonl"))
    families = set(halves([path.name.split("_")[0] for path in paths], half))
    made = (
        found([json.loads(line)["prompt"] for line in path.read_text().split("\n") if line.strip()])
        for path in paths
        if path.name.split("_")[0] in families
    )
    return [template for template in made if template is not None]
