"""Which override bites, and what a limit becomes by it."""

from __future__ import annotations

import fnmatch
import math
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.overrides.override import ALL_LIMITS, EVERYBODY, Kind, Override, Scope
from gateway.overrides.whole import Overrides, changed
from gateway.policy import Limit, Measure, Principal, Profile

ACME = Principal("acme", "org", "k", "pro", profile=Profile(created=100.0))
NOBODY = Principal("")


def override(
    number: int, limit: str = "rpm", kind: Kind = Kind.SCALE, scope: Scope = EVERYBODY, **more: Any
) -> Override:
    return Override(id=number, revision=more.pop("revision", number), limit=limit, scope=scope, kind=kind, **more)


def bites(*found: Override, principal: Principal = ACME, model: str = "m-1", country: str = "NO") -> int | None:
    one = Overrides(found).of("rpm", principal, model, country)
    return one.id if one is not None else None


ORDER = [
    Scope(account="acme"),
    Scope(accounts=frozenset({"acme", "other"})),
    Scope(organisation="org"),
    Scope(tier="pro"),
    Scope(created_after=50.0),
    Scope(model="m-*"),
    Scope(country="NO"),
    EVERYBODY,
]


@pytest.mark.parametrize("index", range(len(ORDER) - 1))
def test_the_more_specific_scope_bites(index: int) -> None:
    """Account, cluster, organisation, tier, new accounts, model, country, everybody; however new the other one is."""
    assert bites(override(1, scope=ORDER[index]), override(2, scope=ORDER[index + 1])) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(override(1, kind=Kind.FREEZE), override(2, scope=ORDER[0]), id="a freeze of all over a boost"),
        pytest.param(
            override(1, scope=Scope(tier="pro", model="m-1")), override(2, scope=Scope(tier="pro")), id="more is stated"
        ),
        pytest.param(
            override(1, scope=Scope(tier="pro")),
            override(2, scope=Scope(model="m-1", country="NO")),
            id="begins higher",
        ),
        pytest.param(override(1), override(2, limit=ALL_LIMITS), id="the limit by name"),
        pytest.param(
            override(1, limit=ALL_LIMITS, scope=ORDER[0]), override(2, scope=ORDER[3]), id="scope before the name"
        ),
        pytest.param(override(1, revision=9), override(2, revision=3), id="the newest"),
    ],
)
def test_one_bites(one: Override, other: Override) -> None:
    """By the stated order, in whatever order they are read."""
    assert bites(one, other) == bites(other, one) == 1


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(Scope(account="other"), id="account"),
        pytest.param(Scope(accounts=frozenset({"other"})), id="cluster"),
        pytest.param(Scope(organisation="else"), id="organisation"),
        pytest.param(Scope(tier="free"), id="tier"),
        pytest.param(Scope(model="M-1"), id="model, by case"),
        pytest.param(Scope(model="m-?x"), id="pattern"),
        pytest.param(Scope(country="SE"), id="country"),
        pytest.param(Scope(created_after=100.5), id="older account"),
        pytest.param(Scope(account="acme", model="m-2"), id="one of two"),
    ],
)
def test_all_that_is_stated_has_to_hold(scope: Scope) -> None:
    """Whoever is not in the scope is not meant."""
    assert bites(override(1, scope=scope)) is None


@pytest.mark.parametrize("scope", [*ORDER[:5], Scope(tier="default")], ids=str)
def test_nobody_is_no_customer(scope: Scope) -> None:
    """Before auth only the model, the country and everybody are known; a tier for want of another word is none."""
    assert bites(override(1, scope=scope), principal=NOBODY) is None
    assert bites(override(1, scope=ORDER[6]), principal=NOBODY) == 1


def test_whose_age_is_unknown_is_not_new() -> None:
    """A freeze of new accounts must not stop those of accounts.yaml."""
    assert bites(override(1, scope=Scope(created_after=1.0)), principal=Principal("a")) is None


def test_a_freeze_of_all_limits_is_asked_for_itself() -> None:
    """It is nothing of a limit's, and refuses also where no limit matches; shadow is neither."""
    whole = Overrides(
        [
            override(1, ALL_LIMITS, Kind.FREEZE, Scope(model="m-*")),
            override(2, ALL_LIMITS, Kind.SHADOW, expires=5.0),
        ]
    )
    assert whole.of("rpm", ACME, "m-1", "NO") is None
    frozen = whole.frozen(ACME, "m-1", "NO")
    assert frozen is not None and frozen.id == 1
    assert whole.frozen(ACME, "other", "NO") is None
    assert whole.shadowed and whole.by_model and not whole.by_country


