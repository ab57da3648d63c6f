"""The laws of the ladder: by tables, and by a machine that tries what callers, owners and clocks may do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.challenges.ladder import (
    CLEARANCES_AT_MOST,
    NOTHING_HELD,
    OPEN_AT_MOST,
    WRONG_AT_MOST,
    Answers,
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
    dump,
    load,
)
from gateway.challenges.room import KEPT, crowded
from gateway.challenges.steps import after, cleared, lasts, needs, open_for, passed, suspicion, weigh

OBSERVE, SLOW, WORK, CAPTCHA, VERIFY, REVIEW = Step
NOW = 1_800_000_000.0
LIFE = 900.0
LADDER = Ladder({SLOW: 30.0, WORK: 50.0, CAPTCHA: 70.0, VERIFY: 90.0, REVIEW: 105.0})
LADDERS = {
    "all steps": LADDER,
    "close together": Ladder({SLOW: 10.0, WORK: 12.0, CAPTCHA: 14.0, VERIFY: 16.0, REVIEW: 18.0}, margin=3.0),
    "no margin": Ladder({SLOW: 30.0, CAPTCHA: 40.0, VERIFY: 60.0}, margin=0.0),
    "begins with work": Ladder({WORK: 50.0, CAPTCHA: 60.0, VERIFY: 70.0, REVIEW: 80.0}),
    "work alone": Ladder({WORK: 1.0}, half_life=60.0),
    "no captcha": Ladder({WORK: 40.0, VERIFY: 60.0, REVIEW: 80.0}),
    "no challenge": Ladder({SLOW: 20.0, VERIFY: 40.0, REVIEW: 60.0}),
    "no verification": Ladder({CAPTCHA: 40.0, REVIEW: 60.0}, review_lasts=3600.0),
    "answers weigh much": Ladder(LADDER.at, answers=Answers(50.0, 60.0, 100.0, 80.0, 200.0)),
    "answers weigh nothing": Ladder(LADDER.at, answers=Answers(0.0, 0.0, 0.0, 0.0, 0.0)),
    "soon": Ladder(LADDER.at, half_life=20.0, review_lasts=50.0, verify_after=5.0, review_after=10.0, shown_lasts=90.0),
}


def challenge(name: str, step: Step = CAPTCHA, now: float = NOW, key: str = "", network: str = "n1") -> Open:
    return Open(name, step, key, network, now, now + LIFE)


def run(ladder: Ladder, held: Held, *events: Event, now: float = NOW) -> Held:
    for event in events:
        held = after(ladder, held, event, now)
    return held


def failed(name: str) -> list[Event]:
    """Wrong so often that it is closed."""
    return [Wrong(name)] * WRONG_AT_MOST


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "step"),
    [
        (0, OBSERVE),
        (29, OBSERVE),
        (30, SLOW),
        (50, WORK),
        (70, CAPTCHA),
        (90, CAPTCHA),
        (105, CAPTCHA),
        (1e300, CAPTCHA),
    ],
)
def test_the_first_exchange_is_asked_for_a_challenge_at_most(weight: float, step: Step) -> None:
    """Whatever its weight; and what is asked is what is held once that is written down."""
    assert needs(LADDER, NOTHING_HELD, weight, NOW) is step
    assert run(LADDER, NOTHING_HELD, Weighed(weight)).step is step


SETTLED: dict[str, tuple[Sequence[tuple[float, Event]], Step]] = {
    "never asked": ([], CAPTCHA),
    "asked, and time to answer": ([(0, Asked(challenge("c")))], CAPTCHA),
    "answered wrongly, not too often": ([(0, Asked(challenge("c"))), (1, Wrong("c"))], CAPTCHA),
    "answered wrongly too often": ([(0, Asked(challenge("c"))), *((1, event) for event in failed("c"))], VERIFY),
    "the lesser one answered wrongly too often": (
        [(0, Asked(challenge("c", WORK))), *((1, event) for event in failed("c"))],
        CAPTCHA,
    ),
    "ignored": ([(0, Asked(challenge("c"))), (LIFE, Weighed(95.0))], VERIFY),
    "gone away for as long as there was time": ([(0, Asked(challenge("c"))), (2 * LIFE + 1, Weighed(95.0))], CAPTCHA),
    "just passed": ([(0, Asked(challenge("c"))), (1, Passed("c", 60.0, 0))], CAPTCHA),
    "passed long ago, and came back": (
        [(0, Asked(challenge("c"))), (1, Passed("c", 60.0, 0)), (1799, Weighed(140.0)), (1802, Weighed(140.0))],
        VERIFY,
    ),
}


@pytest.mark.parametrize("case", SETTLED, ids=str)
def test_verification_needs_the_highest_challenge_settled(case: str) -> None:
    """Where the suspicion is there; else the challenge is asked for again."""
    events, step = SETTLED[case]
    held, now = run(LADDER, NOTHING_HELD, Weighed(100.0)), NOW
    for seconds, event in events:
        now = NOW + seconds
        held = run(LADDER, held, Weighed(100.0), event, now=now)
    assert needs(LADDER, held, 120.0, now) is step


def asked_to_verify(ladder: Ladder = LADDER, now: float = NOW) -> Held:
    events = [Weighed(95.0), Asked(challenge("c", now=now)), *failed("c"), Weighed(95.0)]
    held = run(ladder, NOTHING_HELD, *events, now=now)
    assert held.step is VERIFY
    return held


@pytest.mark.parametrize(
    ("seconds", "apart", "step"),
    [
        (6 * 3600 - 60, 600, VERIFY),
        (6 * 3600 + 60, 600, REVIEW),
        (24 * 3600, 0, CAPTCHA),
        (6 * 3600 + 60, 3000, VERIFY),
    ],
    ids=["not yet", "gone on for so long", "only come back", "gone away in between"],
)
def test_review_needs_a_verification_left_unshown_while_calls_went_on(seconds: int, apart: int, step: Step) -> None:
    """For as long as the ladder says; whoever went away and comes back has time again."""
    held = asked_to_verify()
    for passing in range(apart, seconds, apart) if apart else ():
        held = run(LADDER, held, Weighed(110.0), now=NOW + passing)
    held = run(LADDER, held, Weighed(110.0), now=NOW + seconds)
    assert held.step is step


def under_review() -> tuple[Held, float]:
    held = asked_to_verify()
    for passing in range(0, 6 * 3600 + 601, 600):
        held = run(LADDER, held, Weighed(110.0), now=NOW + passing)
    assert held.step is REVIEW
    return held, NOW + 6 * 3600 + 600


def test_a_review_ends_by_itself_and_not_before() -> None:
    """Nothing that a caller brings or does ends it earlier."""
    held, now = under_review()
    held = run(LADDER, held, Asked(challenge("d", now=now)), Passed("d", 60.0, 0), Shown(), now=now)
    assert held.step is REVIEW
    until = held.since + LADDER.review_lasts
    assert needs(LADDER, held, 0.0, until - 1.0) is REVIEW
    assert needs(LADDER, held, 0.0, until) is OBSERVE


def test_who_has_shown_is_asked_for_a_challenge_at_most() -> None:
    """Whatever its weight, until what was shown has become old; also where it was shown during a review."""
    held = run(LADDER, asked_to_verify(), Shown())
    assert held.step < VERIFY
    assert run(LADDER, held, Shown()) is held
    held = run(LADDER, held, Asked(challenge("d")), *failed("d"), now=NOW + 60.0)
    for days in range(30):
        now = NOW + days * 86_400.0 + 60.0
        held = run(LADDER, held, Weighed(150.0), Asked(challenge(f"c{days}", now=now)), *failed(f"c{days}"), now=now)
        held = run(LADDER, held, Weighed(150.0), now=now)
        assert held.step is CAPTCHA
    old = NOW + LADDER.shown_lasts
    events = [Weighed(150.0), Asked(challenge("c", now=old)), *failed("c"), Weighed(150.0)]
    assert run(LADDER, held, *events, now=old).step is VERIFY
    reviewed, now = under_review()
    shown = run(LADDER, reviewed, Shown(), now=now)
    assert run(LADDER, shown, Shown(), now=now + 1.0) is shown
    assert needs(LADDER, shown, 150.0, shown.since + LADDER.review_lasts) is CAPTCHA


@pytest.mark.parametrize("step", Step)
def test_a_person_lifts(step: Step) -> None:
    """No higher than that, and new suspicion of the same height stays there until there is evidence again."""
    held, now = under_review()
    lifted = run(LADDER, held, Lifted(step), now=now)
    assert lifted.step is step
    assert needs(LADDER, lifted, 0.0, now + 1.0) <= step
    assert lifted.strain <= 0.0
    assert needs(LADDER, lifted, 150.0, now + 1.0) is max(step, CAPTCHA)
    assert run(LADDER, lifted, Lifted(step), now=now) is lifted


def test_a_lift_never_raises() -> None:
    """Also of an account of which nothing is held."""
    assert run(LADDER, NOTHING_HELD, Lifted(REVIEW)) is NOTHING_HELD
    held = run(LADDER, NOTHING_HELD, Weighed(55.0))
    assert run(LADDER, held, Lifted(CAPTCHA)) is held
    challenged = run(LADDER, NOTHING_HELD, Weighed(150.0))
    assert run(LADDER, challenged, Lifted(REVIEW)).step is CAPTCHA
    assert run(LADDER, challenged, Lifted(VERIFY)).step is CAPTCHA


def test_relief_of_work_counts_up_to_work() -> None:
    """A program that solves puzzles in advance is not spared what only a person passes; a person is, everything."""
    opened = [challenge(f"w{index}", WORK, network=f"n{index}") for index in range(8)]
    held = run(LADDER, NOTHING_HELD, Weighed(60.0), *(Asked(one) for one in opened))
    for index in range(8):
        held = run(LADDER, held, Passed(f"w{index}", 3600.0, 0))
    assert held.strain == -50.0
    assert needs(LADDER, held, 65.0, NOW) is OBSERVE
    assert needs(LADDER, held, 70.0, NOW) is CAPTCHA
    person = run(LADDER, held, Weighed(70.0), Asked(challenge("c")), Passed("c", 3600.0, 0))
    assert needs(LADDER, person, 75.0, NOW) is OBSERVE
    # And what a person has passed does not become a program's to keep.
    again = run(LADDER, person, Weighed(99.0), Asked(challenge("w", WORK)), Passed("w", 3600.0, 0))
    assert again.strain == person.strain


def test_whoever_fails_the_challenge_of_another_lifts_it_by_one_step() -> None:
    """Over and over, with every link that there is; and it is forgotten."""
    held, now = run(LADDER, NOTHING_HELD, Weighed(72.0)), NOW
    for index in range(200):
        now += 1.0
        one = challenge(f"c{index}", now=now, network=f"n{index}")
        held = run(LADDER, held, Weighed(60.0), Asked(one), *failed(one.id), now=now)
        assert held.step <= VERIFY
        assert held.strain <= LADDER.answers.at_most
    assert needs(LADDER, held, 60.0, now + 3600.0) <= CAPTCHA
    assert needs(LADDER, held, 60.0, now + 5 * 3600.0) is WORK
    assert needs(LADDER, held, 0.0, now + 5 * 3600.0) is OBSERVE


@pytest.mark.parametrize("weight", [0.0, 24.0], ids=str)
@pytest.mark.parametrize("name", LADDERS)
def test_whoever_ignores_everything_comes_down_when_calm(name: str, weight: float) -> None:
    """A program that can answer nothing is not held by its own silence."""
    ladder = LADDERS[name]
    weight = min(weight, ladder.calm)
    held = run(ladder, NOTHING_HELD, Weighed(ladder.enters[-1]))
    every = ladder.half_life / 10
    for index in range(int(ladder.down_within / every) + 2):
        now = NOW + index * every
        held = run(ladder, held, Weighed(weight), now=now)
        if WORK <= held.step <= CAPTCHA:
            held = run(ladder, held, Asked(Open(f"c{index}", held.step, "", "", now, now + every * 0.9)), now=now)
    assert held.step is OBSERVE


def test_an_open_challenge_stays_until_it_is_almost_over() -> None:
    """So every worker hands out the same; then another one is put beside it, and both can be passed."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("c1")))
    assert run(LADDER, held, Asked(challenge("c2", now=NOW + 800.0)), now=NOW + 800.0) is held
    assert open_for(held, CAPTCHA, "", "n1", NOW + 800.0) == challenge("c1")
    late = NOW + LIFE - 30.0
    assert open_for(held, CAPTCHA, "", "n1", late) is None
    both = run(LADDER, held, Asked(challenge("c2", now=late)), now=late)
    assert [one.id for one in both.open] == ["c1", "c2"]
    assert open_for(both, CAPTCHA, "", "n1", late) == challenge("c2", now=late)
    for name in ("c1", "c2"):
        assert run(LADDER, both, Passed(name, 60.0, 0), now=late).open == ()


