"""Which buckets an account may have: partitions by what is known of it, and what is in use of each.

What is determined by the account (itself, its organisation, identity, keys, tier) is known. Models are those that the
rules, prices, recent traffic and the asker name; countries are all that there are; addresses only the one that is asked
for. Nothing is looked for by scanning.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from gateway.control.limits.effective import NOBODY, figures, holding
from gateway.control.limits.rules import InForce, Stated
from gateway.overrides.whole import Overrides, changed
from gateway.partitions import partition
from gateway.policies.geo.countries import COUNTRIES
from gateway.policy import Bucket, Context, Limit, Measure, Principal
from gateway.stores.redis.usage import InUse
from gateway.stores.units import SLACK, scale_of

PROBED_AT_MOST: Final = 4000
"""Buckets that are looked for, of one limit."""
SHOWN_AT_MOST: Final = 100
"""Of one limit: those that are used most."""
SHADOW: Final = ",shadow"
"""As `chain.shadow` counts aside."""


class Asked(NamedTuple):
    """For which exchanges; empty: for any."""

    model: str = ""
    country: str = ""
    address: str = ""


class Candidate(NamedTuple):
    """A bucket that there may be."""

    bucket: Bucket
    """With the numbers that hold."""
    context: Context
    by: dict[str, str]
    asked: bool
    """It is shown also where nothing is in use."""


class Candidates(NamedTuple):
    of: tuple[Candidate, ...]
    complete: bool
    note: str
    """Why there may be others; empty where there are none."""


class Known(NamedTuple):
    """What buckets are made of, of one account."""

    principal: Principal
    keys: tuple[str, ...]
    models: tuple[str, ...]


def candidates(stated: Stated, known: Known, asked: Asked, rules: InForce, whole: Overrides, now: float) -> Candidates:
    """Buckets of one limit in the shared store."""
    per: set[str] = set(stated.config.per)
    notes = []
    models, note = _models(stated, known, asked) if "model" in per else ((asked.model,), "")
    notes += [note] if note else []
    countries: Sequence[str] = (asked.country,)
    if "country" in per and not asked.country:
        countries = ("", *sorted(COUNTRIES))
    addresses: Sequence[str] = (asked.address,)
    if per & {"client_address", "network"} and not asked.address:
        notes.append("buckets of addresses cannot be listed: name one")
        addresses = ()
    keys: Sequence[str] = known.keys if "key" in per else (known.principal.key,)
    made = _made(stated, known.principal, itertools.product(keys, models, countries, addresses), rules, whole, now)
    found = tuple(itertools.islice(made, PROBED_AT_MOST + 1))
    if len(found) > PROBED_AT_MOST:
        notes.append(f"more than {PROBED_AT_MOST} may be there: name a model or a country")
        found = found[:PROBED_AT_MOST]
    single = not per & {"model", "country", "client_address", "network", "key"}
    always = single or _is_asked(asked, per)
    return Candidates(tuple(one._replace(asked=always) for one in found), not notes, "; ".join(notes))


def _models(stated: Stated, known: Known, asked: Asked) -> tuple[Sequence[str], str]:
    """Names, and why there may be more."""
    if asked.model:
        return (asked.model,), ""
    patterns = stated.config.models
    if patterns and not any(letter in pattern for pattern in patterns for letter in "*?["):
        return patterns, ""
    return [model for model in known.models if stated.is_of_model(model)], (
        "models are those that the rules and recent traffic name: of others nobody knows without being told"
    )


def _made(
    stated: Stated,
    principal: Principal,
    product: Iterator[tuple[str, str, str, str]],
    rules: InForce,
    whole: Overrides,
    now: float,
) -> Iterator[Candidate]:
    for key, model, country, address in product:
        who = principal if key == principal.key else replace(principal, key=key)
        context = rules.context(who, model, country, address, now, stated.place)
        tag, name = partition(stated.config.per, context)
        if not rules.is_enforced(stated, context):
            name += SHADOW
        limit = _numbers(stated.limit, whole, context)
        yield Candidate(Bucket(tag, name, limit), context, _by(stated, context), asked=False)


def _numbers(stated: Limit, whole: Overrides, context: Context) -> Limit:
    """By what usage drains: for a limit that is not asked, the file's."""
    principal = context.principal or NOBODY
    freeze = whole.frozen(principal, context.ask.model, context.location.country)
    if freeze is not None:
        return changed(stated, freeze) or stated
    return holding(stated, whole, context).holds or stated


def _by(stated: Stated, context: Context) -> dict[str, str]:
    principal = context.principal or NOBODY
    values = {
        "account": principal.account,
        "identity": principal.profile.identity or principal.account,
        "organisation": principal.organisation,
        "key": principal.key,
        "tier": principal.tier,
        "model": context.ask.model,
        "client_address": context.client_address,
        "network": context.client_address,
        "country": context.location.country,
    }
    return {name: values[name] for name in stated.config.per}


def _is_asked(asked: Asked, per: set[str]) -> bool:
    named = {"model": asked.model, "country": asked.country, "client_address": asked.address, "network": asked.address}
    wanted = [name for name in named if name in per]
    return bool(wanted) and all(named[name] for name in wanted)


def in_use(candidate: Candidate, found: InUse) -> dict[str, Any]:
    """One bucket, in numbers. `full_in` is when it is full again, `next_in` when there is room for one more unit."""
    limit = candidate.bucket.limit
    shown: dict[str, Any] = {
        "partition": candidate.bucket.partition,
        "by": candidate.by,
        "shadow": candidate.bucket.partition.endswith(SHADOW),
        **figures(limit),
    }
    used, capacity = found.used, limit.capacity
    if limit.measure is Measure.CONCURRENCY:
        left = max(0.0, math.floor(capacity) - used)
        return shown | {
            "used": used, "left": left, "percent": _percent(used, capacity), "debt": 0.0,
            "full_in": None, "next_in": 0.0 if left else None, "exchanges": list(found.exchanges),
        }  # fmt: skip
    scale, rate = scale_of(limit), limit.rate
    left = max(0.0, math.floor((capacity - used) * scale + SLACK) / scale)
    # Of money a cent is what people think in; of all else, one.
    unit = 0.01 if limit.measure is Measure.SPEND else 1.0
    lacking = used + min(unit, capacity) - capacity
    return shown | {
        "used": used,
        "left": left,
        "percent": _percent(used, capacity),
        "debt": max(0.0, used - capacity),
        "full_in": None if not rate or capacity <= 0 else used / rate,
        "next_in": None if capacity <= 0 or (lacking > 0 and not rate) else max(0.0, lacking / rate if rate else 0.0),
        "exchanges": [],
    }


def _percent(used: float, capacity: float) -> float | None:
    """None of a limit that lets nothing pass."""
    return round(100.0 * used / capacity, 2) if capacity > 0 else None


def most_used(buckets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fullest first."""
    return sorted(buckets, key=lambda one: -(one["percent"] or 0.0))[:SHOWN_AT_MOST]
