"""What follows from a verdict: levels, who is spared, the shared bucket, and who is told to wait. Pure."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.policies.risk.campaigns import TRACED_APART, Response, Step, halves_of
from gateway.policies.risk.levels import CampaignsConfig
from gateway.policy import Evidence
from gateway.testing import NOON

EVERYTHING: Final[dict[str, Any]] = {
    "budget": {"requests": 100},
    "trace": {},
    "hold": {"features": ["reasoning", "batch"], "models": ["m-frontier*"]},
    "challenge": {},
    "verify": {},
    "tiers": {"pro": "hold", "partner": "budget", "unlimited": "observe"},
}
"""All levels as they are by themselves: 5, 5, 7 by two families, 9.2 by two, 12 by two."""
SPOKEN: Final = tuple(Family)[:7]
NEVER_TRACED: Final = "exchange-1"
SHOWN: Final = (Evidence("document", NOON), Evidence("liveness", NOON))


def verdict(score: float, kinds: int = 3, size: int = 300, most: Level = Level.SUSPEND, **more: Any) -> Verdict:
    """By so many families, each with its part of the score, and a nat at the least."""
    families = tuple((family, max(1.0, score / kinds)) for family in SPOKEN[:kinds])
    named = {"account": "a", "cluster": "c1", "since": NOON - 60.0, "expires": math.inf, **more}
    return Verdict(score=score, families=families, size=size, most=most, **named)


def response(**written: Any) -> Response:
    return Response(CampaignsConfig.model_validate(written or EVERYTHING), "risk")


def step(
    found: Verdict | None,
    response: Response,
    tier: str = "free",
    exchange: str = NEVER_TRACED,
    features: frozenset[str] = frozenset(),
    model: str = "m-large",
    *,
    passed: bool = False,
    **more: Any,
) -> Step:
    return response.step(found, tier, exchange, features, model, passed, **{"now": NOON, **more})


# -- levels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "kinds", "level"),
    [
        pytest.param(4.99, 7, Level.OBSERVE, id="not-enough"),
        pytest.param(5.0, 1, Level.TRACE, id="enough-for-a-budget-and-the-tracer"),
        pytest.param(50.0, 1, Level.TRACE, id="one-family-is-never-more-than-that"),
        pytest.param(6.99, 3, Level.TRACE, id="below-hold"),
        pytest.param(7.0, 2, Level.HOLD, id="hold"),
        pytest.param(9.2, 2, Level.CHALLENGE, id="challenge"),
        pytest.param(11.99, 5, Level.CHALLENGE, id="below-verify"),
        pytest.param(12.0, 2, Level.VERIFY, id="verify"),
        pytest.param(90.0, 7, Level.VERIFY, id="no-score-suspends"),
    ],
)
def test_a_level_takes_score_and_families(score: float, kinds: int, level: Level) -> None:
    """The highest for which both are enough."""
    assert response().level(verdict(score, kinds), "free") is level


@pytest.mark.parametrize("score", [5.0, 7.0, 9.2, 12.0, 40.0])
@pytest.mark.parametrize(
    ("tier", "most", "ceiling"),
    [
        ("free", Level.SUSPEND, Level.VERIFY),
        ("free", Level.BUDGET, Level.BUDGET),
        ("pro", Level.SUSPEND, Level.HOLD),
        ("pro", Level.TRACE, Level.TRACE),
        ("partner", Level.SUSPEND, Level.BUDGET),
        ("unlimited", Level.SUSPEND, Level.OBSERVE),
        ("unlimited", Level.BUDGET, Level.OBSERVE),
        ("a tier that is not named", Level.CHALLENGE, Level.CHALLENGE),
    ],
)
def test_tier_and_detector_both_cap(score: float, tier: str, most: Level, ceiling: Level) -> None:
    """Whichever is lower holds, whatever the score."""
    open_to_all = response().level(verdict(score), "free")
    assert response().level(verdict(score, most=most), tier) is min(open_to_all, ceiling)


@pytest.mark.parametrize(
    ("written", "level"),
    [
        pytest.param({"budget": {}}, Level.BUDGET, id="budget-alone"),
        pytest.param({"hold": {"features": ["batch"]}, "verify": {"from": 60}}, Level.HOLD, id="verify-is-far"),
        pytest.param({"challenge": {"from": 39}}, Level.CHALLENGE, id="challenge-alone"),
        pytest.param({"challenge": {"families": 4}, "budget": {}}, Level.BUDGET, id="too-few-families"),
    ],
)
def test_levels_that_are_not_stated_are_left_out(written: dict[str, Any], level: Level) -> None:
    """What an operator did not write does not happen."""
    assert response(**written).level(verdict(40.0), "free") is level


def test_a_cap_between_stated_levels_goes_down() -> None:
    """Where the level that is allowed is not stated, the next lower one that is holds."""
    only = response(budget={}, challenge={}, tiers={"pro": "hold"})
    assert only.level(verdict(40.0), "pro") is Level.BUDGET


verdicts = st.builds(
    verdict,
    score=st.floats(0.0, 40.0),
    kinds=st.integers(1, 7),
    size=st.integers(1, 30_000),
    most=st.sampled_from(Level),
)


@given(verdicts, st.floats(0.0, 40.0), st.integers(0, 7), st.sampled_from(["free", "pro", "partner", "unlimited"]))
def test_less_evidence_never_comes_to_more(found: Verdict, less: float, fewer: int, tier: str) -> None:
    """A lower score, or fewer families, never a higher level; nor does a lower `most`."""
    answering = response()
    lower = found._replace(score=min(found.score, less), families=found.families[:fewer])
    assert answering.level(lower, tier) <= answering.level(found, tier)
    capped = found._replace(most=min(found.most, Level.BUDGET))
    assert answering.level(capped, tier) == min(Level.BUDGET, answering.level(found, tier))


@given(verdicts, st.sampled_from(["free", "pro"]), st.booleans())
def test_nobody_is_challenged_by_one_family(found: Verdict, tier: str, passed: bool) -> None:
    """None convicts alone, whatever it says."""
    one = found._replace(families=found.families[:1])
    assert step(one, response(), tier, passed=passed).what in {"allow", "budget", "trace"}


# -- what follows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "more", "what", "level", "lacking"),
    [
        pytest.param(4.0, {}, "allow", Level.OBSERVE, (), id="observed"),
        pytest.param(6.0, {"features": frozenset({"reasoning"})}, "budget", Level.TRACE, (), id="not-held-yet"),
        pytest.param(8.0, {"features": frozenset({"tools"})}, "budget", Level.HOLD, (), id="another-feature"),
        pytest.param(
            8.0, {"features": frozenset({"reasoning", "batch", "tools"})}, "hold", Level.HOLD, ("batch", "reasoning"),
            id="features",
        ),
        pytest.param(8.0, {"model": "m-frontier-2"}, "hold", Level.HOLD, ("m-frontier-2",), id="a-model"),
        pytest.param(8.0, {"unread": True, "model": ""}, "hold", Level.HOLD, ("unread_route",), id="unread"),
        pytest.param(10.0, {"model": "m-frontier-2"}, "challenge", Level.CHALLENGE, (), id="challenge-first"),
        pytest.param(10.0, {"passed": True}, "budget", Level.BUDGET, (), id="passed"),
        pytest.param(
            10.0, {"passed": True, "features": frozenset({"batch"})}, "budget", Level.BUDGET, (), id="passed-and-held"
        ),
        pytest.param(13.0, {}, "verify", Level.VERIFY, ("document", "liveness"), id="verify"),
        pytest.param(13.0, {"passed": True}, "verify", Level.VERIFY, ("document", "liveness"), id="no-challenge-helps"),
        pytest.param(13.0, {"evidence": SHOWN[:1]}, "verify", Level.VERIFY, ("liveness",), id="half-shown"),
        pytest.param(13.0, {"evidence": SHOWN}, "budget", Level.BUDGET, (), id="shown"),
        pytest.param(
            13.0, {"evidence": tuple(one._replace(obtained=NOON - 61.0) for one in SHOWN)}, "verify", Level.VERIFY,
            ("document", "liveness"), id="shown-before-it-began",
        ),
        pytest.param(
            13.0, {"evidence": (SHOWN[0], SHOWN[1]._replace(expires=NOON))}, "verify", Level.VERIFY, ("liveness",),
            id="run-out",
        ),
    ],
)  # fmt: skip
def test_what_follows(score: float, more: dict[str, Any], what: str, level: Level, lacking: tuple[str, ...]) -> None:
    """Of one exchange, by everything that it depends on."""
    found = step(verdict(score), response(), **more)
    assert (found.what, found.level, found.lacking) == (what, level, lacking)
    assert (found.take is not None) == (what == "budget")
    assert found.refused == (what not in {"allow", "budget"})


def test_nothing_follows_without_a_verdict() -> None:
    """Who is not in a cluster meets nothing of this."""
    assert step(None, response(), features=frozenset({"reasoning"})) == Step("allow")


@pytest.mark.parametrize("word", ["observe", "budget", "trace", "hold"])
def test_what_passing_is_worth_is_written_in_the_file(word: str) -> None:
    """From all of it to nearly nothing."""
    answering = response(**{**EVERYTHING, "challenge": {"passed": word}})
    assert step(verdict(10.0), answering, passed=True).level.word == word


def test_rules_can_act_on_it() -> None:
    """Weight and tags of the level that holds; none of the ones below."""
    answering = response(budget={"weight": 3}, hold={"features": ["batch"], "weight": 20})
    low, high = step(verdict(6.0), answering), step(verdict(8.0), answering)
    assert low.facts is not None
    assert high.facts is not None
    assert (low.facts.weight, low.facts.tags) == (3, frozenset({"campaign", "campaign-budget"}))
    assert (high.facts.weight, high.facts.tags) == (20, frozenset({"campaign", "campaign-hold"}))


def test_a_verdict_that_changes_counts_at_once() -> None:
    """What is remembered is remembered by the verdict itself, and by the tier."""
    answering, found = response(), verdict(10.0)
    assert step(found, answering).what == "challenge"
    assert step(found, answering, "pro").what == "budget"
    assert step(found._replace(score=6.0), answering).what == "budget"
    assert step(found, answering).what == "challenge"


# -- one bucket -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "requests"),
    [(1, 100), (2, 200), (3, 250), (4, 300), (10, 450), (300, 900), (1000, 1100), (20_000, 1550), (25_000, 1550)],
)
def test_the_budget_grows_with_the_logarithm(size: int, requests: float) -> None:
    """20,000 accounts have 15.5 budgets together, and not 20,000."""
    limit = response().bucket(verdict(6.0, size=size)).limit
    assert (limit.capacity, limit.refill, limit.every) == (requests, requests, 86_400.0)


@given(st.integers(1, 100_000))
def test_the_budget_is_near_what_is_promised(size: int) -> None:
    """Within a quarter of a budget of B * (1 + log2 n), and never more for fewer accounts."""
    assert abs(halves_of(size) / 2 - math.log2(size)) <= 0.25
    assert halves_of(size) <= halves_of(size + 1)


def test_the_budget_does_not_change_with_every_account() -> None:
    """A cluster that grows from 1,000 to 10,000 accounts changes its numbers seven times, and its bucket never."""
    answering, found = response(), verdict(6.0)
    buckets = {answering.bucket(found._replace(size=size)) for size in range(1000, 10_001)}
    assert len({bucket.limit for bucket in buckets}) == 8
    assert {(bucket.tag, bucket.partition, bucket.limit.name) for bucket in buckets} == {
        ("cluster=c1", "cluster=c1", "cluster-budget")
    }


def test_all_accounts_of_a_cluster_take_from_one_object() -> None:
    """The store plans a take by the identity of the bucket and of its limit."""
    answering = response()
    one, other = (step(verdict(6.0, account=name), answering).take for name in ("a", "b"))
    apart = step(verdict(6.0, cluster="c2"), answering).take
    assert one is not None
    assert other is not None
    assert apart is not None
    assert one.bucket is other.bucket
    assert apart.bucket.limit is one.bucket.limit


def test_a_batch_takes_what_it_holds() -> None:
    """And never more than there can be."""
    few, many = (step(verdict(6.0, size=1), response(), items=items).take for items in (7, 10**6))
    assert few is not None
    assert many is not None
    assert (few.cost, many.cost) == (7.0, 100.0)


# -- who is told to wait ----------------------------------------------------------------------------------------------


def test_the_share_of_requests_that_wait() -> None:
    """As the file says, of all accounts together; with waits between those that it states."""
    answering, accounts = response(), [verdict(6.0, account=f"a{number}") for number in range(2000)]
    found = [
        step(accounts[number % 2000], answering, exchange=f"e{number}", now=NOON + number) for number in range(20_000)
    ]
    waits = [one.wait for one in found if one.what == "trace"]
    assert 0.016 < len(waits) / len(found) < 0.024
    assert all(2.0 <= wait <= 10.0 for wait in waits)
    assert max(waits) - min(waits) > 6.0


def test_the_same_requests_wait_whoever_is_asked() -> None:
    """On every worker, and in a file that is judged again."""
    names = [f"e{number}" for number in range(2000)]
    one, other = (
        [step(verdict(6.0, account=name), one, exchange=name).wait for name in names]
        for one in (response(), response())
    )
    assert one == other
    assert any(one)


@given(st.lists(st.floats(0.0, 600.0), min_size=30, max_size=60), st.integers(0, 2**32))
@settings(max_examples=30)
def test_nobody_waits_twice_within_a_minute(times: list[float], seed: int) -> None:
    """So a request that comes again passes, whatever its id."""
    answering, found = response(trace={"share": "20%"}), verdict(6.0)
    waited = [
        at
        for number, at in enumerate(sorted(times))
        if step(found, answering, exchange=f"{seed}-{number}", now=NOON + at).what == "trace"
    ]
    assert all(later - earlier >= TRACED_APART for earlier, later in itertools.pairwise(waited))