@pytest.mark.parametrize("scope", [("", "n2"), ("k2", "n1"), ("", "")], ids=str)
def test_challenges_are_put_a_scope(scope: tuple[str, str]) -> None:
    """One beside the other."""
    key, network = scope
    held = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("c1", key="k1")))
    held = run(LADDER, held, Asked(challenge("c2", key=key, network=network)))
    assert len(held.open) == 2
    assert open_for(held, CAPTCHA, key, network, NOW) == held.open[1]
    assert open_for(held, WORK, key, network, NOW) is None


def test_a_key_that_is_everywhere_does_not_end_the_challenges_of_the_others() -> None:
    """However many networks it comes from."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("mine", key="k1")))
    for index in range(100):
        held = run(LADDER, held, Asked(challenge(f"c{index}", key="k2", network=f"n{index}", now=NOW + index / 10)))
    assert len(held.open) == OPEN_AT_MOST
    assert passed(held, run(LADDER, held, Passed("mine", 60.0, 0)), "mine")


def test_a_challenge_is_there_for_a_while() -> None:
    """From however many networks the account is called: none is put that would end one of the last minutes, and
    nothing is written for it; the next one of the same network is.
    """
    held = run(LADDER, NOTHING_HELD, Weighed(75.0))
    for index in range(OPEN_AT_MOST):
        held = run(LADDER, held, Asked(challenge(f"c{index}", network=f"n{index}")))
    more = Asked(challenge("more", network="more", now=NOW + KEPT - 1.0))
    assert crowded(held, CAPTCHA, "", "more", NOW + KEPT - 1.0)
    assert run(LADDER, held, more, now=NOW + KEPT - 1.0) is held
    assert not crowded(held, CAPTCHA, "", "more", NOW + KEPT)
    assert "more" in {one.id for one in run(LADDER, held, more, now=NOW + KEPT).open}
    young = replace(held, open=tuple(one._replace(asked=NOW + LIFE - 61.0) for one in held.open))
    again = run(LADDER, young, Asked(challenge("again", network="n3", now=NOW + LIFE - 30.0)), now=NOW + LIFE - 30.0)
    assert {one.id for one in young.open} - {one.id for one in again.open} == {"c3"}


@pytest.mark.parametrize(
    ("event", "seconds"),
    [(Passed("c", 60.0, 0), LIFE), (Passed("d", 60.0, 0), 0), (Wrong("c"), LIFE), (Wrong("d"), 0), (Shown(), 0)],
    ids=["passed too late", "passed, unknown", "wrong too late", "wrong, unknown", "shown, not asked for"],
)
@pytest.mark.parametrize("ladder", [LADDER, Ladder({}, fixed=CAPTCHA)], ids=["climbs", "fixed"])
def test_what_answers_nothing_changes_nothing(ladder: Ladder, event: Event, seconds: float) -> None:
    """The same object: nothing is written."""
    held = run(ladder, NOTHING_HELD, Weighed(75.0), Asked(challenge("c")))
    assert run(ladder, held, event, now=NOW + seconds) is held
    closed = run(ladder, held, *failed("c"))
    assert run(ladder, closed, Passed("c", 60.0, 0)) is closed
    assert run(ladder, closed, Wrong("c")) is closed


def test_a_challenge_is_passed_once() -> None:
    """The second time nothing changes."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("c")))
    once = run(LADDER, held, Passed("c", 60.0, 0))
    assert passed(held, once, "c")
    assert not passed(held, once, "d")
    assert run(LADDER, once, Passed("c", 60.0, 0)) is once
    assert not passed(once, once, "c")


