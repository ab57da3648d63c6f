"""The operators' port, put together: every operation there is, who may use it, and what runs behind it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from gateway.accounts.sql.database import Database
from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.app.judging import cases_api
from gateway.app.limits import limits_api
from gateway.app.overriding import gateway_name
from gateway.app.supervisor import Live, Refreshing
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.access.idp import settings
from gateway.control.access.notes import Note, to_log
from gateway.control.access.server import Runner
from gateway.control.audit import Notes, tell_head
from gateway.control.audit_api import AuditApi
from gateway.control.console import Console
from gateway.control.exchanges import ExchangesApi, Kept, Turns
from gateway.control.fleet import Fleet, detectors
from gateway.control.health import HealthApi, Process, Sources
from gateway.control.jobs import Jobs
from gateway.control.limits.applied import by_redis
from gateway.control.lists_api import ListsApi
from gateway.control.live.api import LiveApi
from gateway.control.live.busy import Busy
from gateway.control.live.feed import Feeds
from gateway.control.live.follow import Follow
from gateway.control.live.lines import Lines
from gateway.control.live.overview import Overview
from gateway.control.operations import Operation
from gateway.control.reviews_api import ReviewsApi
from gateway.control.rules_files.drafts_api import DraftsApi
from gateway.control.rules_files.files_api import FilesApi
from gateway.control.rules_files.saving import Deployment, Saving
from gateway.control.rules_files.workshop import Workshop
from gateway.control.traffic import TrafficApi
from gateway.edge.workers import Supervisor
from gateway.stores.redis.client import client
from gateway.tasks import spawn

DAY: Final = 86400.0


class OperatorsPort:
    """Made on a running loop, beside the supervisor's workers; `close` ends what it has started."""

    def __init__(
        self,
        configuration: Configuration,
        fleet: Fleet,
        rules: Live,
        accounts: AccountsAdmin,
        notes: Notes | None,
        processes: Sequence[Supervisor] = (),
        refreshing: Refreshing | None = None,
    ) -> None:
        """`notes` is the directory's audit; None where there is no directory. `processes` are those beside this one;
        without `refreshing` nothing is fetched from here.
        """
        self._configuration = configuration
        self._accounts = accounts
        self._notes = notes
        self._jobs = Jobs(wall)
        self._workshop = Workshop()
        self._closing: list[Callable[[], Coroutine[Any, Any, None]]] = [self._workshop.close]
        self._lines = Lines(fleet.sockets)
        self._busy = Busy(accounts.rules.prices)
        self._overview = Overview(self._lines, wall, monotonic, self._busy, accounts.rules.models)
        self._feeds = Feeds(monotonic)
        self._live = LiveApi(self._overview, Follow(self._lines), self._feeds, self._busy, wall)
        self._redis = client(configuration.file.redis.get_secret_value())
        observed = configuration.file.detector is not None
        self._detectors = (lambda: detectors(self._redis, wall())) if observed else None
        self._policies = admin.PoliciesApi(fleet, rules, wall, self._detectors)
        self._kept = _kept(configuration)
        self._processes = processes
        self._refreshing = refreshing
        self._fleet = fleet
        self._rules = rules
        self.access = self._may()
        self._runner = Runner(admin.application(self.operations(), self.access))
        self._running = [spawn(run(), name=name) for name, run in self._runs().items()]

    async def serve(self, bound: socket.socket) -> None:
        """On a bound socket, until `close`."""
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()

    def operations(self) -> list[Operation]:
        """All but those to sign in (`Access`)."""
        found = [
            *self._policies.operations(),
            *self._rules_files(),
            *self._live.operations(),
            *self._what_happened(),
            *self._limits(),
            *self._jobs.operations(),
            *Console().operations(),
            *self._accounts.operations(),
        ]
        durable = self._accounts.durable
        if durable is not None:
            database = durable.database
            found += ReviewsApi(database, lambda: self._accounts.rules.ladder).operations()
            found += AuditApi(database, monotonic).operations()
            found += cases_api(self._configuration, database, self._accounts, self._jobs, self._redis).operations()
        return found

    async def close(self) -> None:
        # Feeds first, which do not end by themselves; then requests, while all that they need is there.
        self._feeds.close()
        await self._runner.cleanup()
        for task in self._running:
            task.cancel()
        await self._jobs.close()
        for close in self._closing:
            await close()
        await self._lines.close()
        await self.access.close()
        await self._redis.aclose()
        if self._notes is not None:
            await self._notes.close()

    def _runs(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {"the workers' pulse": self._overview.run, "the head of the audit": self._tell_head}

    async def _tell_head(self) -> None:
        """To the log, which is kept elsewhere: at the start, and once a day."""
        while self._accounts.durable is not None:
            await tell_head(self._accounts.durable.database)
            await asyncio.sleep(DAY)

    def _may(self) -> Access:
        file, durable = self._configuration.file, self._accounts.durable
        token = file.admin_token.get_secret_value() if file.admin_token is not None else ""
        database: Database | None = durable.database if durable is not None else None
        note: Note = self._notes if self._notes is not None else to_log
        secrets = durable.secrets if durable is not None else None
        return Access(
            token=token,
            database=database,
            secrets=secrets,
            now=wall,
            url=file.operators.url,
            oidc=settings(file.operators.oidc),
            note=note,
            denied=self._rules.note_denied,
        )

    def _what_happened(self) -> list[Operation]:
        """From the exchange log, and from the workers."""
        turns, durable = Turns(), self._accounts.durable
        gateway = gateway_name(os.getpid())
        sources = Sources(
            lambda: self._overview.pulses,
            self._fleet.snapshots,
            lambda: [Process(one.name, one.count, one.pids, one.restarts) for one in self._processes],
            self._rules.status,
            self._redis,
            durable.database if durable is not None else None,
            self._kept,
            monotonic,
            wall,
            gateway,
            by_redis(self._redis, gateway, wall),
            self._detectors,
        )
        database = durable.database if durable is not None else None
        return [
            *ExchangesApi(self._kept, self._lines, turns, wall, monotonic, self._entries, database).operations(),
            *TrafficApi(self._kept, turns, wall, monotonic, self._accounts.rules.prices).operations(),
            *HealthApi(sources).operations(),
        ]

    def _limits(self) -> list[Operation]:
        durable = self._accounts.durable
        return limits_api(
            self._configuration,
            self._rules.in_force.folder.parent,
            durable.database if durable is not None else None,
            self._redis,
            self._fleet.sockets,
            self._jobs,
            self._overview.asked_for,
        ).operations()

    def _entries(self, digest: str) -> Sequence[str]:
        """Of rules that are or were in force."""
        return next((past.whole.entries for past in self._rules.history if past.whole.digest == digest), ())

    def _rules_files(self) -> list[Operation]:
        configuration, file = self._configuration, self._configuration.file
        deployment = Deployment(
            configuration.policies,
            configuration.data,
            tuple(captcha.name for captcha in file.captchas),
            {provider.name: tuple(provider.gives) for provider in file.providers},
            self._kept.folder,
        )
        note: Note = self._notes if self._notes is not None else to_log
        saving = Saving(deployment, self._workshop, self._rules, note)
        drafts = DraftsApi(deployment, self._workshop, self._rules, self._fleet.snapshots, self._jobs, wall)
        self._closing.append(drafts.close)
        refreshing = self._refreshing
        lists = ListsApi(
            deployment,
            self._workshop,
            self._rules,
            refreshing.failing if refreshing is not None else dict,
            refreshing.world if refreshing is not None else None,
            note,
            wall,
        )
        return [
            *lists.operations(),
            *FilesApi(saving, self._rules, self._fleet.versions, self._workshop).operations(),
            *drafts.operations(),
        ]


def _kept(configuration: Configuration) -> Kept:
    log = configuration.file.exchange_log
    return Kept(None) if log is None else Kept(configuration.path.parent / log.folder, log.keep)
