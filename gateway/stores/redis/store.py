"""Exact shared state in Redis: one atomic script an exchange, an answer by callback.

What this worker holds (exchanges in flight) is known here, so that it can be renewed while it runs, given back if the
answer to its take came too late, and put back into a Redis that lost it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import hiredis

from gateway.policy import Bucket, Take, Taken
from gateway.stores import keys
from gateway.stores.interface import LEASE_RENEWAL, LEASE_TTL, TakeAnswer
from gateway.stores.redis.call import Call
from gateway.stores.redis.calls import Beat, MoreCall, Renewal, SettleCall, TakeCall, Upkeep, unavailable
from gateway.stores.redis.joint import JointTake, part_name
from gateway.stores.redis.link import Link
from gateway.stores.redis.plan import Plan, Plans, post_command
from gateway.stores.redis.resp import pack
from gateway.stores.redis.scripts import Scripts

OWED: Final = 100_000
"""Settles kept while Redis is away, about 400 bytes each. The oldest go first, and are counted."""
OWED_BATCH: Final = 500
"""Settles sent again in one tick of the event loop."""
RENEW_BATCH: Final = 100
"""Members renewed by one script, so that none holds Redis for long."""
EARLY: Final = 10_000
"""Exchanges remembered that were settled before their take was answered."""
DRAIN_PAUSE: Final = 0.01

_log = logging.getLogger(__name__)
_NOTHING: Final = Taken(True, ())


class Topology(Protocol):
    """Where commands go."""

    clustered: bool
    """Whether slots live in different places."""
    on_up: Callable[[], None]
    """Called whenever a connection is there (again)."""

    def send(self, slot: int, call: Call) -> None:
        """Send it to where the slot lives, or fail it at once."""

    def recover(self, slot: int, call: Call, error: hiredis.ReplyError, link: Link) -> bool:
        """Try again elsewhere or after a repair, if that can help: then True, and the call gets another answer."""

    @property
    def available(self) -> bool:
        """Whether the last that was heard was an answer in time."""

    async def close(self) -> None: ...


class Counts:
    """What went otherwise than planned since the start."""

    __slots__ = ("dropped", "given_back", "late", "owed_again", "renewals")

    def __init__(self) -> None:
        self.dropped = 0
        """Settles lost: there were too many while Redis was away, or Redis refused one."""
        self.given_back = 0
        """Takes undone because their answer came too late, or because nobody knows whether they happened."""
        self.late = 0
        """Takes whose answer came after the deadline."""
        self.owed_again = 0
        """Settles that had to be sent more than once."""
        self.renewals = 0
        """Exchanges renewed."""


class RedisStore:
    """The `Store` of a fleet. `worker` is this process's name in it; `lease_ttl` and `lease_renewal` are for tests."""

    def __init__(
        self,
        topology: Topology,
        scripts: Scripts,
        *,
        worker: str = "",
        lease_ttl: float = LEASE_TTL,
        lease_renewal: float = LEASE_RENEWAL,
        owed: int = OWED,
    ) -> None:
        self.topology = topology
        self.counts = Counts()
        self.fleet = 1
        """Workers alive, as last heard."""
        self.worker = worker or secrets.token_hex(8)
        self.on_back: list[Callable[[], None]] = []
        """Called when Redis is there (again), and with every heartbeat while it is."""
        self.early: dict[str, None] = {}
        """Exchanges settled before their take was answered: they are not to be held."""
        self._scripts = scripts
        self._ttl_ms = int(lease_ttl * 1000)
        self._renewal = lease_renewal
        self._plans = Plans(scripts, self._ttl_ms, clustered=topology.clustered)
        self._live: dict[str, TakeCall] = {}
        """By exchange, those renewed longest ago first."""
        self._owed: deque[SettleCall] = deque()
        self._owed_bound = owed
        self._draining = False
        self._parts = 0
        self._renew_all = False
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(lease_renewal / 2, self._upkeep)
        topology.on_up = self._link_up

    def __repr__(self) -> str:
        return f"<RedisStore {self.topology} {len(self._live)} in flight, {len(self._owed)} owed, fleet {self.fleet}>"

    @property
    def available(self) -> bool:
        return self.topology.available

    @property
    def in_flight(self) -> int:
        """Exchanges of this worker that hold something."""
        return len(self._live)

    @property
    def owed(self) -> int:
        """Settles that wait for Redis."""
        return len(self._owed)

    # --- the three verbs

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        if not takes:
            then(_NOTHING)
            return
        plan = self._plans.of(takes)
        if plan.parts is not None:
            JointTake(self, exchange, takes, plan.parts, then, more=False)
            return
        # `take_of`, written out: it is the hottest call there is.
        costs = plan.costs_of(takes)
        command = plan.take(exchange.encode(), costs)
        self.topology.send(plan.slot, TakeCall(self, plan, exchange, costs, then, command))

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        if not takes:
            then(_NOTHING)
            return
        plan = self._plans.of(takes)
        if plan.parts is not None:
            JointTake(self, exchange, takes, plan.parts, then, more=True)
        else:
            self.more_of(plan, exchange, takes, then)

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        call = self._live.pop(exchange, None)
        if call is None:
            self._settle_unheld(exchange, takes, finals)
            return
        plan = call.plan
        deltas = plan.deltas_of(finals, call.costs)
        slot = plan.slot
        self.topology.send(slot, SettleCall(self, slot, exchange, plan.settle(exchange.encode(), deltas)))
        if call.parts is not None:
            for part in call.parts:
                self.topology.send(slot, Upkeep(self, slot, pack("ZREM", part.plan.mark, part.exchange)))

    def post(self, batch: str, charges: Sequence[tuple[Bucket, float]]) -> None:
        """Add debts made elsewhere to their buckets, once per batch whatever happens; kept and retried as a settle is.

        `batch` is unique in the fleet and never used for other charges. What is below 0 is given back.
        """
        by_tag: dict[str, list[tuple[Bucket, float]]] = {}
        for charge in charges:
            by_tag.setdefault(charge[0].tag, []).append(charge)
        for tag, rows in by_tag.items():
            slot = keys.slot_of(tag)
            command = post_command(rows, batch.encode(), self._scripts)
            self.topology.send(slot, SettleCall(self, slot, batch, command))

    # --- parts of the verbs, for one place

    def take_of(self, plan: Plan, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        """Take from buckets that live in one place."""
        costs = plan.costs_of(takes)
        command = plan.take(exchange.encode(), costs)
        self.topology.send(plan.slot, TakeCall(self, plan, exchange, costs, then, command))

    def more_of(self, plan: Plan, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        """Take more from buckets that live in one place."""
        apart = part_name(exchange, plan.slot)
        whole = apart if apart in self._live else exchange
        self._parts += 1
        self.topology.send(plan.slot, MoreCall(self, plan, whole, self._parts, plan.costs_of(takes), then))

    def release(self, exchange: str) -> None:
        """Give back all that an exchange holds, if it holds anything."""
        call = self._live.pop(exchange, None)
        if call is not None:
            self.give_back(call)

    def undo(self, exchange: str, plan: Plan, *, more: bool) -> None:
        """Give back the granted part of a joint take or more that failed elsewhere."""
        apart = part_name(exchange, plan.slot)
        if not more:
            self.release(apart)
            return
        whole = self._live.get(apart) or self._live.get(exchange)
        part = whole.parts.pop() if whole is not None and whole.parts else None
        if whole is not None and part is not None:
            for bucket, cost in part.plan.by_bucket(part.costs):
                place = whole.plan.place_of(bucket)
                if place is not None:
                    whole.costs[place] -= cost
            self.give_back(part)

    def _settle_unheld(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        if not takes:
            return
        plan = self._plans.of(takes)
        if plan.parts is not None:
            for part, places in plan.parts:
                rows = [takes[place] for place in places]
                self.settle(part_name(exchange, part.slot), rows, [finals[place] for place in places])
            return
        self.early[exchange] = None
        if len(self.early) > EARLY:
            del self.early[next(iter(self.early))]
        costs = plan.costs_of(takes)
        command = plan.settle(exchange.encode(), plan.deltas_of(finals, costs))
        self.topology.send(plan.slot, SettleCall(self, plan.slot, exchange, command))

    # --- what calls report

    def granted(self, call: TakeCall) -> None:
        """A take happened: its exchange holds it until it is settled."""
        if self.early and call.exchange in self.early:
            return
        call.renewed = self._time()
        call.command = b""
        self._live[call.exchange] = call

    def granted_more(self, call: MoreCall) -> None:
        """More was taken: it counts with the whole exchange."""
        whole = self._live.get(call.whole)
        if whole is None:
            self.give_back(call)
            return
        for bucket, cost in call.plan.by_bucket(call.costs):
            place = whole.plan.place_of(bucket)
            if place is not None:
                whole.costs[place] += cost
        call.command = b""
        if whole.parts is None:
            whole.parts = []
        whole.parts.append(call)

    def give_back(self, call: TakeCall) -> None:
        """Undo a take; if it never happened this changes nothing."""
        self.counts.given_back += 1
        plan = call.plan
        command = plan.settle(call.exchange.encode(), [-cost for cost in call.costs])
        self.topology.send(plan.slot, SettleCall(self, plan.slot, call.exchange, command))

    def owe(self, call: SettleCall) -> None:
        """Keep a settle until Redis takes it."""
        if len(self._owed) >= self._owed_bound:
            self._owed.popleft()
            self.counts.dropped += 1
        self._owed.append(call)

    def refused_settle(self, call: SettleCall, error: object) -> None:
        """Redis answered a settle with an error: one that will pass is tried again."""
        if unavailable(error).reason == "down":
            self.owe(call)
            return
        self.counts.dropped += 1
        if self.counts.dropped == 1:  # The rest is counted, not said.
            _log.error("a settle was refused: %s", error)

    # --- upkeep

    def _upkeep(self) -> None:
        self._timer = self._loop.call_later(self._renewal / 2, self._upkeep)
        self._beat(self._ttl_ms)
        if self._owed and not self._draining:
            self._drain()
        since = self._loop.time() - self._renewal
        due: list[TakeCall] = []
        for call in self._live.values():
            if call.renewed > since and not self._renew_all:
                break
            due.append(call)
        self._renew_all = False
        self._renew(due)
        self._tell_back()

    def _link_up(self) -> None:
        """A connection is there (again): Redis may have lost what we hold, and we owe it what was settled meanwhile."""
        self._beat(self._ttl_ms)
        self._renew(list(self._live.values()))
        if not self._draining:
            self._drain()
        self._tell_back()

    def _tell_back(self) -> None:
        if self.topology.available:
            for hear in self.on_back:
                hear()

    def _beat(self, ttl_ms: int) -> None:
        slot = keys.slot_of_key(keys.WORKERS)
        command = self._scripts.beat.command((keys.WORKERS,), (ttl_ms, self.worker))
        self.topology.send(slot, Beat(self, slot, command))

    def _drain(self) -> None:
        """Send again what is owed, some at a time."""
        self._draining = False
        if not self.topology.available:
            return
        for _ in range(min(len(self._owed), OWED_BATCH)):
            call = self._owed.popleft()
            self.counts.owed_again += 1
            self.topology.send(call.slot, call.again())
        if self._owed:
            self._draining = True
            self._loop.call_later(DRAIN_PAUSE, self._drain)

    def renew_later(self) -> None:
        """A renewal failed: the next one renews all."""
        self._renew_all = True

    def _renew(self, due: list[TakeCall]) -> None:
        if not due or not self.topology.available:
            return
        now = self._loop.time()
        groups: dict[int, list[TakeCall]] = {}
        for call in due:
            call.renewed = now
            del self._live[call.exchange]
            self._live[call.exchange] = call
            groups.setdefault(call.plan.slot if self.topology.clustered else 0, []).append(call)
        for calls in groups.values():
            for start in range(0, len(calls), RENEW_BATCH):
                self._renew_batch(calls[start : start + RENEW_BATCH])
        self.counts.renewals += len(due)

    def _renew_batch(self, calls: list[TakeCall]) -> None:
        sets: dict[bytes, list[str]] = {}
        for call in calls:
            for key in call.plan.leases or (call.plan.mark,):
                sets.setdefault(key, []).append(call.exchange)
        args: list[str | int | bytes] = [self._ttl_ms]
        for members in sets.values():
            args.append(len(members))
            args += members
        slot = calls[0].plan.slot
        self.topology.send(slot, Renewal(self, slot, self._scripts.renew.command(tuple(sets), tuple(args))))

    async def close(self) -> None:
        """Leave the fleet and hang up. Settles that Redis has not taken by then are lost, and said so."""
        if self._timer is not None:
            self._timer.cancel()
        if self._owed:
            self._drain()
        self._beat(0)
        await self.topology.close()
        if self._owed:
            _log.error("closed with %d settles that Redis never took", len(self._owed))
