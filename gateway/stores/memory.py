"""The store in one process: the executable specification of the Redis one, and what a worker's own guards count in.

The arithmetic is that of `take.lua` and `settle.lua`, operation for operation, so that both give the same doubles.
There is one difference: who holds a lease here cannot die without the store, so leases need no renewal.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.policy import Bucket, Limit, Measure, Take, Taken
from gateway.stores.interface import TakeAnswer
from gateway.stores.units import LEASE_WAIT, SLACK, scale_of

PARTITIONS: Final = 100_000
"""About 300 bytes each."""
LOOK_FOR_DRAINED: Final = 16
"""Of the partitions touched longest ago, how many are looked at for one that has drained before a used one goes."""
_NOTHING: Final = Taken(True, ())

_Key = tuple[str, str, str]
"""Tag, partition, name of the limit."""


class _State(NamedTuple):
    """Units in use, the microsecond of that figure, and the rate in units a second it was last seen with."""

    used: float
    at: int
    rate: float


class _Held(NamedTuple):
    """What an exchange has taken, by bucket, and the leases it holds."""

    costs: dict[_Key, float]
    leases: tuple[_Key, ...]


class _Slot(NamedTuple):
    key: _Key
    limit: Limit
    scale: float
    cost: float


def _key(bucket: Bucket) -> _Key:
    return bucket.tag, bucket.partition, bucket.limit.name


class MemoryStore:
    """Buckets in this process. `clock` gives seconds; any clock will do, and one that goes back refills nothing."""

    available = True

    def __init__(self, clock: Callable[[], float], partitions: int = PARTITIONS) -> None:
        self._clock = clock
        self._bound = partitions
        self._states: OrderedDict[_Key, _State] = OrderedDict()
        self._leases: dict[_Key, int] = {}
        self._held: dict[str, _Held] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore {len(self._states)} buckets, {len(self._held)} in flight>"

    def __len__(self) -> int:
        return len(self._states)

    @property
    def in_flight(self) -> int:
        """Exchanges that hold something."""
        return len(self._held)

    # --- the three verbs

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        then(self.take_now(exchange, takes))

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        then(self._take(exchange, takes, leasing=False) if takes else _NOTHING)

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        held = self._held.pop(exchange, None)
        if held is None:
            return
        for lease in held.leases:
            left = self._leases[lease] - 1
            if left:
                self._leases[lease] = left
            else:
                del self._leases[lease]
        units: dict[_Key, float] = {}
        limits: dict[_Key, Limit] = {}
        for take, final in zip(takes, finals, strict=True):
            limit = take.bucket.limit
            if limit.measure is not Measure.CONCURRENCY:
                key = _key(take.bucket)
                units[key] = units.get(key, 0.0) + final * scale_of(limit)
                limits[key] = limit
        now = self._now()
        for key, final in units.items():
            self._add(key, limits[key], final - held.costs.get(key, 0.0), now)

    def take_now(self, exchange: str, takes: Sequence[Take]) -> Taken:
        """`take`, with its answer returned."""
        return self._take(exchange, takes, leasing=True) if takes else _NOTHING

    async def close(self) -> None:
        """Nothing to close."""

    # --- for a worker's share of a fleet's limits

    def used(self, bucket: Bucket) -> float:
        """Units of the limit in use now."""
        scale = scale_of(bucket.limit)
        return self._used(_key(bucket), bucket.limit.rate * scale, self._now()) / scale

    def forget(self, bucket: Bucket) -> None:
        """Nothing of it is in use any more. Slots that are held stay held."""
        self._states.pop(_key(bucket), None)

    # --- arithmetic

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    def _used(self, key: _Key, rate: float, now: int) -> float:
        state = self._states.get(key)
        if state is None:
            return 0.0
        used = state.used
        if now > state.at:
            used = used - (now - state.at) * 0.000001 * rate
            if used < 0:
                used = 0.0
        return used

    def _slots(self, takes: Sequence[Take]) -> tuple[list[_Slot], list[int]]:
        """Each bucket once, its costs added up; and for each take, which of them it is."""
        slots: dict[_Key, _Slot] = {}
        places: dict[_Key, int] = {}
        for take in takes:
            limit = take.bucket.limit
            key, scale = _key(take.bucket), scale_of(limit)
            before = slots[key].cost if key in slots else 0.0
            slots[key] = _Slot(key, limit, scale, before + take.cost * scale)
            places.setdefault(key, len(places))
        return list(slots.values()), [places[_key(take.bucket)] for take in takes]

    def _take(self, exchange: str, takes: Sequence[Take], *, leasing: bool) -> Taken:
        now = self._now()
        slots, places = self._slots(takes)
        waits: dict[int, float] = {}
        before: list[float] = []
        after: list[float] = []
        tops: list[float] = []
        costs: dict[_Key, float] = {}
        leases: list[_Key] = []
        for index, (key, limit, scale, asked) in enumerate(slots):
            if limit.measure is Measure.CONCURRENCY:
                free = math.floor(limit.capacity) - self._leases.get(key, 0)
                if leasing and free < 1:
                    waits[index] = math.inf if limit.capacity < 1 else LEASE_WAIT
                leases.append(key)
                before.append(0.0)
                after.append(1.0 if leasing else 0.0)
                tops.append(free)
                continue
            capacity, rate = limit.capacity * scale, limit.rate * scale
            used = self._used(key, rate, now)
            cost = min(asked if asked > 0 else 0.0, capacity)
            wanted = used + cost
            if wanted > capacity + SLACK or capacity <= 0:
                waits[index] = (wanted - capacity) / rate if capacity > 0 and rate > 0 else math.inf
            before.append(used)
            after.append(wanted)
            tops.append(capacity + SLACK)
            costs[key] = cost
        if waits:
            short = max(waits, key=lambda index: (waits[index], -index))
            wait = math.ceil(waits[short] * 1000) / 1000 if waits[short] < 1e12 else math.inf
            return Taken(False, self._left(slots, places, tops, before), places.index(short), wait)
        for index, slot in enumerate(slots):
            if slot.limit.measure is not Measure.CONCURRENCY:
                self._put(slot.key, _State(after[index], now, slot.limit.rate * slot.scale), now)
        self._hold(exchange, costs, leases, leasing=leasing)
        return Taken(True, self._left(slots, places, tops, after))

    def _left(self, slots: list[_Slot], places: list[int], tops: list[float], used: list[float]) -> tuple[float, ...]:
        return tuple(
            math.floor(tops[place] - used[place]) / slots[place].scale
            if slots[place].scale != 1
            else math.floor(tops[place] - used[place])
            for place in places
        )

    def _hold(self, exchange: str, costs: dict[_Key, float], leases: list[_Key], *, leasing: bool) -> None:
        if leasing:
            for lease in leases:
                self._leases[lease] = self._leases.get(lease, 0) + 1
            self._held[exchange] = _Held(costs, tuple(leases))
            return
        held = self._held.get(exchange)
        if held is not None:
            for key, cost in costs.items():
                held.costs[key] = held.costs.get(key, 0.0) + cost

    def _add(self, key: _Key, limit: Limit, delta: float, now: int) -> None:
        if delta == 0 or not -1e18 < delta < 1e18:
            return
        rate = limit.rate * scale_of(limit)
        used = self._used(key, rate, now) + delta
        self._put(key, _State(used if used > 0 else 0.0, now, rate), now)

    def _put(self, key: _Key, state: _State, now: int) -> None:
        """Write a state; where there are too many, drop one that has drained, else the one touched longest ago."""
        states = self._states
        states[key] = state
        states.move_to_end(key)
        if len(states) <= self._bound:
            return
        for looked, (old, (used, at, rate)) in enumerate(states.items()):
            if used <= (now - at) * 0.000001 * rate:
                del states[old]
                return
            if looked >= LOOK_FOR_DRAINED:
                break
        states.popitem(last=False)
