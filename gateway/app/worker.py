"""One process's gateway: builds everything, serves, changes its rules, drains."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.accounts.follow import DirectoryFollower
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.revocations import RevocationWatcher
from gateway.accounts.stored import StoredAccounts
from gateway.app.challenges import CAUGHT_UP, Challenging
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.app.directory import Directory, open_durable
from gateway.app.fleet_secret import fleet_secrets
from gateway.app.observing import Observing
from gateway.app.offers import Offers, offers_of
from gateway.app.overriding import Overriding
from gateway.app.own_pages import OwnPages, owner_link
from gateway.app.providers import providers_of
from gateway.app.services import Seen, services_of
from gateway.app.tracing import Tracing
from gateway.chain.chain import Chain
from gateway.chain.entry import Entry
from gateway.challenges.terms import Terms
from gateway.control.in_force import InForce, Loaded
from gateway.control.live.pulse import Live
from gateway.control.live.rows import REFUSALS
from gateway.edge.edge import Edge
from gateway.edge.from_file import routes_of, settings_of
from gateway.edge.handover import Pages
from gateway.edge.listener import listen, tls_context
from gateway.feeds.folder import Feeds
from gateway.feeds.verdicts_fleet import FleetVerdicts
from gateway.history.exchange_log import ExchangeLog, discreet
from gateway.history.recent import Recent
from gateway.rules.accounts_file import AccountsWatcher
from gateway.rules.build import build, policy_kinds
from gateway.rules.gateway_file import ExchangeLogFile
from gateway.rules.problems import Problem, Problems
from gateway.rules.whole import open_whole, pointed, read_whole
from gateway.stores.fallback import LocalShare
from gateway.stores.redis.client import client
from gateway.stores.redis.connect import connect
from gateway.stores.redis.store import RedisStore
from gateway.tasks import spawn
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.counters import Counters
from gateway.telemetry.lag import Lag
from gateway.telemetry.sums import Sums
from gateway.verification.pokes import Poker
from gateway.verification.provider import Provider
from gateway.wire.forwarded import TrustedHops

log = logging.getLogger(__name__)


class Worker:
    """One process's gateway: builds everything, serves, changes its rules, drains."""

    def __init__(
        self, configuration: Configuration, environment: Mapping[str, str] = os.environ, name: str = ""
    ) -> None:
        self.configuration = configuration
        self.environment = environment
        self.name = name
        self.counters = Counters()
        self.failures: dict[tuple[str, str], int] = {}
        self.matched: dict[tuple[str, str, str, str, bool], int] = {}
        self.directory = LiveDirectory()
        self.seen = Seen(verdicts=FleetVerdicts(wall) if configuration.file.detector is not None else None)
        self.rules = InForce(self._load, self._swap)
        self.overriding = Overriding(self.rules, name)
        self.live = self._live()
        self.offers = Offers()
        """Of the rules in force."""
        self.edge: Edge
        self.store: RedisStore
        self._local: LocalShare
        self._began: Path
        self._offers: weakref.WeakKeyDictionary[Chain, Offers] = weakref.WeakKeyDictionary()
        self._durable: Directory | None = None
        self._providers: Mapping[str, Provider] = {}
        self._challenging: Challenging
        self._observing: Observing
        self._own_pages: OwnPages
        self._pages: Pages
        self._redis: Any = None
        self._follower: DirectoryFollower | None = None
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._tracing = Tracing(None, self.name)
        self._access_log: AccessLog | None = None
        self._exchange_log: ExchangeLog | None = None

    async def start(self, bound: socket.socket, wholes: Path) -> None:
        """Serve on a bound socket, by what is in force in `wholes`. Raises Problems where files are wrong."""
        file = self.configuration.file
        base = self.configuration.path.parent
        accounts = self._watch_accounts(wholes.parent)
        self._open_durable()
        redis_url = file.redis.get_secret_value()
        self._redis = client(redis_url)
        self.store = await connect(redis_url, deadline=file.timeouts.store, worker=self.name)
        self._local = LocalShare(self.store, asyncio.get_running_loop().time)
        secrets = self._durable.secrets if self._durable is not None else await fleet_secrets(self._redis)
        self._challenging = Challenging(file, self._redis, secrets, self._terms, self._has_owner)
        self._observing = Observing(file.detector, secrets, wholes.parent, self.counters)
        if self._durable is not None:
            await self.overriding.begin(self._durable.database, self._redis, wholes.parent)
        self._began = pointed(wholes)
        chain = await self.rules.begin(self._began)
        self.offers = self._offers[chain]
        self._tracing = Tracing(file.traces, self.name)
        self._access_log = self._open_log(file.access_log)
        self._exchange_log = self._open_exchange_log(file.exchange_log)
        self._providers = providers_of(file.providers)
        self._own_pages = OwnPages(
            file,
            self._durable,
            self.directory,
            self._providers,
            lambda: self.offers,
            Poker(self._redis),
            self._challenging,
            self.seen.verdicts,
        )
        self._pages = Pages(self._own_pages.application)
        await self._pages.start()
        self.edge = self._edge(chain)
        self.live.lag.start()
        following = spawn(self._follow(), name="what the fleet tells")
        following.add_done_callback(_end_with)
        self._tasks.append(following)
        await asyncio.gather(self._challenging.escalations.caught_up(CAUGHT_UP), self.seen.caught_up(CAUGHT_UP))
        tls = tls_context(base / file.tls.certificate, base / file.tls.key) if file.tls else None
        self._servers.append(await listen(self.edge, bound, tls))
        self.edge.start()
        self._tasks.append(spawn(accounts.run(), name="accounts"))
        for route in self.edge.routes:
            for upstream in route.upstreams:
                if upstream.origin.health_path:
                    self._tasks.append(spawn(upstream.probe(), name=f"health of {upstream.origin.name}"))

    def _edge(self, chain: Chain) -> Edge:
        file, base = self.configuration.file, self.configuration.path.parent
        return Edge(
            settings=settings_of(file),
            chain=chain,
            routes=routes_of(file, base, self.counters, monotonic),
            counters=self.counters,
            wall=wall,
            clock=monotonic,
            trusted=TrustedHops(file.trusted_hops),
            access_log=self._access_log,
            hand_over=self._pages.take_over,
            exchange_log=self._exchange_log,
            recent=self.live.recent,
            sums=self.live.sums,
            traces=self._tracing.traces,
            mint=self._observing.mint,
            observer=self._observing.observer,
        )

    def _watch_accounts(self, runtime: Path) -> AccountsWatcher:
        """accounts.yaml, read for the first time."""
        accounts = AccountsWatcher(
            self.configuration.accounts,
            self.directory,
            self.environment,
            last_good=runtime / "accounts-last-good.yaml",
            required=self.configuration.accounts_required,
        )
        accounts.load()
        return accounts

    async def catch_up(self, wholes: Path) -> None:
        """Take what came into force while this worker started. Until it next waits it is up to date."""
        while (folder := pointed(wholes)) != self._began:
            self._began = folder
            whole = read_whole(folder)
            problems = await self.rules.prepare(folder, whole.version)
            if problems:
                raise Problems([Problem(folder, 1, 1, problem) for problem in problems])
            self.rules.commit(whole.version)

    def _load(self, folder: Path, shadowed: bool) -> Loaded:
        """Runs beside the event loop. Raises Problems."""
        opened = open_whole(folder, policy_kinds(), self.environment)
        feeds = opened.feeds
        try:
            entries = build(
                opened.ruleset,
                services_of(
                    opened.ruleset,
                    feeds,
                    self.directory,
                    self.seen,
                    self._owner_link,
                    self._challenging.offered,
                    self.overriding.live,
                ),
                shadowed=shadowed,
            )
        except Problems:
            feeds.close()
            raise
        locator = feeds.locator
        locate = locator.locate if locator is not None else None
        chain = Chain(entries, self.store, self._local, self.failures, self.matched, locate, opened.version)
        self._offers[chain] = offers_of(opened.ruleset)
        return Loaded(chain, lambda: _close(entries, feeds), locator.ages if locator is not None else _ageless)

    def _swap(self, chain: Chain) -> None:
        self.edge.chain = chain
        self.offers = self._offers[chain]
        log.info("policies in force: generation %d, digest %s", *chain.version)

    def _open_durable(self) -> None:
        durable = self._durable = open_durable(self.configuration)
        if durable is not None:
            remember = self.configuration.file.directory.remember
            self.directory.stored = StoredAccounts(durable.database, durable.secrets, wall, remember)

    def _terms(self, rule: str) -> Terms | None:
        """On which a rule in force challenges."""
        return self.offers.terms(rule)

    def _has_owner(self, account: str) -> bool:
        """Whether there are pages for its owner. An account of the file stays as its operator wrote it."""
        return self._durable is not None and not self.directory.has_in_file(account)

    def _owner_link(self, account: str) -> str:
        """Empty where its owner has no pages."""
        return owner_link(self._durable.secrets, account) if self._durable and self._has_owner(account) else ""

    async def _follow(self) -> None:
        """What other workers and commands say through Redis, and in the directory: revocations, changes of accounts,
        and where accounts were seen.
        """
        followed = [
            RevocationWatcher(self._redis, self.directory).run(),
            self.seen.sightings.run(self._redis),
            self.seen.networks.run(self._redis),
            self.seen.refusals.run(self._redis),
            *self._challenging.runs(),
            *self._observing.runs(),
        ]
        if self.seen.verdicts is not None:
            followed.append(self.seen.verdicts.run(self._redis))
        if self._durable is not None:
            self._follower = DirectoryFollower(
                self._durable.database, self._redis, self.directory, overrides_changed=self.overriding.changed
            )
            followed += [self._follower.run(), *self.overriding.runs()]
        await asyncio.gather(*followed)

    def _open_log(self, where: str) -> AccessLog | None:
        if where == "off":
            return None
        if where == "stdout":
            return AccessLog(sys.stdout.fileno(), self.counters)
        path = self.configuration.path.parent / where
        return AccessLog(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), self.counters)

    def _open_exchange_log(self, written: ExchangeLogFile | None) -> ExchangeLog | None:
        if written is None:
            return None
        folder = self.configuration.path.parent / written.folder
        return ExchangeLog(folder, self.name, wall, addresses=written.addresses, rotate=written.rotate)

    def _live(self) -> Live:
        """What the door tells of what happens."""
        written = self.configuration.file.exchange_log
        addresses = "full" if written is None else written.addresses
        recent = Recent(monotonic, lambda events: discreet(events, addresses))
        return Live(self.counters, recent, Sums(), self._state, wall, Lag(monotonic), self.name)

    def _state(self) -> dict[str, Any]:
        """A pulse's gauges: what changes from second to second, and by what this worker decides."""
        if self._exchange_log is not None:
            self.counters.events_dropped = self._exchange_log.dropped
        stored, follower = self.directory.stored, self._follower
        generation, digest = self.rules.version
        entries: dict[str, int] = {}
        for (entry, _, action, _, enforced), count in self.matched.items():
            if enforced and action in REFUSALS:
                entries[entry] = entries.get(entry, 0) + count
        return {
            "entries": entries,
            "revision": self.overriding.snapshot()["revision"],
            "connections": len(self.edge.connections),
            "body_bytes": self.edge.budget.held,
            "store_available": int(self.store.available),
            "directory_available": int(stored is None or follower is None or (stored.available and follower.available)),
            "draining": int(self.edge.draining),
            "generation": generation,
            "digest": digest,
        }

    def snapshot(self) -> dict[str, Any]:
        """What the supervisor adds up."""
        if self._exchange_log is not None:
            self.counters.events_dropped = self._exchange_log.dropped
        counts, seen = self.store.counts, self.seen
        generation, digest = self.rules.version
        return self.counters.snapshot() | {
            "connections": len(self.edge.connections),
            "body_bytes": self.edge.budget.held,
            "store_available": int(self.store.available),
            "store": {name: getattr(counts, name) for name in counts.__slots__},
            "policy_failures": [[*key, count] for key, count in self.failures.items()],
            "matched": [[*key, count] for key, count in self.matched.items()],
            "sightings": {name: getattr(seen.sightings.counts, name) for name in seen.sightings.counts.__slots__},
            "networks": dataclasses.asdict(seen.networks.counts),
            "refusals": dataclasses.asdict(seen.refusals.counts),
            "verdicts": dataclasses.asdict(seen.verdicts.counts) if seen.verdicts is not None else {},
            "feeds": [[one.name, one.age, one.stale] for one in self.rules.ages(wall())],
            **self._directory_counts(),
            **self._challenging.snapshot(),
            "overrides": self.overriding.snapshot(),
            "traces_dropped": self._tracing.dropped,
            "draining": int(self.edge.draining),
            "digest": digest,
            "generation": generation,
        }

    def _directory_counts(self) -> dict[str, Any]:
        stored, follower, hooks = self.directory.stored, self._follower, self._own_pages.hooks
        if stored is None or follower is None:
            return {"directory": {}, "directory_available": 1, "directory_accounts": 0, "webhooks": []}
        return {
            "directory": {
                "lookups": stored.keys.batches + stored.accounts.batches,
                "changes": follower.changes,
                "missed": follower.missed,
            },
            "directory_available": int(stored.available and follower.available),
            "directory_accounts": len(stored.memory),
            "webhooks": [] if hooks is None else [[*key, count] for key, count in hooks.counts.items()],
        }

    async def stop(self) -> None:
        """Take no more, let what runs end, settle it, and go."""
        for server in self._servers:
            server.close()
        await self.edge.drain()
        self.live.lag.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rules.close()
        await self.store.close()
        await self._pages.close()
        for provider in self._providers.values():
            await provider.close()
        await self._close_durable()
        await self._challenging.close()
        await self._tracing.close()
        await self.overriding.leave()
        await self._redis.aclose()
        if self._access_log is not None:
            self._access_log.close()
        if self._exchange_log is not None:
            self._exchange_log.close()

    async def _close_durable(self) -> None:
        if self._durable is not None and self.directory.stored is not None:
            await self.directory.stored.close()
            await asyncio.to_thread(self._durable.close)


def _end_with(following: asyncio.Task[None]) -> None:
    """A worker that hears of no revocation any more must not go on serving: it drains, and another one is started."""
    if not following.cancelled() and following.exception() is not None:
        log.critical("what the fleet tells is not followed any more, by a fault of ours: this worker ends")
        signal.raise_signal(signal.SIGTERM)


def _ageless(_: float) -> tuple[()]:
    return ()


async def _close(entries: tuple[Entry, ...], feeds: Feeds) -> None:
    for entry in entries:
        close = getattr(entry.policy, "close", None)
        if close is not None:
            await close()
    feeds.close()
