"""The attacker who searches: how much gets through, and what a thousand exchanges come to.

A random walk from the best found so far: a few knobs of the attacker are turned at once, the world is run through the
detector, and what is cheaper per thousand leaked exchanges, at a leak worth having, is where the next step begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from loadtest.campaigns.attackers import Attacker
from loadtest.campaigns.budget import SpentError
from loadtest.campaigns.judge import Judgement
from loadtest.campaigns.records import Record
from loadtest.campaigns.world import Options

ACCOUNT: Final = 4.0
"""US dollars: an account with a card that works and a number that was verified."""
AGED: Final = 12.0
"""The same, a year old."""
VERIFIED: Final = 150.0
"""With a document that passes (the price of a kit; detection.md, section 6)."""
EXCHANGE: Final = 0.01
"""A thousand tokens or so; cover is paid for as well as what is wanted."""
REWORDED: Final = 0.001
"""To let a small model reword a prompt."""

KNOBS: Final[dict[str, tuple[Any, ...]]] = {
    "cover": (0.0, 0.5, 0.75, 0.9, 0.95),
    "variants": (1, 5, 20, 80),
    "hits": (1.0, 0.5, 0.2, 0.1, 0.05, 0.0),
    "accounts": (0.5, 1.0, 2.0, 4.0),
    "linked": (0.0, 0.02, 0.05),
    "networks": (0, 400),
    "bundles": (0, 1, 3),
    "sigma": (0.0, 0.6, 1.32, 2.0),
    "wander": (0.0, 0.05, 0.3, 1.0),
    "failover": (1.0, 90.0, 900.0),
    "age": (10.0, 40.0, 500.0),
    "ramp": (0.0, 1.0, 2.0),
    "templates": (4, 12, 40),
    "own_words": (0.0, 0.5, 1.0),
    "poisoned": (0, 5, 20),
    "new_words": (0.0, 0.25, 1.0),
    "life": (0, 10, 30, 60),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way, and what it came to."""

    attacker: Attacker
    leak: float
    leaked: int
    cost: float
    """US dollars per thousand leaked exchanges; infinite where nothing leaked."""
    challenged: float
    """Share of honest accounts: a detector that is made to hurt others is beaten as well."""
    record: Record

    def plain(self) -> dict[str, Any]:
        cost = self.cost if math.isfinite(self.cost) else None
        shown = {"leak": round(self.leak, 6), "leaked": self.leaked, "challenged": round(self.challenged, 6)}
        return {"attacker": asdict(self.attacker), **shown, "cost": cost, "record": self.record.short()}


def cost(attacker: Attacker, judgement: Judgement) -> float:
    """US dollars per thousand leaked exchanges: accounts, cover, and rewording of what was asked."""
    leaked = judgement.leak * judgement.attempts
    if not leaked > 0:
        return math.inf
    price = AGED if attacker.age > 200 else ACCOUNT
    accounts = judgement.accounts * price + attacker.poisoned * VERIFIED
    asked = judgement.attempts / max(1e-6, 1.0 - attacker.cover)
    reworded = judgement.attempts * (1.0 - attacker.hits) * REWORDED
    return 1_000.0 * (accounts + asked * EXCHANGE + reworded) / leaked


def turned(attacker: Attacker, rng: np.random.Generator, knobs: int) -> Attacker:
    """The same attacker with some knobs turned."""
    chosen = rng.choice(list(KNOBS), min(knobs, len(KNOBS)), replace=False).tolist()
    return replace(attacker, **{name: KNOBS[name][int(rng.integers(0, len(KNOBS[name])))] for name in chosen})


def search(
    try_it: Callable[[Options], Record],
    base: Options,
    worlds: int,
    say: Callable[[str], None],
    found: Callable[[Attempt], None] = lambda _: None,
    *,
    seed: int = 1,
) -> list[Attempt]:
    """All attempts in order, of which `found` is told; at most `worlds`, and fewer where `try_it` raises SpentError."""
    rng = np.random.default_rng(seed)
    attempts: list[Attempt] = []
    best: Attempt | None = None
    for number in range(worlds):
        start = base.attacker if best is None or rng.random() < 0.15 else best.attacker
        # From far to near: at first many knobs at once, in the end one.
        attacker = start if number == 0 else turned(start, rng, max(1, 6 - 6 * number // worlds))
        try:
            record = try_it(replace(base, attacker=attacker))
        except SpentError:
            say(f"! evasion: no time for {worlds - number} of {worlds} worlds")
            break
        judgement = record.judgement
        attempt = Attempt(
            attacker,
            judgement.leak,
            round(judgement.leak * judgement.attempts) if judgement.attempts else 0,
            cost(attacker, judgement),
            judgement.benign.challenged,
            record,
        )
        attempts.append(attempt)
        found(attempt)
        kept = best is None or worth(attempt) > worth(best)
        best = attempt if kept else best
        turns = changed(base.attacker, attacker)
        say(f"[{number + 1}/{worlds}] leak {attempt.leak:.1%} at ${attempt.cost:,.2f} per 1,000"
            f"{' (best)' if kept else ''}: {turns}")  # fmt: skip
    return attempts


def worth(attempt: Attempt) -> float:
    """Leak first: a lab that gets nothing does not care what nothing costs. Cost decides between equals."""
    if math.isnan(attempt.leak):
        return -math.inf
    return round(attempt.leak, 2) - min(attempt.cost, 1e6) / 1e9


def changed(before: Attacker, after: Attacker) -> str:
    """What was turned, in words."""
    one, other = asdict(before), asdict(after)
    return ", ".join(f"{name} {other[name]:g}" for name in KNOBS if one[name] != other[name]) or "as it was"