CLEARED = Held(
    clearances=(Clearance("c", CAPTCHA, "k1", "n1", NOW + 60.0, 9), Clearance("w", WORK, "", "n2", NOW + 90.0, 0))
)


@pytest.mark.parametrize(
    ("step", "key", "network", "seconds", "spent", "found"),
    [
        (CAPTCHA, "k1", "n1", 0, (), "c"),
        (WORK, "k1", "n1", 0, (), "c"),
        (SLOW, "k1", "n1", 0, (), "c"),
        (CAPTCHA, "k2", "n1", 0, (), ""),
        (CAPTCHA, "k1", "n2", 0, (), ""),
        (CAPTCHA, "k1", "n1", 60, (), ""),
        (CAPTCHA, "k1", "n1", 0, ("c",), ""),
        (WORK, "k2", "n2", 0, (), "w"),
        (WORK, "k2", "n2", 90, (), ""),
        (VERIFY, "k1", "n1", 0, (), ""),
        (REVIEW, "k1", "n1", 0, (), ""),
    ],
    ids=[
        "itself",
        "below",
        "slow",
        "other key",
        "other network",
        "over",
        "spent",
        "any key",
        "any, over",
        "verify",
        "review",
    ],
)
def test_a_clearance_is_worth_its_step_in_its_scope(
    step: Step, key: str, network: str, seconds: float, spent: tuple[str, ...], found: str
) -> None:
    """And those below, while it lasts; never a verification."""
    clearance = cleared(CLEARED, step, key, network, NOW + seconds, spent)
    assert (clearance.id if clearance else "") == found


