"""Random lives of an account against a small model: exact sums of fractions instead of doubles and microseconds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy import Bucket
from tests.stores.conftest import open_bench
from tests.stores.harness import Bench

STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 5), st.tuples(*[st.integers(0, 12)] * 3)),
    st.tuples(st.just("more"), st.integers(0, 5), st.tuples(*[st.integers(0, 12)] * 3)),
    st.tuples(st.just("settle"), st.integers(0, 5), st.tuples(*[st.integers(0, 20)] * 3)),
    st.tuples(st.just("turn"), st.integers(0, 20_000), st.just((0, 0, 0))),
)
NUMBERS = st.tuples(*[st.tuples(st.integers(1, 20), st.sampled_from([0, 1, 2, 5]))] * 3, st.integers(1, 3))


class Model:
    """Three buckets and some slots; exchanges by number. Time in whole milliseconds."""

    def __init__(self, limits: tuple[tuple[int, int], ...], slots: int) -> None:
        self.limits = limits
        self.slots = slots
        self.used = [Fraction(0)] * 3
        self.now = 0
        self.held: dict[int, list[Fraction]] = {}

    def turn(self, ms: int) -> None:
        self.now += ms
        for index, (_, rate) in enumerate(self.limits):
            self.used[index] = max(Fraction(0), self.used[index] - Fraction(ms * rate, 1000))

    def take(self, exchange: int, costs: tuple[int, ...], *, leasing: bool) -> tuple[bool, tuple[int, ...]]:
        real = [Fraction(min(cost, capacity)) for cost, (capacity, _) in zip(costs, self.limits, strict=True)]
        fits = all(u + c <= cap for u, c, (cap, _) in zip(self.used, real, self.limits, strict=True))
        if leasing:
            fits = fits and len(self.held) < self.slots
        if fits:
            self.used = [u + c for u, c in zip(self.used, real, strict=True)]
            if leasing:
                self.held[exchange] = real
            elif exchange in self.held:
                self.held[exchange] = [h + c for h, c in zip(self.held[exchange], real, strict=True)]
        left = tuple(math.floor(cap - u) for u, (cap, _) in zip(self.used, self.limits, strict=True))
        return fits, left

    def settle(self, exchange: int, finals: tuple[int, ...]) -> None:
        held = self.held.pop(exchange, None)
        if held is not None:
            self.used = [max(Fraction(0), u + f - h) for u, f, h in zip(self.used, finals, held, strict=True)]


async def play(bench: Bench, numbers: Any, steps: list[Any]) -> None:
    """The same steps on the store and on the model; every answer is compared."""
    *limits, slot_count = numbers
    model = Model(tuple(limits), slot_count)
    rows: list[Bucket] = [
        bench.bucket(name, capacity, rate, measure="total_tokens", rest=rest)
        for (capacity, rate), name, rest in zip(limits, "abc", ("", "", ",model=m"), strict=True)
    ]
    slot = bench.slots(slot_count)
    generation = dict.fromkeys(range(6), 0)
    for verb, number, amounts in steps:
        name = f"{number}.{generation.get(number, 0)}"
        if verb == "turn":
            model.turn(number)
            await bench.at(model.now / 1000)
        elif verb == "settle":
            taken = [float(cost) for cost in model.held.get(number, (0, 0, 0))]
            model.settle(number, amounts)
            for _ in range(2):
                bench.settle(name, *zip(rows, taken, amounts, strict=True), (slot, 1, 1))
            generation[number] += 1
        elif (number in model.held) == (verb == "more"):
            leasing = verb == "take"
            granted, left = model.take(number, amounts, leasing=leasing)
            asked = getattr(bench, verb)
            answer = await asked(name, *zip(rows, amounts, strict=True), (slot, 1))
            assert (answer.granted, answer.remaining) == (granted, (*left, slot_count - len(model.held)))


@pytest.fixture
def examples(kind: str) -> int:
    return 300 if kind == "memory" else 25


async def test_model(kind: str, server_url: str, examples: int) -> None:
    """Every answer of every store is the model's."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(NUMBERS, st.lists(STEPS, max_size=30))
    def run(numbers: Any, steps: list[Any]) -> None:
        async def one() -> None:
            async with open_bench(kind, server_url) as bench:
                await play(bench, numbers, steps)

        asyncio.run_coroutine_threadsafe(one(), loop).result()

    # Hypothesis is synchronous: it lives in a thread, and the store on this loop.
    judge: Callable[[], None] = run
    await loop.run_in_executor(None, judge)