def test_what_has_expired_is_left_out() -> None:
    """From that moment on; the next whole has what is left, and the same revision."""
    whole = Overrides([override(1, expires=5.0), override(2, expires=9.0), override(3, expires=4.0)], 7, now=4.0)
    assert [one.id for one in whole.all] == [1, 2] and whole.next_expiry == 5.0
    assert whole.at(4.9) is whole
    later = whole.at(5.0)
    assert ([one.id for one in later.all], later.revision, later.next_expiry) == ([2], 7, 9.0)
    assert later.at(9.0).next_expiry == math.inf and not later.at(9.0)


# -- the index against a plain scan -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "a", "b"])
MODELS = st.sampled_from(["", "m", "n", "m*", "?", "*"])
SCOPES = st.builds(
    Scope,
    account=NAMES,
    organisation=NAMES,
    tier=NAMES,
    model=MODELS,
    country=NAMES,
    accounts=st.frozensets(st.sampled_from(["a", "b"])),
    created_after=st.sampled_from([0.0, 1.0, 2.0]),
)
KINDS = st.sampled_from([Kind.SET, Kind.SCALE, Kind.FREEZE, Kind.UNLIMITED])
DRAFTS = st.lists(st.tuples(st.sampled_from(["rpm", "tpm", ALL_LIMITS]), KINDS, SCOPES), max_size=12)
ASKING = st.builds(
    Principal, NAMES, NAMES, tier=NAMES, profile=st.builds(Profile, created=st.sampled_from([0.0, 1.0, 2.0]))
)


def means(scope: Scope, who: Principal, model: str, country: str) -> bool:
    return (
        scope.account in ("", who.account)
        and (not scope.accounts or who.account in scope.accounts)
        and scope.organisation in ("", who.organisation)
        and (not scope.tier or (scope.tier == who.tier and who.account != ""))
        and (not scope.created_after or (who.profile.created > 0 and who.profile.created >= scope.created_after))
        and (not scope.model or re.fullmatch(fnmatch.translate(scope.model), model) is not None)
        and scope.country in ("", country)
    )


def order(one: Override) -> tuple[Any, ...]:
    """The docstring of Overrides, as a key."""
    scope = one.scope
    states = [
        scope.account, scope.accounts, scope.organisation, scope.tier, scope.created_after, scope.model, scope.country,
    ]  # fmt: skip
    first = next((index for index, value in enumerate(states) if value), 7)
    named = one.limit != ALL_LIMITS
    return (
        one.kind is Kind.FREEZE, -first, sum(map(bool, states)), [bool(one) for one in states], named, one.revision,
    )  # fmt: skip


@given(DRAFTS, ASKING, st.sampled_from(["m", "n", "mm", ""]), NAMES)
@settings(max_examples=400, deadline=None)
def test_the_index_answers_as_a_scan_does(
    drafts: list[tuple[str, Kind, Scope]], who: Principal, model: str, country: str
) -> None:
    """Whatever there is, and whoever asks."""
    found = [override(index + 1, limit, kind, scope) for index, (limit, kind, scope) in enumerate(drafts)]
    whole = Overrides(found)
    meant = [one for one in found if means(one.scope, who, model, country)]
    freezes = [one for one in meant if one.kind is Kind.FREEZE and one.limit == ALL_LIMITS]
    others = [one for one in meant if one.limit in ("rpm", ALL_LIMITS) and one not in freezes]
    assert whole.frozen(who, model, country) == max(freezes, key=order, default=None)
    assert whole.of("rpm", who, model, country) == max(others, key=order, default=None)


