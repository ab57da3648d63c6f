"""The response fields of limits, fast: what depends on the limits alone is made once, the rest is one `%` of bytes.

OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, reset as a Go duration. Anthropic:
`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, reset in RFC 3339.
Both: the IETF draft's. `reset` is when the bucket is full again. Where several limits share a slot, the one with the
smallest part left is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from gateway.dialects.interface import LimitState
from gateway.policy import Limit, Measure
from gateway.wire.ratelimit_fields import policy_value, refills, scale, state_format

MOST_PLANS = 4096
"""Distinct tuples of limits whose formats are kept: tiers and overrides, not accounts."""
NEVER = 315_360_000.0
"""Ten years, in seconds: when a budget that does not refill is full again."""

_TOKENS = frozenset({Measure.TOTAL_TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS})


class Slot(NamedTuple):
    """Three fields of a dialect and the measures that they may show. `lines` takes limit, remaining and reset."""

    measures: frozenset[Measure]
    lines: bytes


class Dialled(NamedTuple):
    """A dialect's slots and how it writes a reset: from seconds to go, and Unix time."""

    slots: tuple[Slot, ...]
    reset: Callable[[float, float], bytes]


@lru_cache(maxsize=8192)
def _go_milliseconds(milliseconds: int) -> bytes:
    return b"%dms" % milliseconds if milliseconds else b"0s"


@lru_cache(maxsize=8192)
def _go_seconds(seconds: int) -> bytes:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds


def go_duration(seconds: float, now: float = 0.0) -> bytes:
    """As Go's time.Duration prints it, rounded up: to milliseconds below one second, else to seconds."""
    del now
    return _go_seconds(ceil(seconds)) if seconds > 0.999 else _go_milliseconds(ceil(seconds * 1000))


@lru_cache(maxsize=8192)
def _rfc3339(unix: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix)).encode()


def rfc3339(seconds: float, now: float) -> bytes:
    """The time in so many seconds, in UTC, rounded up."""
    return _rfc3339(ceil(now + seconds))


def _slot(names: str, *measures: Measure) -> Slot:
    limit, remaining, reset = (names % part for part in ("limit", "remaining", "reset"))
    return Slot(frozenset(measures), f"{limit}: %d\r\n{remaining}: %d\r\n{reset}: %b\r\n".encode())


openai_slots = Dialled(
    (
        _slot("x-ratelimit-%s-requests", Measure.REQUESTS),
        _slot("x-ratelimit-%s-tokens", *_TOKENS),
    ),
    go_duration,
)
anthropic_slots = Dialled(
    (
        _slot("anthropic-ratelimit-requests-%s", Measure.REQUESTS),
        # "The values for the most restrictive limit currently in effect."
        _slot("anthropic-ratelimit-tokens-%s", *_TOKENS),
        _slot("anthropic-ratelimit-input-tokens-%s", Measure.INPUT_TOKENS),
        _slot("anthropic-ratelimit-output-tokens-%s", Measure.OUTPUT_TOKENS),
    ),
    rfc3339,
)


class _Row(NamedTuple):
    """One limit, ready for arithmetic."""

    capacity: float
    seconds_a_unit: float
    """0 where waiting fills nothing: then no `t`."""
    scale: int


class _Plan(NamedTuple):
    limits: tuple[Limit, ...]
    """Held so that their ids, which are the key, stay theirs."""
    rows: tuple[_Row, ...]
    slots: tuple[tuple[int, ...], ...]
    """For each slot that is shown, the limits that may be shown in it."""
    format: bytes


class LimitPlans:
    """The formats of one dialect. `lines` is on the hot path."""

    def __init__(self, dialled: Dialled) -> None:
        self._slots = dialled.slots
        self._reset = dialled.reset
        self._plans: dict[tuple[int, ...], _Plan] = {}

    def lines(self, states: tuple[LimitState, ...], now: float) -> bytes:
        """All fields of these states; nothing where there are none."""
        plan = self._plans.get(tuple([id(state[0]) for state in states])) or self._make(states)
        values: list[object] = []
        waits = []
        for (_, remaining), (capacity, seconds_a_unit, factor) in zip(states, plan.rows, strict=True):
            values.append(int(remaining * factor) if remaining > 0 else 0)
            wait = (capacity - remaining) * seconds_a_unit
            waits.append(wait)
            if seconds_a_unit:
                values.append(ceil(wait) if wait > 0 else 0)
        reset = self._reset
        for indexes in plan.slots:
            index = indexes[0]
            if len(indexes) > 1:
                index = min(indexes, key=lambda i: states[i][1] / (plan.rows[i][0] or 1.0))
            remaining = states[index][1]
            wait = waits[index]
            values += (plan.rows[index][0], max(0, remaining), reset(max(0, wait), now))
        return plan.format % tuple(values)

    def _make(self, states: tuple[LimitState, ...]) -> _Plan:
        limits = tuple(state.limit for state in states)
        rows = tuple(
            _Row(limit.capacity, 1.0 / limit.rate if refills(limit) else 0.0, scale(limit)) for limit in limits
        )
        text = b""
        if limits:
            text = b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (
                policy_value(limits).replace(b"%", b"%%"),
                state_format(limits),
            )
        shown = []
        for slot in self._slots:
            indexes = tuple(i for i, limit in enumerate(limits) if limit.measure in slot.measures)
            if indexes:
                shown.append(indexes)
                text += slot.lines
        plan = _Plan(limits, rows, tuple(shown), text)
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        self._plans[tuple(id(limit) for limit in limits)] = plan
        return plan
