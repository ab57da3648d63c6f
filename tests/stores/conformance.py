"""The laws of a Store. Collected by test_interface.py, on every store there is."""

from __future__ import annotations

import math

import pytest

from gateway.policy import Limit
from tests.stores.harness import Bench


class Conformance:
    """One law a test."""

    async def test_grants_until_empty(self, bench: Bench) -> None:
        """A bucket fits when used + cost <= capacity, to the last unit."""
        rpm = bench.bucket(capacity=3)
        answers = [await bench.take(f"e{i}", (rpm, 1)) for i in range(4)]
        assert [answer.granted for answer in answers] == [True, True, True, False]
        assert [answer.remaining for answer in answers] == [(2,), (1,), (0,), (0,)]

    async def test_all_or_none(self, bench: Bench) -> None:
        """What is refused consumes nothing, in no bucket, and says what is there."""
        rpm, tokens, slot = bench.bucket(), bench.bucket("tpm", 100, measure="total_tokens"), bench.slots(1)
        answer = await bench.take("e", (rpm, 1), (tokens, 100), (slot, 1))
        assert answer.granted
        assert answer.remaining == (9, 0, 0)
        refused = await bench.take("f", (rpm, 1), (tokens, 1))
        assert (refused.granted, refused.short, refused.remaining) == (False, 1, (9, 0))
        refused = await bench.take("g", (rpm, 1), (slot, 1))
        assert (refused.granted, refused.short, refused.remaining) == (False, 1, (9, 0))
        assert await bench.left(rpm) == 9

    @pytest.mark.parametrize(
        ("capacity", "rate", "used", "cost", "wait"),
        [
            pytest.param(10, 2.0, 10, 1, 0.5, id="one unit"),
            pytest.param(10, 3.0, 10, 1, 0.334, id="rounded up to a ms"),
            pytest.param(10, 2.0, 10, 50, 5.0, id="cost above capacity waits for all of it"),
            pytest.param(10, 0.0, 10, 1, math.inf, id="no refill: never"),
            pytest.param(0, 1.0, 0, 1, math.inf, id="no capacity: never"),
            pytest.param(0, 1.0, 0, 0, math.inf, id="no capacity: not even nothing"),
        ],
    )
    async def test_wait(
        self, bench: Bench, capacity: float, rate: float, used: float, cost: float, wait: float
    ) -> None:
        """The wait is exact: a millisecond before it the take is refused, after it it is granted."""
        one = bench.bucket(capacity=capacity, rate=rate, measure="total_tokens")
        if used:
            assert (await bench.take("e", (one, used))).granted
        refused = await bench.take("f", (one, cost))
        assert not refused.granted
        assert refused.wait == wait
        if math.isfinite(wait):
            await bench.at(wait - 0.001)
            assert not (await bench.take("g", (one, cost))).granted
            await bench.at(wait)
            assert (await bench.take("h", (one, cost))).granted

    async def test_longest_wait_is_named(self, bench: Bench) -> None:
        """`short` is the take with the longest wait; no wait is longer than never."""
        slow = bench.bucket("slow", 1, 0.1)
        fast = bench.bucket("fast", 1, 1.0)
        gone = bench.bucket("gone", 1, 0.0)
        assert (await bench.take("e", (fast, 1), (slow, 1), (gone, 1))).granted
        assert (await bench.take("f", (fast, 1), (slow, 1)))[2:] == (1, 10.0)
        assert (await bench.take("g", (gone, 1), (fast, 1), (slow, 1)))[2:] == (0, math.inf)

    async def test_cost_above_capacity(self, bench: Bench) -> None:
        """A cost above the capacity counts as the capacity, in the take and in its settle."""
        tokens = bench.bucket(capacity=100, measure="total_tokens")
        answer = await bench.take("e", (tokens, 1_000))
        assert (answer.granted, answer.remaining) == (True, (0,))
        bench.settle("e", (tokens, 1_000, 30))
        assert await bench.left(tokens) == 70

    async def test_refill(self, bench: Bench) -> None:
        """Usage decays at the limit's rate, never below nothing, and a clock that goes back refills nothing."""
        tokens = bench.bucket(capacity=100, rate=10, measure="total_tokens")
        await bench.take("e", (tokens, 100))
        await bench.at(2.55)
        assert await bench.left(tokens) == 25
        await bench.at(1.0)
        assert await bench.left(tokens) == 25
        await bench.at(1.5)
        assert await bench.left(tokens) == 30
        await bench.at(1000)
        assert await bench.left(tokens) == 100

    @pytest.mark.parametrize(
        ("final", "left"),
        [
            pytest.param(0, 100, id="all back"),
            pytest.param(10, 90, id="some back"),
            pytest.param(40, 60, id="as taken"),
            pytest.param(90, 10, id="more"),
            pytest.param(300, -200, id="debt"),
        ],
    )
    async def test_settle(self, bench: Bench, final: float, left: float) -> None:
        """A settle corrects to the final cost, once, whatever is sent again."""
        tokens, slot = bench.bucket(capacity=100, measure="total_tokens"), bench.slots(1)
        await bench.take("e", (tokens, 40), (slot, 1))
        for _ in range(3):
            bench.settle("e", (tokens, 40, final), (slot, 1, 1))
        answer = await bench.take("f", (slot, 1))
        assert answer.granted
        assert await bench.left(bench.bucket(capacity=1000, measure="total_tokens")) == left + 900

    async def test_debt_is_paid_by_refill(self, bench: Bench) -> None:
        """Debt refuses all, even a take of nothing, until refill has paid it."""
        tokens = bench.bucket(capacity=10, rate=1, measure="output_tokens")
        await bench.take("e", (tokens, 1))
        bench.settle("e", (tokens, 1, 30))
        refused = await bench.take("f", (tokens, 0))
        assert (refused.granted, refused.wait, refused.remaining) == (False, 20.0, (-20,))
        await bench.at(21)
        assert (await bench.take("g", (tokens, 1))).remaining == (0,)

    async def test_settle_of_nothing(self, bench: Bench) -> None:
        """A settle whose take never happened, or was refused, changes nothing."""
        rpm = bench.bucket(capacity=2)
        bench.settle("ghost", (rpm, 1, 0))
        await bench.take("e", (rpm, 2))
        assert not (await bench.take("f", (rpm, 1))).granted
        bench.settle("f", (rpm, 1, 0))
        bench.settle("ghost", (rpm, 1, 9))
        assert await bench.left(rpm.__class__(rpm.tag, rpm.partition, Limit("rpm", rpm.limit.measure, 10))) == 8

    async def test_more(self, bench: Bench) -> None:
        """More counts with its exchange: finals are of the whole, and no second slot is taken."""
        tokens, slot = bench.bucket(capacity=100, measure="output_tokens"), bench.slots(1)
        await bench.take("e", (tokens, 10), (slot, 1))
        assert (await bench.more("e", (tokens, 20))).remaining == (70,)
        assert (await bench.more("e", (tokens, 30), (slot, 1))).remaining == (40, 0)
        assert not (await bench.more("e", (tokens, 41))).granted
        bench.settle("e", (tokens, 60, 45), (slot, 1, 1))
        bench.settle("e", (tokens, 60, 0), (slot, 1, 1))
        assert await bench.left(tokens) == 55
        assert (await bench.take("f", (slot, 1))).granted

    async def test_changed_limit_keeps_usage(self, bench: Bench) -> None:
        """Usage is stored, not what is left: a new capacity or refill applies to it at once."""
        await bench.take("e", (bench.bucket(capacity=10), 8))
        assert await bench.left(bench.bucket(capacity=100)) == 92
        assert (await bench.take("f", (bench.bucket(capacity=5), 1)))[1:3] == ((-3,), 0)
        assert (await bench.take("g", (bench.bucket(capacity=5, rate=2), 1))).wait == 2.0

    async def test_spend_in_dollars(self, bench: Bench) -> None:
        """Spend is asked and answered in dollars, exact to a millionth."""
        usd = bench.bucket("usd", 1.0, measure="spend")
        assert (await bench.take("e", (usd, 0.000_001))).remaining == (0.999_999,)
        bench.settle("e", (usd, 0.000_001, 0.25))
        assert await bench.left(usd) == 0.75

    async def test_leases(self, bench: Bench) -> None:
        """So many exchanges at once as the capacity says, and each settle frees one."""
        slot = bench.slots(2)
        assert (await bench.take("e", (slot, 1))).remaining == (1,)
        assert (await bench.take("f", (slot, 1))).remaining == (0,)
        refused = await bench.take("g", (slot, 1))
        assert (refused.granted, refused.remaining, refused.wait) == (False, (0,), 1.0)
        bench.settle("e", (slot, 1, 1))
        assert (await bench.take("h", (slot, 1))).granted
        assert (await bench.take("i", (bench.slots(0), 1))).wait == math.inf

    async def test_one_bucket_twice(self, bench: Bench) -> None:
        """Two takes of one bucket are one take of their sum."""
        rpm, slot = bench.bucket(capacity=5), bench.slots(2)
        assert (await bench.take("e", (rpm, 2), (slot, 1), (rpm, 1), (slot, 1))).remaining == (2, 1, 2, 1)
        assert not (await bench.take("f", (rpm, 2), (rpm, 1))).granted
        bench.settle("e", (rpm, 2, 1), (slot, 1, 1), (rpm, 1, 1), (slot, 1, 1))
        assert await bench.left(rpm) == 3

    async def test_order_of_takes(self, bench: Bench) -> None:
        """Answers are in the order of the takes, whatever lives together."""
        slot, a = bench.slots(3), bench.bucket("a", 10)
        b, c = bench.bucket("b", 20, rest=",model=m"), bench.bucket("c", 30)
        assert (await bench.take("e", (slot, 1), (b, 1), (a, 2), (c, 3))).remaining == (2, 19, 8, 27)
        assert (await bench.take("f", (b, 1), (c, 28), (slot, 1), (a, 1))).short == 1

    async def test_several_tags(self, bench: Bench) -> None:
        """Buckets that live in different places are taken all or none, settled, and given back."""
        own, slot = bench.bucket("own", 10), bench.slots(5)
        others = [bench.bucket("shared", 3, tag=f"other={bench.account}-{index}") for index in range(4)]
        rows = [(own, 1.0), (slot, 1.0), *((other, 1.0) for other in others)]
        assert (await bench.take("e", *rows)).remaining == (9, 4, 2, 2, 2, 2)
        refused = await bench.take("f", (own, 1), (slot, 1), (others[0], 1), (others[1], 3))
        assert (refused.granted, refused.short, refused.remaining) == (False, 3, (9, 4, 2, 2))
        assert (await bench.more("e", (own, 2), (others[2], 1))).remaining == (7, 1)
        taken = [3.0, 1.0, 1.0, 1.0, 2.0, 1.0]
        for _ in range(2):
            bench.settle("e", *((one, cost, 1) for (one, _), cost in zip(rows, taken, strict=True)))
        assert await bench.left(own) == 9
        assert [await bench.left(other) for other in others] == [2, 2, 2, 2]
        assert (await bench.take("g", (slot, 1))).remaining == (4,)

    async def test_nothing_to_take(self, bench: Bench) -> None:
        """No takes: granted."""
        assert (await bench.take("e")).granted
        bench.settle("e")

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -5.0, -math.inf], ids=str)
    async def test_odd_numbers(self, bench: Bench, odd: float) -> None:
        """No number that a caller can bring about corrupts a bucket or takes out of it what is not there."""
        tokens = bench.bucket(capacity=100, measure="total_tokens")
        await bench.take("e", (tokens, odd))
        bench.settle("e", (tokens, odd, odd))
        await bench.take("f", (tokens, 10))
        left = await bench.left(tokens)
        assert left in {0, 90}
