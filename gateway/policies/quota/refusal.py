"""What a caller is told when a bucket is short: which limit, and how long."""

from __future__ import annotations

from typing import Final

from gateway.overrides.override import Override
from gateway.overrides.written import in_words
from gateway.policy import Action, Decision, Limit, Match, Measure, Take, Taken

NO_QUOTA: Final = Decision(
    Action.DENY, reason="no_quota", detail="There is no quota for this account and model, so it may not be used."
)


NEW_MODEL: Final = " In a new model's first days a part of each limit is for it."


def frozen(override: Override) -> Decision:
    """A freeze of all limits. Whom else it means is nobody's business: a cluster, or new accounts, are not named."""
    scope = override.scope
    asked = " for this model" if scope.model else ""
    where = " from this country" if scope.country else ""
    whose = " for this account" if scope.account or scope.accounts or scope.created_after else ""
    whose = whose or (" for this organisation" if scope.organisation else " for this tier" if scope.tier else "")
    return Decision(
        Action.THROTTLE,
        reason="quota_frozen",
        detail=f"Requests are stopped{asked}{where}{whose} at the moment: waiting a little does not help.",
        note=in_words(override),
        matches=(Match(f"override {override.id}", "throttle", "quota_frozen"),),
    )


def refusal(take: Take, taken: Taken, *, of_ramp: bool = False, override: Override | None = None) -> Decision:
    """The partition goes to the log alone: it may name what the caller need not know. So does the override that the
    limit's numbers are of. `of_ramp`: of a new model.
    """
    limit = take.bucket.limit
    never = taken.wait == float("inf")
    reason = "concurrency_exceeded" if limit.measure is Measure.CONCURRENCY else "quota_exceeded"
    if never:
        reason = "quota_frozen"
    unit = limit.measure.value.replace("_", " ")
    detail = (
        f"Limit {limit.name} is frozen: it allows no {unit} at the moment."
        if never
        else f"Limit {limit.name} ({_amount(limit)}) is used up for {unit}: try again in {_span(taken.wait)}."
    )
    if of_ramp:
        detail += NEW_MODEL
    by: tuple[Match, ...] = (Match(limit.name, "throttle", reason),)
    if override is not None:
        # The limit last: it is the rule that is told as the one that refused.
        by = (Match(f"override {override.id}", "throttle", reason), *by)
    return Decision(
        Action.THROTTLE,
        reason=reason,
        detail=detail,
        note=take.bucket.partition if override is None else f"{take.bucket.partition}; {in_words(override)}",
        retry_after=None if never else max(taken.wait, 0.001),
        matches=by,
    )


def _amount(limit: Limit) -> str:
    if limit.measure is Measure.CONCURRENCY:
        return f"{limit.capacity:g} at once"
    dollar = "$" if limit.measure is Measure.SPEND else ""
    return f"{dollar}{limit.refill:,.12g} every {_span(limit.every)}"


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
