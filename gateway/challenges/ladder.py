"""The ladder of friction: which step an account stands on, as a pure state machine.

    observe -> slow -> work -> captcha -> verify -> review

What an account is suspected of is a number that each exchange brings (`risk.score`), held and forgotten slowly: so
nobody flaps from one exchange to the next. `strain` is what its answers to challenges add to that or take from it.

Laws (tests/challenges/test_steps.py, under hypothesis):

- A step is entered where the suspicion reaches it, and left only some way below it.
- Nobody is asked to verify who was not asked for less before and did not answer it, answered it wrongly, or came back;
  nobody is put under review who was not asked to verify.
- Wrong answers and ignored challenges raise, passed ones lower, both with a bound: alone they climb one step at most.
- What a passed challenge takes away counts for its step and those below; that of the highest challenge counts for all.
- Without new suspicion everybody comes down to where they are only observed, within `Ladder.down_within`.

Here is what is known and said; `gateway.challenges.steps` is what follows from it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import orjson


class Step(enum.IntEnum):
    """What is asked of a caller, from nothing to what only a person of ours ends."""

    OBSERVE = 0
    SLOW = 1
    """So many requests in so much time."""
    WORK = 2
    """A proof of work, which a program can give."""
    CAPTCHA = 3
    """A challenge that a person passes."""
    VERIFY = 4
    """Evidence of who owns the account."""
    REVIEW = 5
    """Refused until somebody has looked, or it has waited long enough."""


class Answers(NamedTuple):
    """What answers do to the suspicion, in its units. Each is a bound on its own sum as well."""

    wrong: float = 5.0
    ignored: float = 10.0
    """A challenge ended unanswered although calls went on."""
    at_most: float = 20.0
    """What wrong and ignored ones add together."""
    passed: float = 25.0
    """What a passed one takes away."""
    relief_at_most: float = 50.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """How one rule escalates. Times in seconds. Raises ValueError for numbers under which nobody would come down."""

    at: Mapping[Step, float]
    """The suspicion from which on a step is asked for; steps that are not named are left out."""
    margin: float = 5.0
    """So far below its beginning a step is left; half of its beginning where that is nearer."""
    half_life: float = 1800.0
    """The time in which suspicion and strain are forgotten by half."""
    answers: Answers = field(default_factory=Answers)
    review_lasts: float = 86_400.0
    """A review is not left earlier by itself."""
    fixed: Step = Step.OBSERVE
    """Asked for whatever the suspicion: where a rule of another entry challenges. Nothing climbs then."""
    verify_after: float = 1_800.0
    """So long after the highest challenge was passed nobody is asked to verify: what passed it may go on first."""
    review_after: float = 21_600.0
    """So long VERIFY must have been asked for, suspicion going on, before a review: papers take a person some time."""
    shown_lasts: float = 2_592_000.0
    """So long nobody who has shown what VERIFY asks for is asked again, or put under review."""
    met_lasts: float = 604_800.0
    """So long it is remembered that the highest challenge was passed (`Held.met`), at the least."""

    # What follows from it, computed once: by place, 0 for OBSERVE.
    steps: tuple[Step, ...] = field(init=False, repr=False, compare=False)
    enters: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """Where a step is entered."""
    leaves: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """Below which it is left."""
    place: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Step -> place of the highest that the ladder has up to it."""
    bands: tuple[tuple[float, float], ...] = field(init=False, repr=False, compare=False)
    """Step -> where it is left, where the next one is entered. Whoever is on it and
    within is asked for nothing else; nobody is where more than that counts.
    """
    fading: float = field(init=False, repr=False, compare=False)
    """What is left of 1 after a second."""
    top: Step = field(init=False, repr=False, compare=False)
    """The highest challenge that it has; OBSERVE for none."""
    lowest: float = field(init=False, repr=False, compare=False)
    """The suspicion below which nobody is asked for anything who was not before; inf where no step is named."""
    dust: float = field(init=False, repr=False, compare=False)
    """A strain of less is none."""
    most: float = field(init=False, repr=False, compare=False)
    """What score can be held: a single absurd weight must not outlast the others."""

    def __post_init__(self) -> None:
        named = sorted(self.at.items())
        if any(not 0.0 < at < math.inf or step is Step.OBSERVE for step, at in named):
            raise ValueError("a step begins above a suspicion of 0")
        if any(above <= below for (_, below), (_, above) in pairwise(named)):
            raise ValueError("a higher step begins at a higher suspicion")
        times = (self.review_lasts, self.verify_after, self.review_after, self.shown_lasts, self.met_lasts)
        if not 0.0 < self.half_life < math.inf or not all(
            0.0 <= n < math.inf for n in (self.margin, *self.answers, *times)
        ):
            raise ValueError("a half-life is above 0, and nothing else below it")
        steps = (Step.OBSERVE, *(step for step, _ in named))
        enters = (-math.inf, *(float(at) for _, at in named))
        challenges = [step for step in steps if Step.WORK <= step <= Step.CAPTCHA]
        leaves = tuple(at - min(self.margin, at / 2) if at > 0.0 else at for at in enters)
        found: dict[str, Any] = {
            "steps": steps,
            "enters": enters,
            "leaves": leaves,
            "place": tuple(sum(known <= step for known in steps) - 1 for step in Step),
            "bands": tuple(self._band(step, steps, enters, leaves) for step in Step),
            "fading": 0.5 ** (1.0 / self.half_life),
            "top": self.fixed or max(challenges, default=Step.OBSERVE),
            "lowest": enters[1] if named else math.inf,
            "dust": min(DUST, leaves[1] / 2) if named else DUST,
            "most": 2.0 * max(0.0, enters[-1]) + self.answers.relief_at_most,
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _band(
        self, step: Step, steps: tuple[Step, ...], enters: tuple[float, ...], leaves: tuple[float, ...]
    ) -> tuple[float, float]:
        if self.fixed or step >= Step.VERIFY or step not in steps:
            return math.inf, -math.inf
        place = steps.index(step)
        return leaves[place], (*enters, math.inf)[place + 1]

    @property
    def calm(self) -> float:
        """Whoever brings no more suspicion than this comes down, whatever was; -inf where no step is named."""
        return self.leaves[1] - self.dust if self.at else -math.inf

    @property
    def down_within(self) -> float:
        """Seconds in which everybody who stays calm is only observed again, whatever was before."""
        if not self.at:
            return 0.0
        score = max(0.0, math.log2(self.most / self.leaves[1]))
        strain = max(0.0, math.log2(max(self.answers.at_most, self.dust) / self.dust))
        return self.half_life * (score + strain) + (self.review_lasts if Step.REVIEW in self.at else 0.0)


class Open(NamedTuple):
    """A challenge that was put to an account, and is not answered yet."""

    id: str
    step: Step
    """WORK or CAPTCHA."""
    key: str
    """The prefix of the key that it binds to; empty for any of the account."""
    network: str
    """The scope that it binds to (`gateway.challenges.scopes`); empty for any."""
    asked: float
    """Unix time."""
    until: float
    wrong: int = 0
    """Answers that were no answer."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """A passed challenge, and what it is good for. Read with every exchange, and seldom made: so it is no tuple."""

    id: str
    """Of the challenge."""
    step: Step
    """It stands in for this step and those below."""
    key: str
    network: str
    """Both as in Open."""
    expires: float
    """Unix time."""
    exchanges: int
    """How many it lets pass in the whole fleet; 0 for any number."""


@dataclass(frozen=True, slots=True)
class Held:
    """All that is known of one account under one rule. At `at`; what decays is computed from there. As Clearance."""

    score: float = 0.0
    """Suspicion that exchanges brought: the highest, as far as it is not forgotten."""
    strain: float = 0.0
    """What answers added (at most `Answers.at_most`) or took away."""
    at: float = 0.0
    """Unix time."""
    step: Step = Step.OBSERVE
    since: float = 0.0
    """When it was entered."""
    tried: Step = Step.OBSERVE
    """The highest step that was asked for and settled: passed, answered wrongly too often, or ignored. OBSERVE again
    once the account is only observed."""
    met: float = 0.0
    """When the highest challenge that the ladder has was last passed; 0 for never."""
    open: tuple[Open, ...] = ()
    """By `until`. One a scope, and for a moment the next one beside it; at most OPEN_AT_MOST: `gateway.challenges.room`
    says which one makes way.
    """
    clearances: tuple[Clearance, ...] = ()
    """At most CLEARANCES_AT_MOST: of the older ones the one that ends first goes."""
    relieved: Step = Step.OBSERVE
    """The highest step for which a strain below 0 counts."""
    shown: float = 0.0
    """When what VERIFY asks for was shown; 0 for never."""


NOTHING_HELD = Held()
OPEN_AT_MOST = 16
CLEARANCES_AT_MOST = 16
WRONG_AT_MOST = 5
"""Wrong answers after which a challenge is closed; another one is put instead."""
SOON = 60.0
"""Seconds before the end of a challenge from which on another one may be put beside it; half of its time if less."""
DUST = 1.0
"""Units of suspicion; less where a ladder begins lower."""


class Weighed(NamedTuple):
    """An exchange came, with this much suspicion."""

    weight: float


class Asked(NamedTuple):
    """A challenge is put. Where one of the same step, key and network is still good for a while, that one stays."""

    open: Open


class Wrong(NamedTuple):
    """An answer to an open challenge that is none: false, of another account or network, or by a farm."""

    id: str


class Passed(NamedTuple):
    """An open challenge was passed. Nothing happens where it is not open (any more): `passed` says which."""

    id: str
    lasts: float
    """Seconds of the clearance."""
    exchanges: int


class Shown(NamedTuple):
    """What VERIFY asks for was shown."""


class Lifted(NamedTuple):
    """A person has decided: from here on it is on this step at most, with no suspicion beyond it, and no strain."""

    step: Step


Event = Weighed | Asked | Wrong | Passed | Shown | Lifted


_FORMAT: Final = 1
_LONGEST: Final = 512
"""Characters of a text in a record."""


def dump(held: Held) -> bytes:
    """For storage: JSON, a list that begins with the version of its format. Raises ValueError where a text is none."""
    numbers = (held.score, held.strain, held.at, held.step, held.since, held.tried, held.met, held.relieved, held.shown)
    cleared = [[c.id, c.step, c.key, c.network, c.expires, c.exchanges] for c in held.clearances]
    try:
        return orjson.dumps([_FORMAT, *numbers, [list(one) for one in held.open], cleared])
    except TypeError as error:
        raise ValueError(f"not to be written: {error}") from None


def load(stored: bytes) -> Held:
    """Raises ValueError for what `dump` did not make."""
    try:
        form, score, strain, at, step, since, tried, met, relieved, shown, opened, cleared = orjson.loads(stored)
        if form != _FORMAT or len(opened) > OPEN_AT_MOST or len(cleared) > CLEARANCES_AT_MOST:
            raise ValueError("another format, or more than there can be")
        challenges = tuple(_open(*one) for one in opened)
        if any(later.until < one.until for one, later in pairwise(challenges)):
            raise ValueError("challenges out of order")
        return Held(
            score=_number(score),
            strain=_number(strain, -math.inf),
            at=_number(at),
            step=Step(_count(step)),
            since=_number(since),
            tried=Step(_count(tried)),
            met=_number(met),
            open=challenges,
            clearances=tuple(_clearance(*one) for one in cleared),
            relieved=Step(_count(relieved)),
            shown=_number(shown),
        )
    except TypeError as error:
        raise ValueError(f"no record: {error}") from None


def _open(name: Any, step: Any, key: Any, network: Any, asked: Any, until: Any, wrong: Any) -> Open:
    if _count(wrong) >= WRONG_AT_MOST:
        raise ValueError("a challenge that is closed")
    return Open(_text(name), _challenge(step), _text(key), _text(network), _number(asked), _number(until), wrong)


def _clearance(name: Any, step: Any, key: Any, network: Any, expires: Any, exchanges: Any) -> Clearance:
    return Clearance(_text(name), _challenge(step), _text(key), _text(network), _number(expires), _count(exchanges))


def _challenge(found: Any) -> Step:
    step = Step(_count(found))
    if step not in {Step.WORK, Step.CAPTCHA}:
        raise ValueError(f"{step.name} is no challenge")
    return step


def _number(found: Any, least: float = 0.0) -> float:
    if type(found) not in {int, float} or not least <= found < math.inf:
        raise ValueError(f"{found!r} is no such number")
    return float(found)


def _count(found: Any) -> int:
    if type(found) is not int or found < 0:
        raise ValueError(f"{found!r} counts nothing")
    return found


def _text(found: Any) -> str:
    if type(found) is not str or len(found) > _LONGEST:
        raise ValueError("no such text")
    return found
