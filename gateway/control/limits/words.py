"""Overrides, for people: in one sentence, what differs between two, how long is left. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

from gateway.overrides.override import ALL_LIMITS, Kind, Override, Scope
from gateway.overrides.whole import changed
from gateway.policy import Limit, Measure

SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
UNITS: Final[Mapping[Measure, str]] = {
    Measure.REQUESTS: "requests",
    Measure.INPUT_TOKENS: "input tokens",
    Measure.OUTPUT_TOKENS: "output tokens",
    Measure.TOTAL_TOKENS: "tokens",
    Measure.SPEND: "US dollars",
    Measure.CONCURRENCY: "at once",
}


def said(override: Override, limit: Limit | None, now: float) -> str:
    """`rpm: 1,200 every minute instead of 600, for account acme, until 14:00 UTC (in 59 min)`.

    `limit` is what the rules in force state; None where they have none of that name.
    """
    return f"{what(override, limit)}, for {whom(override.scope)}, {until(override.expires, now)}"


def what(override: Override, limit: Limit | None) -> str:
    """What it does to the limit."""
    name = "all limits" if override.limit == ALL_LIMITS else override.limit
    match override.kind:
        case Kind.SHADOW:
            return "everything but authentication only watches: nothing is refused by it"
        case Kind.FREEZE:
            return f"{name}: frozen, nothing passes"
        case Kind.UNLIMITED:
            return f"{name}: unlimited, not asked and not counted"
        case Kind.SCALE if limit is None:
            return f"{name}: {override.factor:,.12g} times what the rules say"
    if limit is None:
        return f"{name}: {_own_numbers(override)}"
    made = changed(limit, override)
    if made is None:
        return f"{name}: unlimited"
    return f"{name}: {numbers(made)} instead of {_difference(made, limit)}"


def numbers(limit: Limit) -> str:
    """`600 every minute`; `1,000, and 600 back every minute` where a full bucket holds another number."""
    if limit.measure is Measure.CONCURRENCY:
        return f"{amount(limit.capacity, limit.measure)} at once"
    if limit.capacity <= 0:
        return "nothing"
    back = f"{amount(limit.refill, limit.measure)} {each(limit.every)}"
    if limit.capacity == limit.refill:
        return back
    return f"{amount(limit.capacity, limit.measure)} at most, and {back}"


def _difference(made: Limit, limit: Limit) -> str:
    """What the rules say, in as few words as tell it."""
    alike = made.every == limit.every and made.capacity == made.refill and limit.capacity == limit.refill
    if limit.measure is Measure.CONCURRENCY or (alike and limit.capacity > 0):
        return amount(limit.capacity, limit.measure)
    return numbers(limit)


def _own_numbers(override: Override) -> str:
    parts = [f"{override.capacity:,.12g} at most"] if override.capacity is not None else []
    parts += [f"{override.refill:,.12g} back"] if override.refill is not None else []
    parts += [each(override.every)] if override.every is not None else []
    return ", ".join(parts)


def amount(value: float, measure: Measure) -> str:
    """`1,200`; `$5.50`."""
    if measure is not Measure.SPEND:
        return f"{value:,.12g}"
    return f"${value:,.2f}" if round(value, 2) == value else f"${value:,.9g}"


def each(seconds: float) -> str:
    """`every minute`, `every 10 s`."""
    one = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}.get(seconds)
    return f"every {one or span(seconds)}"


def span(seconds: float) -> str:
    """`59 min`, `1.5 h`."""
    for size, name in SPANS:
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def left(seconds: float) -> str:
    """`10 min`, `1.5 h`, `3,000 d`: about so long."""
    size, name = next(((size, name) for size, name in SPANS if seconds >= size), (1.0, "s"))
    count = seconds / size
    return f"{count:,.0f} {name}" if count >= 9.95 else f"{count:.1f}".removesuffix(".0") + f" {name}"


def until(expires: float, now: float) -> str:
    """`until 14:00 UTC (in 59 min)`, with the day where that is another one."""
    if math.isinf(expires):
        return "until somebody takes it back"
    moment, today = dt.datetime.fromtimestamp(expires, dt.UTC), dt.datetime.fromtimestamp(now, dt.UTC)
    shown = moment.strftime("%H:%M UTC" if moment.date() == today.date() else "%Y-%m-%d %H:%M UTC")
    if expires <= now:
        return f"until {shown}, which has passed"
    return f"until {shown} (in {left(expires - now)})"


def whom(scope: Scope) -> str:
    """`account acme, asking for m-*, from NO`."""
    who = []
    if scope.account:
        who.append(f"account {scope.account}")
    if scope.accounts:
        count = len(scope.accounts)
        who.append(f"{count:,} accounts of a cluster" if count > 1 else f"account {min(scope.accounts)}")
    if scope.organisation:
        who.append(f"organisation {scope.organisation}")
    if scope.tier:
        who.append(f"tier {scope.tier}")
    if scope.created_after:
        made = dt.datetime.fromtimestamp(scope.created_after, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        who.append(f"accounts made since {made}")
    how = [f"asking for {scope.model}"] if scope.model else []
    how += [f"from {scope.country}"] if scope.country else []
    return ", ".join([*(who or ["everybody"]), *how])


def diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What differs, as values: `{"name": "change.capacity", "before": 600, "after": 1200}`."""
    one, other = _flat(before), _flat(after)
    return [
        {"name": name, "before": one.get(name), "after": other.get(name)}
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    ]


def diff_words(differs: list[dict[str, Any]]) -> str:
    """The same in a sentence."""
    if not differs:
        return "nothing but who and when"
    return "; ".join(_changed(one["name"], one["before"], one["after"]) for one in differs)


def _changed(name: str, before: Any, after: Any) -> str:
    words = name.rpartition(".")[2].replace("_", " ")
    if name in ("expires", "withdrawn"):
        before, after = _moment(before), _moment(after)
        if name == "withdrawn":
            return "withdrawn" if after else "in force again"
        return f"ends {after or 'never'} (was {before or 'never'})"
    if isinstance(before, list) or isinstance(after, list):
        one, other = set(before or ()), set(after or ())
        return f"{words}: {len(other - one)} more, {len(one - other)} less"
    if before is None:
        return f"{words} {_value(after)}"
    if after is None:
        return f"no {words} (was {_value(before)})"
    return f"{words} {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    return f"{value:,.12g}" if isinstance(value, int | float) else str(value)


def _moment(time: Any) -> str:
    if not isinstance(time, int | float):
        return ""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _flat(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Members that people change, by name."""
    found: dict[str, Any] = {}
    for name, value in (document or {}).items():
        if name in ("id", "revision", "by", "created"):
            continue
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": one for inner, one in value.items()}
        elif value is not None:
            found[name] = value
    return found
