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
MET_AT_MOST: Final = 400_000
"""Bucket objects whose state is known without a look at their names."""
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
        self._met: dict[int, _State] = {}
        """By the id of a Bucket object: policies give the same one again and again."""
        self._pinned: list[Bucket] = []
        """Those of `_met`: no other object has their ids as long as they are here."""
        self._together: dict[int, tuple[tuple[Bucket, ...], tuple[_State, ...]]] = {}
        """By the id of a tuple of Buckets, likewise."""
        self._held: dict[str, tuple[tuple[_State, ...], list[float]]] = {}
        self._sweep_at = SWEEP_FROM

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        then(self.take_now(exchange, takes))

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:  # noqa: ARG002 - the contract
        """Nothing streams here."""
        then(GRANTED)

    def take_now(self, exchange: str, takes: Sequence[Take]) -> Taken:
        """As `take`; the answer is returned."""
        self._sweep_if_many()
        met = self._met
        states = tuple([met.get(id(take.bucket)) or self._meet(take.bucket) for take in takes])
        asked = [take.cost * state.scale for take, state in zip(takes, states, strict=True)]
        if len(states) > 1 and len(set(states)) < len(states):
            states, asked = _added_up(states, asked)
        now = int(self._clock() * 1_000_000)
        if self._take(exchange, states, asked, now):
            return GRANTED
        return _short(takes, states, asked, self._state)

    def states_of(self, buckets: tuple[Bucket, ...]) -> tuple[_State, ...]:
        """What `take_from` takes from, for buckets of different names. Good until the next one is asked for.

        Found by the identity of the tuple: policies give the same one again and again.
        """
        self._sweep_if_many()
        found = self._together.get(id(buckets))
        if found is None:
            if len(self._together) >= MET_AT_MOST:
                self._forget_met()
            found = self._together[id(buckets)] = (buckets, tuple([self._state(bucket) for bucket in buckets]))
        return found[1]

    def take_from(self, exchange: str, states: tuple[_State, ...], costs: Sequence[float], now: float) -> bool:
        """As `take`, with as little as can be: whether all was taken. `costs` are in units of the limits."""
        asked = [cost * state.scale for cost, state in zip(costs, states, strict=True)]
        return self._take(exchange, states, asked, int(now * 1_000_000))

    def _take(self, exchange: str, states: tuple[_State, ...], asked: list[float], now: int) -> bool:
        """`asked` is in units of the store, and becomes what is really taken."""
        fits = True
        for index, state in enumerate(states):
            capacity = state.capacity
            if state.lease:
                asked[index] = 1.0
                if state.used + 1 > capacity:
                    fits = False
                continue
            used = state.used
            if now > state.at:
                if used:
                    used -= (now - state.at) * 0.000001 * state.rate
                    state.used = used = used if used > 0 else 0.0
                state.at = now
            cost = asked[index]
            if not 0.0 <= cost <= capacity:
                asked[index] = cost = min(max(cost, 0.0), capacity)
            if used + cost > capacity + SLACK or capacity <= 0:
                fits = False
        if fits:
            for state, cost in zip(states, asked, strict=True):
                state.used += cost
            self._held[exchange] = (states, asked)
        return fits

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        held = self._held.get(exchange)
        if held is not None:
            if len(held[0]) != len(takes):
                finals = self._added_up(held[0], takes, finals)
            self.pay(exchange, finals, self._clock())

    def pay(self, exchange: str, finals: Sequence[float], at: float) -> None:
        """As `settle`, of what `take_from` took; one final a state."""
        states, costs = self._held.pop(exchange)
        now = int(at * 1_000_000)
        for state, cost, final in zip(states, costs, finals, strict=True):
            if state.lease:
                state.used -= cost
                continue
            delta = final * state.scale - cost
            if delta == 0 or not -1e18 < delta < 1e18:
                continue
            used = state.used
            if now > state.at:
                used -= (now - state.at) * 0.000001 * state.rate
                used = used if used > 0 else 0.0
                state.at = now
            used += delta
            state.used = used if used > 0 else 0.0

    def _added_up(self, states: tuple[_State, ...], takes: Sequence[Take], finals: Sequence[float]) -> list[float]:
        """One final a state, where one bucket was taken from twice."""
        sums: dict[int, float] = {}
        for take, final in zip(takes, finals, strict=True):
            place = id(self._state(take.bucket))
            sums[place] = sums.get(place, 0.0) + final
        return [sums[id(state)] for state in states]

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

    def _meet(self, bucket: Bucket) -> _State:
        """Its state, and from now on without a look at its names."""
        if len(self._pinned) >= MET_AT_MOST:
            self._forget_met()
        state = self._state(bucket)
        self._pinned.append(bucket)
        self._met[id(bucket)] = state
        return state

    def _forget_met(self) -> None:
        self._met.clear()
        self._pinned.clear()
        self._together.clear()

    def _sweep_if_many(self) -> None:
        # Before any of ours is looked up: what is about to be taken from is not in use yet.
        if len(self._states) >= self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        now = int(self._clock() * 1_000_000)
        holding = {id(state) for states, _ in self._held.values() for state in states}
        self._forget_met()
        self._states = {
            key: state
            for key, state in self._states.items()
            if id(state) in holding or state.used > (0 if state.lease else (now - state.at) * 0.000001 * state.rate)
        }
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._states))


def _added_up(states: Sequence[_State], asked: Sequence[float]) -> tuple[tuple[_State, ...], list[float]]:
    """A bucket that is taken from twice: its costs are one."""
    sums: dict[_State, float] = {}
    for state, cost in zip(states, asked, strict=True):
        sums[state] = sums.get(state, 0.0) + cost
    return tuple(sums), list(sums.values())


def _short(
    takes: Sequence[Take], states: Sequence[_State], costs: Sequence[float], state_of: Callable[[Bucket], _State]
) -> Taken:
    """The refusal: which take waits longest, and what is left in each bucket."""
    longest, short = -1.0, states[0]
    for state, cost in zip(states, costs, strict=True):
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
    asked = [state_of(take.bucket) for take in takes]
    wait = math.ceil(longest * 1000) / 1000 if longest < 1e12 else math.inf
    return Taken(False, tuple(_left(state) for state in asked), asked.index(short), wait)


def _left(state: _State) -> float:
    if state.lease:
        return math.floor(state.capacity) - state.used
    left = math.floor(state.capacity + SLACK - state.used)
    return left / state.scale if state.scale != 1 else left
