"""What the content core finds, and whom it wrongs, on real templates: the table of docs/detection.md.

    python -m loadtest.campaigns.content_measured DATA [--half 1] [--shingle 5] [--fraction 4] [--seeds 3]

DATA holds templates/*.jsonl (`prompt`), arena-hard-v2.0.jsonl (`prompt`), gsm8k-test.jsonl (`question`, `answer`).
Templates are split by the set that they were written for, other prompts by their place in the file: choose on half 0,
report half 1. Accounts of a campaign send 27 prompts each; an account is told of that shows `--hits` prompts of suspect
templates.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from gateway.campaigns import sketch as sketching
from gateway.campaigns.event import EMPTY, Sketch
from gateway.detect.content import Content, Hits
from gateway.detect.settings import Settings

PROMPTS: Final = 27
BATCH: Final = 256
FRAMEWORK: Final = (
    "You are an assistant built with OpenChain, an open framework for tools and retrieval. Answer the request as well "
    "as you can. You have access to the tools listed below, and may call one of them at a time. Use the following "
    "format: Question: the input question you must answer. Thought: you should always think about what to do next. "
    "Action: the action to take, one of the tools by name. Action Input: the input to the action. Observation: the "
    "result of the action. This cycle of thought, action, input and observation can repeat several times. When you "
    "know the final answer say so in one short paragraph, cite the documents used, and never invent a source. "
)


class Texts(NamedTuple):
    """Of one half."""

    templates: list[list[str]]
    """Of the campaign."""
    apps: list[list[str]]
    """Of honest apps: other templates of the same half."""
    popular: list[str]
    questions: list[str]
    shots: str


class Said(NamedTuple):
    party: int
    kind: str
    system: str
    prompt: str


class World(NamedTuple):
    events: list[Said]
    trusted: frozenset[int]
    kinds: dict[int, str]


def read(data: Path, half: int, rng: random.Random) -> Texts:
    files = sorted(path for path in (data / "templates").glob("*.jsonl") if path.stat().st_size)
    sets: dict[str, list[Path]] = {}
    for path in files:
        sets.setdefault("_".join(path.stem.split("_")[:2]), []).append(path)
    names = sorted(sets)[half::2]
    rng.shuffle(names)
    filled = {path: [json.loads(line)["prompt"] for line in path.open()] for name in names for path in sets[name]}
    # No set is both the campaign's and an honest app's: templates of one set share sentences.
    campaign = [filled[path] for name in names[::2] for path in sets[name]]
    apps = [filled[path] for name in names[1::2] for path in sets[name]]
    arena = [json.loads(line)["prompt"] for line in (data / "arena-hard-v2.0.jsonl").open()]
    maths = [json.loads(line) for line in (data / "gsm8k-test.jsonl").open()]
    shots = "\n\n".join(f"Question: {row['question']}\nAnswer: {row['answer']}" for row in maths[:4])
    questions = [row["question"] for row in maths[4 + half :: 2]]
    return Texts(campaign[:12], apps, arena[half::2], questions, shots)


def world(texts: Texts, share: float, known: float, rng: random.Random) -> World:
    """`share` of a campaign account's prompts are the campaign's; `known` of the honest parties are trusted."""
    events: list[Said] = []
    trusted: set[int] = set()
    kinds: dict[int, str] = {}

    def party(kind: str) -> int:
        number = len(kinds)
        kinds[number] = kind
        if kind != "campaign" and rng.random() < known:
            trusted.add(number)
        return number

    def say(number: int, prompt: str, system: str = "") -> None:
        events.append(Said(number, kinds[number], system, prompt))

    for _ in range(240):
        number = party("campaign")
        for _ in range(PROMPTS):
            say(number, rng.choice(rng.choice(texts.templates) if rng.random() < share else texts.popular))
    for _ in range(750):
        number = party("unrelated")
        for _ in range(rng.choice((2, 5, 27, 40))):
            say(number, rng.choice(texts.popular if rng.random() < 0.7 else texts.questions))
    for template in texts.apps[:45]:
        number = party("app")
        for _ in range(PROMPTS):
            say(number, rng.choice(template))
    words = sorted({word for prompt in texts.popular for word in prompt.split() if word.isalpha()})
    for row in range(150):
        number = party("framework")
        own = f"The app is number {row}. " + " ".join(rng.sample(words, 60))
        for _ in range(PROMPTS):
            say(number, rng.choice(texts.popular), FRAMEWORK + own)
    for _ in range(30):
        number = party("harness")
        for question in texts.questions[:60]:
            say(number, f"{texts.shots}\n\nQuestion: {question}\nAnswer:")
    for _ in range(100):
        number = party("class")
        exercise = texts.popular[0][:1200]
        for attempt in range(3):
            say(number, f"{exercise}\n\nMy attempt {attempt}, student {number}: {rng.choice(texts.questions)[:60]}")
    rng.shuffle(events)
    return World(events, frozenset(trusted), kinds)


class Found(NamedTuple):
    hits: Counter[int]
    """Party -> prompts of suspect templates, while they were being learnt."""
    steady: Counter[int]
    """The same when all is heard a second time."""
    content: Content
    microseconds: float
    """Processor time an event."""
    private: dict[str, float]
    """Kind -> share of shingles that only its own party had shown before."""


def run(played: World, sketches: dict[str, Sketch], hashes: dict[tuple[str, str], int], slots: int) -> Found:
    content = Content(Settings(shingles_at_most=slots))
    passes: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    private: Counter[str] = Counter()
    shingles: Counter[str] = Counter()
    spent = 0.0
    for first in range(0, 2 * len(played.events), BATCH):
        batch = [played.events[row % len(played.events)] for row in range(first, first + BATCH)]
        hits = passes[first >= len(played.events)]
        now = 1_800_000_000.0 + first
        begun = time.process_time()
        heard = content.hear(
            np.array([said.party for said in batch], np.int32),
            np.array([said.party in played.trusted for said in batch], np.bool_),
            np.full(len(batch), now),
            np.array([hashes[said.system, said.prompt] for said in batch], np.uint64),
            [sketches[said.system] for said in batch],
            [sketches[said.prompt] for said in batch],
        )
        spent += time.process_time() - begun
        _add(hits, private, shingles, batch, heard)
        for id_ in content.look(now).new:
            hits.update(content.templates[id_].founders.tolist())
    shares = {kind: private[kind] / max(shingles[kind], 1) for kind in shingles}
    return Found(*passes, content, spent / (2 * len(played.events)) * 1e6, shares)


def _add(hits: Counter[int], private: Counter[str], shingles: Counter[str], batch: Sequence[Said], heard: Hits) -> None:
    counts = np.diff(heard.offsets).tolist()
    for said, count, own, all_ in zip(batch, counts, heard.private.tolist(), heard.shingles.tolist(), strict=True):
        hits[said.party] += count > 0
        private[said.kind] += own
        shingles[said.kind] += all_


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", type=int, default=1)
    parser.add_argument("--shingle", type=int, default=sketching.SHINGLE)
    parser.add_argument("--fraction", type=int, default=round(1 / sketching.FRACTION), help="one shingle in so many")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hits", type=int, default=3)
    parser.add_argument("--slots", type=int, default=1 << 19)
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.5, 0.25, 0.1])
    asked = parser.parse_args(argv)
    # The sketcher takes them from its module: this is the only place where they are another.
    vars(sketching).update(SHINGLE=asked.shingle, BOUND=2**64 // asked.fraction - 1)
    print(
        f"half {asked.half}, shingle {asked.shingle}, 1/{asked.fraction}, {asked.seeds} seeds; told of at {asked.hits}"
    )
    kinds = ("campaign", "unrelated", "app", "framework", "harness", "class")
    print(
        f"{'share':>6} {'trusted':>8} "
        + " ".join(f"{kind:>10}" for kind in kinds)
        + "   steady    1 hit templates us/event"
    )
    for known in (0.0, 0.1):
        for share in asked.shares:
            _row(asked, share, known, kinds)


def _row(asked: argparse.Namespace, share: float, known: float, kinds: Sequence[str]) -> None:
    told: Counter[str] = Counter()
    steady, ever = 0, 0
    every: Counter[str] = Counter()
    spent, templates = 0.0, 0
    for seed in range(asked.seeds):
        rng = random.Random(seed)
        played = world(read(asked.data, asked.half, rng), share, known, rng)
        sketcher = sketching.Sketcher(b"%d" % seed)
        texts = sorted({text for said in played.events for text in (said.system, said.prompt) if text})
        sketches = dict(zip(texts, sketcher.sketch_many(texts), strict=True)) | {"": EMPTY}
        pairs = {(said.system, said.prompt) for said in played.events}
        found = run(played, sketches, {pair: sketcher.hash(*pair) for pair in pairs}, asked.slots)
        for party, kind in played.kinds.items():
            if party not in played.trusted:
                every[kind] += 1
                told[kind] += found.hits[party] >= asked.hits
                if kind == "campaign":
                    steady += found.steady[party] >= asked.hits
                    ever += found.steady[party] >= 1
        spent += found.microseconds
        templates += len(found.content.templates)
    cells = " ".join(f"{100 * told[kind] / max(every[kind], 1):>9.1f}%" for kind in kinds)
    whole = max(every["campaign"], 1) / 100
    count, each = templates / asked.seeds, spent / asked.seeds
    print(
        f"{share:>6.0%} {known:>8.0%} {cells} {steady / whole:>7.1f}% {ever / whole:>7.1f}% {count:>9.1f} {each:>8.1f}"
    )


if __name__ == "__main__":
    main()
