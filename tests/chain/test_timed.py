"""A traced exchange: the same answer, with a clock beside it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.chain.timed import Step, begin_timed
from gateway.policy import ALLOW, Action, Ask, Bucket, Context, Decision, Limit, Measure, Outcome, Take, Taken
from gateway.stores.interface import StoreUnavailable
from gateway.stores.memory import MemoryStore

BUCKET = Bucket("account=a", "account=a", Limit("requests", Measure.REQUESTS, 1.0, 1.0, 60.0))
FROZEN = Bucket("account=a", "account=a", Limit("frozen", Measure.REQUESTS, 0.0, 1.0, 60.0))
NO = Decision(Action.DENY, reason="not_here")


class Ticking:
    """A second later at each look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Says:
    """A policy that says what it is told."""

    def __init__(self, says: Any) -> None:
        self.says = says

    def decide(self, _: Context) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says() if callable(self.says) else self.says

    def refuse(self, _: Context, take: Take, taken: Taken) -> Decision:
        return Decision(Action.THROTTLE, reason="quota_exceeded", retry_after=taken.wait)


class Away:
    """A store that is away."""

    available = False

    def take(self, exchange: str, takes: Any, then: Any) -> None:
        then(StoreUnavailable("timeout"))

    more = take

    def settle(self, exchange: str, takes: Any, finals: Any) -> None:
        raise AssertionError("nothing was taken here")

    async def close(self) -> None: ...


def chain_of(*says: Any, store: Any = None, rollout: float = 1.0) -> Chain:
    entries = tuple(
        Entry.of(f"p{index}", "says", Says(one), OnFailure.DENY, rollout=rollout) for index, one in enumerate(says)
    )
    chosen = MemoryStore(lambda: 1000.0) if store is None else store
    return Chain(entries, chosen, chosen, {})


def context(exchange: str = "x1") -> Context:
    return Context(exchange, 1000.0, "POST", "/v1/chat/completions", {}, "192.0.2.1", Ask("openai", "chat.completions"))


def taking(cost: float) -> Decision:
    return Decision(Action.ALLOW, takes=(Take(BUCKET, cost),))


def spoken(steps: list[Step]) -> list[tuple[str, str, str]]:
    return [(step.name, step.said, step.reason) for step in steps]


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        pytest.param(lambda: chain_of(ALLOW, ALLOW), [("p0", "allow", ""), ("p1", "allow", "")], id="nothing is taken"),
        pytest.param(
            lambda: chain_of(ALLOW, taking(1)),
            [("p0", "allow", ""), ("p1", "allow", ""), ("take", "granted", "")],
            id="taken",
        ),
        pytest.param(
            lambda: chain_of(Decision(Action.ALLOW, takes=(Take(FROZEN, 1),))),
            [("p0", "allow", ""), ("take", "refused", "")],
            id="short",
        ),
        pytest.param(
            lambda: chain_of(taking(1), store=Away()),
            [("p0", "allow", ""), ("take", "timeout", "")],
            id="the store is away",
        ),
        pytest.param(lambda: chain_of(ALLOW, NO, ALLOW), [("p0", "allow", ""), ("p1", "deny", "not_here")], id="no"),
        pytest.param(lambda: chain_of(RuntimeError("x"), ALLOW), [("p0", "failed", "")], id="a policy that is broken"),
        pytest.param(lambda: chain_of(NO, rollout=0.0), [("p0", "not asked", "")], id="in shadow"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_same_answer(make: Callable[[], Chain], steps: list[tuple[str, str, str]]) -> None:
    """What is decided and taken does not depend on who looks on, and each step has its time."""
    told: list[Asked] = []
    plain = make().begin(context(), told.append)
    timed = begin_timed(make(), context(), told.append, Ticking())
    assert spoken(timed.steps) == steps
    assert (timed.decision, timed.entry, timed.takes) == (plain.decision, plain.entry, plain.takes)
    assert len(timed.decisions) == len(plain.decisions)
    assert len(told) == 2
    assert all(before.ended <= after.began for before, after in zip(timed.steps, timed.steps[1:], strict=False))
    assert all(step.ended > step.began for step in timed.steps)


async def test_one_that_waits() -> None:
    """Its step lasts until it has answered."""

    async def later() -> Decision:
        await asyncio.sleep(0)
        return NO

    async def broken() -> Decision:
        raise RuntimeError("later")

    for says, wanted in ((later, [("p0", "deny", "not_here")]), (broken, [("p0", "failed", "")])):
        done = asyncio.get_running_loop().create_future()
        timed = begin_timed(chain_of(says), context(), done.set_result, Ticking())
        await done
        assert spoken(timed.steps) == wanted


def test_a_traced_exchange_keeps_its_chain() -> None:
    """A chain that nobody holds is closed: not while an exchange runs on it."""
    chain = chain_of(ALLOW)
    gone = weakref.ref(chain)
    timed = begin_timed(chain, context(), lambda _: None, Ticking())
    del chain
    gc.collect()
    assert gone() is not None
    timed.settle(Outcome(200))
    del timed
    gc.collect()
    assert gone() is None
