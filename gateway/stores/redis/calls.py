"""The commands of a store on their way: what each does with its answer, or with none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.stores.interface import StoreUnavailable, TakeAnswer
from gateway.stores.redis.call import Call
from gateway.stores.redis.link import Link
from gateway.stores.redis.plan import Plan

if TYPE_CHECKING:
    from gateway.stores.redis.store import RedisStore

PASSING: Final = frozenset(
    ("LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MOVED", "ASK", "NOSCRIPT")
)
"""Errors of a server that is not ready, or not the right one: they pass."""


class TakeCall(Call):
    """A take on its way; once granted, the record of what its exchange holds."""

    __slots__ = ("costs", "exchange", "parts", "plan", "renewed", "store", "then")

    def __init__(
        self, store: RedisStore, plan: Plan, exchange: str, costs: list[float], then: TakeAnswer, command: bytes
    ) -> None:
        self.command = command
        self.expired = False
        self.retried = False
        self.store = store
        self.plan = plan
        self.exchange = exchange
        self.costs = costs
        self.then = then
        self.renewed = 0.0
        self.parts: list[MoreCall] | None = None
        """What `more` took: each has a mark of its own."""

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is list:
            if reply[0] == 1:
                self.store.granted(self)
            self.then(self.plan.taken(reply))
        elif not self.store.topology.recover(self.plan.slot, self, reply, link):
            self.then(unavailable(reply))

    def fail(self, error: StoreUnavailable) -> None:
        self.then(error)

    def late(self, reply: Any) -> None:
        if reply.__class__ is list and reply[0] == 1:
            self.store.counts.late += 1
            self.store.give_back(self)

    def lost(self) -> None:
        self.store.give_back(self)


class MoreCall(TakeCall):
    """More for an exchange that runs: `exchange` is that of this part alone, `whole` the exchange's."""

    __slots__ = ("whole",)

    def __init__(
        self,
        store: RedisStore,
        plan: Plan,
        whole: str,
        part: int,
        costs: list[float],
        then: TakeAnswer,
    ) -> None:
        name = f"{whole}#{part}"
        super().__init__(store, plan, name, costs, then, plan.more(name.encode(), costs))
        self.whole = whole

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is list and reply[0] == 1:
            self.store.granted_more(self)
            self.then(self.plan.taken(reply))
        else:
            super().answer(reply, link)


class SettleCall(Call):
    """A settle on its way: it is kept until it is answered. It is idempotent, so it may be sent again."""

    __slots__ = ("exchange", "slot", "store")

    def __init__(self, store: RedisStore, slot: int, exchange: str, command: bytes) -> None:
        self.command = command
        self.expired = False
        self.retried = False
        self.store = store
        self.slot = slot
        self.exchange = exchange

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is int:
            if self.store.early:
                self.store.early.pop(self.exchange, None)
        elif not self.store.topology.recover(self.slot, self, reply, link):
            self.store.refused_settle(self, reply)

    def fail(self, error: StoreUnavailable) -> None:  # noqa: ARG002  it is tried again, whatever it was
        self.store.owe(self)

    def again(self) -> SettleCall:
        return SettleCall(self.store, self.slot, self.exchange, self.command)


class Upkeep(Call):
    """A renewal, a heartbeat, the end of a mark: nobody waits for it."""

    __slots__ = ("slot", "store")

    def __init__(self, store: RedisStore, slot: int, command: bytes) -> None:
        super().__init__(command)
        self.store = store
        self.slot = slot

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is not int and not self.store.topology.recover(self.slot, self, reply, link):
            self.failed()

    def fail(self, error: StoreUnavailable) -> None:  # noqa: ARG002
        self.failed()

    def failed(self) -> None:
        """Nothing: it was only tidying."""


class Renewal(Upkeep):
    __slots__ = ()

    def failed(self) -> None:
        self.store.renew_later()


class Beat(Upkeep):
    __slots__ = ()

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is int:
            self.store.fleet = max(1, reply)
        else:
            super().answer(reply, link)


def unavailable(reply: object) -> StoreUnavailable:
    """What an error reply means to who asked."""
    text = str(reply)
    word = text.partition(" ")[0]
    return StoreUnavailable("down" if word in PASSING else "error", text)
