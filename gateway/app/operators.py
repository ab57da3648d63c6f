"""The operators' port, put together: every operation there is, who may use it, and what runs behind it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.accounts.sql.database import Database
from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.app.supervisor import Live
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.access.notes import Note, to_log
from gateway.control.audit import Notes
from gateway.control.audit_api import AuditApi
from gateway.control.console import Console
from gateway.control.fleet import Fleet
from gateway.control.jobs import Jobs
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
from gateway.tasks import spawn

CLOSES_WITHIN: Final = 2.0
"""Seconds for requests that are under way when the port closes."""


class OperatorsPort:
    """Made on a running loop, beside the supervisor's workers; `close` ends what it has started."""

    def __init__(
        self, configuration: Configuration, fleet: Fleet, rules: Live, accounts: AccountsAdmin, notes: Notes | None
    ) -> None:
        """`notes` is the directory's audit; None where there is no directory."""
        self._configuration = configuration
        self._accounts = accounts
        self._notes = notes
        self._jobs = Jobs(wall)
        self._workshop = Workshop()
        self._lines = Lines(fleet.sockets)
        self._busy = Busy(accounts.rules.prices)
        self._overview = Overview(self._lines, wall, monotonic, self._busy, accounts.rules.models)
        self._feeds = Feeds(monotonic)
        self._live = LiveApi(self._overview, Follow(self._lines), self._feeds, self._busy, wall)
        self._policies = admin.PoliciesApi(fleet, rules, wall)
        self._fleet = fleet
        self._rules = rules
        self.access = self._may()
        self._running = [spawn(run(), name=name) for name, run in self._runs().items()]

    def application(self) -> web.Application:
        return admin.application(self.operations(), self.access)

    def operations(self) -> list[Operation]:
        """All but those to sign in (`Access`)."""
        found = [
            *self._policies.operations(),
            *self._rules_files(),
            *self._live.operations(),
            *self._jobs.operations(),
            *Console().operations(),
            *self._accounts.operations(),
        ]
        durable = self._accounts.durable
        if durable is not None:
            database = durable.database
            found += ReviewsApi(database, lambda: self._accounts.rules.ladder).operations()
            found += AuditApi(database, monotonic).operations()
        return found

    async def close(self) -> None:
        self._feeds.close()
        for task in self._running:
            task.cancel()
        await self._jobs.close()
        await self._workshop.close()
        await self._lines.close()
        await self.access.close()
        if self._notes is not None:
            await self._notes.close()

    def _runs(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {"the workers' pulse": self._overview.run}

    def _may(self) -> Access:
        file, durable = self._configuration.file, self._accounts.durable
        token = file.admin_token.get_secret_value() if file.admin_token is not None else ""
        database: Database | None = durable.database if durable is not None else None
        note: Note = self._notes if self._notes is not None else to_log
        secrets = durable.secrets if durable is not None else None
        return Access(token=token, database=database, secrets=secrets, now=wall, note=note)

    def _rules_files(self) -> list[Operation]:
        configuration, file = self._configuration, self._configuration.file
        log = configuration.path.parent / file.exchange_log.folder if file.exchange_log is not None else None
        deployment = Deployment(
            configuration.policies,
            configuration.data,
            tuple(captcha.name for captcha in file.captchas),
            {provider.name: tuple(provider.gives) for provider in file.providers},
            log,
        )
        note: Note = self._notes if self._notes is not None else to_log
        saving = Saving(deployment, self._workshop, self._rules, note)
        drafts = DraftsApi(deployment, self._workshop, self._rules, self._fleet.snapshots, self._jobs, wall)
        return [
            *FilesApi(saving, self._rules, self._fleet.versions, self._workshop).operations(),
            *drafts.operations(),
        ]
