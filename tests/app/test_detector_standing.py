"""What stands by a detector's word, and what the next one that tells says first."""

from __future__ import annotations

import math

import pytest

from gateway.app.detector_names import Names
from gateway.app.detector_standing import Standing
from gateway.campaigns.ruling import Ruled, Ruling
from gateway.campaigns.verdict import Verdict
from gateway.detect.told import Told
from gateway.feeds.verdicts import KEPT


def told(*accounts: str, score: float = 9.0) -> Told:
    return Told(tuple(Verdict(account, "c1", score, expires=1e9) for account in accounts))


def said(standing: Standing) -> dict[str, float]:
    return {verdict.account: verdict.score for verdict in standing.whole()}


def test_what_a_follower_took_back_is_said_when_it_leads() -> None:
    """The leader may have died with it: its verdict would stand until it expires."""
    standing = Standing()
    standing.remember(told("a", "b"), 10.0)
    standing.remember(told("a", score=0.0), 20.0)
    assert said(standing) == {"a": 0.0, "b": 9.0}
    standing.remember(told("a"), 30.0)
    assert said(standing) == {"a": 9.0, "b": 9.0}


def test_that_is_forgotten_in_time() -> None:
    """After as long as Redis keeps it for workers that were away."""
    standing = Standing()
    standing.remember(told("a"), 10.0)
    standing.remember(told("a", score=0.0), 20.0)
    standing.remember(Told(), 20.0 + KEPT + 1.0)
    assert said(standing) == {}


@pytest.mark.parametrize(
    ("ruling", "freed"),
    [
        pytest.param(Ruling(1, 5.0, Ruled.CLEARED, accounts=("a",)), ["a"], id="cleared"),
        pytest.param(Ruling(1, 5.0, Ruled.REJECTED, accounts=("a", "b"), until=99.0), ["a", "b"], id="rejected"),
        pytest.param(Ruling(1, 5.0, Ruled.REJECTED, accounts=("a",), until=9.0), [], id="over"),
        pytest.param(Ruling(1, 5.0, Ruled.SPLIT, accounts=("a",)), [], id="split"),
        pytest.param(Ruling(1, 5.0, Ruled.CLEARED, accounts=("held",)), [], id="the-detector-takes-it-back-itself"),
    ],
)
def test_who_was_freed_is_free_although_another_one_had_said_it(ruling: Ruling, freed: list[str]) -> None:
    """A detector that has lost its memory never held what stands in Redis, and would never take it back."""
    standing = Standing()
    standing.remember(told("held"), 10.0)
    assert [(verdict.account, verdict.score) for verdict in standing.ruled([ruling], 20.0)] == [
        (account, 0.0) for account in freed
    ]
    assert said(standing) == dict.fromkeys(freed, 0.0) | {"held": 9.0}


def test_who_was_erased_is_in_nothing_that_is_said_later() -> None:
    """Neither as held nor as freed."""
    standing = Standing()
    standing.remember(told("a", "b"), 10.0)
    standing.ruled([Ruling(1, 5.0, Ruled.CLEARED, accounts=("c",), until=math.inf)], 10.0)
    standing.erase({"a", "c"}, Names())
    assert said(standing) == {"b": 9.0}