def test_a_new_clearance_is_kept_whatever_the_others_are() -> None:
    """Of the older ones the one that ends first goes."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0))
    for index in range(CLEARANCES_AT_MOST):
        one = challenge(f"c{index}", network=f"n{index}")
        held = run(LADDER, held, Asked(one), Passed(one.id, 3600.0 + index, 0))
    last = run(LADDER, held, Asked(challenge("last", network="x")), Passed("last", 60.0, 0))
    assert len(last.clearances) == CLEARANCES_AT_MOST
    assert {one.id for one in held.clearances} - {one.id for one in last.clearances} == {"c0"}
    assert passed(held, last, "last")


@pytest.mark.parametrize("step", [WORK, CAPTCHA])
def test_a_fixed_ladder_stays_where_it_is(step: Step) -> None:
    """Whatever is weighed, answered or lifted; challenges and clearances are as in another."""
    ladder = Ladder({}, fixed=step)
    assert needs(ladder, NOTHING_HELD, 1000.0, NOW) is step
    assert run(ladder, NOTHING_HELD, Weighed(1000.0)) is NOTHING_HELD
    held = run(ladder, NOTHING_HELD, Asked(challenge("c", step)))
    assert (held.step, needs(ladder, held, 0.0, NOW)) == (step, step)
    failing = run(ladder, held, *failed("c"))
    assert (failing.open, needs(ladder, failing, 1000.0, NOW)) == ((), step)
    assert run(ladder, failing, Lifted(OBSERVE)).strain == 0.0
    then = run(ladder, held, Passed("c", 60.0, 5))
    assert passed(held, then, "c")
    assert then.met == NOW
    assert cleared(then, step, "k", "n1", NOW) == Clearance("c", step, "", "n1", NOW + 60.0, 5)
    assert lasts(ladder, then, NOW) == ladder.met_lasts
    assert weigh(ladder, held, 0.0, NOW + LIFE) == (step, True)
    assert run(ladder, held, Weighed(0.0), now=NOW + LIFE).open == ()


@pytest.mark.parametrize("weight", [31.0, 60.0, 75.0, 1000.0], ids=str)
def test_a_constant_weight_is_seldom_written(weight: float) -> None:
    """However often it comes: some fourteen times a half-life."""
    held, written = NOTHING_HELD, 0
    for index in range(3_600):
        now = NOW + index
        step, worth = weigh(LADDER, held, weight, now)
        if worth:
            held, written = after(LADDER, held, Weighed(weight), now), written + 1
        assert held.step is step
    assert 20 < written < 32


def test_what_asks_for_nothing_is_never_written() -> None:
    """Nothing is held of those who are only a little suspicious: most are."""
    for weight in range(30):
        assert run(LADDER, NOTHING_HELD, Weighed(weight)) is NOTHING_HELD


def test_a_lesser_challenge_adds_nothing_to_the_relief_of_a_higher_one() -> None:
    """Else one person's answer would be kept alive by a program."""
    person = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("c")), Passed("c", 60.0, 0))
    program = run(LADDER, person, Asked(challenge("w", WORK)), Passed("w", 60.0, 0))
    assert (program.strain, program.relieved) == (person.strain, REVIEW) == (-25.0, REVIEW)


