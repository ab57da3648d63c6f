"""What can be said once of a set of buckets that is taken from together: the command but for exchange and costs.

A request's buckets are the same objects as those of the account's last one, so a Plan is made once per account and
model, and a command costs one join.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from gateway.policy import Bucket, Measure, Take, Taken
from gateway.stores import keys
from gateway.stores.redis.scripts import Script, Scripts
from gateway.stores.units import scale_of

NEVER: Final = float("inf")
BOUND: Final = 65_536
"""Plans in each of two generations: about 0.5 KB each."""
SHAPES: Final = 1024
"""Shapes kept: tiers and models with limits of their own, not accounts."""


def _lines(*args: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


class Shape:
    """What plans have in common whose buckets have the same limits in the same arrangement: nearly all of a tier.

    Slots are the script's order: buckets by hash, then leases. `places` says which slot each take has; None where they
    are the same, which is the common case. `scales` is None where all are 1.
    """

    __slots__ = (
        "bucket_caps",
        "caps",
        "count",
        "hash_owners",
        "lease_owners",
        "limits",
        "more",
        "pack",
        "places",
        "plain",
        "scales",
        "settle",
        "size",
        "take",
    )

    def __init__(self, buckets: Sequence[Bucket], scripts: Scripts, lease_ttl_ms: int) -> None:
        self.limits = tuple(bucket.limit for bucket in buckets)
        """Held, so that their ids, which find this shape, stay theirs."""
        hashes: dict[bytes, dict[bytes, int]] = {}
        leases: dict[bytes, int] = {}
        for index, bucket in enumerate(buckets):
            if bucket.limit.measure is Measure.CONCURRENCY:
                leases.setdefault(keys.lease_of(bucket), index)
            else:
                hashes.setdefault(keys.hash_of(bucket), {}).setdefault(keys.field_of(bucket), index)
        self.hash_owners = tuple(next(iter(names.values())) for names in hashes.values())
        """For each hash the index of a bucket in it, and so for each lease."""
        self.lease_owners = tuple(leases.values())
        fields = [name for names in hashes.values() for name in names]
        held = [buckets[index] for names in hashes.values() for index in names.values()]
        self.count = len(held)
        self._set_slots(buckets, hashes, leases)
        numbers = [len(names) for names in hashes.values()]
        self._set_commands(bytes(numbers), fields, held, [buckets[i] for i in leases.values()], scripts, lease_ttl_ms)

    def _set_slots(
        self, buckets: Sequence[Bucket], hashes: dict[bytes, dict[bytes, int]], leases: dict[bytes, int]
    ) -> None:
        slots: dict[tuple[bytes, bytes], int] = {}
        for key, names in hashes.items():
            for name in names:
                slots[key, name] = len(slots)
        for key in leases:
            slots[key, b""] = len(slots)
        places = [
            slots[keys.lease_of(bucket), b""]
            if bucket.limit.measure is Measure.CONCURRENCY
            else slots[keys.hash_of(bucket), keys.field_of(bucket)]
            for bucket in buckets
        ]
        self.places = None if places == list(range(len(slots))) else tuple(places)
        owners: list[Bucket] = [buckets[0]] * len(slots)
        for place, bucket in zip(places, buckets, strict=True):
            owners[place] = bucket
        scales = tuple(scale_of(bucket.limit) for bucket in owners)
        self.scales = scales if any(scale != 1 for scale in scales) else None
        self.caps = tuple(bucket.limit.capacity * scale for bucket, scale in zip(owners, scales, strict=True))
        self.bucket_caps = self.caps[: self.count]
        self.plain = self.places is None and self.scales is None

    def _set_commands(
        self,
        shape: bytes,
        fields: list[bytes],
        held: list[Bucket],
        leases: list[Bucket],
        scripts: Scripts,
        lease_ttl_ms: int,
    ) -> None:
        rates = [bucket.limit.rate * scale_of(bucket.limit) for bucket in held]
        pairs = [number for pair in zip(self.caps, rates, strict=False) for number in pair]
        numbers = struct.pack(f"<{len(pairs)}d{len(leases)}d", *pairs, *(lease.limit.capacity for lease in leases))
        # The mark, the hashes, and the leases but for the first, which is the mark.
        names = 1 + len(self.hash_owners) + max(0, len(self.lease_owners) - 1)

        def around(script: Script, *args: bytes) -> tuple[bytes, bytes]:
            """What stands before the names of the keys, and what behind."""
            before = (b"EVALSHA", script.digest.encode(), b"%d" % names)
            behind = (*args, *fields)
            count = len(before) + names + len(behind) + 2
            return b"*%d\r\n%b" % (count, _lines(*before)), b"%b$" % _lines(*behind)

        self.take = around(scripts.take, shape, numbers, b"%d" % lease_ttl_ms)
        self.more = around(scripts.take, shape, numbers, b"0")
        self.settle = around(scripts.settle, shape, numbers, b"settle")
        costs = struct.Struct(f"<{self.count}d")
        self.size = b"\r\n$%d\r\n" % costs.size
        self.pack = costs.pack


class Plan:
    """Commands for one set of buckets that live in one place: a shape, and the names of the keys."""

    __slots__ = ("_names", "buckets", "leases", "mark", "parts", "shape", "slot")

    def __init__(self, buckets: Sequence[Bucket], shape: Shape) -> None:
        self.buckets = tuple(buckets)
        self.shape = shape
        self.parts: tuple[tuple[Plan, tuple[int, ...]], ...] | None = None
        """In a Cluster: the plans of each slot, with the places of their takes, if there is more than one."""
        tag = buckets[0].tag
        self.slot = keys.slot_of(tag)
        self.leases = tuple([keys.lease_of(buckets[index]) for index in shape.lease_owners])
        # A lease marks its exchange as in flight; without one there is a set for that alone.
        self.mark = self.leases[0] if self.leases else keys.marks_of(tag)
        hashes = [keys.hash_of(buckets[index]) for index in shape.hash_owners]
        self._names = _lines(self.mark, *hashes, *self.leases[1:])

    # --- the hot path

    def units(self, amounts: Sequence[float]) -> Sequence[float]:
        """Amounts in the order of the takes, as units in the order of the slots. The list itself where they agree."""
        shape = self.shape
        if shape.plain:
            return amounts
        if shape.places is not None:
            sums = [0.0] * len(shape.caps)
            for place, amount in zip(shape.places, amounts, strict=True):
                sums[place] += amount
            amounts = sums
        if shape.scales is not None:
            amounts = [amount * scale for amount, scale in zip(amounts, shape.scales, strict=True)]
        return amounts

    def costs_of(self, takes: Sequence[Take]) -> list[float]:
        """What a take really takes of each bucket: a cost above the capacity counts as that, one below 0 as 0."""
        # Leases are the last slots and cost nothing: the shorter tuple of capacities leaves them out.
        shape = self.shape
        if shape.plain:
            return [
                cost if 0 < cost <= cap else (cap if cost > cap else 0.0)
                for (_, cost), cap in zip(takes, shape.bucket_caps, strict=False)
            ]
        return [
            cost if 0 < cost <= cap else (cap if cost > cap else 0.0)
            for cost, cap in zip(self.units([take[1] for take in takes]), shape.bucket_caps, strict=False)
        ]

    def deltas_of(self, finals: Sequence[float], costs: list[float]) -> list[float]:
        """What a settle adds to each bucket."""
        units = finals if self.shape.plain else self.units(finals)
        return [final - cost for final, cost in zip(units, costs, strict=False)]

    def take(self, exchange: bytes, costs: list[float]) -> bytes:
        return self._command(self.shape.take, exchange, costs)

    def more(self, exchange: bytes, costs: list[float]) -> bytes:
        return self._command(self.shape.more, exchange, costs)

    def settle(self, exchange: bytes, deltas: list[float]) -> bytes:
        return self._command(self.shape.settle, exchange, deltas)

    def _command(self, around: tuple[bytes, bytes], exchange: bytes, amounts: list[float]) -> bytes:
        shape = self.shape
        return b"%b%b%b%d\r\n%b%b%b\r\n" % (
            around[0],
            self._names,
            around[1],
            len(exchange),
            exchange,
            shape.size,
            shape.pack(*amounts),
        )

    def place_of(self, bucket: Bucket) -> int | None:
        """The slot of a bucket, whatever the numbers of its limit; None if it is not in the plan."""
        for index, own in enumerate(self.buckets):
            if own.partition == bucket.partition and own.tag == bucket.tag and own.limit.name == bucket.limit.name:
                return index if self.shape.places is None else self.shape.places[index]
        return None

    def by_bucket(self, costs: Sequence[float]) -> list[tuple[Bucket, float]]:
        """Costs by slot, each with its bucket."""
        owners = dict(zip(self.shape.places or range(len(self.buckets)), self.buckets, strict=True))
        return [(owners[slot], cost) for slot, cost in enumerate(costs)]

    def taken(self, reply: list[int]) -> Taken:
        """The script's reply in the takes' own order and units."""
        shape = self.shape
        if shape.plain and reply[0]:
            return Taken(True, tuple(reply[3:]))
        remaining: Sequence[float] = reply[3:]
        if shape.scales is not None:
            remaining = [left / scale for left, scale in zip(remaining, shape.scales, strict=True)]
        short = reply[1]
        if shape.places is not None:
            remaining = [remaining[place] for place in shape.places]
            if short >= 0:
                short = shape.places.index(short)
        if reply[0]:
            return Taken(True, tuple(remaining))
        return Taken(False, tuple(remaining), short, reply[2] / 1000 if reply[2] >= 0 else NEVER)


def post_command(charges: Sequence[tuple[Bucket, float]], batch: bytes, scripts: Scripts) -> bytes:
    """Add debts to buckets of one tag, once per batch. Not on the hot path."""
    hashes: dict[bytes, list[tuple[Bucket, float]]] = {}
    for bucket, units in charges:
        hashes.setdefault(keys.hash_of(bucket), []).append((bucket, units * scale_of(bucket.limit)))
    flat = [row for rows in hashes.values() for row in rows]
    numbers = b"".join(
        struct.pack("<2d", bucket.limit.capacity * scale_of(bucket.limit), bucket.limit.rate * scale_of(bucket.limit))
        for bucket, _ in flat
    )
    return scripts.settle.command(
        (keys.batches_of(charges[0][0].tag), *hashes),
        (
            bytes(len(rows) for rows in hashes.values()),
            numbers,
            "post",
            *(keys.field_of(bucket) for bucket, _ in flat),
            batch,
            struct.pack(f"<{len(flat)}d", *(units for _, units in flat)),
        ),
    )


class Plans:
    """Plans by the identity of their buckets, which a plan keeps alive, so that no identity is used twice.

    Two generations bound it: what is asked for again survives, what is not is dropped with its generation.
    """

    __slots__ = ("_bound", "_build", "_clustered", "_old", "_shapes", "_young")

    def __init__(self, scripts: Scripts, lease_ttl_ms: int, *, clustered: bool, bound: int = BOUND) -> None:
        self._build = (scripts, lease_ttl_ms)
        self._clustered = clustered
        self._bound = bound
        self._shapes: dict[tuple[tuple[int, int], ...], Shape] = {}
        self._young: dict[tuple[int, ...], Plan] = {}
        self._old: dict[tuple[int, ...], Plan] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def of(self, takes: Sequence[Take]) -> Plan:
        key = tuple([id(take[0]) for take in takes])
        plan = self._young.get(key)
        return plan if plan is not None else self._make(key, takes)

    def _make(self, key: tuple[int, ...], takes: Sequence[Take]) -> Plan:
        plan = self._old.pop(key, None) or self._build_plan([take.bucket for take in takes])
        if len(self._young) >= self._bound:
            self._old, self._young = self._young, {}
        self._young[key] = plan
        return plan

    def _build_plan(self, buckets: list[Bucket]) -> Plan:
        plan = Plan(buckets, self._shape(buckets))
        if not self._clustered:
            return plan
        groups: dict[int, list[int]] = {}
        for place, bucket in enumerate(buckets):
            groups.setdefault(keys.slot_of(bucket.tag), []).append(place)
        if len(groups) > 1:
            parts = []
            for places in groups.values():
                own = [buckets[place] for place in places]
                parts.append((Plan(own, self._shape(own)), tuple(places)))
            plan.parts = tuple(parts)
        return plan

    def _shape(self, buckets: list[Bucket]) -> Shape:
        """By the limits, and which of them share a partition. A tier has one or a few."""
        first: dict[tuple[str, str], int] = {}
        key = tuple(
            [
                (id(bucket.limit), first.setdefault((bucket.tag, bucket.partition), index))
                for index, bucket in enumerate(buckets)
            ]
        )
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = Shape(buckets, *self._build)
        return shape
