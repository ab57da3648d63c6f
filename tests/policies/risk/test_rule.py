"""What speaks against a key in a network: tables, and laws for every order in which uses are seen."""

from __future__ import annotations

import math
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.networks import NO_USES, REMEMBERED, Use, joined
from gateway.policies.risk.places import network
from gateway.policies.risk.rule import (
    KEY_SHARED,
    NEW_NETWORK,
    Settling,
    Sharing,
    Sign,
    both,
    decision,
    home_of,
    shared,
    standing,
)
from gateway.policy import ALLOW, Facts, Match
from gateway.testing import NOON

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
USUAL: Final = Settling(weight=15, settles=DAY, remember=REMEMBERED, moves=2 * HOUR)
MANY: Final = Sharing(networks=4, within=HOUR, weight=25)

HOME: Final = Use(NOON - 10 * DAY, NOON - 60)
LEFT: Final = Use(NOON - 10 * DAY, NOON - 3 * HOUR)


@pytest.mark.parametrize(
    ("uses", "home"),
    [
        ({}, ""),
        ({"here": Use(NOON - 60, NOON)}, ""),
        ({"home": HOME}, "home"),
        ({"home": HOME, "here": Use(NOON - 60, NOON)}, "home"),
        ({"home": HOME, "here": Use(NOON - DAY, NOON)}, ""),
        ({"home": HOME, "here": Use(NOON - DAY + 1, NOON)}, "home"),
        ({"home": HOME, "here": Use(NOON - 60, NOON, vouched=True)}, ""),
        ({"home": HOME, "here": Use(NOON - 40 * DAY, NOON - 31 * DAY)}, "home"),
        ({"home": HOME, "here": Use(NOON - 40 * DAY, NOON - 31 * DAY, vouched=True)}, "home"),
        ({"home": Use(NOON - 23 * HOUR, NOON - 60)}, ""),
        ({"home": Use(NOON - 25 * HOUR, NOON - 60), "here": Use(NOON - 2 * HOUR, NOON)}, ""),
        ({"home": LEFT}, ""),
        ({"home": LEFT, "here": Use(NOON - HOUR, NOON)}, ""),
        ({"home": HOME, "here": Use(NOON - 3 * HOUR, NOON)}, "home"),
        ({"home": Use(NOON - 40 * DAY, NOON - 31 * DAY)}, ""),
        ({"home": HOME, "other": Use(NOON - 5 * DAY, NOON - 30)}, "other"),
        ({"home": Use(NOON - 10 * DAY, NOON - 60, vouched=True)}, "home"),
        ({"home": Use(NOON - HOUR, NOON - 60, vouched=True)}, ""),
    ],
    ids=[
        "a new key",
        "the first network of a new key",
        "never seen here, in use at home",
        "seen here for a minute",
        "settled a moment ago",
        "not quite settled",
        "a challenge was passed here",
        "used here longer ago than is remembered",
        "passed here longer ago than is remembered",
        "a new key has no home yet",
        "its first networks are all of its beginning",
        "moved",
        "moved, an hour ago",
        "moved, and then used at home again",
        "a key that was silent for a month",
        "two homes: the one that was used last",
        "a home where a challenge was passed",
        "to pass a challenge makes no home at once",
    ],
)
def test_where_a_key_is_at_home(uses: dict[str, Use], home: str) -> None:
    """What speaks against it here and now, and what does not."""
    assert home_of(uses, "here", NOON, USUAL) == home


def test_a_key_never_moves_where_nobody_wants_that() -> None:
    """`moves` as long as `remember`: a key that was left lying is watched, too, and so is every traveller."""
    strict = USUAL._replace(moves=REMEMBERED)
    assert home_of({"home": LEFT}, "here", NOON, strict) == "home"


@pytest.mark.parametrize(
    ("uses", "count"),
    [
        ({}, 1),
        ({"here": Use(NOON, NOON)}, 1),
        ({"a": HOME, "b": HOME, "c": HOME}, 4),
        ({"a": HOME, "b": HOME, "here": Use(NOON, NOON)}, 3),
        ({"a": HOME, "b": LEFT}, 2),
        ({"a": HOME, "here": LEFT}, 2),
    ],
    ids=["nothing", "this one", "and three", "this one is one", "long ago", "here long ago"],
)
def test_how_many_at_once(uses: dict[str, Use], count: int) -> None:
    """The network of the exchange is one of them, whether it was noted or not."""
    assert shared(uses, "here", NOON, MANY) == count


