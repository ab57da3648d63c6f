"""Honest traffic: people who chat, and programs that have a template of their own."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from loadtest.campaigns.columns import NEW_MODEL, Chunk, Floats, Ints
from loadtest.campaigns.grammar import SHORT
from loadtest.campaigns.people import Society, mixed
from loadtest.campaigns.texts import Template
from loadtest.campaigns.threads import Threads, brought_back, spread, threads
from loadtest.campaigns.traces import DAY, people

PROGRAMS: Final = 0.25
"""Share of accounts that are programs: they have templates, and most of the volume."""
PUBLIC: Final = 0.15
"""Share of programs that stand on a public framework's prompt."""
BOILER: Final = 20
"""Answers that everybody gets: "I am sorry, but I cannot…". They wander, and mean nothing."""
AT_MOST: Final = 4_000


class Voice(NamedTuple):
    """How a program asks."""

    system: int
    template: Template
    client: int
    """Of the traces: whose hours it keeps."""
    features: int


def sizes(society: Society, count: int, *, code: bool = False) -> tuple[Ints, Ints]:
    """Tokens asked and generated."""
    source = society.traces.code if code else society.traces.chat
    rows = source[society.rng.integers(0, len(source), count)]
    return rows[:, 0], rows[:, 1]


def models(society: Society, time: Floats, speed: float = 0.25) -> Ints:
    """What honest people ask: after a release some of them move, over days."""
    rng = society.rng
    base = rng.choice(3, len(time), p=(0.45, 0.48, 0.07))
    since = np.maximum(0.0, time - society.book.truth.release) / DAY
    moved = rng.random(len(time)) < speed * (1 - np.exp(-since / 3.0))
    return np.where(moved & (since > 0), NEW_MODEL, base)


def lengths(rng: np.random.Generator, count: int, median: float = 32.0) -> Ints:
    """Words of what people write."""
    return np.clip(rng.lognormal(np.log(median), 0.8, count), 2, 320).astype(np.int64)


def said(society: Society, count: int) -> list[str]:
    """What people ask: nearly all of it for the first time ever."""
    rng, texts = society.rng, society.texts
    made = society.say(lengths(rng, count))
    which = rng.random(count)
    for at in np.flatnonzero(which < 0.12).tolist():
        if which[at] < 0.05:
            made[at] = SHORT[int(rng.integers(0, len(SHORT)))]
        elif which[at] < 0.08:
            made[at] = texts.prompts[int(rng.integers(0, len(texts.prompts)))]
        elif which[at] < 0.10:
            made[at] = texts.maths[int(rng.integers(0, len(texts.maths)))]
        else:
            made[at] = texts.prompts[int(rng.integers(0, len(texts.prompts)))][:600] + " " + made[at]
    return made


def filled(society: Society, template: Template, count: int) -> list[str]:
    """Fillings of one template, all different."""
    rng = society.rng
    slots = [
        society.words.make(np.maximum(1, rng.poisson(max(words, 1), count))) if words or not seen else [""] * count
        for words, seen in zip(template.words, template.slots, strict=True)
    ]
    return [template.fill(parts) for parts in zip(*slots, strict=True)]


def own_template(society: Society) -> Template:
    """Of a program: fixed words before, between and after what changes."""
    rng = society.rng
    parts = int(rng.integers(1, 4))
    fixed = society.words.make(rng.integers(4, 40, parts + 1))
    return Template(tuple(fixed), ((),) * parts, tuple(rng.integers(3, 50, parts).tolist()))


def voice(society: Society, framework: str = "") -> Voice:
    """Of one program: its own system prompt, or the public one with words of its own behind it."""
    rng = society.rng
    own = society.words.make(rng.integers(15, 120, 1))[0]
    if not framework and rng.random() < PUBLIC:
        framework = society.texts.frameworks[int(rng.integers(0, len(society.texts.frameworks)))]
    system = society.book.system(f"{framework} {own}".strip())
    return Voice(system, own_template(society), int(rng.integers(0, 10_000)), int(rng.choice((0, 0, 0, 2, 2, 5))))


def chatter(society: Society, accounts: Ints, counts: Ints, *, speed: float = 0.25, mean: float = 3.0) -> None:
    """People's conversations."""
    rng, book = society.rng, society.book
    made = threads(rng, counts, mean)
    starts = people(rng, len(made.heads), society.days)
    time = book.truth.began + spread(rng, made, starts, 70.0)
    one, two = brought_back(book.conversations, made)
    common = rng.random(len(time)) < 0.004
    one = np.where(common, mixed(rng.integers(0, BOILER, len(time)) - 10**9), one)
    book.conversations += len(made.heads)
    asked, generated = sizes(society, len(time))
    book.add(
        Chunk(
            time=time,
            account=accounts[made.owner],
            prompt=said(society, len(time)),
            model=models(society, time, speed),
            features=rng.choice(7, len(time), p=(0.72, 0.06, 0.06, 0.02, 0.02, 0.04, 0.08)),
            input_tokens=asked,
            output_tokens=generated,
            status=np.where(rng.random(len(time)) < 0.004, 429, 200),
            turns=(one, two),
        )
    )


def working(society: Society, account: int, count: int, how: Voice, texts: list[str] | None = None) -> None:
    """A program's exchanges: one template, its own hours, mostly single turns."""
    if count <= 0:
        return
    rng, book = society.rng, society.book
    made: Threads = threads(rng, np.array([count]), 1.25)
    starts = society.traces.moments(rng, how.client, len(made.heads), society.days)
    time = book.truth.began + spread(rng, made, starts, 20.0)
    asked, generated = sizes(society, count, code=how.client % 3 == 0)
    turns = brought_back(book.conversations, made)
    book.conversations += len(made.heads)
    book.add(
        Chunk(
            time=time,
            account=np.full(count, account),
            prompt=texts if texts is not None else filled(society, how.template, count),
            system=how.system,
            model=models(society, time, 0.1),
            features=how.features,
            input_tokens=asked,
            output_tokens=generated,
            turns=turns,
        )
    )


def population(society: Society, count: int) -> None:
    """`count` accounts. Median two requests for a person in ten days; programs as ServeGen's clients are."""
    rng, book, days = society.rng, society.book, society.days
    programs = round(count * PROGRAMS)
    persons = np.array(
        [book.enter("benign", society.client(), society.home(), **society.known()) for _ in range(count - programs)]
    )
    volume = rng.lognormal(np.log(2.2 * days / 10), 1.45, len(persons))
    chatter(society, persons, np.clip(np.round(volume), 1, 400).astype(np.int64))
    volumes = np.clip(society.traces.volume(rng, programs) * 6.0 * days, 1, AT_MOST).astype(np.int64)
    for wanted in volumes.tolist():
        number = book.enter("benign", society.client(), society.hosted(), **society.known())
        working(society, number, wanted, voice(society))
