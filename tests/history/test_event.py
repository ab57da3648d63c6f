"""What an exchange leaves in the log, and what it does not."""

from __future__ import annotations

import math
import timeit
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.evidence import FALLS, KINDS
from gateway.chain.chain import Asked, Chain
from gateway.history.columns import AT, EVENT, Event
from gateway.history.event import LONGEST, event_of, evidence_of, falls_of
from gateway.history.spool import serialise
from gateway.policy import (
    ALLOW,
    Action,
    Context,
    Decision,
    Evidence,
    Fall,
    Location,
    Match,
    Outcome,
    Profile,
    Usage,
)
from gateway.testing import NOON, context

WELL = Outcome(200)


def _asked(decision: Decision = ALLOW, entry: str = "", matches: tuple[tuple[str, Match], ...] = ()) -> Any:
    named = [(SimpleNamespace(name=name), match) for name, match in matches]
    return SimpleNamespace(decision=decision, entry=entry, matches=named)


def _event(made: Context | None, asked: Any = None, outcome: Outcome = WELL, reason: str = "") -> Event:
    return event_of(
        "x1", NOON + 9, "POST", "/v1/x", "openai", made, asked, (3, "d3"), outcome, reason, outcome.status, 0.5, 0.001
    )


def _said(event: Event, *names: str) -> dict[str, Any]:
    return {name: event[AT[name]] for name in names}


def test_an_event_has_a_value_for_each_column() -> None:
    """The tuple and the schema are of one length, and in one order."""
    event = _event(context(), _asked(), Outcome(200, Usage(1, 2, 3, 4, 5), 6))

    assert len(event) == len(EVENT)
    assert _said(event, "exchange", "time", "digest", "account", "action", "seconds", "reached") == {
        "exchange": "x1", "time": NOON, "digest": "d3", "account": "acme", "action": "allow", "seconds": 0.5,
        "reached": True,
    }  # fmt: skip
    assert event[AT["usage_input"] : AT["delivered"] + 1] == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("made", "asked", "reason", "said"),
    [
        pytest.param(None, None, "malformed_content", ("malformed", "", "malformed_content", ""), id="not readable"),
        pytest.param(context(), None, "client_left", ("chat.completions", "", "client_left", ""), id="nobody asked"),
        pytest.param(
            context(),
            _asked(Decision(Action.DENY, "embargo"), "geo"),
            "embargo",
            ("chat.completions", "deny", "embargo", "geo"),
            id="refused",
        ),
        pytest.param(
            context(), _asked(), "upstream_failed", ("chat.completions", "allow", "upstream_failed", ""), id="failed"
        ),
        pytest.param(
            context(),
            _asked(Decision(Action.THROTTLE, "quota_exceeded"), "quota"),
            "client_left",
            ("chat.completions", "throttle", "quota_exceeded", "quota"),
            id="refused and gone",
        ),
    ],
)
def test_what_was_decided(made: Context | None, asked: Any, reason: str, said: tuple[str, ...]) -> None:
    """The reason is the chain's where it refused, else why the exchange ended."""
    event = _event(made, asked, reason=reason)

    assert tuple(_said(event, "route", "action", "reason", "entry").values()) == said


def test_rules_are_told_in_order_with_those_in_shadow() -> None:
    """A rule in shadow is in the log: that is what its report is made of."""
    matches = (("rules", Match("a", "weigh")), ("geo", Match("", "deny", "embargo", enforced=False)))

    event = _event(context(), _asked(matches=matches))

    assert event[AT["rules"]] == [("rules", "a", "weigh", "", True), ("geo", "", "deny", "embargo", False)]


def test_what_callers_choose_is_bounded() -> None:
    """A path or a model of a megabyte is no event of a megabyte."""
    long = context(path="/" + "p" * 10_000, model="m" * 10_000)
    event = event_of("x", 0.0, "POST", long.path, "openai", long, None, (0, ""), Outcome(200), "", 200, 0.0, 0.0)

    assert len(event[AT["path"]]) == len(event[AT["model"]]) == LONGEST


def test_no_field_of_the_request_and_no_claim_is_in_it() -> None:
    """Credentials stand in fields, and people in claims."""
    made = context(fields={b"authorization": b"Bearer sk-secret", b"x-api-key": b"sk-secret"})

    assert b"sk-secret" not in serialise([_event(made, _asked())])[0]


def test_a_real_record_fits() -> None:
    """The chain's own record has what an event needs."""
    chain = Chain((), None, None, {})  # type: ignore[arg-type]  # no entry takes anything
    told: list[Asked] = []
    chain.begin(context(location=Location("NO", 1, frozenset({"vpn", "hosting"}))), told.append)

    event = _event(told[0].context, told[0])

    assert event[AT["action"]] == "allow"


@pytest.mark.timing
def test_an_event_is_cheap() -> None:
    """Made and serialised within 20 µs on any machine; 2.5 on a quiet one."""
    made, asked, outcome = context(), _asked(), Outcome(200, Usage(1, 2))

    best = min(timeit.repeat(lambda: serialise([_event(made, asked, outcome)]), number=200, repeat=30)) / 200

    assert best < 20e-6


_TIME = st.integers(0, 4_000_000_000).map(float)
_EVIDENCE = st.lists(
    st.builds(Evidence, st.sampled_from(sorted(KINDS)), _TIME, st.just(math.inf) | _TIME), max_size=8
).map(tuple)
_FALLS = st.lists(st.builds(Fall, st.sampled_from(sorted(FALLS)), st.just(math.inf) | _TIME), max_size=4).map(tuple)


@given(evidence=_EVIDENCE, falls=_FALLS)
def test_what_an_account_had_shown_is_read_back(evidence: tuple[Evidence, ...], falls: tuple[Fall, ...]) -> None:
    """To the second: a replay computes the tier from it."""
    made = context(profile=Profile(evidence=evidence, falls=falls, identity="i1", signup_burst=3, assigned="plan"))

    event = _event(made, _asked())

    assert evidence_of(event[AT["evidence"]]) == evidence
    assert falls_of(event[AT["falls"]]) == falls
    assert _said(event, "assigned", "identity", "signup_burst") == {
        "assigned": "plan", "identity": "i1", "signup_burst": 3,
    }  # fmt: skip
