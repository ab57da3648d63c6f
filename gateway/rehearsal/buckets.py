"""Buckets for replays: the arithmetic of MemoryStore, without what nobody reads there.

What is left after a take that was granted is for the fields of an answer, and a replay gives none. That, and a state
that is changed in place, makes a take and its settle four times as fast. A bucket that has drained is as one that was
never there, and is swept out when there are many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from gateway.policy import Bucket, Limit, Measure, Take, Taken
from gateway.stores.interface import TakeAnswer
from gateway.stores.units import LEASE_WAIT, SLACK, scale_of

SWEEP_FROM: Final = 500_000
"""Buckets held, before those that have drained are looked for."""
GRANTED: Final = Taken(True, ())


class _State:
    """One bucket: units in use at a microsecond."""

    __slots__ = ("at", "capacity", "lease", "limit", "rate", "scale", "used")

    def __init__(self, limit: Limit) -> None:
        self.used = 0.0
        self.at = 0
        self.limit = limit
        self.lease = limit.measure is Measure.CONCURRENCY
        self.scale = scale_of(limit)
        self.capacity = limit.capacity * self.scale
        self.rate = limit.rate * self.scale


class Buckets:
    """A Store whose answers say nothing of what is left where a take was granted. `clock` gives seconds, and never goes
    back: a take that is refused settles what has come back so far.
    """

    available = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[tuple[str, str, str], _State] = {}
        self._held: dict[str, list[tuple[_State, float]]] = {}
        self._sweep_at = SWEEP_FROM

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        then(self._take(exchange, takes))

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:  # noqa: ARG002 - the contract
        """Nothing streams here."""
        then(GRANTED)

    def _take(self, exchange: str, takes: Sequence[Take]) -> Taken:
        if len(self._states) >= self._sweep_at:
            # Before any of ours is looked up: what is about to be taken from is not in use yet.
            self._sweep()
        now = int(self._clock() * 1_000_000)
        held: list[tuple[_State, float]] = []
        fits = True
        for bucket, asked in takes:
            state = self._state(bucket)
            if state.lease:
                held.append((state, 1.0))
                fits = fits and state.used + 1 <= state.capacity
                continue
            if now > state.at:
                used = state.used - (now - state.at) * 0.000001 * state.rate
                state.used = used if used > 0 else 0.0
                state.at = now
            cost = min(max(asked * state.scale, 0.0), state.capacity)
            held.append((state, cost))
            fits = fits and state.used + cost <= state.capacity + SLACK and state.capacity > 0
        if len(held) > 1 and len({id(state) for state, _ in held}) < len(held):
            held, fits = _added_up(takes, held)
        if not fits:
            return _short(takes, held, self._state)
        for state, cost in held:
            state.used += cost
        self._held[exchange] = held
        return GRANTED

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        held = self._held.pop(exchange, None)
        if held is None:
            return
        now = int(self._clock() * 1_000_000)
        if len(held) != len(takes):
            self._settle_added_up(held, takes, finals, now)
            return
        for (state, cost), final in zip(held, finals, strict=True):
            _settle(state, cost, final * state.scale, now)

    def _settle_added_up(
        self, held: list[tuple[_State, float]], takes: Sequence[Take], finals: Sequence[float], now: int
    ) -> None:
        sums: dict[int, float] = {}
        for take, final in zip(takes, finals, strict=True):
            state = self._state(take.bucket)
            sums[id(state)] = sums.get(id(state), 0.0) + final * state.scale
        for state, cost in held:
            _settle(state, cost, sums[id(state)], now)

    async def close(self) -> None:
        """Nothing to close."""

    def __len__(self) -> int:
        return len(self._states)

    def _state(self, bucket: Bucket) -> _State:
        limit = bucket.limit
        key = (bucket.tag, bucket.partition, limit.name)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(limit)
        return state

    def _sweep(self) -> None:
        now = int(self._clock() * 1_000_000)
        holding = {id(state) for held in self._held.values() for state, _ in held}
        self._states = {
            key: state
            for key, state in self._states.items()
            if id(state) in holding or state.used > (0 if state.lease else (now - state.at) * 0.000001 * state.rate)
        }
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._states))


def _settle(state: _State, cost: float, final: float, now: int) -> None:
    if state.lease:
        state.used -= cost
        return
    delta = final - cost
    if delta == 0 or not -1e18 < delta < 1e18:
        return
    used = state.used
    if now > state.at:
        used -= (now - state.at) * 0.000001 * state.rate
        used = used if used > 0 else 0.0
        state.at = now
    used += delta
    state.used = used if used > 0 else 0.0


def _added_up(takes: Sequence[Take], held: list[tuple[_State, float]]) -> tuple[list[tuple[_State, float]], bool]:
    """A bucket that is taken from twice: its costs are one."""
    asked: dict[int, float] = {}
    states: dict[int, _State] = {}
    for (state, _), take in zip(held, takes, strict=True):
        states[id(state)] = state
        asked[id(state)] = asked.get(id(state), 0.0) + take.cost * state.scale
    merged = [
        (state, 1.0 if state.lease else min(max(asked[place], 0.0), state.capacity)) for place, state in states.items()
    ]
    return merged, all(
        state.used + cost <= state.capacity + (0.0 if state.lease else SLACK) and state.capacity > 0
        for state, cost in merged
    )


def _short(takes: Sequence[Take], held: list[tuple[_State, float]], state_of: Callable[[Bucket], _State]) -> Taken:
    """The refusal: which take waits longest, and what is left in each bucket."""
    longest, short = -1.0, held[0][0]
    for state, cost in held:
        if state.lease:
            if state.used + 1 <= state.capacity:
                continue
            wait = math.inf if state.capacity < 1 else LEASE_WAIT
        else:
            wanted = state.used + cost
            if wanted <= state.capacity + SLACK and state.capacity > 0:
                continue
            rate = state.rate
            wait = (wanted - state.capacity) / rate if state.capacity > 0 and rate > 0 else math.inf
        if wait > longest:
            longest, short = wait, state
    states = [state_of(take.bucket) for take in takes]
    wait = math.ceil(longest * 1000) / 1000 if longest < 1e12 else math.inf
    return Taken(False, tuple(_left(state) for state in states), states.index(short), wait)


def _left(state: _State) -> float:
    if state.lease:
        return math.floor(state.capacity) - state.used
    left = math.floor(state.capacity + SLACK - state.used)
    return left / state.scale if state.scale != 1 else left
