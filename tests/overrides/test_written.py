"""Overrides as JSON: there and back, and what is refused."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.overrides.override import ALL_LIMITS, EVERYBODY, Kind, Override, Scope
from gateway.overrides.written import (
    Change,
    Wrong,
    change_of,
    change_text,
    check,
    document_of,
    in_words,
    override_of,
    scope_of,
    scope_text,
)
from gateway.policy import Measure

WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)
AMOUNT = st.floats(1e-6, 1e15)
SCOPES = st.builds(
    Scope,
    organisation=WORD,
    tier=WORD,
    model=WORD,
    country=st.sampled_from(["", "NO", "SE"]),
    accounts=st.frozensets(WORD.filter(bool), max_size=4),
    created_after=st.one_of(st.just(0.0), st.floats(1.0, 1e10)),
) | st.builds(Scope, account=WORD)
CHANGES = st.one_of(
    st.builds(Change, st.just(Kind.SET), AMOUNT, st.none() | AMOUNT, st.none() | st.floats(0.1, 1e6)),
    st.builds(Change, st.just(Kind.SCALE), factor=st.floats(1e-6, 1000.0)),
    st.sampled_from([Change(Kind.FREEZE), Change(Kind.UNLIMITED)]),
)


@given(SCOPES, CHANGES, st.floats(1.0, 1e10) | st.just(math.inf))
def test_there_and_back_to_the_digit(scope: Scope, change: Change, expires: float) -> None:
    """What is written is read as it was, and written again it is the same text."""
    assert scope_of(scope_text(scope)) == scope and scope_text(scope_of(scope_text(scope))) == scope_text(scope)
    assert change_of(change_text(change)) == change
    one = Override(
        3, 4, "rpm", scope, change.kind, change.capacity, change.refill, change.every, change.factor, "why", "me", 5.5,
        expires,
    )  # fmt: skip
    assert override_of(orjson.loads(orjson.dumps(document_of(one)))) == one


def test_equal_scopes_are_equal_texts() -> None:
    """Whatever the order and the case in which they came."""
    one = scope_text(scope_of({"country": "no", "accounts": ["b", "a", "b"], "tier": "pro", "model": ""}))
    assert one == scope_text(scope_of({"tier": "pro", "accounts": ["a", "b"], "country": "NO", "created_after": 0}))
    assert one == '{"tier":"pro","country":"NO","accounts":["a","b"]}'


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ("[]", "scope"),
        ("{", "scope"),
        ({"acount": "a"}, "scope"),
        ({"account": 5}, "scope.account"),
        ({"account": " a"}, "scope.account"),
        ({"account": "a\n"}, "scope.account"),
        ({"account": "a" * 257}, "scope.account"),
        ({"account": "\ud800"}, "scope.account"),
        ({"country": "NOR"}, "scope.country"),
        ({"country": "ß"}, "scope.country"),
        ({"accounts": "a"}, "scope.accounts"),
        ({"accounts": [""]}, "scope.accounts"),
        ({"accounts": [["a"]]}, "scope.accounts"),
        ({"accounts": ["a"], "account": "a"}, "scope.accounts"),
        ({"created_after": "1"}, "scope.created_after"),
        ({"created_after": -1}, "scope.created_after"),
        ({"created_after": True}, "scope.created_after"),
        ({"created_after": math.nan}, "scope.created_after"),
    ],
)
def test_a_scope_that_is_none(scope: Any, field: str) -> None:
    """It says which field is wrong."""
    with pytest.raises(Wrong) as raised:
        scope_of(scope)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "change.kind"),
        ({"kind": ["set"]}, "change.kind"),
        ({"kind": "boost"}, "change.kind"),
        ({"kind": "set"}, "change"),
        ({"kind": "set", "factor": 2}, "change.factor"),
        ({"kind": "freeze", "capacity": 2}, "change.capacity"),
        ({"kind": "set", "capacity": 0}, "change.capacity"),
        ({"kind": "set", "capacity": math.inf}, "change.capacity"),
        ({"kind": "set", "capacity": 10**400}, "change.capacity"),
        ({"kind": "set", "capacity": "5"}, "change.capacity"),
        ({"kind": "set", "every": -1}, "change.every"),
        ({"kind": "scale"}, "change.factor"),
        ({"kind": "scale", "factor": 0}, "change.factor"),
        ({"kind": "scale", "factor": 1000.1}, "change.factor"),
        ({"kind": "scale", "factor": math.nan}, "change.factor"),
    ],
)
def test_a_change_that_is_none(change: Any, field: str) -> None:
    """Above 0 and finite; a factor at most 1000; and nothing that the kind does not have."""
    with pytest.raises(Wrong) as raised:
        change_of(change)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("limit", "scope", "change", "expires", "measure", "field"),
    [
        ("", EVERYBODY, Change(Kind.FREEZE), math.inf, None, "limit"),
        ("*", EVERYBODY, Change(Kind.SET, 5.0), math.inf, None, "change.kind"),
        ("rpm", EVERYBODY, Change(Kind.SHADOW), 9.0, None, "scope"),
        ("*", Scope(tier="pro"), Change(Kind.SHADOW), 9.0, None, "scope"),
        ("*", EVERYBODY, Change(Kind.SHADOW), math.inf, None, "expires"),
        ("rpm", EVERYBODY, Change(Kind.FREEZE), math.nan, None, "expires"),
        ("slots", EVERYBODY, Change(Kind.SET, 5.0, 5.0), math.inf, Measure.CONCURRENCY, "change.refill"),
        ("rpm", EVERYBODY, Change(Kind.SET, 5.5), math.inf, Measure.REQUESTS, "change.capacity"),
    ],
)
def test_what_does_not_go_together(
    limit: str, scope: Scope, change: Change, expires: float, measure: Measure | None, field: str
) -> None:
    """Numbers are for one limit, shadow is for all and ends, slots have no refill, units are whole."""
    with pytest.raises(Wrong) as raised:
        check(limit, scope, change, expires, measure)
    assert raised.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["id", "revision", "limit", "scope", "change", "reason", "by", "created", "expires"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from(FIELDS), JSON)
def test_whatever_is_read_is_an_override_or_wrong(document: dict[str, Any], field: str, value: Any) -> None:
    """Total: a row that somebody has written by hand breaks nobody."""
    good = document_of(Override(1, 1, ALL_LIMITS, EVERYBODY, Kind.SCALE, factor=2.0))
    for bad in (document, good | {field: value}):
        with contextlib.suppress(Wrong):
            assert isinstance(override_of(bad), Override)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(Kind.SET, 5000.0, 10.0, 60.0), "override 7: 5,000, 10 back, every 60 s"),
        (Change(Kind.SCALE, factor=2.5), "override 7: x2.5"),
        (Change(Kind.FREEZE), "override 7: freeze"),
    ],
)
def test_in_words(change: Change, words: str) -> None:
    """For logs, and for whoever asks why."""
    one = Override(7, 1, "rpm", EVERYBODY, change.kind, change.capacity, change.refill, change.every, change.factor)
    assert in_words(one) == words
