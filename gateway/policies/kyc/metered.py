"""Tiers with buckets of their own: how much before a higher one is needed, and how many exchanges at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.partitions import INDEX, partition, price_of, reserved, used
from gateway.policies.kyc.policy import Known, Kyc
from gateway.policies.kyc.rule import VOLUME, Refused, refusal
from gateway.policy import (
    Action,
    Bucket,
    Context,
    Decision,
    Limit,
    Match,
    Measure,
    Outcome,
    Principal,
    Take,
    Taken,
)

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.kyc.config import KycConfig, Volume

ASSUMED_OUTPUT: Final = 1024
"""Output tokens that an answer without a cap is taken for."""
_take: Final[partial[Take]] = partial(tuple.__new__, Take)
"""Of (bucket, cost): a NamedTuple without the call in between."""


class Metered(Kyc):
    """Policy of kind `kyc`, where a tier has `volume` or `concurrency`."""

    def __init__(self, config: KycConfig, services: Services) -> None:
        super().__init__(config, services)
        self._prices = services.prices
        self._limits = [tier.limits() for tier in config.tiers]
        self._expected = [_expected(limits) for limits in self._limits]
        """Output tokens that are reserved where the caller states no cap, for each tier."""
        self._owners: dict[str, tuple[int, Volume | None]] = {}
        """Limit -> the rung that has it, and its volume; None for concurrency."""
        for index, tier in enumerate(config.tiers):
            volumes: tuple[Volume | None, ...] = (*tier.volume, None)
            self._owners |= {limit.name: (index, one) for limit, one in zip(self._limits[index], volumes, strict=False)}

    def decide(self, context: Context) -> Decision:
        decision = super().decide(context)
        principal = context.principal
        if decision.action is not Action.ALLOW or principal is None:
            return decision
        known = self._young[id(principal)]
        buckets = known.buckets
        if buckets is None:
            buckets = known.buckets = self._buckets(context, known)
        if not buckets or known.rung is None:
            return decision
        costs = reserved(context.ask, self._expected[known.rung.index], price_of(self._prices, context.ask.model))
        takes = tuple([_take((bucket, costs[INDEX[bucket.limit.measure]])) for bucket in buckets])
        action, reason, detail, note, status, wait, facts, _, matches, link, members = decision
        return Decision(action, reason, detail, note, status, wait, facts, takes, matches, link, members)

    def _buckets(self, context: Context, known: Known) -> tuple[Bucket, ...]:
        """Of the tier on which it stands. They go by the account, or by who stands behind it: neither changes."""
        if known.rung is None:
            return ()
        found = []
        for limit in self._limits[known.rung.index]:
            volume = self._owners[limit.name][1]
            found.append(Bucket(*partition((volume.per if volume is not None else "account",), context), limit))
        return tuple(found)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        if not takes or not outcome.reached:
            return ()
        ask = context.ask
        expected = float(ASSUMED_OUTPUT) if ask.output_cap is None else float(ask.output_cap)
        costs = used(ask, outcome, price_of(self._prices, ask.model), 0.0, expected)
        return tuple([costs[INDEX[take.bucket.limit.measure]] for take in takes])

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
        limit = take.bucket.limit
        index, volume = self._owners[limit.name]
        tier = self.rungs[index].tier.name
        if volume is None:
            detail = f"The tier {tier} may do {limit.capacity:g} things at once: try again when one has ended."
            return _throttle("concurrency_exceeded", detail, f"{tier}.concurrency", take, taken)
        needed = self._with_more(index, volume)
        if needed is None:
            detail = f"What the tier {tier} may use ({_amount(limit)}) is used up: try again later."
            return _throttle("quota_exceeded", detail, f"{tier}.{VOLUME}", take, taken)
        left = taken.remaining[taken.short] if 0 <= taken.short < len(taken.remaining) else 0.0
        if taken.wait != float("inf") and left > self._without_output(context, limit):
            # Only what the answer might become is too much: its caller may ask for less, and need show nothing.
            detail = (
                f"Of what the tier {tier} may use ({_amount(limit)}) {left:,.0f} are left, and this may use up to "
                f"{take.cost:,.0f}: ask for a shorter answer, or try again later. "
                f"The tier {self.rungs[needed].tier.name} has more."
            )
            return _throttle("quota_exceeded", detail, f"{tier}.{VOLUME}", take, taken)
        principal = context.principal or Principal("")
        subject = f"More than what the tier {tier} may use ({_amount(limit)})"
        decision = refusal(self.ladder, Refused(principal, index, VOLUME, needed, subject, context.now), self._link)
        return decision._replace(note=take.bucket.partition)

    def _without_output(self, context: Context, limit: Limit) -> float:
        ask = context.ask._replace(output_cap=0)
        return reserved(ask, 0.0, price_of(self._prices, ask.model))[INDEX[limit.measure]]

    def _with_more(self, index: int, volume: Volume) -> int | None:
        """The lowest higher rung that has more of it, or all."""
        for rung in self.rungs[index + 1 :]:
            same = [one for one in rung.tier.volume if one.measure == volume.measure]
            if all(one.capacity / one.every > volume.capacity / volume.every for one in same):
                return rung.index
        return None


def _expected(limits: tuple[Limit, ...]) -> float:
    """No more than the smallest bucket can hold."""
    of_output = (Measure.OUTPUT_TOKENS, Measure.TOTAL_TOKENS)
    return min([float(ASSUMED_OUTPUT), *(limit.capacity for limit in limits if limit.measure in of_output)])


def _throttle(reason: str, detail: str, rule: str, take: Take, taken: Taken) -> Decision:
    wait = None if taken.wait == float("inf") else max(taken.wait, 0.001)
    return Decision(
        Action.THROTTLE,
        reason,
        detail,
        take.bucket.partition,
        retry_after=wait,
        matches=(Match(rule, "throttle", reason),),
    )


def _amount(limit: Limit) -> str:
    dollar = "$" if limit.measure is Measure.SPEND else ""
    unit = "" if limit.measure is Measure.SPEND else f" {limit.measure.value.replace('_', ' ')}"
    for seconds, name in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if limit.every >= seconds:
            return f"{dollar}{limit.capacity:,.12g}{unit} every {limit.every / seconds:.3g} {name}"
    return f"{dollar}{limit.capacity:,.12g}{unit} every {limit.every:.3g} s"
