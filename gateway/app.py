"""The composition root, the only module that knows every layer: from a checked file to a worker that serves."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from gateway.accounts.file_directory import LiveDirectory
from gateway.accounts.revocations import RevocationWatcher
from gateway.chain.chain import Chain
from gateway.control import pages
from gateway.edge.edge import Edge, Settings
from gateway.edge.handover import Pages
from gateway.edge.listener import listen, tls_context
from gateway.edge.upstream import Origin, Route, Timeouts, Upstream
from gateway.policies import Services
from gateway.rules.accounts_file import AccountsWatcher
from gateway.rules.build import FREE, build, policy_kinds
from gateway.rules.check import check
from gateway.rules.gateway_file import GatewayFile, UpstreamFile
from gateway.rules.problems import Problem, Problems
from gateway.rules.read import read
from gateway.rules.ruleset import Ruleset, load
from gateway.stores.fallback import LocalShare
from gateway.stores.redis.client import client
from gateway.stores.redis.connect import connect, parse
from gateway.stores.redis.store import RedisStore
from gateway.tasks import spawn
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.counters import Counters
from gateway.wire.forwarded import TrustedHops

log = logging.getLogger(__name__)

__all__ = ["FREE", "Configuration", "Worker", "build", "check_everything", "policy_kinds", "read_configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """`tidegate.yaml`, checked, and the paths that it means."""

    file: GatewayFile
    path: Path

    @property
    def policies(self) -> Path:
        return self.path.parent / self.file.policies

    @property
    def accounts(self) -> Path:
        return self.path.parent / self.file.accounts


def read_configuration(path: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Raises Problems with all that is wrong in the file."""
    return Configuration(check(read(path), GatewayFile, environment), path.resolve())


def check_everything(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[Configuration, Ruleset]:
    """What `serve` needs, read and checked, and thrown away. Raises Problems with all that is wrong in all files."""
    configuration = read_configuration(path, environment)
    found: list[Any] = []
    ruleset = None
    try:
        parse(configuration.file.redis.get_secret_value())
    except ValueError as error:
        found.append(Problem(configuration.path, 1, 1, f"redis: {error}"))
    found.extend(_unreadable(configuration))
    try:
        ruleset = load(configuration.policies, policy_kinds(), environment)
        build(ruleset, _services(ruleset, LiveDirectory()))
    except Problems as problems:
        found.extend(problems.problems)
    try:
        AccountsWatcher(configuration.accounts, LiveDirectory(), environment).load()
    except Problems as problems:
        found.extend(problems.problems)
    if found or ruleset is None:
        raise Problems(found)
    return configuration, ruleset


def _unreadable(configuration: Configuration) -> list[Problem]:
    """Files that cannot be used: better said here than by every worker in turn."""
    file, base = configuration.file, configuration.path.parent
    problems = []
    try:
        if file.tls is not None:
            tls_context(base / file.tls.certificate, base / file.tls.key)
    except OSError as error:
        problems.append(Problem(configuration.path, 1, 1, f"tls: certificate or key cannot be used: {error}"))
    if file.access_log not in ("stdout", "off") and not os.access((base / file.access_log).parent, os.W_OK):
        problems.append(
            Problem(configuration.path, 1, 1, f"access_log: nothing can be written beside {file.access_log}")
        )
    upstreams = [*file.upstreams, *(upstream for route in file.routes for upstream in route.upstreams)]
    for upstream in upstreams:
        try:
            _origin(upstream, base)
        except OSError as error:
            said = f"upstream {upstream.name}: ca {upstream.ca} cannot be used: {error}"
            problems.append(Problem(configuration.path, 1, 1, said))
    return problems


class Worker:
    """One process's gateway: builds everything, serves, reloads, drains."""

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
        self.digest = ""
        self.generation = 0
        self.edge: Edge
        self.store: RedisStore
        self._local: LocalShare
        self._pages = Pages(pages.application())
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._access_log: AccessLog | None = None

    async def start(self, bound: socket.socket) -> None:
        """Serve on a bound socket. Raises Problems where the files are wrong."""
        file = self.configuration.file
        accounts = AccountsWatcher(self.configuration.accounts, self.directory, self.environment)
        accounts.load()
        ruleset = load(self.configuration.policies, policy_kinds(), self.environment)
        redis_url = file.redis.get_secret_value()
        self.store = await connect(redis_url, deadline=file.timeouts.store, worker=self.name)
        self._local = LocalShare(self.store, asyncio.get_running_loop().time)
        chain = self._build_chain(ruleset)
        self._access_log = self._open_log(file.access_log)
        await self._pages.start()
        self.edge = Edge(
            settings=_settings(file),
            chain=chain,
            routes=self._routes(file),
            counters=self.counters,
            wall=time.time,
            clock=time.monotonic,
            trusted=TrustedHops(file.trusted_hops),
            access_log=self._access_log,
            hand_over=self._pages.take_over,
        )
        base = self.configuration.path.parent
        tls = tls_context(base / file.tls.certificate, base / file.tls.key) if file.tls else None
        self._servers.append(await listen(self.edge, bound, tls))
        self.edge.start()
        self._tasks.append(spawn(accounts.run(), name="accounts"))
        self._tasks.append(spawn(self._watch_revocations(redis_url), name="revocations"))
        for route in self.edge.routes:
            for upstream in route.upstreams:
                if upstream.origin.health_path:
                    self._tasks.append(spawn(upstream.probe(), name=f"health of {upstream.origin.name}"))

    def _build_chain(self, ruleset: Ruleset) -> Chain:
        entries = build(ruleset, _services(ruleset, self.directory))
        self.digest = ruleset.digest
        self.generation += 1
        return Chain(
            entries, self.store, self._local, self.failures, self.matched, version=(self.generation, ruleset.digest)
        )

    async def _watch_revocations(self, url: str) -> None:
        try:
            redis = client(url)
        except (RedisError, ValueError) as error:
            log.error("revocations are not followed: %s", error)
            return
        try:
            await RevocationWatcher(redis, self.directory).run()
        finally:
            await redis.aclose()

    def _routes(self, file: GatewayFile) -> list[Route]:
        timeouts = Timeouts(
            file.timeouts.connect, file.timeouts.first_byte, file.timeouts.idle, file.timeouts.upstream_keep_alive
        )
        routes = [
            Route(route.name, route.paths, [self._upstream(upstream, timeouts) for upstream in route.upstreams])
            for route in file.routes
        ]
        return [*routes, Route("default", (), [self._upstream(upstream, timeouts) for upstream in file.upstreams])]

    def _upstream(self, upstream: UpstreamFile, timeouts: Timeouts) -> Upstream:
        return Upstream(
            origin=_origin(upstream, self.configuration.path.parent),
            timeouts=timeouts,
            counters=self.counters,
            now=time.monotonic,
            most=upstream.max_connections,
        )

    def _open_log(self, where: str) -> AccessLog | None:
        if where == "off":
            return None
        if where == "stdout":
            return AccessLog(sys.stdout.fileno(), self.counters)
        path = self.configuration.path.parent / where
        return AccessLog(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), self.counters)

    def reload(self) -> None:
        """Read the policies again and swap the chain. On any error the running one stays, and that is said aloud."""
        retired = self.edge.chain
        try:
            ruleset = load(self.configuration.policies, policy_kinds(), self.environment)
            if ruleset.digest == self.digest:
                log.info("policies are unchanged (%s)", self.digest)
                return
            self.edge.chain = self._build_chain(ruleset)
        except Problems as problems:
            log.error("policies not reloaded, those in force stay:\n%s", problems)
            return
        log.info("policies reloaded: generation %d, digest %s", self.generation, self.digest)
        self._tasks.append(spawn(_retire(retired), name="retire a chain"))

    def snapshot(self) -> dict[str, Any]:
        """What the supervisor adds up."""
        counts = self.store.counts
        return self.counters.snapshot() | {
            "connections": len(self.edge.connections),
            "body_bytes": self.edge.budget.held,
            "store_available": int(self.store.available),
            "store": {name: getattr(counts, name) for name in counts.__slots__},
            "policy_failures": [[*key, count] for key, count in self.failures.items()],
            "draining": int(self.edge.draining),
            "digest": self.digest,
            "generation": self.generation,
        }

    async def stop(self) -> None:
        """Take no more, let what runs end, settle it, and go."""
        for server in self._servers:
            server.close()
        await self.edge.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _close_policies(self.edge.chain)
        await self.store.close()
        await self._pages.close()
        if self._access_log is not None:
            self._access_log.close()


