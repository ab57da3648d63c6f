"""Of one account: each limit with the numbers that hold for it, which override bites and why others do not. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.control.limits.rules import InForce, Stated
from gateway.control.limits.shown import of_override
from gateway.control.limits.words import numbers, whom
from gateway.overrides.override import ALL_LIMITS, Kind, Override, Scope
from gateway.overrides.whole import Overrides, changed
from gateway.policy import Context, Limit, Principal

NOBODY = Principal(account="")


class Holding(NamedTuple):
    """What holds of one limit, for one kind of exchange."""

    stated: Limit
    holds: Limit | None
    """None where it is not asked."""
    override: Override | None


def holding(stated: Limit, whole: Overrides, context: Context) -> Holding:
    """As `policies.quota.plans` goes by it. A freeze of all limits goes before, and is not looked at here."""
    principal = context.principal or NOBODY
    override = whole.of(stated.name, principal, context.ask.model, context.location.country)
    return Holding(stated, stated if override is None else changed(stated, override), override)


def shown(stated: Stated, whole: Overrides, context: Context, rules: InForce) -> dict[str, Any]:
    """One limit, without what is in use."""
    held = holding(stated.limit, whole, context)
    principal, model = context.principal or NOBODY, context.ask.model
    why = why_not(stated, principal, model)
    freeze = whole.frozen(principal, model, context.location.country)
    override = held.override if freeze is None else freeze
    if freeze is not None:
        held = held._replace(holds=changed(held.stated, freeze))
    return {
        "entry": stated.entry.name,
        "name": stated.name,
        "measure": stated.limit.measure.value,
        "per": list(stated.config.per),
        "store": "local" if stated.local else "shared",
        "mode": stated.mode,
        "applies": not why,
        "why_not": why,
        "stated": figures(held.stated),
        "holds": None if held.holds is None else figures(held.holds),
        "said": "not asked" if held.holds is None else numbers(held.holds),
        "state": _state(override),
        "override": None if override is None else override.id,
        "until": None if override is None or override.expires == float("inf") else override.expires,
        "overrides": list(_others(stated, whole, context, override, rules)),
    }


def figures(limit: Limit) -> dict[str, float]:
    return {"capacity": limit.capacity, "refill": limit.refill, "every": limit.every}


def why_not(stated: Stated, principal: Principal, model: str) -> str:
    """Why such an exchange does not take from the limit; empty where it does, or where that depends on the model."""
    config = stated.config
    if not stated.is_of_tier(principal.tier):
        return f"for the tiers {', '.join(config.tiers)}"
    if model and not stated.is_of_model(model):
        return f"for the models {', '.join(config.models)}"
    return ""


def _state(override: Override | None) -> str:
    if override is None:
        return "stated"
    return {Kind.SET: "set", Kind.SCALE: "scaled", Kind.FREEZE: "frozen", Kind.UNLIMITED: "unlimited"}[override.kind]


def _others(
    stated: Stated, whole: Overrides, context: Context, biting: Override | None, rules: InForce
) -> Iterator[dict[str, Any]]:
    """Every override that names the limit, or all limits, and might mean the account: the one that bites first."""
    principal = context.principal or NOBODY
    found = [
        (one, _why(one, biting, principal, context))
        for one in whole.all
        if one.limit in (stated.name, ALL_LIMITS) and one.kind is not Kind.SHADOW and _may_mean(one.scope, principal)
    ]
    for one, why in sorted(found, key=lambda pair: (pair[0] is not biting, -pair[0].revision)):
        yield of_override(one, rules, context.now) | {"bites": one is biting, "why": why}


def _may_mean(scope: Scope, principal: Principal) -> bool:
    """Whether it is not about somebody else by name: of what is, there may be thousands."""
    if scope.account and scope.account != principal.account:
        return False
    if scope.accounts and principal.account not in scope.accounts:
        return False
    return not (scope.organisation and scope.organisation != principal.organisation)


def _why(one: Override, biting: Override | None, principal: Principal, context: Context) -> str:
    scope = one.scope
    if one is biting:
        return f"bites: {_reason(one)}"
    if scope.tier and scope.tier != principal.tier:
        return f"is for the tier {scope.tier}: this account stands on {principal.tier}"
    if scope.created_after and not 0.0 < scope.created_after <= principal.profile.created:
        made = "when it was made is not known" if not principal.profile.created else "it was made before"
        return f"is for new accounts: {made}"
    model, country = context.ask.model, context.location.country
    if scope.model and not fnmatch.fnmatchcase(model, scope.model):
        return f"is for models {scope.model}" + (f": not {model}" if model else "; name a model to see it bite")
    if scope.country and scope.country != country:
        return f"is for exchanges from {scope.country}" + (f": not {country}" if country else "; name a country")
    if biting is None:
        return "does not bite"
    if biting.kind is Kind.FREEZE and one.kind is not Kind.FREEZE:
        return f"a freeze goes before it: override {biting.id}"
    if biting.scope == scope and biting.limit == one.limit:
        return f"override {biting.id} is newer"
    if biting.scope == scope:
        return f"override {biting.id} names the limit"
    return f"override {biting.id} is more specific: {whom(biting.scope)}"


def _reason(one: Override) -> str:
    if one.kind is Kind.FREEZE:
        return "a freeze goes before all others"
    return f"the most specific that means it: {whom(one.scope)}"
