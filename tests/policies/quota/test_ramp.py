"""A new model's first days: a part of each limit beside the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policies.quota import build
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.quota.rule import part_of
from gateway.policy import (
    ALLOW,
    Action,
    Context,
    Decision,
    Facts,
    Limit,
    Measure,
    Outcome,
    Principal,
    Usage,
    note_facts,
)
from gateway.testing import context, services
from tests.policies.counted import STORES, Counted, extended, ids, left, store_of

WHO: Final = Principal("acme", tier="free")


@dataclass
class Ramp:
    """Stands for an entry that knows of a ramp."""

    model: str = "m-new"
    share: float = 0.1

    def decide(self, context: Context) -> Decision:
        share = self.share if context.ask.model == self.model else 1.0
        return Decision(Action.ALLOW, facts=Facts(WHO, share=share))


def quota(*limits: dict[str, Any]) -> Any:
    every = {"every": "1h"}
    usual = [{"per": ["account"], **(every if one["measure"] != "concurrency" else {}), **one} for one in limits]
    return build(QuotaConfig.model_validate({"limits": usual, "assumed_output": 10}), services())


REQUESTS: Final = {"name": "rph", "measure": "requests", "capacity": 30}
OUTPUT: Final = {"name": "out", "measure": "output_tokens", "capacity": 1000}
SLOTS: Final = {"name": "slots", "measure": "concurrency", "capacity": 12}


def one(model: str = "m-new", **ask: Any) -> Context:
    return context(exchange=next(ids), account=None, model=model, **ask)


@pytest.mark.parametrize("kind", STORES)
async def test_a_part_is_used_up_before_the_whole(kind: str) -> None:
    """The new model is refused, in words that say why; others go on with what is left of the whole."""
    async with store_of(kind) as store:
        world = Counted(store, Ramp(), quota(REQUESTS, OUTPUT))
        said = [await world.ask(one()) for _ in range(4)]
        other = await world.ask(one("m-old"))

    assert [asked.decision.action for asked in said] == [*[Action.ALLOW] * 3, Action.THROTTLE]
    refused = said[-1].decision
    assert (refused.reason, refused.matches[0].rule) == ("quota_exceeded", "rph")
    assert refused.note == "account=acme,ramp=m-new"
    assert refused.detail.startswith("Limit rph (3 every 1 h) is used up for requests: try again in ")
    assert refused.detail.endswith(" In a new model's first days a part of each limit is for it.")
    assert other.decision is ALLOW
    # What was refused took nothing, from neither bucket.
    assert left(other)["account=acme rph"] == pytest.approx(26, abs=0.1)


@pytest.mark.parametrize("kind", STORES)
async def test_the_whole_binds_as_before(kind: str) -> None:
    """Who has used up everything with other models has no part left, and is not told of new models."""
    async with store_of(kind) as store:
        world = Counted(store, Ramp(), quota(REQUESTS))
        for _ in range(30):
            await world.ask(one("m-old"))
        refused = (await world.ask(one())).decision

    assert refused.note == "account=acme"
    assert "new model" not in refused.detail


@pytest.mark.parametrize("kind", STORES)
async def test_both_are_settled_and_streams_take_more(kind: str) -> None:
    """What a stream used is paid to both; one that would use more than the part is cut."""
    async with store_of(kind) as store:
        world = Counted(store, Ramp(), quota({**OUTPUT, "on_exhausted": "cut"}))
        first = await world.ask(one(output_cap=40))
        assert await extended(first, 60)
        first.settle(Outcome(200, Usage(input=5, output=60)))
        second = await world.ask(one(output_cap=1))
        assert left(second) == {
            "account=acme out": pytest.approx(939, abs=2),
            "account=acme,ramp=m-new out": pytest.approx(39, abs=2),
        }
        assert [await extended(second, delivered) for delivered in (20, 45)] == [True, False]
        second.settle(Outcome(200, delivered=45, aborted=True))


@pytest.mark.parametrize("kind", STORES)
async def test_slots_are_given_back(kind: str) -> None:
    """A tenth of twelve slots is two."""
    async with store_of(kind) as store:
        world = Counted(store, Ramp(), quota(SLOTS))
        running = [await world.ask(one()) for _ in range(2)]
        refused = await world.ask(one())
        running[0].settle(Outcome(200))
        again = await world.ask(one())

    assert refused.decision.reason == "concurrency_exceeded"
    assert again.decision is ALLOW


async def test_in_shadow_it_is_noted() -> None:
    """With the words of a ramp, and nobody is refused."""
    async with store_of("memory") as store:
        world = Counted(store, Ramp(), quota(REQUESTS), shadow="quota")
        said = [await world.ask(one()) for _ in range(4)]

    assert [[match.rule for _, match in asked.matches] for asked in said] == [[], [], [], ["rph"]]
    assert all(asked.decision is ALLOW for asked in said)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_two_shares_are_two_plans(share: float) -> None:
    """One principal asks for two models: each has its buckets, and the same takes as often as it asks."""
    policy = quota(REQUESTS, OUTPUT, SLOTS)

    def takes(model: str) -> Any:
        exchange = one(model, output_cap=5)
        note_facts(exchange, Ramp(share=share).decide(exchange).facts or Facts())
        return policy.decide(exchange).takes

    assert [len(takes(model)) for model in ("m-old", "m-new", "m-old")] == [3, 6, 3]
    assert takes("m-new")[4].bucket.limit is takes("m-new")[4].bucket.limit
    assert takes("m-new")[3].bucket.limit.capacity == 30 * share


_limit = st.builds(
    Limit,
    st.just("a"),
    st.sampled_from([measure for measure in Measure if measure is not Measure.SPEND]),
    st.integers(0, 10**12).map(float),
    st.integers(1, 10**12).map(float),
    st.floats(1, 1e6),
)


@given(limit=_limit, share=st.sampled_from([0.001, 0.01, 0.1, 0.25, 0.3, 0.5, 0.9, 0.999]))
def test_a_part_is_a_part(limit: Limit, share: float) -> None:
    """Whole units, never none where there were some, and no more of them in the time than the share."""
    part = part_of(limit, share)

    assert part.capacity.is_integer()
    assert part.capacity <= limit.capacity
    if limit.capacity:
        assert max(1.0, limit.capacity * share * 0.999999) <= part.capacity < limit.capacity * share + 1.000001
    if limit.capacity and limit.measure is not Measure.CONCURRENCY:
        assert part.refill.is_integer()
        assert part.rate == pytest.approx(limit.rate * share, rel=1e-6)


def test_money_is_parted_exactly() -> None:
    """A tenth of a dollar is ten cents."""
    part = part_of(Limit("spend", Measure.SPEND, 1.0, 1.0, 86_400.0), 0.1)

    assert (part.capacity, part.refill, part.every) == (0.1, 0.1, 86_400.0)


async def test_cached_input_counts_alike_in_both() -> None:
    """Limits that weigh it differently stay apart, in the part as in the whole."""
    async with store_of("memory") as store:
        half, none = ({"name": name, "measure": "input_tokens", "capacity": 1000} for name in ("half", "none"))
        world = Counted(store, Ramp(), quota({**half, "cached_weight": 0.5}, none))
        (await world.ask(one(input_tokens=10))).settle(Outcome(200, Usage(input=10, cached=40)))
        after = await world.ask(one(input_tokens=10))

    assert left(after) == {
        "account=acme half": 960, "account=acme none": 980,
        "account=acme,ramp=m-new half": 60, "account=acme,ramp=m-new none": 80,
    }  # fmt: skip
