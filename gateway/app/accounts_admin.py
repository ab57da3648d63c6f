"""The accounts on the operators' port."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.app.clerk import Rules
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.control.accounts import AccountsApi
from gateway.control.owner.place import link_path


class AccountsAdmin:
    """Of one supervisor. Without a directory there is nothing to look at."""

    def __init__(self, configuration: Configuration, wholes: Path) -> None:
        """Raises Problems."""
        self._durable = open_durable(configuration)
        self._rules = Rules(wholes)
        self._public_url = configuration.file.public_url

    def add_to(self, app: web.Application) -> None:
        if self._durable is None:
            return
        database, secrets = self._durable.database, self._durable.secrets
        AccountsApi(database, secrets, self._ladder, self._limits, self._owner_url).add_to(app)

    def close(self) -> None:
        if self._durable is not None:
            self._durable.close()

    def _ladder(self) -> Ladder | None:
        self._rules.look()
        return self._rules.ladder

    def _limits(self) -> Mapping[str, IdentityLimit]:
        self._rules.look()
        return self._rules.limits

    def _owner_url(self, token: str) -> str:
        return f"{self._public_url}{link_path(token)}"