def test_a_passed_challenge_raises_nobody() -> None:
    """Though time has passed that an exchange would have had to wait for."""
    held = run(LADDER, NOTHING_HELD, Weighed(250.0), Asked(challenge("c")), Passed("c", 60.0, 0))
    held = run(LADDER, held, Weighed(250.0), Asked(challenge("w", WORK, now=NOW + 1500.0)), now=NOW + 1500.0)
    later = NOW + 2000.0
    assert (held.step, needs(LADDER, held, 0.0, later)) == (CAPTCHA, VERIFY)
    assert run(LADDER, held, Passed("w", 60.0, 0), now=later).step is CAPTCHA


def test_a_challenge_that_is_put_lets_nobody_down() -> None:
    """Also where what is held of the weight has faded a little."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0))
    held = run(LADDER, held, Weighed(66.0), now=NOW + 400.0)
    assert suspicion(LADDER, held, NOW + 400.0) < 65.0
    assert run(LADDER, held, Asked(challenge("c")), now=NOW + 400.0).step is CAPTCHA


def test_a_higher_challenge_takes_the_place_of_a_lower_one() -> None:
    """Which nobody has ignored then."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0), Asked(challenge("w", WORK)), Asked(challenge("c")))
    assert [one.id for one in held.open] == ["c"]


