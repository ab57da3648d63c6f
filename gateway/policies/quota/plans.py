"""Which buckets an exchange takes from: found once for each kind of exchange, used until the rules change."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.partitions import partition
from gateway.policies.quota.rule import INDEX
from gateway.policy import Bucket, Context, Measure, Principal

if TYPE_CHECKING:
    from gateway.policies.quota.config import LimitConfig

PLANS_AT_MOST: Final = 65_536


class Line(NamedTuple):
    """One bucket of a plan."""

    bucket: Bucket
    measure: int
    """Which of the costs it is: `rule.INDEX`."""
    cached_weight: float


class Plan(NamedTuple):
    """The buckets of every exchange of one kind."""

    lines: tuple[Line, ...]
    most_output: float
    """The least that any bucket of output can hold: no reservation exceeds it."""
    principal: Principal


class Plans:
    """Plans by who asks for what, from where. Bounded: the oldest goes, and is made again when it is needed."""

    def __init__(self, limits: tuple[LimitConfig, ...]) -> None:
        self._limits = [(limit, limit.limit(), _matcher(limit.models)) for limit in limits]
        self._by_address = any({"client_address", "network"} & set(limit.per) for limit in limits)
        self._by_country = any("country" in limit.per for limit in limits)
        self._plans: dict[tuple[int, str, str, str], Plan] = {}

    def of(self, context: Context, principal: Principal) -> Plan:
        location = context.location
        # By identity of the principal, which its plan holds on to: auth gives the same object for the same key.
        key = (
            id(principal),
            context.ask.model,
            context.client_address if self._by_address else "",
            location.country if self._by_country else "",
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_AT_MOST:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = self._make(context, principal)
        return plan

    def _make(self, context: Context, principal: Principal) -> Plan:
        lines = []
        names: dict[tuple[str, ...], tuple[str, str]] = {}
        most_output = float("inf")
        for config, limit, matches in self._limits:
            if config.tiers and principal.tier not in config.tiers:
                continue
            if matches is not None and not matches(context.ask.model):
                continue
            # Limits with the same `per` share the strings, too: there is a plan for each account and model.
            name = names.get(config.per)
            if name is None:
                name = names[config.per] = partition(config.per, context)
            bucket = Bucket(*name, limit)
            lines.append(Line(bucket, INDEX[limit.measure], config.cached_weight))
            if limit.measure in (Measure.OUTPUT_TOKENS, Measure.TOTAL_TOKENS):
                most_output = min(most_output, limit.capacity)
        return Plan(tuple(lines), most_output, principal)


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
