"""A Redis Cluster: one link a node, and a map from slots to links that is read again when a node says MOVED."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import hiredis

from gateway.stores.interface import StoreUnavailable
from gateway.stores.keys import SLOTS
from gateway.stores.redis.call import Call, Endpoint
from gateway.stores.redis.link import DEADLINE, Link
from gateway.stores.redis.resp import pack
from gateway.stores.redis.scripts import Scripts

REFRESH_EVERY: Final = 10.0
"""Seconds between looks at the map, for nodes that went without a word."""
REFRESH_PAUSE: Final = 0.1
"""Seconds between two refreshes that errors ask for."""

_SLOTS_COMMAND: Final = pack("CLUSTER", "SLOTS")
_ASKING: Final = pack("ASKING")
_log = logging.getLogger(__name__)


class _MapCall(Call):
    __slots__ = ("_cluster",)

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(_SLOTS_COMMAND)
        self._cluster = cluster

    def answer(self, reply: Any, link: Link) -> None:
        if reply.__class__ is list:
            self._cluster.learn(reply, link)

    def late(self, reply: Any) -> None:
        if reply.__class__ is list:
            self._cluster.learn(reply, None)


class Cluster:
    """Sends each command to the master of its slot."""

    clustered = True

    def __init__(
        self,
        seeds: tuple[tuple[str, int], ...],
        base: Endpoint,
        scripts: Scripts,
        *,
        deadline: float = DEADLINE,
        name: str = "tidegate",
    ) -> None:
        self._base = base
        self._scripts = scripts
        self._deadline = deadline
        self._name = name
        self._seeds = seeds
        self._loop = asyncio.get_running_loop()
        self._links: dict[tuple[str, int], Link] = {}
        self._owners: list[Link | None] = [None] * SLOTS
        self._mapped = asyncio.Event()
        self._closing: set[Link] = set()
        self._asked = 0.0
        self.on_up: Callable[[], None] = _nobody
        for seed in seeds:
            self._link(seed)
        self._timer = self._loop.call_later(REFRESH_EVERY, self._tick)

    def __str__(self) -> str:
        return f"<Cluster of {len(self._links)} {list(self._links.values())}>"

    @property
    def available(self) -> bool:
        owners = {link for link in self._owners if link is not None} if self._mapped.is_set() else set()
        return bool(owners) and all(link.available for link in owners)

    # --- commands

    def send(self, slot: int, call: Call) -> None:
        link = self._owners[slot]
        if link is None:
            call.fail(StoreUnavailable("down", f"no node is known for slot {slot}"))
        else:
            link.send(call)

    def recover(self, slot: int, call: Call, error: hiredis.ReplyError, link: Link) -> bool:  # noqa: ARG002
        word, _, rest = str(error).partition(" ")
        if word in {"MOVED", "CLUSTERDOWN", "READONLY"}:
            self.refresh()
        if call.retried:
            return False
        if word == "NOSCRIPT":
            link.again(call, *self._scripts.loads)
            return True
        if word in {"MOVED", "ASK"}:
            number, _, place = rest.partition(" ")
            owner = self._link(_address(place, link))
            if word == "MOVED":
                self._owners[int(number)] = owner
            if not owner.ready:
                return False
            owner.again(call, *((_ASKING,) if word == "ASK" else ()))
            return True
        return False

    # --- the map

    def _link(self, address: tuple[str, int]) -> Link:
        link = self._links.get(address)
        if link is None:
            endpoint = self._base._replace(host=address[0], port=address[1])

            async def resolve() -> Endpoint:
                return endpoint

            link = Link(resolve, self._scripts.loads, name=self._name, deadline=self._deadline, on_up=self._came_up)
            self._links[address] = link
        return link

    def _came_up(self, link: Link) -> None:
        link.send(_MapCall(self))
        if self._mapped.is_set():
            self.on_up()

    def refresh(self) -> None:
        """Ask any node for the map, not too often."""
        now = self._loop.time()
        if now - self._asked < REFRESH_PAUSE:
            return
        self._asked = now
        for link in self._links.values():
            if link.available:
                link.send(_MapCall(self))
                return

    def _tick(self) -> None:
        self._timer = self._loop.call_later(REFRESH_EVERY, self._tick)
        self.refresh()

    def learn(self, reply: list[Any], source: Link | None) -> None:
        """CLUSTER SLOTS: rows of first slot, last slot, master, replicas…; a node is its host, port and id first."""
        owners: list[Link | None] = [None] * SLOTS
        for row in reply:
            host = row[2][0].decode() if row[2][0] else (source.host if source is not None else "")
            owner = self._link((host, int(row[2][1])))
            for slot in range(int(row[0]), int(row[1]) + 1):
                owners[slot] = owner
        if not any(owners):
            return
        self._owners = owners
        self._retire()
        if all(owner is None or owner.ready for owner in set(owners)) and not self._mapped.is_set():
            self._mapped.set()
            self.on_up()

    def _retire(self) -> None:
        """Hang up on nodes that own nothing any more; seeds stay, to be asked."""
        serving = {id(link) for link in self._owners if link is not None}
        for address, link in list(self._links.items()):
            if id(link) not in serving and address not in self._seeds:
                del self._links[address]
                self._closing.add(link)
                self._loop.call_later(1.0, self._hang_up, link)

    def _hang_up(self, link: Link) -> None:
        self._closing.discard(link)
        link.abandon()

    async def wait_ready(self, timeout: float) -> bool:
        """Whether the map was known, and every node of it connected, within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._mapped.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        self._timer.cancel()
        links = (*self._links.values(), *self._closing)
        await asyncio.gather(*(link.close() for link in links))


def _address(place: str, source: Link) -> tuple[str, int]:
    """`host:port` as a node says it; an empty host is the node's own (a Cluster that does not know its address)."""
    host, _, port = place.rpartition(":")
    return host or source.host, int(port)


def _nobody() -> None:
    """Nobody listens yet."""
