"""The shell: what an exchange takes from its buckets, and what it pays in the end. It asks no store itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.partitions import INDEX, NOBODY, Costs, price_of, reserved, used
from gateway.policies.quota.plans import Plan, Plans, is_part
from gateway.policies.quota.refusal import NO_QUOTA, refusal
from gateway.policies.quota.rule import OutputHistory
from gateway.policy import ALLOW, Action, Context, Decision, Finding, OnExhausted, Outcome, Take, Taken

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.quota.config import QuotaConfig

_take: Final[partial[Take]] = partial(tuple.__new__, Take)
"""Of (bucket, cost). A NamedTuple without the call in between: half the price, and there is one a limit."""


class Quota:
    """Token buckets on any measure, keyed on any dimension, exact in the shared store."""

    def __init__(self, config: QuotaConfig, services: Services) -> None:
        unmatched = ALLOW if config.unmatched == "allow" else NO_QUOTA
        self._plans = Plans(config.limits, unmatched, services.overrides)
        self._prices = services.prices
        self._history = OutputHistory(float(config.assumed_output))

    def decide(self, context: Context) -> Decision:
        plan, costs = self.wanted(context)
        if not plan.buckets:
            return plan.instead
        takes = tuple(map(_take, zip(plan.buckets, plan.pick(costs), strict=True)))
        return Decision(Action.ALLOW, "", "", "", 0, None, None, takes)

    def explain(self, context: Context) -> tuple[Finding, ...]:
        return self._plans.explain(context, context.principal or NOBODY)

    def wanted(self, context: Context) -> tuple[Plan, Costs]:
        """The buckets, and what is to be taken from them."""
        ask = context.ask
        principal = context.principal or NOBODY
        plan = self._plans.of(context, principal)
        expected = min(self._history.expect(principal.account, ask.model), plan.most_output)
        return plan, reserved(ask, expected, price_of(self._prices, ask.model))

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        if not takes or not outcome.reached:
            # Nothing was taken, or all of it goes back: the chain needs no sums for that.
            return ()
        return self.paid(context, self._plans.taken(context, context.principal or NOBODY, takes), outcome)

    def paid(self, context: Context, plan: Plan, outcome: Outcome) -> tuple[float, ...]:
        """What an exchange that came to an upstream really cost: one number a bucket. Learns how long answers are."""
        ask = context.ask
        principal = context.principal or NOBODY
        history = self._history
        if outcome.usage is not None and outcome.status < 400 and not outcome.aborted:
            history.learn(principal.account, ask.model, outcome.usage.output)
        cap = ask.output_cap
        reserved_output = history.expect(principal.account, ask.model) if cap is None else float(cap)
        price = price_of(self._prices, ask.model)
        finals = [plan.pick(used(ask, outcome, price, weight, reserved_output)) for weight in plan.cached_weights]
        if len(finals) == 1:
            return finals[0]
        return tuple([picked[index] for index, picked in enumerate(finals)])

    def extend(self, context: Context, takes: tuple[Take, ...], delivered: int) -> tuple[Take, ...]:
        """What is lacking, in buckets that cut, for so many output tokens to be paid for."""
        price = price_of(self._prices, context.ask.model)
        costs = used(context.ask, Outcome(status=200, delivered=delivered, aborted=True), price, 0.0, 0.0)
        lacking = []
        for take in takes:
            limit = take.bucket.limit
            if limit.on_exhausted is OnExhausted.CUT and costs[INDEX[limit.measure]] > take.cost:
                lacking.append(Take(take.bucket, costs[INDEX[limit.measure]] - take.cost))
        return tuple(lacking)

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
        override = self._plans.overridden(context, context.principal or NOBODY, take.bucket.limit.name)
        return refusal(take, taken, of_ramp=context.share < 1.0 and is_part(take.bucket, context), override=override)
