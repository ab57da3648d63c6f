"""The shell: which buckets an exchange takes from, and what it pays in the end. It asks no store itself but a local one."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gateway.policies.quota.rule import INDEX, OutputHistory, Price, reserved, used
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
from gateway.stores.memory import MemoryStore

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.quota.config import LimitConfig, QuotaConfig
    from gateway.stores.interface import StoreUnavailable

PLANS_AT_MOST = 65_536
TAG_ORDER = ("account", "organisation", "key", "client_address", "network", "country", "tier", "model")
"""The dimension that decides where a bucket lives comes first: buckets of one account are taken from in one script."""

Cost = Callable[[int], float]
NO_QUOTA = Decision(
    Action.DENY, reason="no_quota", detail="There is no quota for this account and model, so it may not be used."
)
NOBODY = Principal(account="")


class Line(NamedTuple):
    """One bucket of a plan."""

    bucket: Bucket
    index: int
    cached_weight: float


class Plan(NamedTuple):
    """The buckets of every exchange of one kind: found once, used until the rules change."""

    lines: tuple[Line, ...]
    most_output: float
    """The least that any bucket of output can hold: no reservation exceeds it."""
    cuts: bool


class QuotaPolicy:
    """Token buckets on any measure, keyed on any dimension."""

    def __init__(self, config: QuotaConfig, services: Services) -> None:
        self._limits = [(limit, limit.limit(), _matcher(limit.models)) for limit in config.limits]
        self._by_address = any({"client_address", "network"} & set(limit.per) for limit in config.limits)
        self._by_country = any("country" in limit.per for limit in config.limits)
        self._unmatched = ALLOW if config.unmatched == "allow" else NO_QUOTA
        self._prices = services.prices
        self._history = OutputHistory(float(config.assumed_output))
        self._local = MemoryStore(services.now) if config.store == "local" else None
        self._plans: dict[tuple[Principal | str | None, ...], Plan] = {}

    # -- deciding -------------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> Decision:
        ask = context.ask
        principal = context.principal or NOBODY
        plan = self._plan(context, principal)
        if not plan.lines:
            return self._unmatched
        expected = min(self._history.expect(principal.account, ask.model), plan.most_output)
        costs = reserved(ask, expected, self._price(ask.model))
        takes = tuple([Take(line[0], costs[line[1]]) for line in plan.lines])
        if self._local is not None:
            return self._decide_locally(context, takes)
        return Decision(Action.ALLOW, takes=takes)

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
        by_weight: dict[float, tuple[float, ...]] = {}
        finals = []
        for line, _ in zip(plan.lines, takes, strict=True):
            costs = by_weight.get(line.cached_weight)
            if costs is None:
                costs = by_weight[line.cached_weight] = used(ask, outcome, price, line.cached_weight, reserved_output)
            finals.append(costs[line.index])
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

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:
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

    def _decide_locally(self, context: Context, takes: tuple[Take, ...]) -> Decision:
        answers: list[Taken | StoreUnavailable] = []
        assert self._local is not None  # noqa: S101 - for the type checker: the caller looked
        self._local.take(context.exchange, takes, answers.append)
        taken = answers[0]
        if isinstance(taken, Taken):
            if taken.granted:
                # An attempt stays counted: forget the marker, keep the charge.
                self._local.settle(context.exchange, takes, [take.cost for take in takes])
                return ALLOW
            return self.refuse(context, takes[taken.short], taken)
        raise taken

    # -- plans ----------------------------------------------------------------------------------------------------

    def _plan(self, context: Context, principal: Principal) -> Plan:
        location = context.location
        identity = (
            principal.account,
            principal.key,
            principal.tier,
            principal.organisation,
            context.ask.model,
            context.client_address if self._by_address else None,
            location.country if location is not None and self._by_country else None,
        )
        plan = self._plans.get(identity)
        if plan is None:
            if len(self._plans) >= PLANS_AT_MOST:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[identity] = self._make_plan(context, principal)
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
        cuts = any(line.bucket.limit.on_exhausted is OnExhausted.CUT for line in lines)
        return Plan(tuple(lines), most_output, cuts)

    def _price(self, model: str) -> Price:
        price = self._prices.get(model)
        return self._prices["default"] if price is None else price


def _bucket(config: LimitConfig, limit: Limit, context: Context, principal: Principal) -> Bucket:
    values = [f"{dimension}={_value(dimension, context, principal)}" for dimension in TAG_ORDER if dimension in config.per]
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