@pytest.mark.parametrize(
    ("uses", "signs", "until"),
    [
        ({}, [], math.inf),
        ({"home": HOME}, [NEW_NETWORK], NOON + DAY),
        ({"home": HOME, "here": Use(NOON - HOUR, NOON)}, [NEW_NETWORK], NOON - HOUR + DAY),
        ({"home": HOME, "b": HOME, "c": HOME}, [NEW_NETWORK, KEY_SHARED], NOON - 60 + HOUR),
        ({"home": HOME, "b": HOME, "c": HOME, "here": HOME}, [KEY_SHARED], NOON - 60 + HOUR),
    ],
    ids=["nothing", "new", "new for an hour", "new, and many", "many"],
)
def test_a_standing_says_until_when(uses: dict[str, Use], signs: list[str], until: float) -> None:
    """No later than it may change by time alone."""
    found = standing(uses, "here", NOON, USUAL, MANY)
    assert [sign.rule for sign in found.signs] == signs
    assert found.until == until


def test_weights_add_up() -> None:
    """One decision that allows, with each part that applied."""
    said = decision((Sign("a", 3, "x"), Sign("b", 4, "y")))
    more = both(said, decision((Sign("c", 5, "z"),)))
    assert decision(()) is ALLOW
    assert (more.action, more.facts, more.note) == (ALLOW.action, Facts(weight=12), "x; y; z")
    assert more.matches == (Match("a", "weigh"), Match("b", "weigh"), Match("c", "weigh"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ab:1:2:3:4", "2001:db8:1:200::/56"),
        ("2001:db8:1:2cd:5:6:7:8", "2001:db8:1:200::/56"),
        ("::1", "::/56"),
        ("", ""),
        ("fe80::1%eth0", "fe80::/56"),
        ("nowhere", ""),
    ],
    ids=["v4", "v4 in v6", "v6", "v6, another line of the house", "small", "none", "a zone", "no address"],
)
def test_the_network_of_an_address(address: str, expected: str) -> None:
    """A /24 or a /56: what one household or office has."""
    assert network(address) == expected


names = st.sampled_from(["a", "b", "c", "d", "e"])
uses = st.tuples(st.integers(0, 40 * 24), st.integers(0, 48), st.booleans()).map(
    lambda drawn: Use(NOON - drawn[0] * HOUR, NOON - max(0, drawn[0] - drawn[1]) * HOUR, drawn[2])
)
sightings = st.lists(st.tuples(names, uses), max_size=20)


@given(seen=sightings, order=st.randoms(use_true_random=False), here=names)
def test_any_order_gives_the_same_standing(seen: list[tuple[str, Use]], order: Any, here: str) -> None:
    """Late, early, twice, and on whichever worker: what holds in the end is the same."""
    one, other = NO_USES, NO_USES
    for name, use in seen:
        one = joined(one, {name: use})
    again = seen + seen[: len(seen) // 2]
    order.shuffle(again)
    for name, use in again:
        other = joined(other, {name: use})
    assert dict(one) == dict(other)
    assert standing(one, here, NOON, USUAL, MANY) == standing(other, here, NOON, USUAL, MANY)


@given(seen=sightings, here=names)
def test_nobody_is_weighed_for_ever(seen: list[tuple[str, Use]], here: str) -> None:
    """Whoever stays for `settles` is at home; whoever has passed a challenge is at once."""
    known = joined(NO_USES, dict(seen))
    stays = joined(known, {here: Use(NOON, NOON + DAY)})
    assert not home_of(stays, here, NOON + DAY, USUAL)
    assert not home_of(joined(known, {here: Use(NOON, NOON, vouched=True)}), here, NOON, USUAL)


@given(seen=sightings, here=names, later=st.integers(0, 24 * 40))
def test_what_a_standing_says_holds_until_then(seen: list[tuple[str, Use]], here: str, later: int) -> None:
    """With nothing more seen, weight may only end before: it never begins by itself, nor lasts longer."""
    known = joined(NO_USES, {**dict(seen), here: Use(NOON, NOON)})
    found = standing(known, here, NOON, USUAL, MANY)
    then = NOON + later * HOUR
    rules = {sign.rule for sign in found.signs}
    # A network that has been silent for as long as is remembered is as if it had never been.
    if later < 24 * 30 - 49:
        assert {sign.rule for sign in standing(known, here, then, USUAL, MANY).signs} <= rules
    if not math.isinf(found.until) and found.until > NOON:
        before = standing(known, here, found.until - 1, USUAL, MANY)
        assert {sign.rule for sign in before.signs} <= rules


@given(seen=st.lists(st.tuples(st.integers(0, 500).map(str), uses), max_size=60))
def test_networks_of_a_key_are_bounded(seen: list[tuple[str, Use]]) -> None:
    """The ones left longest ago go."""
    known = NO_USES
    for name, use in seen:
        known = joined(known, {name: use}, 10)
        assert len(known) <= 10
        assert max((one.last for one in known.values()), default=0) >= use.last
