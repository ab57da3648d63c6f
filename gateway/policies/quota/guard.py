"""`store: local`: a guard before anybody is known, in buckets of this worker.

An attempt stays counted, whatever later entries say of it: that is what a guard is for. So there is nothing to settle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.partitions import NOBODY, price_of, reserved
from gateway.policies.quota.local import LocalBuckets
from gateway.policies.quota.plans import Plans, is_part
from gateway.policies.quota.refusal import NO_QUOTA, refusal
from gateway.policy import ALLOW, Context, Decision, Finding, Take

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.quota.config import QuotaConfig


class Guard:
    """Token buckets without a round trip."""

    def __init__(self, config: QuotaConfig, services: Services) -> None:
        unmatched = ALLOW if config.unmatched == "allow" else NO_QUOTA
        self._plans = Plans(config.limits, unmatched, services.overrides, guards=True)
        self._assumed_output = float(config.assumed_output)
        self._prices = services.prices
        self._counts_tokens = any(limit.measure != "requests" for limit in config.limits)
        self._buckets = LocalBuckets()

    def decide(self, context: Context) -> Decision:
        ask = context.ask
        plan = self._plans.of(context, context.principal or NOBODY)
        if not plan.buckets:
            return plan.instead
        if self._counts_tokens:
            costs = reserved(ask, min(self._assumed_output, plan.most_output), price_of(self._prices, ask.model))
            wanted = list(zip(plan.buckets, plan.pick(costs), strict=True))
        else:
            # The usual guard: no token is looked at.
            wanted = [(bucket, float(ask.items)) for bucket in plan.buckets]
        taken = self._buckets.take(wanted, context.now)
        if taken is None:
            return ALLOW
        short = Take(*wanted[taken.short])
        override = self._plans.overridden(context, plan.principal, short.bucket.limit.name)
        return refusal(short, taken, of_ramp=context.share < 1.0 and is_part(short.bucket, context), override=override)

    def explain(self, context: Context) -> tuple[Finding, ...]:
        return self._plans.explain(context, context.principal or NOBODY)
