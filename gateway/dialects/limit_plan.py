"""The response fields of limits, fast: what depends on the limits alone is made once, the rest is one `%` of bytes.

OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, reset as a Go duration. Anthropic:
`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, reset in RFC 3339.
Both: the IETF draft's. `reset` is when the bucket is full again. Where several limits share a slot, the one with the
smallest part left is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from gateway.policy import Limit, Measure
from gateway.wire.ratelimit_fields import integer, policy_value, refills, scale, state_format

MOST_PLANS = 4096
"""Distinct tuples of limits whose formats are kept: tiers and overrides, not accounts."""
NEVER = 315_360_000
"""Ten years, in seconds: what is said of a budget that does not refill, and of a debt that takes longer than that."""

_TOKENS = frozenset({Measure.TOTAL_TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS})


class Slot(NamedTuple):
    """Three fields of a dialect and the measures that they may show. `lines` takes limit, remaining and reset."""

    measures: frozenset[Measure]
    lines: bytes


class Dialled(NamedTuple):
    """A dialect's slots, and how it writes a reset: as a date, or as the seconds to go."""

    slots: tuple[Slot, ...]
    dated: bool


@lru_cache(maxsize=8192)
def go_duration(seconds: int) -> bytes:
    """Whole seconds as Go's time.Duration prints them."""
    minutes, seconds = divmod(min(seconds, NEVER), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds


@lru_cache(maxsize=8192)
def rfc3339(unix: int) -> bytes:
    """A Unix time in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix)).encode()


def _slot(names: str, *measures: Measure) -> Slot:
    limit, remaining, reset = (names % part for part in ("limit", "remaining", "reset"))
    return Slot(frozenset(measures), f"{limit}: %d\r\n{remaining}: %d\r\n{reset}: %b\r\n".encode())


OPENAI_SLOTS: Final = Dialled(
    (
        _slot("x-ratelimit-%s-requests", Measure.REQUESTS),
        _slot("x-ratelimit-%s-tokens", *_TOKENS),
    ),
    dated=False,
)
ANTHROPIC_SLOTS: Final = Dialled(
    (
        _slot("anthropic-ratelimit-requests-%s", Measure.REQUESTS),
        # "The values for the most restrictive limit currently in effect."
        _slot("anthropic-ratelimit-tokens-%s", *_TOKENS),
        _slot("anthropic-ratelimit-input-tokens-%s", Measure.INPUT_TOKENS),
        _slot("anthropic-ratelimit-output-tokens-%s", Measure.OUTPUT_TOKENS),
    ),
    dated=True,
)


class _Plan(NamedTuple):
    limits: tuple[Limit, ...]
    """What it was made of. It holds them, so that the id of one, which finds it, stays its id."""
    terms: tuple[tuple[float, float, float], ...]
    """For each limit capacity, seconds until one unit is back, and what is added to round up; a budget that does not
    refill is back never."""
    factors: tuple[tuple[int, int], ...]
    """(index, factor) of what the draft's integers are multiplied by: money."""
    order: Callable[[list[float]], tuple[float, ...]]
    """Picks from (all that is left, all waits) what the draft's fields show, in their order."""
    slots: tuple[tuple[tuple[int, int], ...], ...]
    """For each slot that is shown: (index, capacity as shown) of the limits that may be shown in it."""
    form: bytes


class LimitPlans:
    """The formats of one dialect, and the arithmetic of an answer. `lines` is on the hot path."""

    def __init__(self, dialled: Dialled) -> None:
        self._slots = dialled.slots
        self._dated = dialled.dated
        self._plans: dict[tuple[int, ...], _Plan] = {}
        # The last plan that began with a limit: nearly always the one, and found without making the key.
        self._latest: dict[int, _Plan] = {}

    def lines(self, limits: tuple[Limit, ...], remaining: Sequence[float], now: float) -> bytes:
        """All fields of these limits with so much left of each; nothing where there are none."""
        if not limits:
            return b""
        plan = self._latest.get(id(limits[0]))
        # Tuples of the same objects are compared by identity: the fields of a limit are not looked at.
        if plan is None or plan[0] != limits:
            plan = self._find(limits)
        _, terms, factors, order, slots, form = plan
        waits = [(term[0] - left) * term[1] + term[2] for term, left in zip(terms, remaining, strict=True)]
        if max(waits) > NEVER or min(waits) < 0:
            waits = [min(max(wait, _ROUND_UP), NEVER) for wait in waits]
        if min(remaining) < 0:
            remaining = [max(left, 0) for left in remaining]
        pool = [*remaining, *waits]
        for index, factor in factors:
            pool[index] *= factor
        values: list[object] = [*order(pool)]
        for candidates in slots:
            index, capacity = candidates[0] if len(candidates) == 1 else _tightest(terms, remaining, candidates)
            wait = waits[index]
            if self._dated:
                reset = rfc3339(int(now + wait))
            elif wait >= 1.999 or wait <= _ROUND_UP:
                reset = go_duration(int(wait))
            else:
                reset = b"%dms" % ((wait - _ROUND_UP) * 1000 + _ROUND_UP)
            values += (capacity, remaining[index], reset)
        return form % tuple(values)

    def _find(self, limits: tuple[Limit, ...]) -> _Plan:
        key = tuple([id(limit) for limit in limits])
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
                self._latest.clear()
            plan = self._plans[key] = self._make(limits)
        self._latest[key[0]] = plan
        return plan

    def _make(self, limits: tuple[Limit, ...]) -> _Plan:
        count = len(limits)
        terms, wanted = [], []
        for index, limit in enumerate(limits):
            wanted.append(index)
            if refills(limit):
                terms.append((limit.capacity, 1.0 / limit.rate, _ROUND_UP))
                wanted.append(count + index)
            else:
                terms.append((limit.capacity, 0.0, float(NEVER)))
        policy = policy_value(limits).replace(b"%", b"%%")
        form = b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, state_format(limits))
        slots = []
        for slot in self._slots:
            shown = [(i, integer(limit.capacity)) for i, limit in enumerate(limits) if limit.measure in slot.measures]
            if shown:
                slots.append(tuple(shown))
                form += slot.lines
        return _Plan(
            limits,
            tuple(terms),
            tuple([(index, scale(limit)) for index, limit in enumerate(limits) if scale(limit) != 1]),
            _picker(wanted),
            tuple(slots),
            form,
        )


_ROUND_UP = 0.999999
"""A second, but for what is lost in arithmetic: what is added before a cut at the point."""


def _picker(indexes: list[int]) -> Callable[[list[float]], tuple[float, ...]]:
    """`itemgetter`, which for one index gives no tuple."""
    if len(indexes) == 1:
        (only,) = indexes
        return lambda pool: (pool[only],)
    return itemgetter(*indexes)


def _tightest(
    terms: tuple[tuple[float, float, float], ...],
    remaining: Sequence[float],
    candidates: tuple[tuple[int, int], ...],
) -> tuple[int, int]:
    """The limit with the smallest part left, and its capacity as it is shown."""
    best = candidates[0]
    smallest = float("inf")
    for candidate in candidates:
        capacity = terms[candidate[0]][0]
        part = remaining[candidate[0]] / capacity if capacity else 0.0
        if part < smallest:
            best, smallest = candidate, part
    return best