def _services(ruleset: Ruleset, directory: LiveDirectory) -> Services:
    return Services(now=time.time, directory=directory, prices=ruleset.prices or FREE)


async def _retire(chain: Chain) -> None:
    """Close a replaced chain's policies once the exchanges that began on it have surely decided."""
    await asyncio.sleep(60)
    await _close_policies(chain)


async def _close_policies(chain: Chain) -> None:
    for entry in chain.entries:
        close = getattr(entry.policy, "close", None)
        if close is not None:
            await close()


def _settings(file: GatewayFile) -> Settings:
    return Settings(
        max_head=file.sizes.head,
        max_body=file.sizes.body,
        body_budget=file.sizes.bodies,
        max_connections=file.sizes.connections,
        head_timeout=file.timeouts.head,
        body_timeout=file.timeouts.body,
        keep_alive_timeout=file.timeouts.keep_alive,
        drain_timeout=file.timeouts.drain,
        sweep=min(0.5, file.timeouts.head / 4, file.timeouts.idle / 4, file.timeouts.first_byte / 4),
        public_url=file.public_url.rstrip("/"),
        ja4_field=file.ja4_field.encode(),
    )


def _origin(upstream: UpstreamFile, base: Path) -> Origin:
    parts = urlsplit(upstream.url)
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context(cafile=str(base / upstream.ca) if upstream.ca else None)
        tls.set_alpn_protocols(["http/1.1"])
    credential = b""
    if upstream.bearer is not None:
        credential += b"Authorization: Bearer %b\r\n" % upstream.bearer.get_secret_value().encode()
    if upstream.api_key is not None:
        credential += b"X-Api-Key: %b\r\n" % upstream.api_key.get_secret_value().encode()
    return Origin(
        name=upstream.name,
        host=parts.hostname or "",
        port=parts.port or (443 if tls else 80),
        authority=parts.netloc.encode(),
        prefix=parts.path.rstrip("/").encode(),
        tls=tls,
        weight=upstream.weight,
        credential=credential,
        health_path=upstream.health,
    )
