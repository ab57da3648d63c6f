"""The ladder of friction: which step an account stands on, as a pure state machine.

    observe -> slow -> work -> captcha -> verify -> review

What an account is suspected of is a number that each exchange brings (`risk.score`), held and forgotten slowly: so
nobody flaps from one exchange to the next. `strain` is what its answers to challenges add to that or take from it.

Laws (tests/challenges/test_ladder.py, under hypothesis):

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
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


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


class Clearance(NamedTuple):
    """A passed challenge, and what it is good for."""

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


class Held(NamedTuple):
    """All that is known of one account under one rule. At `at`; what decays is computed from there."""

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
    """By `until`. One a scope, and for a moment the next one beside it; at most OPEN_AT_MOST: the oldest of the key with
    the most goes, so that one key cannot end the challenges of the others.
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


def dump(held: Held) -> bytes:
    """For storage."""
    raise NotImplementedError


def load(stored: bytes) -> Held:
    """Raises ValueError for what `dump` did not make."""
    raise NotImplementedError