@pytest.mark.timing
def test_ten_thousand_accounts_cost_no_more_than_one() -> None:
    """A question looks at those of its account; so does a freeze, and a cluster of thousands."""
    many = [override(n, "rpm", Kind.SET, Scope(account=f"a{n}"), capacity=5.0) for n in range(10_000)]
    cluster = Scope(accounts=frozenset(f"c{n}" for n in range(5000)))
    many.append(override(10_001, ALL_LIMITS, Kind.FREEZE, cluster))
    whole = Overrides(many)
    assert whole.frozen(Principal("c77"), "m", "NO") is many[-1]

    def cost(of: Overrides) -> float:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            for n in range(1000):
                of.of("rpm", Principal(f"a{n}"), "m", "NO")
                of.frozen(ACME, "m", "NO")
            took.append(time.perf_counter() - began)
        return min(took)

    assert cost(whole) < 5 * cost(Overrides(many[:1]))


# -- what a limit becomes ---------------------------------------------------------------------------------------------

REQUESTS = Limit("rpm", Measure.REQUESTS, 30.0, 5.0, 60.0)
SPEND = Limit("money", Measure.SPEND, 5.0, 0.5, 60.0)
SLOTS = Limit("slots", Measure.CONCURRENCY, 20.0)
FROZEN = replace(REQUESTS, capacity=0.0)


@pytest.mark.parametrize(
    ("limit", "kind", "numbers", "becomes"),
    [
        pytest.param(REQUESTS, Kind.FREEZE, {}, (0, 5, 60), id="freeze"),
        pytest.param(REQUESTS, Kind.UNLIMITED, {}, None, id="unlimited"),
        pytest.param(REQUESTS, Kind.SET, {"capacity": 99.0}, (99, 5, 60), id="what is not stated stays"),
        pytest.param(REQUESTS, Kind.SET, {"refill": 7.0, "every": 1.0}, (30, 7, 1), id="set refill"),
        pytest.param(REQUESTS, Kind.SET, {"capacity": 0.4}, (1, 5, 60), id="never less than one"),
        pytest.param(SPEND, Kind.SET, {"capacity": 0.01}, (0.01, 0.5, 60), id="dollars"),
        pytest.param(SLOTS, Kind.SET, {"capacity": 3.0, "refill": 9.0, "every": 5.0}, (3, 0, 1), id="slots"),
        pytest.param(REQUESTS, Kind.SCALE, {"factor": 3.0}, (90, 15, 60), id="boost"),
        pytest.param(REQUESTS, Kind.SCALE, {"factor": 0.1}, (3, 5, 600), id="a tenth comes as often less"),
        pytest.param(REQUESTS, Kind.SCALE, {"factor": 0.001}, (1, 5, 60_000), id="a little is one"),
        pytest.param(SPEND, Kind.SCALE, {"factor": 0.1}, (0.5, 0.05, 60), id="a tenth of dollars"),
        pytest.param(SLOTS, Kind.SCALE, {"factor": 0.33}, (7, 0, 1), id="slots are whole"),
        pytest.param(FROZEN, Kind.SCALE, {"factor": 10.0}, (0, 5, 60), id="what the file froze stays frozen"),
        pytest.param(FROZEN, Kind.SET, {"capacity": 10.0}, (10, 5, 60), id="and is set again by numbers"),
    ],
)
def test_what_a_limit_becomes(
    limit: Limit, kind: Kind, numbers: dict[str, float], becomes: tuple[float, float, float] | None
) -> None:
    """By the same name, so that usage is kept."""
    found = changed(limit, replace(override(1, kind=kind), **numbers))  # type: ignore[arg-type]
    if becomes is None:
        assert found is None
        return
    assert found is not None and (found.name, found.measure) == (limit.name, limit.measure)
    assert (found.capacity, found.refill, found.every) == pytest.approx(becomes)


def test_numbers_thaw_what_the_file_has_frozen() -> None:
    """The file states no refill then: what a bucket holds comes back, and not nothing for ever."""
    stated = Limit("rpm", Measure.REQUESTS, 0.0, 0.0, 60.0)
    one = changed(stated, override(1, kind=Kind.SET, capacity=600.0))
    assert one == Limit("rpm", Measure.REQUESTS, 600.0, 600.0, 60.0)


@pytest.mark.parametrize("change", [{"kind": Kind.SET, "capacity": 1e15}, {"kind": Kind.SCALE, "factor": 1000.0}])
def test_no_more_dollars_than_the_store_can_tell(change: dict[str, Any]) -> None:
    """What is left is told in whole millionths of 64 bits."""
    one = changed(Limit("usd", Measure.SPEND, 1e10, 1e10, 60.0), override(1, **change))
    assert one is not None and one.capacity * 1e6 < 2**63
