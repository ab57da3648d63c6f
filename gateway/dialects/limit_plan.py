"""The response fields of limits, fast: what depends on the limits alone is made once, the rest is one `%` of bytes.

OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, reset as a Go duration. Anthropic:
`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, reset in RFC 3339.
Both: the IETF draft's. `reset` is when the bucket is full again. Where several limits share a slot, the one with the
smallest part left is shown.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.dialects.interface import LimitState
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


class _Row(NamedTuple):
    """One limit, ready for arithmetic."""

    limit: Limit
    capacity: float
    refill_time: float
    """Seconds until one unit is back; 0 where waiting brings none, and then there is no `t`."""
    scale: int
    shown: int
    """The capacity, as a dialect's own fields show it."""


class _Plan(NamedTuple):
    rows: tuple[_Row, ...]
    slots: tuple[tuple[int, ...], ...]
    """For each slot that is shown, the limits that may be shown in it."""
    form: bytes


class LimitPlans:
    """The formats of one dialect, and the arithmetic of an answer. `lines` is on the hot path."""

    def __init__(self, dialled: Dialled) -> None:
        self._slots = dialled.slots
        self._dated = dialled.dated
        self._plans: dict[tuple[int, ...], _Plan] = {}
        # The last plan that began with a limit: nearly always the one, and found without making the key.
        self._latest: dict[int, _Plan] = {}

    def lines(self, states: tuple[LimitState, ...], now: float) -> bytes:
        """All fields of these states; nothing where there are none."""
        if not states:
            return b""
        plan = self._latest.get(id(states[0][0]))
        if plan is None or len(plan[0]) != len(states):
            plan = self._find(states)
        rows, slots, form = plan
        values: list[object] = []
        standing: list[tuple[int, int, float]] = []
        for (limit, remaining), (known, capacity, refill_time, factor, shown) in zip(states, rows, strict=True):
            if limit is not known:
                self._find(states)
                return self.lines(states, now)
            left = int(remaining) if remaining > 0 else 0
            values.append(left if factor == 1 or remaining <= 0 else int(remaining * factor))
            if refill_time:
                wait = (capacity - remaining) * refill_time
                if wait > NEVER:
                    wait = NEVER
                elif wait < 0:
                    wait = 0.0
                values.append(int(wait + _ROUND_UP))
                standing.append((shown, left, wait))
            else:
                standing.append((shown, left, NEVER))
        dated = self._dated
        for indexes in slots:
            shown, left, wait = standing[indexes[0] if len(indexes) == 1 else _tightest(states, indexes)]
            if dated:
                reset = rfc3339(int(now + wait + _ROUND_UP))
            elif wait > 0.999 or wait == 0:
                reset = go_duration(int(wait + _ROUND_UP))
            else:
                reset = b"%dms" % (wait * 1000 + _ROUND_UP)
            values += (shown, left, reset)
        return form % tuple(values)

    def _find(self, states: tuple[LimitState, ...]) -> _Plan:
        key = tuple([id(state.limit) for state in states])
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
                self._latest.clear()
            plan = self._plans[key] = self._make(tuple([state.limit for state in states]))
        self._latest[key[0]] = plan
        return plan

    def _make(self, limits: tuple[Limit, ...]) -> _Plan:
        # The rows hold the limits, so that an id, which is the key, stays the id of its limit.
        rows = tuple(
            [
                _Row(
                    limit,
                    limit.capacity,
                    1.0 / limit.rate if refills(limit) else 0.0,
                    scale(limit),
                    integer(limit.capacity),
                )
                for limit in limits
            ]
        )
        policy = policy_value(limits).replace(b"%", b"%%")
        form = b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, state_format(limits))
        shown = []
        for slot in self._slots:
            indexes = tuple([index for index, limit in enumerate(limits) if limit.measure in slot.measures])
            if indexes:
                shown.append(indexes)
                form += slot.lines
        return _Plan(rows, tuple(shown), form)


_ROUND_UP = 0.999999
"""A second, but for what is lost in arithmetic: what is added before a cut at the point."""


def _tightest(states: tuple[LimitState, ...], indexes: tuple[int, ...]) -> int:
    """Which limit has the smallest part left."""
    best = indexes[0]
    smallest = float("inf")
    for index in indexes:
        limit, remaining = states[index]
        part = remaining / limit.capacity if limit.capacity else 0.0
        if part < smallest:
            best, smallest = index, part
    return best