def test_a_scope_has_one_clearance() -> None:
    """The newer one, with a budget of its own."""
    held = run(LADDER, NOTHING_HELD, Weighed(75.0))
    for name in ("c1", "c2"):
        held = run(LADDER, held, Asked(challenge(name)), Passed(name, 60.0, 5))
    assert [one.id for one in held.clearances] == ["c2"]


def test_a_record_lasts_as_long_as_its_review() -> None:
    """Though suspicion is long gone."""
    held, now = under_review()
    assert now + lasts(LADDER, held, now) == held.since + LADDER.review_lasts


# -- properties --------------------------------------------------------------------------------------------------------

WEIGHTS = st.floats(0.0, 130.0)
ANY_LADDER = st.sampled_from(list(LADDERS.values()))


@given(
    st.sampled_from([SLOW, WORK, CAPTCHA]),
    st.lists(st.tuples(st.floats(-2.4, 2.4), st.floats(0.001, 0.9)), min_size=1, max_size=60),
)
def test_a_wobbling_weight_does_not_flap(step: Step, wobbles: list[tuple[float, float]]) -> None:
    """Within the margin around a threshold the step changes once at most, also where calls are most of a half-life
    apart.
    """
    held, now, steps = NOTHING_HELD, NOW, []
    for wobble, apart in wobbles:
        now += apart * LADDER.half_life
        held = run(LADDER, held, Weighed(LADDER.at[step] + wobble), now=now)
        steps.append(needs(LADDER, held, LADDER.at[step] + wobble, now))
    assert len([one for one, _ in itertools.groupby(steps)]) <= 2
    assert steps == sorted(steps)


@given(st.lists(st.tuples(WEIGHTS, st.floats(0.0, 4000.0)), min_size=1, max_size=30))
def test_what_is_not_written_down_is_little(exchanges: list[tuple[float, float]]) -> None:
    """What is held is the highest weight, faded, but for a twentieth; of weights that ask for something."""
    held, now, highest = NOTHING_HELD, NOW, 0.0
    for weight, apart in exchanges:
        now += apart
        highest = max(weight, highest * 0.5 ** (apart / LADDER.half_life))
        held = run(LADDER, held, Weighed(weight), now=now)
        found = suspicion(LADDER, held, now)
        assert found <= highest + 1e-6
        assert highest < LADDER.lowest or found >= highest / 1.05 - 1e-6


