"""Which buckets an exchange takes from: found once for each kind of exchange, used until the rules change, or what
operators have set beside them.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.overrides.live import LiveOverrides
from gateway.overrides.override import Kind, Override
from gateway.overrides.whole import Overrides, changed
from gateway.overrides.written import in_words
from gateway.partitions import INDEX, NOBODY, Costs, partition
from gateway.policies.quota.refusal import frozen, refusal
from gateway.policies.quota.rule import part_of
from gateway.policy import ALLOW, Bucket, Context, Decision, Finding, Limit, Measure, Principal, Take, Taken

if TYPE_CHECKING:
    from gateway.policies.quota.config import LimitConfig

PLANS_AT_MOST: Final = 65_536


Pick = Callable[[Costs], tuple[float, ...]]
Key = int | tuple[int, str, str, str] | tuple[int, str, str, str, float]


class Plan(NamedTuple):
    """The buckets of every exchange of one kind."""

    buckets: tuple[Bucket, ...]
    pick: Pick
    """The costs that go to each of them, in their order."""
    cached_weights: tuple[float, ...]
    """One a bucket; one for all where they are the same."""
    most_output: float
    """The least that any bucket of output can hold: no reservation exceeds it."""
    principal: Principal
    instead: Decision = ALLOW
    """What is said where there are no buckets."""


class Plans:
    """Plans by who asks for what, from where. Bounded: the oldest goes, and is made again when it is needed."""

    def __init__(
        self,
        limits: tuple[LimitConfig, ...],
        unmatched: Decision = ALLOW,
        overrides: LiveOverrides | None = None,
        *,
        guards: bool = False,
    ) -> None:
        """`unmatched` is said where no limit is of such an exchange. `guards`: before anybody is known a freeze of all
        limits is left to those behind, who can say whom it has hit.
        """
        self._unmatched = unmatched
        self._guards = guards
        self._live = overrides if overrides is not None else LiveOverrides()
        self._whole = self._live.whole
        self._limits = [(limit, limit.limit(), _matcher(limit.models)) for limit in limits]
        self._weights = {limit.name: limit.cached_weight for limit in limits}
        self._by_address = any({"client_address", "network"} & set(limit.per) for limit in limits)
        self._by_country = any("country" in limit.per for limit in limits)
        self._by_model = any(limit.models or "model" in limit.per for limit in limits)
        self._own = (self._by_model, self._by_country)
        """As the file has it."""
        self._picks: dict[tuple[int, ...], Pick] = {}
        self._plans: dict[Key, Plan] = {}
        self._parts: dict[tuple[int, float], Limit] = {}
        self._changed: dict[tuple[int, int], Limit | None] = {}
        self._renew()

    def of(self, context: Context, principal: Principal) -> Plan:
        if self._live.whole is not self._whole:
            self._renew()
        # By identity of the principal, which its plan holds on to: auth gives the same object for the same key.
        key: Key = id(principal)
        if context.share < 1.0:
            address = context.client_address if self._by_address else ""
            country = context.location.country if self._by_country else ""
            key = (id(principal), context.ask.model, address, country, context.share)
        elif self._by_more:
            key = (
                id(principal),
                context.ask.model if self._by_model else "",
                context.client_address if self._by_address else "",
                context.location.country if self._by_country else "",
            )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_AT_MOST:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = self._make(context, principal)
        return plan

    def taken(self, context: Context, principal: Principal, takes: tuple[Take, ...]) -> Plan:
        """The plan by which these were taken, to settle them. A later entry may have put another tier in the place of
        what was known then, or named a share: what `of` says now is of other buckets.
        """
        plan = self.of(context, principal)
        if plan.buckets and plan.buckets[0] is takes[0].bucket:
            return plan
        buckets = tuple([take.bucket for take in takes])
        pick = self._pick(tuple([INDEX[bucket.limit.measure] for bucket in buckets]))
        weights = tuple([self._weights[bucket.limit.name] for bucket in buckets])
        return Plan(buckets, pick, weights[:1] if len(set(weights)) == 1 else weights, 0.0, NOBODY)

    def overridden(self, context: Context, principal: Principal, limit: str) -> Override | None:
        """What operators have set instead of a limit, for such an exchange."""
        return self._live.whole.of(limit, principal, context.ask.model, context.location.country)

    def _frozen(self, whole: Overrides, context: Context, principal: Principal) -> Override | None:
        if self._guards and context.principal is None:
            return None
        return whole.frozen(principal, context.ask.model, context.location.country)

    def explain(self, context: Context, principal: Principal) -> tuple[Finding, ...]:
        """Every limit, and why it is not asked of such an exchange where it is not; and what operators have set."""
        findings = []
        freeze = self._frozen(self._live.whole, context, principal)
        if freeze is not None:
            read_by = _read_by(freeze, context, principal)
            findings.append(Finding(f"override {freeze.id}", True, read_by, "freezes all limits"))
        for config, limit, matches in self._limits:
            read, notes = {}, []
            if config.tiers:
                read["account.tier"] = principal.tier
                if principal.tier not in config.tiers:
                    notes.append(f"for the tiers {', '.join(config.tiers)}")
            if matches is not None:
                read["request.model"] = context.ask.model
                if not matches(context.ask.model):
                    notes.append(f"for the models {', '.join(config.models)}")
            asked = not notes
            override = self.overridden(context, principal, limit.name) if asked else None
            if override is not None:
                asked = override.kind is not Kind.UNLIMITED
                read |= _read_by(override, context, principal)
                notes.append(in_words(override))
            findings.append(Finding(limit.name, asked, read, "; ".join(notes)))
        return tuple(findings)

    def _renew(self) -> None:
        """What was planned is void: other overrides hold. Numbers change, and the buckets that they are of do not."""
        whole = self._whole = self._live.whole
        self._by_model = self._own[0] or whole.by_model
        self._by_country = self._own[1] or whole.by_country
        self._by_more = self._by_model or self._by_address or self._by_country
        # All of them at once: limits that were made for an override are known here by their identity.
        self._plans, self._parts, self._changed = {}, {}, {}

    def _make(self, context: Context, principal: Principal) -> Plan:
        buckets, measures, weights = [], [], []
        names: dict[tuple[str, ...], tuple[str, str]] = {}
        most_output = float("inf")
        whole, model, country = self._whole, context.ask.model, context.location.country
        instead = self._unmatched
        freeze = self._frozen(whole, context, principal) if whole else None
        if freeze is not None:
            return Plan((), self._pick(()), (), most_output, principal, frozen(freeze))
        for config, stated, matches in self._limits:
            if config.tiers and principal.tier not in config.tiers:
                continue
            if matches is not None and not matches(model):
                continue
            override = whole.of(stated.name, principal, model, country) if whole else None
            limit = stated if override is None else self._change(stated, override)
            if limit is None:
                # A limit is there, and not asked: that is not the same as none.
                instead = ALLOW
                continue
            # Limits with the same `per` share the strings, too: there is a plan for each account and model.
            name = names.get(config.per)
            if name is None:
                name = names[config.per] = partition(config.per, context)
            if override is not None and override.kind is Kind.FREEZE:
                # No bucket need be asked, so it bites also while the store is away, whatever `on_failure` says.
                short = Take(Bucket(*name, limit), 0.0)
                said = refusal(short, Taken(False, (0.0,), 0, float("inf")), override=override)
                return Plan((), self._pick(()), (), most_output, principal, said)
            buckets.append(Bucket(*name, limit))
            measures.append(INDEX[limit.measure])
            weights.append(config.cached_weight)
            if limit.measure in (Measure.OUTPUT_TOKENS, Measure.TOTAL_TOKENS):
                most_output = min(most_output, limit.capacity)
        same = weights[:1] if len(set(weights)) == 1 else weights
        plan = Plan(tuple(buckets), self._pick(tuple(measures)), tuple(same), most_output, principal, instead)
        return self._with_parts(plan, measures, weights, context) if context.share < 1.0 else plan

    def _change(self, limit: Limit, override: Override) -> Limit | None:
        """One object for all whom an override means."""
        key = (id(limit), id(override))
        if key not in self._changed:
            self._changed[key] = changed(limit, override)
        return self._changed[key]

    def _with_parts(self, plan: Plan, measures: list[int], weights: list[float], context: Context) -> Plan:
        """Beside the usual buckets, from which all models take: for this model, buckets with a part of each limit."""
        parts = []
        most_output = plan.most_output
        for bucket in plan.buckets:
            limit = self._part_of(bucket.limit, context.share)
            parts.append(Bucket(bucket.tag, f"{bucket.partition},ramp={context.ask.model}", limit))
            if limit.measure in (Measure.OUTPUT_TOKENS, Measure.TOTAL_TOKENS):
                most_output = min(most_output, limit.capacity)
        twice = plan.cached_weights if len(plan.cached_weights) <= 1 else (*weights, *weights)
        pick = self._pick((*measures, *measures))
        return Plan((*plan.buckets, *parts), pick, twice, most_output, plan.principal, plan.instead)

    def _part_of(self, limit: Limit, share: float) -> Limit:
        """One object for all accounts. Limits are as many as the file and overrides state; plans hold on to them."""
        part = self._parts.get((id(limit), share))
        if part is None:
            part = self._parts[id(limit), share] = part_of(limit, share)
        return part

    def _pick(self, measures: tuple[int, ...]) -> Pick:
        """Shared by the plans of a tier."""
        pick = self._picks.get(measures)
        if pick is None:
            pick = self._picks[measures] = _picking(measures)
        return pick


def _read_by(override: Override, context: Context, principal: Principal) -> dict[str, Any]:
    """What an override goes by, and what the exchange has there."""
    scope = override.scope
    found = (
        (scope.account or scope.accounts, "account.id", principal.account),
        (scope.organisation, "account.organisation", principal.organisation),
        (scope.tier, "account.tier", principal.tier),
        (scope.created_after, "account.created", principal.profile.created),
        (scope.model, "request.model", context.ask.model),
        (scope.country, "geo.country", context.location.country),
    )
    return {name: value for stated, name, value in found if stated}


def is_part(bucket: Bucket, context: Context) -> bool:
    """Whether it is one of those beside the usual ones. In shadow it has one more word at its end."""
    return bucket.partition.removesuffix(",shadow").endswith(f",ramp={context.ask.model}")


def _picking(measures: tuple[int, ...]) -> Pick:
    if len(measures) > 1:
        return itemgetter(*measures)

    # For less than two, itemgetter gives no tuple.
    def pick(costs: Costs) -> tuple[float, ...]:
        return tuple([costs[measure] for measure in measures])

    return pick


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
