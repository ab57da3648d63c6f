"""What a ladder may be, and how a record is stored; `test_steps` has what follows from them."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.challenges.ladder import (
    CLEARANCES_AT_MOST,
    NOTHING_HELD,
    OPEN_AT_MOST,
    WRONG_AT_MOST,
    Answers,
    Clearance,
    Held,
    Ladder,
    Open,
    Step,
    dump,
    load,
)

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "a step begins at nothing": {"at": {Step.SLOW: 0.0}},
    "a step begins below nothing": {"at": {Step.SLOW: -1.0}},
    "a step begins nowhere": {"at": {Step.SLOW: math.nan}},
    "a step is never reached": {"at": {Step.SLOW: math.inf}},
    "observing begins somewhere": {"at": {Step.OBSERVE: 1.0}},
    "a higher step begins lower": {"at": {Step.SLOW: 20.0, Step.WORK: 10.0}},
    "two steps begin at the same": {"at": {Step.SLOW: 20.0, Step.WORK: 20.0}},
    "nothing is forgotten": {"at": {}, "half_life": math.inf},
    "all is forgotten at once": {"at": {}, "half_life": 0.0},
    "a margin below nothing": {"at": {}, "margin": -1.0},
    "a right answer that raises": {"at": {}, "answers": Answers(passed=-1.0)},
    "a review without an end": {"at": {}, "review_lasts": math.inf},
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_ladder_under_which_nobody_comes_down_is_none(case: str) -> None:
    """It is refused where it is made."""
    with pytest.raises(ValueError, match=r"above|below|higher"):
        Ladder(**IMPOSSIBLE[case])


def test_a_ladder_knows_its_steps() -> None:
    """Those that are left out are passed by."""
    ladder = Ladder({Step.VERIFY: 80.0, Step.WORK: 8.0}, margin=10.0)
    assert ladder.steps == (Step.OBSERVE, Step.WORK, Step.VERIFY)
    assert ladder.enters == (-math.inf, 8.0, 80.0)
    assert ladder.leaves == (-math.inf, 4.0, 70.0)
    assert ladder.place == (0, 0, 1, 1, 2, 2)
    assert (ladder.top, ladder.lowest, ladder.calm) == (Step.WORK, 8.0, 3.0)
    assert ladder == Ladder({Step.WORK: 8.0, Step.VERIFY: 80.0}, margin=10.0)


@pytest.mark.parametrize(
    ("ladder", "hours"),
    [
        (Ladder({}), 0.0),
        (Ladder({}, fixed=Step.WORK), 0.0),
        (Ladder({Step.SLOW: 30.0, Step.WORK: 50.0, Step.CAPTCHA: 70.0, Step.VERIFY: 90.0}), 3.8),
        (Ladder({Step.SLOW: 30.0, Step.WORK: 50.0, Step.CAPTCHA: 70.0, Step.VERIFY: 90.0, Step.REVIEW: 105.0}), 27.9),
    ],
    ids=["empty", "fixed", "no review", "all"],
)
def test_the_time_to_come_down_is_known(ladder: Ladder, hours: float) -> None:
    """Of the usual ladder some hours, and a day more for a review."""
    assert ladder.down_within / 3600.0 == pytest.approx(hours, abs=0.1)


TIMES = st.floats(0.0, 4e9)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CHALLENGES = st.sampled_from([Step.WORK, Step.CAPTCHA])
RECORDS = st.builds(
    Held,
    score=st.floats(0.0, 1e9),
    strain=st.floats(-1e9, 1e9),
    at=TIMES,
    step=st.sampled_from(Step),
    since=TIMES,
    tried=st.sampled_from(Step),
    met=TIMES,
    open=st.lists(
        st.builds(Open, TEXTS, CHALLENGES, TEXTS, TEXTS, TIMES, TIMES, st.integers(0, WRONG_AT_MOST - 1)), max_size=3
    ).map(lambda found: tuple(sorted(found, key=lambda one: one.until))),
    clearances=st.lists(
        st.builds(Clearance, TEXTS, CHALLENGES, TEXTS, TEXTS, TIMES, st.integers(0, 2**53)), max_size=3
    ).map(tuple),
    relieved=st.sampled_from(Step),
    shown=TIMES,
)


@given(RECORDS)
def test_a_record_is_what_was_stored(held: Held) -> None:
    """To the last bit."""
    assert load(dump(held)) == held
    assert type(load(dump(held)).step) is Step


def test_a_record_is_small() -> None:
    """Of an account that was challenged and passed."""
    one = Open("0123456789abcdef", Step.CAPTCHA, "tg-0123456789", "network=192.0.2.0/24", 1.8e9, 1.8e9 + 900)
    passed = Clearance(one.id, one.step, one.key, one.network, 1.8e9 + 86_400, 20_000)
    assert len(dump(Held(75.3, -12.5, 1.8e9, open=(one,), clearances=(passed,)))) < 300


def test_a_text_that_is_none_is_not_stored() -> None:
    """Half of a surrogate pair has no UTF-8."""
    with pytest.raises(ValueError, match="not to be written"):
        dump(Held(open=(Open("c", Step.WORK, "\ud800", "", 0.0, 1.0),)))


GOOD = orjson.loads(
    dump(Held(open=(Open("c", Step.WORK, "", "", 1.0, 2.0),), clearances=(Clearance("d", Step.WORK, "", "", 1.0, 0),)))
)


def _with(place: int, value: object, *inner: int) -> bytes:
    """The good record with another value at that place."""
    changed = orjson.loads(orjson.dumps(GOOD))
    at: Any = changed
    for index in (place, *inner)[:-1]:
        at = at[index]
    at[(place, *inner)[-1]] = value
    return orjson.dumps(changed)


NONSENSE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "another shape": b"{}",
    "a number": b"1",
    "too short": orjson.dumps(GOOD[:-1]),
    "too long": orjson.dumps([*GOOD, 1]),
    "another format": _with(0, 2),
    "no number": _with(1, "1"),
    "truth as a number": _with(1, True),
    "a score below nothing": _with(1, -1.0),
    "a number that is none": dump(NOTHING_HELD).replace(b"0.0", b"NaN", 1),
    "more than there can be": dump(NOTHING_HELD).replace(b"0.0", b"1e999", 1),
    "no step": _with(4, 6),
    "half a step": _with(4, 1.0),
    "challenges out of order": _with(10, [["c", 2, "", "", 1.0, 2.0, 0], ["d", 2, "", "", 1.0, 1.5, 0]]),
    "no list": _with(10, 1),
    "a text for a list": _with(10, "abcdefg"),
    "too many challenges": _with(10, [GOOD[10][0]] * (OPEN_AT_MOST + 1)),
    "too many clearances": _with(11, [GOOD[11][0]] * (CLEARANCES_AT_MOST + 1)),
    "a challenge of no step": _with(10, 4, 0, 1),
    "a challenge without an id": _with(10, None, 0, 0),
    "a challenge that is closed": _with(10, WRONG_AT_MOST, 0, 6),
    "a challenge of another shape": _with(10, [1], 0),
    "a very long key": _with(10, "k" * 1000, 0, 2),
    "a clearance for less than nothing": _with(11, -1, 0, 5),
    "a clearance for a review": _with(11, 5, 0, 1),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_no_record(case: str) -> None:
    """It is said, and nothing is taken from it."""
    assert load(orjson.dumps(GOOD)).open
    with pytest.raises(ValueError):
        load(NONSENSE[case])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=13),
    max_leaves=30,
)


@given(
    st.one_of(
        st.binary(max_size=50), JSON.map(orjson.dumps), st.tuples(st.integers(0, 11), JSON).map(lambda p: _with(*p))
    )
)
@settings(max_examples=150)
def test_whatever_is_stored_is_a_record_or_is_refused(stored: bytes) -> None:
    """By ValueError alone; and what is read is written again as it was read."""
    try:
        held = load(stored)
    except ValueError:
        return
    assert load(dump(held)) == held
