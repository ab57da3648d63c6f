"""The detector's process: follows what the fleet observes, looks for accounts that act as one, and where it has the
lease tells what it found.

What can be lost: nothing, while the stream reaches back to the last snapshot. Where Redis trims further, or is lost,
what lies between, which is said in the log and stands in the status.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from pathlib import Path
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from gateway import __version__
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.app.detector_facts import DirectoryFacts
from gateway.app.detector_kept import FOLDER, Kept, Snapshots
from gateway.app.detector_levels import Levels
from gateway.app.detector_names import Names
from gateway.app.detector_standing import Standing, taken_back
from gateway.app.detector_stream import Following, Heard
from gateway.app.detector_telling import RENEWED, Lease, Telling
from gateway.app.directory import Directory, open_durable
from gateway.app.fleet_secret import shared_secrets
from gateway.campaigns.minted import Mint
from gateway.campaigns.ruling import Ruling
from gateway.detect.detector import Detector
from gateway.detect.interface import Detecting
from gateway.detect.settings import Settings
from gateway.detect.told import Told
from gateway.feeds.verdicts import STATE
from gateway.fleet_stream import AWAY
from gateway.stores.redis.client import client
from gateway.tasks import is_cancelled, spawn

SNAPSHOT: Final = 60.0
"""Seconds between two snapshots."""
LAST_WORDS: Final = 10.0
"""Seconds for the last snapshot, and for what is told at the end."""

log = logging.getLogger(__name__)


class Process:
    """One detector. `run` is for a task, and ends when `stopping` is set."""

    def __init__(
        self,
        detector: Detecting,
        redis: Any,
        settings: Settings,
        folder: Path,
        facts: DirectoryFacts,
        telling: Telling,
        levels: Levels,
        name: str,
        snapshot: float = SNAPSHOT,
    ) -> None:
        """`folder` is for snapshots, one every `snapshot` seconds; `name` is what this one is called in the fleet."""
        self._snapshot = snapshot
        self._detector = detector
        self._redis = redis
        self._settings = settings
        self._snapshots = Snapshots(folder)
        self._facts = facts
        self._telling = telling
        self._levels = levels
        self._name = name
        self._lease = Lease(redis, name, monotonic, wall)
        self._following = Following(redis)
        self._names = Names()
        self._known: set[str] = set()
        self._standing = Standing()
        self._events = 0
        self._newest = 0.0
        """Unix time of the last event that was heard."""
        self._led = 0
        """The term for which all that stands was told."""
        self._looked = 0.0
        """Seconds that the last look took."""
        self._began = wall()
        self._kept = 0.0
        """Unix time of the last snapshot."""
        self._rate = (monotonic(), 0, 0.0)
        """When it was measured, events by then, events a second before that."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Raises OSError where its folder cannot be written to at the end."""
        await asyncio.to_thread(self._load)
        leasing = spawn(self._lease_on(), "the detector's lease")
        try:
            await self._work(stopping)
        finally:
            leasing.cancel()
            await asyncio.gather(leasing, return_exceptions=True)
            await self._end()

    async def _work(self, stopping: asyncio.Event) -> None:
        look, keep = monotonic() + self._settings.look, monotonic() + self._snapshot
        while not stopping.is_set() and not is_cancelled():
            entries = await self._following.read(max(0.01, min(1.0, look - monotonic())))
            if entries:
                await self._hear(entries)
            if monotonic() >= look:
                await self._look()
                # A look that took long is not followed by the next one at once: exchanges are waiting.
                look = max(look + self._settings.look, monotonic() + self._looked)
            if monotonic() >= keep:
                await self._keep()
                keep = monotonic() + self._snapshot

    # -- hearing ------------------------------------------------------------------------------------------------------

    async def _hear(self, entries: list[Any]) -> None:
        heard = await asyncio.to_thread(self._following.unpacked, entries, wall())
        new = heard.accounts - self._known
        if new:
            self._known |= new
            self._facts.ask(new)
        await self._learn()
        await asyncio.to_thread(self._take, heard)

    def _take(self, heard: Heard) -> None:
        if heard.events:
            self._detector.hear(heard.events)
            self._events += len(heard.events)
            self._newest = max(self._newest, heard.events[-1].time)
        # After it was heard: a snapshot never states more than is in it.
        self._following.after = heard.last

    async def _learn(self) -> None:
        facts = await self._facts.learnt()
        if facts:
            self._names.back(fact.account for fact in facts)
            await asyncio.to_thread(self._detector.learn, facts)

    # -- looking ------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        rulings = await self._facts.look(self._known)
        self._erase()
        await self._learn()
        await asyncio.to_thread(self._levels.look)
        began = monotonic()
        # Where it is behind, it looks with the eyes of the moment that it has come to.
        now = wall() if self._following.caught_up or not self._newest else min(wall(), self._newest)
        if rulings:
            await self._rule(rulings)
        told = self._names.told(await asyncio.to_thread(self._detector.look, now))
        self._looked = monotonic() - began
        self._standing.remember(told, wall())
        if self._lease.held:
            self._lead(told)
            await self._telling.tell(self._lease)
        await self._say()

    async def _rule(self, rulings: list[Ruling]) -> None:
        """By the names of this detector's own clusters."""
        named = {name for ruling in rulings for name in (ruling.cluster, ruling.other) if name}
        members = await self._facts.members_of(named)
        clusters = self._standing.clusters
        self._detector.rule(
            [self._names.ruling(ruling, lambda name: members.get(name, ()), clusters) for ruling in rulings]
        )
        freed = self._standing.ruled(rulings, wall())
        if self._lease.held:
            self._telling.add(freed, (), ())

    def _erase(self) -> None:
        """Who was erased is told of no more."""
        gone, self._facts.gone = self._facts.gone, set()
        if not gone:
            return
        self._names.erase(gone)
        self._detector.forget(gone)
        self._known -= gone
        self._standing.erase(gone, self._names)
        self._telling.drop(gone, self._names.without)
        if self._lease.held:
            self._telling.add(taken_back(gone), (), ())

    def _lead(self, told: Told) -> None:
        """Who has just begun to tell says all that stands: the one before may have known less."""
        if self._led != self._lease.term:
            self._led = self._lease.term
            self._telling.forget()
            self._telling.add(self._standing.whole(), self._standing.clusters.values(), ())
        self._telling.add(told.verdicts, told.clusters, told.gone)

    async def _lease_on(self) -> None:
        missed = False
        while not is_cancelled():
            try:
                async with asyncio.timeout(RENEWED):
                    await self._lease.look()
            except AWAY as error:
                if self._lease.held or not missed:
                    log.warning("the lease is not looked after: %s", str(error) or type(error).__name__)
                missed = True
            else:
                missed = False
            await asyncio.sleep(RENEWED)

    # -- of itself ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """How it is."""
        accounts, size = self._detector.size
        return {
            "name": self._name,
            "leader": self._lease.held,
            "time": wall(),
            "began": self._began,
            "lag": round(self._following.lag(wall()), 3),
            "newest": self._newest,
            "events": self._events,
            "rate": round(self._measured(), 1),
            "unreadable": self._following.unreadable,
            "missed_seconds": round(self._following.missed, 3),
            "accounts": int(accounts),
            "bytes": int(size),
            "waiting_for_facts": len(self._facts),
            "verdicts": len(self._standing.verdicts),
            "told": self._telling.counts.told,
            "clusters": len(self._standing.clusters),
            "levels": dict(Counter(self._levels.of(cluster).word for cluster in self._standing.clusters.values())),
            "kept": self._kept,
            "look_seconds": round(self._looked, 3),
            "version": __version__,
        }

    def _measured(self) -> float:
        at, events, rate = self._rate
        passed = monotonic() - at
        if passed >= 1.0:
            rate = (self._events - events) / passed
            self._rate = (monotonic(), self._events, rate)
        return rate

    async def _say(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._redis.hset(STATE, self._name, orjson.dumps(self.state()))
        except AWAY:
            pass  # Who looks sees the time of the last one.

    # -- what stays ---------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        kept = self._snapshots.load(self._detector)
        self._following.after = kept.after
        self._facts.ruling, self._facts.version = kept.ruling, kept.version
        self._names = Names(kept.state, kept.erased)
        self._events, self._known = kept.events, set(kept.names)
        self._rate = (monotonic(), kept.events, 0.0)
        self._standing.verdicts = {verdict.account: verdict for verdict in kept.verdicts}

    async def _keep(self) -> None:
        kept = Kept(
            self._following.after,
            self._facts.ruling,
            self._facts.version,
            self._events,
            sorted(self._known),
            list(self._standing.verdicts.values()),
            self._names.state,
            sorted(self._names.erased),
        )
        try:
            await asyncio.to_thread(self._snapshots.save, self._detector, kept)
        except (OSError, ValueError, TypeError) as error:
            # It goes on: to know all and keep nothing is better than to begin again and again.
            log.error("what the detector knows cannot be kept: %s", error)
        else:
            self._kept = wall()

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._keep()
                await self._lease.release()
                await self._redis.hdel(STATE, self._name)
        except (*AWAY, RedisError) as error:
            log.warning("it ended without its last words: %s", str(error) or type(error).__name__)


async def work(
    configuration: Configuration,
    stopping: asyncio.Event,
    wholes: Path | None = None,
    look: float | None = None,
    snapshot: float = SNAPSHOT,
) -> None:
    """Until `stopping`. `wholes` is where the rules in force are pointed at: for the levels that are shown. `look`
    is seconds between two looks, where it is not as the file says.

    Raises Problems.
    """
    written = configuration.file.detector
    if written is None:
        await stopping.wait()
        return
    redis = client(configuration.file.redis.get_secret_value())
    durable: Directory | None = None
    try:
        durable = await asyncio.to_thread(open_durable, configuration)
        secrets = durable.secrets if durable is not None else await shared_secrets(redis)
        settings = Settings(look=written.look if look is None else look)
        detector = Detector(settings, Mint(secrets.key("minted")).tag)
        database = durable.database if durable is not None else None
        process = Process(
            detector,
            redis,
            settings,
            configuration.data / FOLDER,
            DirectoryFacts(database, wall),
            Telling(redis, database, wall),
            Levels(wholes),
            f"{socket.gethostname()}:{os.getpid()}",
            snapshot,
        )
        await process.run(stopping)
    finally:
        await redis.aclose()
        if durable is not None:
            await asyncio.to_thread(durable.close)
