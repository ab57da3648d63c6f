"""Which buckets an exchange takes from, and what it is told when one is short."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policies import Services
from gateway.policies.quota import KIND
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.quota.guard import Guard
from gateway.policies.quota.policy import Quota
from gateway.policies.quota.refusal import NO_QUOTA
from gateway.policy import (
    ALLOW,
    Action,
    Ask,
    Context,
    Facts,
    Location,
    Outcome,
    Policy,
    Principal,
    Take,
    Taken,
    Usage,
    note_facts,
    place,
)

PRICES = {"default": (3.0, 0.3, 3.75, 15.0), "cheap": (0.1, 0.1, 0.1, 0.2)}
ACME = Principal("acme", "org", "k1", "pro")


def built(*limits: dict[str, Any], **more: Any) -> Policy:
    services = Services(now=lambda: 0.0, directory=None, prices=PRICES)  # type: ignore[arg-type]
    return KIND.build(QuotaConfig.model_validate({"limits": limits, **more}), services)


def policy(*limits: dict[str, Any], **more: Any) -> Quota:
    found = built(*limits, **more)
    assert isinstance(found, Quota)
    return found


def limit(name: str = "rpm", measure: str = "requests", per: Any = ("account",), **more: Any) -> dict[str, Any]:
    return {"name": name, "measure": measure, "per": per, "capacity": 100, **more}


def context(principal: Principal | None = ACME, model: str = "m", address: str = "192.0.2.1", **ask: Any) -> Context:
    fresh = Context(
        "x", 50.0, "POST", "/v1/chat/completions", {}, address, Ask("openai", "chat.completions", model, **ask)
    )
    if principal is not None:
        note_facts(fresh, Facts(principal=principal))
    return fresh


def takes(of: Quota, on: Context) -> tuple[Take, ...]:
    decision = of.decide(on)
    assert decision.action is Action.ALLOW
    return decision.takes


@pytest.mark.parametrize(
    ("per", "tag", "partition"),
    [
        (["account"], "account=acme", "account=acme"),
        (["organisation"], "organisation=org", "organisation=org"),
        (["key"], "key=k1", "key=k1"),
        (["tier"], "tier=pro", "tier=pro"),
        (["model"], "model=m", "model=m"),
        (["client_address"], "client_address=192.0.2.1", "client_address=192.0.2.1"),
        (["network"], "network=192.0.2.0/24", "network=192.0.2.0/24"),
        (["country"], "country=NO", "country=NO"),
        (["model", "account"], "account=acme", "account=acme,model=m"),
        (["country", "tier"], "country=NO", "country=NO,tier=pro"),
    ],
)
def test_every_dimension_has_buckets_of_its_own(per: list[str], tag: str, partition: str) -> None:
    """And those of one account live together, so that one script takes from all of them."""
    on = context()
    place(on, Location("NO"))
    (take,) = takes(policy(limit(per=per)), on)
    assert (take.bucket.tag, take.bucket.partition) == (tag, partition)


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"), ("", "")],
)
def test_a_network_is_what_a_household_has(address: str, network: str) -> None:
    """A /24, or a /56; an address that is none counts as itself."""
    (take,) = takes(policy(limit(per=["network"])), context(address=address))
    assert take.bucket.partition == f"network={network}"


def test_costs_go_to_the_right_measures() -> None:
    """One take a limit, each with the cost of what it counts."""
    measures = ["requests", "input_tokens", "output_tokens", "total_tokens", "spend"]
    of = policy(*(limit(m.replace("_", "-"), m, capacity=10000) for m in measures), limit("slots", "concurrency"))
    got = [take.cost for take in takes(of, context(input_tokens=100, output_cap=20))]
    assert got == pytest.approx([1, 100, 20, 120, (100 * 3 + 20 * 15) / 1e6, 1])


def test_selectors_choose_limits() -> None:
    """tiers and models select; an exchange takes only from what matches it."""
    of = policy(
        limit("free", tiers=["free"]), limit("pro", tiers=["pro"]), limit("large", models=["m-l*"]), limit("all")
    )
    assert [take.bucket.limit.name for take in takes(of, context(model="m-large"))] == ["pro", "large", "all"]
    assert [take.bucket.limit.name for take in takes(of, context(Principal("x", tier="free")))] == ["free", "all"]


def test_nothing_is_unlimited_by_oversight() -> None:
    """An exchange that no limit matches is refused, unless the author says otherwise."""
    assert policy(limit(tiers=["free"])).decide(context()).reason == "no_quota"
    assert policy(limit(tiers=["free"]), unmatched="allow").decide(context()) is ALLOW


def test_a_reservation_is_never_more_than_the_smallest_bucket() -> None:
    """An estimate must not refuse for ever what would have fitted."""
    of = policy(limit("otpm", "output_tokens"), limit("tpm", "total_tokens", capacity=60), assumed_output=5000)
    assert [take.cost for take in takes(of, context(input_tokens=10))] == [60, 70]


def test_the_estimate_is_learned() -> None:
    """After an answer of 10 tokens the next reservation is near that, for this account and model."""
    of = policy(limit("otpm", "output_tokens", capacity=10000), assumed_output=5000)
    on = context()
    first = takes(of, on)
    assert first[0].cost == 5000
    of.settle(on, first, Outcome(200, Usage(1, 10)))
    assert takes(of, context())[0].cost == 15
    assert takes(of, context(model="other"))[0].cost == 5000


def test_a_broken_stream_teaches_nothing() -> None:
    """What was cut off says nothing about how long answers are."""
    of = policy(limit("otpm", "output_tokens", capacity=10000), assumed_output=5000)
    on = context()
    of.settle(on, takes(of, on), Outcome(200, Usage(1, 10), aborted=True))
    assert takes(of, context())[0].cost == 5000


def test_settling_gives_one_final_a_take() -> None:
    """In their order, each by its own measure and weight of cached input."""
    of = policy(
        limit("rpm"),
        limit("itpm", "input_tokens"),
        limit("all-input", "input_tokens", cached_weight=1.0),
        limit("c", "concurrency"),
    )
    on = context()
    assert of.settle(on, takes(of, on), Outcome(200, Usage(5, 7, cached=20))) == (1, 5, 25, 0)


@pytest.mark.parametrize(
    "later", [Facts(Principal("acme", "org", "k1", "verified")), Facts(share=0.5)], ids=["another tier", "a share"]
)
def test_what_was_taken_is_settled_whatever_later_entries_say(later: Facts) -> None:
    """A ladder after it may put another tier in force, or a part of the quotas: each bucket pays its own."""
    quota = policy(
        limit("rpm", tiers=["pro"]),
        limit("out", "output_tokens", tiers=["pro", "verified"]),
        limit("in", "input_tokens", tiers=["verified"], cached_weight=0.5),
    )
    asked = context(output_cap=50)
    taken = takes(quota, asked)
    note_facts(asked, later)

    assert quota.settle(asked, taken, Outcome(200, Usage(5, 6))) == (1, 6)


def test_prices_are_by_model() -> None:
    """A model without a price pays the default, never nothing."""
    of = policy(limit("day", "spend"))
    spent = [takes(of, context(model=m, input_tokens=10**6, output_cap=0))[0].cost for m in ("cheap", "unknown")]
    assert spent == [0.1, 3.0]


@pytest.mark.parametrize(
    ("measure", "wait", "reason", "retry", "says"),
    [
        ("requests", 2.5, "quota_exceeded", 2.5, "100 every 1 min) is used up for requests: try again in 2.5 s."),
        (
            "input_tokens",
            0.5,
            "quota_exceeded",
            0.5,
            "100 every 1 min) is used up for input tokens: try again in 0.5 s.",
        ),
        ("spend", 7200.0, "quota_exceeded", 7200.0, "$100 every 1 min) is used up for spend: try again in 2 h."),
        ("concurrency", 1.0, "concurrency_exceeded", 1.0, "100 at once"),
        ("requests", float("inf"), "quota_frozen", None, "frozen"),
    ],
)
def test_a_refusal_says_which_limit_and_how_long(
    measure: str, wait: float, reason: str, retry: float | None, says: str
) -> None:
    """The code is stable, the wait exact; a frozen limit tells nobody to come again."""
    of = policy(limit("l", measure))
    on = context()
    (take,) = takes(of, on)
    decision = of.refuse(on, take, Taken(False, (0,), 0, wait))
    assert (decision.action, decision.reason, decision.retry_after) == (Action.THROTTLE, reason, retry)
    assert says in decision.detail
    assert decision.note == "account=acme"
    assert "acme" not in decision.detail


def test_a_local_guard_counts_attempts() -> None:
    """It takes nothing from the shared store, and what later entries refuse stays counted: it has nothing to settle."""
    of = built(limit(per=["client_address"], capacity=2, refill=2), store="local")
    assert isinstance(of, Guard)
    assert not hasattr(of, "settle")
    assert of.decide(context(None)) is ALLOW
    assert of.decide(context(None)) is ALLOW
    assert of.decide(context(None)).reason == "quota_exceeded"
    assert of.decide(context(None, address="192.0.2.2")) is ALLOW


def test_a_local_guard_may_count_tokens() -> None:
    """Then it looks at what is asked for, as the shared one does before it has learned."""
    of = built(limit("tpm", "total_tokens", per=["client_address"], capacity=100), store="local", assumed_output=30)
    assert isinstance(of, Guard)
    assert of.decide(context(None, input_tokens=50)) is ALLOW
    assert of.decide(context(None, input_tokens=50)).reason == "quota_exceeded"
    assert built(limit(tiers=["x"]), store="local").decide(context()) == NO_QUOTA


def test_what_a_running_stream_lacks() -> None:
    """Only buckets that cut are asked for more, and only for what is not paid yet."""
    of = policy(limit("cut", "output_tokens", on_exhausted="cut"), limit("finish", "output_tokens"))
    on = context(output_cap=10)
    taken = takes(of, on)
    assert of.extend(on, taken, 10) == ()
    assert [(t.bucket.limit.name, t.cost) for t in of.extend(on, taken, 25)] == [("cut", 15)]


def test_plans_follow_the_principal() -> None:
    """Another object is another plan, also where its fields are the same: a new tier bites at once."""
    of = policy(limit("free", tiers=["free"]), limit("pro", tiers=["pro"]))
    assert takes(of, context(Principal("a", tier="free")))[0].bucket.limit.name == "free"
    assert takes(of, context(Principal("a", tier="pro")))[0].bucket.limit.name == "pro"


@pytest.mark.parametrize("store", ["shared", "local"])
def test_each_limit_says_why_it_is_not_asked(store: str) -> None:
    """For whoever asks why: those that are asked, and of the others what they are for."""
    built_one = built(
        limit("all"),
        limit("trial", tiers=["trial", "free"]),
        limit("large", models=["m-large*"]),
        limit("both", tiers=["free"], models=["m-x"]),
        store=store,
    )
    assert isinstance(built_one, Quota | Guard)
    context = Context("x", 0.0, "POST", "/", {}, "192.0.2.7", Ask("openai", "chat.completions", model="m-large-2"))
    note_facts(context, Facts(ACME))

    assert [(one.rule, one.applies, dict(one.read), one.note) for one in built_one.explain(context)] == [
        ("all", True, {}, ""),
        ("trial", False, {"account.tier": "pro"}, "for the tiers trial, free"),
        ("large", True, {"request.model": "m-large-2"}, ""),
        (
            "both",
            False,
            {"account.tier": "pro", "request.model": "m-large-2"},
            "for the tiers free; for the models m-x",
        ),
    ]
