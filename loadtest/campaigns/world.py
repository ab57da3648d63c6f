"""A world from a seed: honest people, hard negatives, and a campaign behind a relay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from loadtest.campaigns.attackers import CAMPAIGNS, TIERS, Attacker
from loadtest.campaigns.benign import population
from loadtest.campaigns.columns import Book, write
from loadtest.campaigns.grammar import Half
from loadtest.campaigns.negatives import all_of_them
from loadtest.campaigns.people import society
from loadtest.campaigns.relay import campaign
from loadtest.campaigns.texts import Texts
from loadtest.campaigns.traces import DAY, Traces
from loadtest.campaigns.truth import Truth

BEGAN: Final = 1_780_272_000.0
"""1 June 2026: a Monday, midnight in London."""
BENIGN: Final = 200_000
"""Accounts at full scale."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a world is made from. The same options make the same files."""

    seed: int = 1
    half: Half = "tune"
    scale: float = 0.02
    """Of accounts and exchanges. Hard negatives have the size that their names say."""
    days: float = 10.0
    campaign: str = "A"
    """A, B, or empty: nobody attacks."""
    attacker: Attacker = TIERS["mid"]
    negatives: float = 1.0
    """Share of the size of hard negatives; 0 leaves them out."""
    trusted: float = 0.22
    """Share of honest accounts that somebody has reason to trust."""
    benign: float = 1.0
    """Share of honest accounts."""
    prompts_at_most: int = 0
    """Honest people ask nothing but so many texts; 0 is without bound."""
    language: str = "en"
    """Of honest texts and templates: en, de, es, zh (no spaces), or mixed."""
    bare: bool = False
    """Files say who asked what of which model, and when, and nothing else."""

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts and traces of one half: read once for many worlds."""

    texts: Texts
    traces: Traces

    @classmethod
    def read(cls, data: Path | None, half: Half, language: str = "en") -> Sources:
        return cls(Texts.read(data, half, language), Traces.read(data, half))


def book(options: Options, sources: Sources) -> Book:
    """The world, before it is written."""
    rng = np.random.default_rng([options.seed, 0 if options.half == "tune" else 1])
    release = BEGAN + min(2.5, options.days * 0.35) * DAY
    truth = Truth(options.plain(), BEGAN, BEGAN + options.days * DAY, release)
    made = Book(truth)
    people = society(made, sources.texts, sources.traces, rng, options.days, options.trusted)
    population(people, max(20, round(BENIGN * options.scale * options.benign)))
    if options.negatives > 0:
        all_of_them(people, options.negatives)
    if options.prompts_at_most:
        said_again(made, sources, options.prompts_at_most, rng)
    for lab in CAMPAIGNS.get(options.campaign, ()):
        campaign(people, lab, options.attacker, options.scale)
    return made


def said_again(made: Book, sources: Sources, most: int, rng: np.random.Generator) -> None:
    """All that was asked so far becomes one of a few texts."""
    few = sources.texts.prompts[:most]
    for chunk in made.chunks:
        chunk.prompt = [few[at] for at in rng.integers(0, len(few), len(chunk.prompt)).tolist()]


def make(options: Options, data: Path | None, folder: Path, sources: Sources | None = None) -> int:
    """Write it; how many exchanges there are."""
    known = sources or Sources.read(data, options.half, options.language)
    return write(book(options, known), folder, bare=options.bare)


def attacker(name: str, cover: int, changes: Mapping[str, Any] | None = None) -> Attacker:
    """A tier with cover traffic, and what is changed of it."""
    return replace(TIERS[name], cover=cover / 100.0, **(changes or {}))
