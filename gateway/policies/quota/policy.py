"""The shell: which buckets an exchange takes from, and what it pays in the end. It asks no store itself."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from gateway.policies.quota.local import LocalBuckets
from gateway.policies.quota.rule import INDEX, NOTHING, OutputHistory, Price, reserved, used
from gateway.policy import (
    ALLOW,
    Action,
    Bucket,
    Context,
    Decision,
    Limit,
    Measure,
    OnExhausted,
    Outcome,
    Principal,
    Take,
    Taken,
)

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.quota.config import LimitConfig, QuotaConfig

PLANS_AT_MOST = 65_536
TAG_ORDER = ("account", "organisation", "key", "client_address", "network", "country", "tier", "model")
"""The dimension that decides where a bucket lives comes first: buckets of one account are taken from in one script."""

_take: Final = cast("Callable[[type[Take], tuple[Bucket, float]], Take]", tuple.__new__)
"""A NamedTuple without the call in between: half the price, and there is one a limit."""
NO_QUOTA = Decision(
    Action.DENY, reason="no_quota", detail="There is no quota for this account and model, so it may not be used."
)
NOBODY = Principal(account="")


class Line(NamedTuple):
    """One bucket of a plan."""

    bucket: Bucket
    measure: int
    """Which of the costs it is: `rule.INDEX`."""
    cached_weight: float


class Plan(NamedTuple):
    """The buckets of every exchange of one kind: found once, used until the rules change."""

    lines: tuple[Line, ...]
    most_output: float
    """The least that any bucket of output can hold: no reservation exceeds it."""
    principal: Principal


class QuotaPolicy:
    """Token buckets on any measure, keyed on any dimension.

    With `store: local` an attempt stays counted, whatever later entries say of it: that is what a guard is for.
    """

    def __init__(self, config: QuotaConfig, services: Services) -> None:
        self._limits = [(limit, limit.limit(), _matcher(limit.models)) for limit in config.limits]
        self._by_address = any({"client_address", "network"} & set(limit.per) for limit in config.limits)
        self._by_country = any("country" in limit.per for limit in config.limits)
        self._counts_requests = all(limit.measure == "requests" for limit in config.limits)
        self._unmatched = ALLOW if config.unmatched == "allow" else NO_QUOTA
        self._prices = services.prices
        self._history = OutputHistory(float(config.assumed_output))
        self._local = LocalBuckets() if config.store == "local" else None
        self._plans: dict[tuple[int, str, str, str], Plan] = {}

    # -- deciding -------------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> Decision:
        ask = context.ask
        principal = context.principal or NOBODY
        plan = self._plan(context, principal)
        if not plan.lines:
            return self._unmatched
        if self._counts_requests and self._local is not None:
            # The usual guard against floods: no token is looked at.
            taken = self._local.take([(line[0], ask.items) for line in plan.lines], context.now)
            return ALLOW if taken is None else self.refuse(context, Take(plan.lines[taken.short][0], ask.items), taken)
        expected = min(self._history.expect(principal.account, ask.model), plan.most_output)
        costs = reserved(ask, expected, self._price(ask.model))
        takes = tuple([_take(Take, (bucket, costs[index])) for bucket, index, _ in plan.lines])
        if self._local is None:
            return Decision(Action.ALLOW, takes=takes)
        taken = self._local.take(takes, context.now)
        return ALLOW if taken is None else self.refuse(context, takes[taken.short], taken)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        if not takes or self._local is not None:
            return ()
        ask = context.ask
        principal = context.principal or NOBODY
        if outcome.usage is not None and outcome.reached and outcome.status < 400 and not outcome.aborted:
            self._history.learn(principal.account, ask.model, outcome.usage.output)
        plan = self._plan(context, principal)
        reserved_output = float(
            self._history.expect(principal.account, ask.model) if ask.output_cap is None else ask.output_cap
        )
        price = self._price(ask.model)
        finals = []
        weight, costs = -1.0, NOTHING
        for _, index, cached_weight in plan.lines:
            if cached_weight != weight:
                weight, costs = cached_weight, used(ask, outcome, price, cached_weight, reserved_output)
            finals.append(costs[index])
        return tuple(finals)

    def extend(self, context: Context, takes: tuple[Take, ...], delivered: int) -> tuple[Take, ...]:
        """What is lacking, in buckets that cut, for so many output tokens to be paid for."""
        price = self._price(context.ask.model)
        costs = used(context.ask, Outcome(status=200, delivered=delivered, aborted=True), price, 0.0, 0.0)
        lacking = []
        for take in takes:
            limit = take.bucket.limit
            if limit.on_exhausted is OnExhausted.CUT and costs[INDEX[limit.measure]] > take.cost:
                lacking.append(Take(take.bucket, costs[INDEX[limit.measure]] - take.cost))
        return tuple(lacking)

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:  # noqa: ARG002 - the contract
        limit = take.bucket.limit
        never = taken.wait == float("inf")
        reason = "concurrency_exceeded" if limit.measure is Measure.CONCURRENCY else "quota_exceeded"
        unit = limit.measure.value.replace("_", " ")
        detail = (
            f"Limit {limit.name} is frozen: it allows no {unit} at the moment."
            if never
            else f"Limit {limit.name} ({_amount(limit)}) is used up for {unit}: {_wait(taken.wait)}."
        )
        return Decision(
            Action.THROTTLE,
            reason="quota_frozen" if never else reason,
            detail=detail,
            note=take.bucket.partition,
            retry_after=None if never else max(taken.wait, 0.001),
        )

    # -- plans ----------------------------------------------------------------------------------------------------

    def _plan(self, context: Context, principal: Principal) -> Plan:
        location = context.location
        # By identity of the principal, which its plan holds on to: auth gives the same object for the same key.
        key = (
            id(principal),
            context.ask.model,
            context.client_address if self._by_address else "",
            location.country if location is not None and self._by_country else "",
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_AT_MOST:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = self._make_plan(context, principal)
        return plan

    def _make_plan(self, context: Context, principal: Principal) -> Plan:
        lines = []
        most_output = float("inf")
        for config, limit, matches in self._limits:
            if config.tiers and principal.tier not in config.tiers:
                continue
            if matches is not None and not matches(context.ask.model):
                continue
            bucket = _bucket(config, limit, context, principal)
            lines.append(Line(bucket, INDEX[limit.measure], config.cached_weight))
            if limit.measure in (Measure.OUTPUT_TOKENS, Measure.TOTAL_TOKENS):
                most_output = min(most_output, limit.capacity)
        return Plan(tuple(lines), most_output, principal)

    def _price(self, model: str) -> Price:
        price = self._prices.get(model)
        return self._prices["default"] if price is None else price


def _bucket(config: LimitConfig, limit: Limit, context: Context, principal: Principal) -> Bucket:
    values = [
        f"{dimension}={_value(dimension, context, principal)}" for dimension in TAG_ORDER if dimension in config.per
    ]
    return Bucket(tag=values[0], partition=",".join(values), limit=limit)


def _value(dimension: str, context: Context, principal: Principal) -> str:
    match dimension:
        case "account" | "organisation" | "key" | "tier":
            return str(getattr(principal, dimension))
        case "model":
            return context.ask.model
        case "client_address":
            return context.client_address
        case "network":
            return _network(context.client_address)
        case _:
            return context.location.country if context.location is not None else ""


def _network(address: str) -> str:
    """The /24 or /56 of an address: what one household or office usually has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False))


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match


def _amount(limit: Limit) -> str:
    if limit.measure is Measure.CONCURRENCY:
        return f"{limit.capacity:g} at once"
    dollar = "$" if limit.measure is Measure.SPEND else ""
    return f"{dollar}{limit.refill:,g} every {_span(limit.every)}"


def _wait(seconds: float) -> str:
    return f"try again in {_span(seconds)}"


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
