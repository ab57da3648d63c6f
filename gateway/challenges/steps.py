"""What follows from what is held: the step that is asked for, and what holds after an event. Pure.

The laws, and all that is named here, stand in `gateway.challenges.ladder`.

On the hot path: `weigh` (or `needs`), `cleared` and `open_for`, which change nothing. Off it: `after`.

Clocks of workers differ, and may go back: what lies in the future is taken for now.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import replace
from typing import Final

from gateway.challenges.ladder import (
    CLEARANCES_AT_MOST,
    NOTHING_HELD,
    SOON,
    WRONG_AT_MOST,
    Asked,
    Clearance,
    Event,
    Held,
    Ladder,
    Lifted,
    Open,
    Passed,
    Shown,
    Step,
    Weighed,
    Wrong,
)
from gateway.challenges.room import beside

NOTED: Final = 1.05
"""A weight is written down where it is so many times what is held: a constant one is, fourteen times a half-life."""
OBSERVE: Final = Step.OBSERVE
"""A look-up less than by the name of its enum, which counts on the hot path. So are the next."""
CAPTCHA: Final = Step.CAPTCHA
VERIFY: Final = Step.VERIFY
REVIEW: Final = Step.REVIEW

# -- what is asked for -------------------------------------------------------------------------------------------------


def suspicion(ladder: Ladder, held: Held, now: float) -> float:
    """At that Unix time; never below 0."""
    score, strain = _faded(ladder, held, now)
    return max(0.0, score + strain)


def needs(ladder: Ladder, held: Held, weight: float, now: float) -> Step:
    """What is asked for of an exchange that brings this weight: the step of `after(..., Weighed(weight), now)`, or the
    one of a ladder that is fixed.
    """
    return weigh(ladder, held, weight, now)[0]


def weigh(ladder: Ladder, held: Held, weight: float, now: float) -> tuple[Step, bool]:
    """The step of an exchange that brings this weight, and whether `Weighed(weight)` is worth writing down: False where
    `after` would return the same object.
    """
    if not held.open and held.strain <= 0.0:
        # Most exchanges: the step is what it was, and so is what holds it there.
        step, score, strain = held.step, held.score, held.strain
        leave, enter = ladder.bands[step]
        if score and now > held.at:
            fading = ladder.fading ** (now - held.at)
            score *= fading
            strain *= fading
        hold = score if score >= weight else weight  # noqa: FURB136 - a call is what this function cannot afford
        if (
            hold + strain >= leave
            and (hold < enter or (hold + strain < enter and held.relieved >= VERIFY))
            and (hold <= score * NOTED or (not step and hold < enter))
        ):
            return step, False
    if ladder.fixed:
        return ladder.fixed, bool(held.open) and held.open[0].until <= now
    then = _weighed(ladder, held, weight, now)
    return then.step, then is not held


def cleared(held: Held, step: Step, key: str, network: str, now: float, spent: Container[str] = ()) -> Clearance | None:
    """What stands in for that step; nothing does for VERIFY and REVIEW. `spent` are ids of clearances whose budget is
    known to be empty.
    """
    for one in held.clearances:
        if (
            (not one.network or one.network == network)
            and (not one.key or one.key == key)
            and one.step >= step
            and now < one.expires
            and one.id not in spent
        ):
            return one
    return None


def open_for(held: Held, step: Step, key: str, network: str, now: float) -> Open | None:
    """The challenge that is put to exactly that scope, the last one to end; None where one must be put (`Asked`)."""
    for one in reversed(held.open):
        if one.step is step and one.key == key and one.network == network:
            return one if _good(one, now) else None
    return None


def _good(one: Open, now: float) -> bool:
    """Whether there is time enough to answer it."""
    return one.until - now > min(SOON, (one.until - one.asked) / 2)


# -- what happens ------------------------------------------------------------------------------------------------------


def after(ladder: Ladder, held: Held, event: Event, now: float) -> Held:
    """What holds once that has happened. The same object where nothing changed that is worth writing down."""
    match event:
        case Weighed(weight):
            return _weighed(ladder, held, weight, now)
        case Asked(challenge):
            return _asked(ladder, held, challenge, now)
        case Wrong(name):
            return _wrong(ladder, held, name, now)
        case Passed(name, seconds, exchanges):
            return _passed(ladder, held, name, (seconds, exchanges), now)
        case Shown():
            return _shown(ladder, held, now)
        case Lifted(step):
            return _lifted(ladder, held, step, now)


def passed(before: Held, after: Held, challenge: str) -> bool:
    """Whether the event between the two was a challenge passed for the first time."""
    return _has(after, challenge) and not _has(before, challenge)


def _has(held: Held, challenge: str) -> bool:
    return any(one.id == challenge for one in held.clearances)


def _weighed(ladder: Ladder, held: Held, weight: float, now: float) -> Held:
    known = _now(ladder, held, now)
    weight = min(weight, ladder.most)
    score = weight if weight > known.score and not ladder.fixed else known.score
    then = _unanswered(ladder, known, score, now)
    left, place = _climb(ladder, then, score, now)
    if then is known and (ladder.fixed or ladder.steps[left] is ladder.steps[place] is held.step):
        # What alone asks for nothing is worth nothing to whoever is under no other suspicion.
        other = held.step or held.open or known.strain > 0.0
        matters = ladder.lowest - ladder.margin - ladder.answers.at_most - ladder.dust if other else ladder.lowest
        if score <= known.score * NOTED or score < matters:
            return held
    return _stand(ladder, replace(then, score=score), left, place, now)


def _asked(ladder: Ladder, held: Held, challenge: Open, now: float) -> Held:
    known = _now(ladder, held, now)
    then = _unanswered(ladder, known, known.score, now)
    same = (challenge.step, challenge.key, challenge.network)
    if challenge.until <= now or any((o.step, o.key, o.network) == same and _good(o, now) for o in then.open):
        return held if then is known else _raise(ladder, then, now)
    kept = beside(then.open, *same, now)
    if kept is None:
        return held if then is known else _raise(ladder, then, now)
    return _raise(ladder, replace(then, open=_ordered((*kept, challenge))), now)


def _wrong(ladder: Ladder, held: Held, name: str, now: float) -> Held:
    challenge = _opened(held, name, now)
    if challenge is None:
        return held
    known = _now(ladder, held, now)
    others = tuple(one for one in known.open if one is not challenge)
    wrong = challenge.wrong + 1
    then = _strain(ladder, known, ladder.answers.wrong) if _asks(ladder, challenge, known.score) else known
    if wrong < WRONG_AT_MOST:
        return _raise(ladder, replace(then, open=_ordered((*others, challenge._replace(wrong=wrong)))), now)
    return _raise(ladder, replace(then, open=others, tried=max(then.tried, challenge.step)), now)


def _passed(ladder: Ladder, held: Held, name: str, worth: tuple[float, int], now: float) -> Held:
    challenge = _opened(held, name, now)
    if challenge is None:
        return held
    known = _now(ladder, held, now)
    seconds, exchanges = worth
    new = Clearance(challenge.id, challenge.step, challenge.key, challenge.network, now + seconds, exchanges)
    older = [one for one in known.clearances if one.expires > now and not _covers(new, one)]
    while len(older) >= CLEARANCES_AT_MOST:
        older.remove(min(older, key=lambda one: one.expires))
    highest = challenge.step >= ladder.top
    then = replace(
        _relieve(ladder, known, REVIEW if highest else challenge.step),
        tried=max(known.tried, challenge.step),
        met=now if highest else known.met,
        open=tuple(one for one in known.open if one is not challenge and not _covers(new, one)),
        clearances=(new, *older),
    )
    left, place = _climb(ladder, then, then.score, now)
    # What only an exchange may bring about is not brought about by an answer that was right.
    return _stand(ladder, then, left, min(place, ladder.place[held.step]), now)


def _shown(ladder: Ladder, held: Held, now: float) -> Held:
    known = _now(ladder, held, now)
    if ladder.fixed or held.step < VERIFY or (held.step is REVIEW and held.shown >= held.since):
        return held
    then = replace(known, shown=now, strain=-ladder.answers.relief_at_most, relieved=REVIEW)
    left, place = _climb(ladder, then, then.score, now)
    return _stand(ladder, then if ladder.steps[place] is REVIEW else replace(then, tried=OBSERVE), left, place, now)


def _lifted(ladder: Ladder, held: Held, step: Step, now: float) -> Held:
    known = _now(ladder, held, now)
    highest = ladder.place[step]
    then = replace(
        known,
        score=min(known.score, ladder.enters[highest] if highest else 0.0),
        strain=min(known.strain, 0.0),
        tried=known.tried if step >= VERIFY else OBSERVE,
        open=known.open if ladder.fixed else tuple(one for one in known.open if one.step <= step),
    )
    stood = ladder.place[held.step]
    place = min(_reached(ladder, then, then.score, stood), stood, highest)
    if then == known and (ladder.fixed or ladder.steps[place] is held.step):
        return held
    return _stand(ladder, then, place, place, now)


# -- what is common ----------------------------------------------------------------------------------------------------


def _faded(ladder: Ladder, held: Held, now: float) -> tuple[float, float]:
    """Score and strain at that time."""
    fading = ladder.fading ** max(0.0, now - held.at)
    strain = held.strain * fading
    return held.score * fading, strain if abs(strain) >= ladder.dust else 0.0


def _now(ladder: Ladder, held: Held, now: float) -> Held:
    """As it stands at that time, but for the step."""
    score, strain = _faded(ladder, held, now)
    known = replace(held, score=score, strain=strain, at=now)
    return known if ladder.fixed or _left(ladder, known, now) else replace(known, tried=OBSERVE)


def _left(ladder: Ladder, known: Held, now: float) -> int:
    """The place to which it has come down by itself: a step holds nobody whose suspicion was gone in between."""
    place = ladder.place[known.step]
    if _under_review(ladder, known, now):
        return place
    rest = known.score + max(0.0, known.strain)
    while place and rest * 2.0 < ladder.leaves[place]:
        place -= 1
    return min(place, ladder.place[CAPTCHA]) if _has_shown(ladder, known, now) else place


def _under_review(ladder: Ladder, held: Held, now: float) -> bool:
    return held.step is REVIEW and REVIEW in ladder.at and now - held.since < ladder.review_lasts


def _has_shown(ladder: Ladder, held: Held, now: float) -> bool:
    return held.shown > 0.0 and now - held.shown < ladder.shown_lasts


def _climb(ladder: Ladder, known: Held, hold: float, now: float) -> tuple[int, int]:
    """The place to which it has come down, and the one on which it stands. `hold` is the suspicion without strain."""
    left = _left(ladder, known, now)
    if _under_review(ladder, known, now):
        return left, left
    place = _reached(ladder, known, hold, left)
    if _has_shown(ladder, known, now):
        return left, min(place, ladder.place[CAPTCHA])
    if place > left and ladder.steps[place] is REVIEW and ladder.steps[place - 1] is VERIFY:
        asked = known.step is VERIFY and ladder.steps[left] is VERIFY and now - known.since >= ladder.review_after
        place -= not asked
    if place > left and ladder.steps[place] >= VERIFY > ladder.steps[left]:
        fresh = known.met > 0.0 and now - known.met < ladder.verify_after
        if known.tried < ladder.top or fresh:
            place = ladder.place[CAPTCHA]
    return left, place


def _reached(ladder: Ladder, known: Held, hold: float, stands: int) -> int:
    """The place by suspicion, for one who stands on that place. What answers add lifts it by one place at most."""
    strain = known.strain
    if strain > 0.0:
        alone = _highest(ladder, hold, hold, 0, stands - 1)
        return min(alone + 1, _highest(ladder, hold + strain, hold, len(ladder.steps), stands))
    return _highest(ladder, hold + strain, hold, ladder.place[known.relieved], stands)


def _highest(ladder: Ladder, strained: float, plain: float, upto: int, stands: int) -> int:
    """`strained` counts for places up to `upto`, `plain` for those above."""
    for place in range(len(ladder.steps) - 1, 0, -1):
        found = strained if place <= upto else plain
        if found >= ladder.enters[place] or (place <= stands and found >= ladder.leaves[place]):
            return place
    return 0


def _raise(ladder: Ladder, known: Held, now: float) -> Held:
    """A challenge that is put, or answered wrongly, lets nobody down: only an exchange says how much is left."""
    left, place = _climb(ladder, known, known.score, now)
    return _stand(ladder, known, left, max(left, place), now)


def _stand(ladder: Ladder, known: Held, left: int, place: int, now: float) -> Held:
    step = ladder.fixed or ladder.steps[place]
    entered = step is not known.step or (not ladder.fixed and left < ladder.place[known.step])
    then = replace(
        known,
        step=step,
        since=now if entered else known.since,
        tried=known.tried if place or ladder.fixed else OBSERVE,
        clearances=tuple(one for one in known.clearances if now < one.expires),
    )
    return then if lasts(ladder, then, now) > 0.0 else NOTHING_HELD


def _unanswered(ladder: Ladder, known: Held, hold: float, now: float) -> Held:
    """Without the challenges that are over: ignored are those of whoever went on; others have stopped for as long."""
    if not known.open or known.open[0].until > now:
        return known
    then = replace(known, open=tuple(one for one in known.open if one.until > now))
    for one in known.open:
        if one.until <= now <= one.until + (one.until - one.asked) and _asks(ladder, one, hold):
            then = replace(_strain(ladder, then, ladder.answers.ignored), tried=max(then.tried, one.step))
    return then


def _asks(ladder: Ladder, challenge: Open, hold: float) -> bool:
    """Whether suspicion alone asks for it: what answers added must not hold anybody for good."""
    return bool(ladder.fixed) or hold >= ladder.leaves[ladder.place[challenge.step]]


def _strain(ladder: Ladder, known: Held, more: float) -> Held:
    return replace(known, strain=min(ladder.answers.at_most, known.strain + more))


def _relieve(ladder: Ladder, known: Held, counts: Step) -> Held:
    """A proof of work that a program gives must not spare it what only a person passes: so relief says up to where it
    counts, and a lesser challenge adds nothing while what a higher one took away is there.
    """
    answers = ladder.answers
    if known.relieved > counts and known.strain <= -answers.passed / 2.0 < 0.0:
        return known
    return replace(known, strain=max(-answers.relief_at_most, known.strain - answers.passed), relieved=counts)


def _opened(held: Held, name: str, now: float) -> Open | None:
    return next((one for one in held.open if one.id == name and now < one.until), None)


def _covers(clearance: Clearance, scope: Open | Clearance) -> bool:
    """Whether it is good for all that this one is, or would be, good for."""
    return (
        clearance.step >= scope.step
        and (not clearance.key or clearance.key == scope.key)
        and (not clearance.network or clearance.network == scope.network)
    )


def _ordered(challenges: tuple[Open, ...]) -> tuple[Open, ...]:
    return tuple(sorted(challenges, key=lambda one: one.until))


# -- how long it is kept -----------------------------------------------------------------------------------------------


def lasts(ladder: Ladder, held: Held, now: float) -> float:
    """Seconds after which it says nothing any more and may be forgotten; 0 where it may at once."""
    score, strain = _faded(ladder, held, now)
    begin = max(now, held.at)
    ends = [one.until + (one.until - one.asked) for one in held.open]
    ends += [one.expires for one in held.clearances]
    if strain:
        ends.append(begin + ladder.half_life * math.log2(abs(strain) / ladder.dust))
    if held.met:
        ends.append(held.met + ladder.met_lasts)
    if not ladder.fixed and ladder.at:
        leave = ladder.leaves[1]
        matters = max(ladder.dust, min(leave / 2.0, leave - ladder.answers.at_most - ladder.dust))
        ends += [held.shown + ladder.shown_lasts] if held.shown else []
        ends += [held.since + ladder.review_lasts] if held.step is REVIEW else []
        if score >= matters:
            ends.append(begin + ladder.half_life * math.log2(score / matters))
    return max(0.0, max(ends, default=now) - now)
