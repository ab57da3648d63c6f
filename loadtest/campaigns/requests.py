"""What the accounts of a lab ask: templates with fillings, in as many wordings as the attacker pays for, and cover."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from loadtest.campaigns.attackers import Attacker
from loadtest.campaigns.benign import lengths, said
from loadtest.campaigns.columns import Floats, Ints
from loadtest.campaigns.people import Society
from loadtest.campaigns.texts import Template, variant
from loadtest.campaigns.threads import Threads
from loadtest.campaigns.traces import DAY

IN_SYSTEM: Final = 3
"""Every so many templates stand in the system prompt, and the prompt is the filling alone."""
OWN_WORDS: Final = 40

Flags = npt.NDArray[np.bool_]


class Requests:
    """Of one lab."""

    def __init__(self, society: Society, attacker: Attacker) -> None:
        self._society, self._attacker = society, attacker
        rng = society.rng
        sources = society.texts.templates
        chosen = rng.choice(len(sources), min(attacker.templates, len(sources)), replace=False)
        epochs = 1 if not attacker.new_words else int(np.ceil(society.days / attacker.new_words)) + 1
        self._templates = [self._wordings(sources[at], epochs * attacker.variants) for at in chosen.tolist()]
        self._systems = [
            [society.book.system(" ".join(wording.pieces)) for wording in wordings] if at % IN_SYSTEM == 0 else []
            for at, wordings in enumerate(self._templates)
        ]

    def _wordings(self, template: Template, count: int) -> list[Template]:
        if count == 1:
            return [template]
        return [variant(template, self._society.rng) for _ in range(count)]

    def texts(self, made: Threads, time: Floats, cover: Flags, account: Ints) -> tuple[Ints, list[str]]:
        """Systems (index into the book's, -1 is none) and prompts."""
        rng, attacker, count = self._society.rng, self._attacker, len(time)
        system = np.full(count, -1)
        prompts = np.empty(count, object)
        prompts[cover] = said(self._society, int(cover.sum()))
        shows = ~cover & (rng.random(count) < attacker.hits)
        free = ~cover & ~shows
        prompts[free] = self._society.words.make(lengths(rng, int(free.sum()), 60.0) + 10)
        which = rng.integers(0, len(self._templates), len(made.heads))[made.talk]
        epoch = (
            ((time - self._society.began) // (attacker.new_words * DAY)).astype(np.int64) if attacker.new_words else 0
        )
        wording = rng.integers(0, attacker.variants, count) + np.maximum(epoch, 0) * attacker.variants
        for at, wordings in enumerate(self._templates):
            mine = np.flatnonzero(shows & (which == at))
            if not len(mine):
                continue
            chosen = np.minimum(wording[mine], len(wordings) - 1)
            slots = self._slots(wordings[0], len(mine))
            if self._systems[at]:
                system[mine] = np.array(self._systems[at])[chosen]
                prompts[mine] = [" ".join(part for part in parts if part) or "begin" for parts in slots]
            else:
                prompts[mine] = [wordings[w].fill(parts) for w, parts in zip(chosen.tolist(), slots, strict=True)]
        made_up = prompts.tolist()
        return system, self._own(made_up, account, ~cover) if attacker.own_words else made_up

    def _slots(self, template: Template, count: int) -> list[tuple[str, ...]]:
        """What goes into the slots of `count` prompts."""
        texts, rng = self._society.texts, self._society.rng
        distinct = min(count, self._attacker.pool) if self._attacker.pool else count
        columns: list[list[str]] = []
        for words, seen in zip(template.words, template.slots, strict=True):
            if seen and not words:
                columns.append([""] * distinct)
                continue
            column = self._society.words.make(np.maximum(2, rng.poisson(max(words, 8), distinct)))
            real = np.flatnonzero(rng.random(distinct) < (0.5 if seen else 0.3))
            source = seen or (texts.maths if rng.random() < 0.5 else texts.seeds)
            picks = rng.integers(0, len(source), len(real))
            for at, pick in zip(real.tolist(), picks.tolist(), strict=True):
                # A real one, and not twice the same: a lab does not pay for one question again and again.
                column[at] = f"{source[pick][:900]} {column[at]}" if not self._attacker.pool else source[pick][:900]
            columns.append(column)
        rows = list(zip(*columns, strict=True))
        if distinct == count:
            return rows
        return [rows[at] for at in rng.integers(0, distinct, count).tolist()]

    def _own(self, prompts: list[str], account: Ints, mine: Flags) -> list[str]:
        """Words of the account's own before each prompt: it seems to repeat itself, as a program does."""
        share = int(OWN_WORDS * self._attacker.own_words)
        unique, which = np.unique(account, return_inverse=True)
        own = self._society.words.make(np.full(len(unique), max(6, share)))
        for at in np.flatnonzero(mine).tolist():
            prompts[at] = f"{own[which[at]]} {prompts[at]}"
        return prompts
