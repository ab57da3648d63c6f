"""The sums of geo: distances, speeds, countries, and which answer holds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.sightings import Sighting
from gateway.policies.geo.rule import ASSUMED_RADIUS, SLACK, VAGUE, Alike, Said, decide, differs, distance, impossible
from gateway.policy import ALLOW, NOWHERE, Action, Location, Match
from gateway.testing import NOON

BERLIN = Location("DE", latitude=52.52, longitude=13.40, radius=1.0)
NEW_YORK = Location("US", latitude=40.71, longitude=-74.01, radius=1.0)
SUVA = Location("FJ", latitude=-18.14, longitude=178.44, radius=1.0)
NORTH_POLE = Location("", latitude=90.0, longitude=0.0, radius=1.0)
SOUTH_POLE = Location("AQ", latitude=-90.0, longitude=7.0, radius=1.0)
APIA = Location("WS", latitude=-13.83, longitude=-171.76, radius=1.0)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
places = st.builds(
    lambda y, x, r: Location("DE", latitude=y, longitude=x, radius=r), latitudes, longitudes, st.floats(0, VAGUE - 1)
)


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        (BERLIN, NEW_YORK, 6385 - 2),
        (SUVA, APIA, 1151 - 2),
        (
            Location("", latitude=90.0, longitude=0.0, radius=1),
            Location("", latitude=-90, longitude=7, radius=1),
            20013,
        ),
        (BERLIN, BERLIN, 0),
    ],
    ids=["across the ocean", "across the date line", "from pole to pole", "nowhere else"],
)
def test_a_distance_is_the_great_circle(one: Location, other: Location, kilometres: float) -> None:
    """Within half a per cent, which is how far the Earth is from a ball; less what both may be off."""
    assert distance(one, other) == pytest.approx(kilometres, rel=0.005)


@given(one=places, other=places)
def test_a_distance_is_the_same_both_ways(one: Location, other: Location) -> None:
    """Never negative, never more than half the way around, never a domain error."""
    way = distance(one, other)
    assert way is not None
    assert 0 <= way < 20_038
    assert way == pytest.approx(distance(other, one), abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        NOWHERE,
        Location("US"),
        Location("US", latitude=40.0),
        Location("US", latitude=40.0, longitude=-74.0, radius=VAGUE),
    ],
    ids=["nowhere", "a country", "half a place", "the middle of a country"],
)
def test_nothing_follows_from_a_place_that_is_not_known(other: Location) -> None:
    """No distance, in either direction, and so no travel."""
    assert distance(BERLIN, other) is distance(other, BERLIN) is None
    assert impossible(BERLIN, [Sighting(NOON, other)], NOON, 1000, 500) is None


def test_what_is_uncertain_speaks_for_the_account() -> None:
    """Both radii are taken off; where none is stated, a hundred kilometres are."""
    far = Location("US", latitude=40.71, longitude=-74.01, radius=200)
    exact, vague = distance(BERLIN, NEW_YORK), distance(BERLIN, far)
    assert exact is not None
    assert vague == pytest.approx(exact - 199)
    unstated = Location("US", latitude=40.71, longitude=-74.01)
    assert distance(BERLIN, unstated) == pytest.approx(exact + 1 - ASSUMED_RADIUS)


def test_the_speed_of_an_airliner_is_possible() -> None:
    """At exactly that speed nothing is wrong; a second sooner it is, with a minute for clocks."""
    way = distance(BERLIN, NEW_YORK)
    assert way is not None
    needed = way / 1000 * 3600
    seen = [Sighting(NOON, BERLIN)]
    assert impossible(NEW_YORK, seen, NOON + needed, 1000, 500) is None
    assert impossible(NEW_YORK, seen, NOON + needed - SLACK + 1, 1000, 500) is None
    assert impossible(NEW_YORK, seen, NOON + needed - SLACK - 1, 1000, 500) == seen[0]
    assert impossible(NEW_YORK, seen, NOON - needed + SLACK + 1, 1000, 500) == seen[0], "noted by a clock ahead"
    assert impossible(NEW_YORK, seen, NOON, 1000, way + 1) is None, "nearer than `at_least`"


def test_every_sighting_is_asked() -> None:
    """A newer one that fits does not hide an older one that does not."""
    old = Sighting(NOON - 600, BERLIN)
    newer = Sighting(NOON, Location("CA", latitude=42.9, longitude=-78.9, radius=1))
    assert impossible(NEW_YORK, [newer, old], NOON, 1000, 500) == old


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("DE", "US", True),
        ("DE", "DE", False),
        ("", "US", False),
        ("DE", "", False),
        ("", "", False),
        ("DE", "FR", False),
        ("US", "FR", True),
    ],
)
def test_two_countries_differ_only_where_both_are_known(one: str, other: str, said: bool) -> None:
    """And are not alike."""
    assert differs(Alike([{"DE", "FR"}.__contains__]), one, other) is said


def test_a_group_counts_once() -> None:
    """Countries of one group are one; a country of none is itself."""
    alike = Alike([{"DE", "FR"}.__contains__, {"US", "PR", "FR"}.__contains__])
    assert alike.count(["DE", "FR", "US", "PR", "JP"]) == 3
    assert alike.count([]) == 0


ANSWERS = {
    "allow": Said("allow", Match("a", "allow", "r")),
    "weigh": Said("weigh", Match("w", "weigh", "w"), weight=5),
    "more": Said("weigh", Match("m", "weigh", "m"), weight=7),
    "challenge": Said("challenge", Match("c", "challenge", "c_reason"), detail="c", link="https://c"),
    "deny": Said("deny", Match("d", "deny", "d_reason"), detail="no {country}", status=451),
}


@pytest.mark.parametrize("order", list(itertools.permutations(ANSWERS)))
def test_the_strongest_answer_holds(order: tuple[str, ...]) -> None:
    """In whatever order: deny before challenge before weigh; weights add up, and all but `allow` is reported."""
    decision = decide([ANSWERS[name] for name in order], BERLIN)
    assert (decision.action, decision.reason, decision.status) == (Action.DENY, "d_reason", 451)
    assert decision.detail == "no DE"
    assert decision.retry_after is None
    assert decision.facts is not None
    assert decision.facts.weight == 12
    assert [match.rule for match in decision.matches] == [ANSWERS[n].match.rule for n in order if n != "allow"]


def test_without_a_denial_a_challenge_holds() -> None:
    """With its own words; the first of two."""
    other = Said("challenge", Match("o", "challenge", "o_reason"), detail="o")
    decision = decide([ANSWERS["weigh"], ANSWERS["challenge"], other], BERLIN)
    assert (decision.action, decision.reason, decision.link) == (Action.CHALLENGE, "c_reason", "https://c")


def test_nothing_is_the_plain_yes() -> None:
    """The one object that the chain knows."""
    assert decide([], BERLIN) is ALLOW
    assert decide([ANSWERS["allow"]], BERLIN) is ALLOW