@given(ANY_LADDER, WEIGHTS, st.floats(-5.0, 5.0), st.floats(-5.0, 5.0))
def test_clocks_that_differ_do_no_harm(ladder: Ladder, weight: float, one: float, other: float) -> None:
    """What is held never grows by a clock that goes back, nor is forgotten faster than by the fastest of them."""
    held = run(ladder, NOTHING_HELD, Weighed(weight), Asked(challenge("c")))
    before = suspicion(ladder, held, NOW)
    held = run(ladder, held, Weighed(0.0), now=NOW + one)
    held = run(ladder, held, Wrong("c"), Weighed(0.0), now=NOW + other)
    assert 0.0 <= suspicion(ladder, held, NOW) <= before + ladder.answers.at_most
    assert suspicion(ladder, held, NOW - 1e9) >= suspicion(ladder, held, NOW + 1e9)
    assert load(dump(held)) == held


class Machine(RuleBasedStateMachine):
    """One account under one ladder, and what must be true of every event."""

    def __init__(self) -> None:
        super().__init__()
        self.ladder = LADDER
        self.held = NOTHING_HELD
        self.now = NOW
        self.names = (f"c{number}" for number in itertools.count())
        self.known: list[Open] = []
        self.passed: set[str] = set()
        self.settled = OBSERVE
        """As we count it: since it was last only observed."""
        self.latest = NOW
        self.highest = 0.0
        """Suspicion without answers, as exact as it gets."""
        self.verifying = NOW
        """Since when it has been asked to verify."""

    @initialize(ladder=ANY_LADDER)
    def begin(self, ladder: Ladder) -> None:
        self.ladder = ladder

    # What happens.

    @rule(apart=st.one_of(st.floats(-0.005, 60.0), st.floats(0.0, 20_000.0)))
    def time_passes(self, apart: float) -> None:
        self.now += apart
        # A clock that goes back and comes again lets nothing be forgotten twice: so the latest counts.
        self.highest *= self.ladder.fading ** max(0.0, self.now - self.latest)
        self.latest = max(self.latest, self.now)

    @rule(weight=st.one_of(WEIGHTS, st.integers(0, 25).map(lambda n: n * 5.0), st.just(1e9)))
    def weighed(self, weight: float) -> None:
        step, worth = weigh(self.ladder, self.held, weight, self.now)
        before = self.held
        self.highest = max(self.highest, min(weight, self.ladder.most))
        self.happens(Weighed(weight))
        assert (self.held.step, self.held is not before) == (step, worth)
        # And another time at the same moment asks for the same, and is worth nothing.
        assert weigh(self.ladder, self.held, weight, self.now) == (step, False)

    @rule(
        step=st.sampled_from([WORK, CAPTCHA]),
        key=st.sampled_from(["", "k1", "k2"]),
        network=st.sampled_from(["", "n1", "n2", "n3"]),
        life=st.sampled_from([30.0, 300.0, 3600.0]),
    )
    def asked(self, step: Step, key: str, network: str, life: float) -> None:
        one = Open(next(self.names), step, key, network, self.now, self.now + life)
        self.happens(Asked(one))
        found = open_for(self.held, step, key, network, self.now)
        assert found is not None
        assert found.until >= one.until or found.until - self.now > 15.0
        self.known.append(found)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), times=st.integers(1, WRONG_AT_MOST))
    def wrong(self, data: st.DataObject, times: int) -> None:
        one = data.draw(st.sampled_from(self.known))
        for _ in range(times):
            self.happens(Wrong(one.id))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), seconds=st.sampled_from([1.0, 600.0, 86_400.0]))
    def answered(self, data: st.DataObject, seconds: float) -> None:
        one = data.draw(st.sampled_from(self.known))
        before, could = self.held, any(o.id == one.id and self.now < o.until for o in self.held.open)
        self.happens(Passed(one.id, seconds, 10))
        assert passed(before, self.held, one.id) == could
        if could:
            assert one.id not in self.passed
            self.passed.add(one.id)
            found = cleared(self.held, one.step, one.key or "k9", one.network or "n9", self.now)
            assert found is not None
            assert found.step >= one.step

    @rule()
    def shown(self) -> None:
        self.happens(Shown())

    @rule(step=st.sampled_from(Step))
    def lifted(self, step: Step) -> None:
        self.happens(Lifted(step))
        assert self.held.step <= step
        self.settled = self.settled if step >= VERIFY else OBSERVE

    def happens(self, event: Event) -> None:
        before = self.held
        self.held = after(self.ladder, before, event, self.now)
        self._settle(before, event)
        if self.held.step > before.step or (self.held.since != before.since and self.held.step >= VERIFY):
            self._climbed(before)
        if self.held.step is not VERIFY or before.step is not VERIFY or self.held.since != before.since:
            self.verifying = self.now
        if isinstance(event, Passed | Shown | Lifted):
            assert self.held.step <= before.step
            assert suspicion(self.ladder, self.held, self.now) <= suspicion(self.ladder, before, self.now) + 1e-6

    def _settle(self, before: Held, event: Event) -> None:
        """What was closed, by whatever means, beside what a passed one covers."""
        for one in before.open:
            left = next((other for other in self.held.open if other.id == one.id), None)
            if left is None and (one.until <= self.now or (isinstance(event, Wrong | Passed) and event.id == one.id)):
                self.settled = max(self.settled, one.step)
        if self.held.step is OBSERVE or isinstance(event, Shown):
            self.settled = OBSERVE

    def _climbed(self, before: Held) -> None:
        """By what is there for it."""
        step, ladder = self.held.step, self.ladder
        alone = max(place for place, leave in enumerate(ladder.leaves) if self.highest + 1e-6 >= leave)
        assert ladder.steps.index(step) <= alone + 1
        if step >= VERIFY:
            assert not before.shown or self.now - before.shown >= ladder.shown_lasts
            assert self.settled >= ladder.top or before.step >= VERIFY
        if step is REVIEW and VERIFY in ladder.at:
            assert before.step is VERIFY
            assert self.now - self.verifying >= ladder.review_after - 1.0

    # What is always true.

    @invariant()
    def bounded(self) -> None:
        held, answers = self.held, self.ladder.answers
        assert -answers.relief_at_most <= held.strain <= answers.at_most
        assert 0.0 <= held.score <= self.ladder.most
        assert held.score * self.ladder.fading ** max(0.0, self.now - held.at) <= self.highest * 1.001 + 1e-6
        assert len(held.open) <= OPEN_AT_MOST
        assert len(held.clearances) <= CLEARANCES_AT_MOST
        assert list(held.open) == sorted(held.open, key=lambda one: one.until)
        assert all(one.wrong < WRONG_AT_MOST for one in held.open)
        assert load(dump(held)) == held

    @invariant()
    def rises_with_the_weight(self) -> None:
        steps = [needs(self.ladder, self.held, float(weight), self.now) for weight in range(0, 130, 14)]
        assert steps == sorted(steps)

    @invariant()
    def says_nothing_when_its_time_is_over(self) -> None:
        over = self.now + lasts(self.ladder, self.held, self.now) + 0.01
        for weight in range(0, 130, 14):
            assert needs(self.ladder, self.held, weight, over) is needs(self.ladder, NOTHING_HELD, weight, over)
        assert not any(one.until > over for one in self.held.open)
        assert not any(one.expires > over for one in self.held.clearances)

    def teardown(self) -> None:
        """Whatever was: whoever stays calm comes down in time, though it answers nothing that is asked."""
        begin, parts = self.now, 40
        for part in range(1, parts + 1):
            self.now = begin + part * (self.ladder.down_within + 1.0) / parts
            self.held = after(self.ladder, self.held, Weighed(self.ladder.calm), self.now)
            if WORK <= self.held.step <= CAPTCHA:
                one = Open(next(self.names), self.held.step, "", "", self.now, self.now + 100.0)
                self.held = after(self.ladder, self.held, Asked(one), self.now)
        assert needs(self.ladder, self.held, self.ladder.calm, self.now) is OBSERVE
        assert self.held.step is OBSERVE


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
