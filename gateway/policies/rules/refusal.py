"""What a caller is told when the bucket of a throttle is short."""

from __future__ import annotations

import math

from gateway.policies.rules.rule import Rule
from gateway.policy import Decision, Limit, Take, Taken


def refusal(rule: Rule, take: Take, taken: Taken) -> Decision:
    """The partition goes to the log alone: it may name what the caller need not know."""
    ever = math.isfinite(taken.wait)
    said = rule.answer.detail or f"Limit {rule.name} ({_stated(take.bucket.limit)}) is used up."
    return rule.answer._replace(
        detail=f"{said} Try again in {_span(taken.wait)}." if ever else said,
        note=take.bucket.partition,
        retry_after=max(taken.wait, 0.001) if ever else None,
        matches=(rule.match,),
    )


def _stated(limit: Limit) -> str:
    return f"{limit.refill:,.12g} requests every {_span(limit.every)}"


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
