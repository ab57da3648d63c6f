"""The accounts on the operators' port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.accounts.sql.purge import purge
from gateway.app.challenges_admin import ChallengesAdmin
from gateway.app.clerk import Rules
from gateway.app.configuration import Configuration
from gateway.app.directory import Directory
from gateway.control.accounts import AccountsApi
from gateway.control.operations import Operation
from gateway.control.owner.place import link_path
from gateway.rules.problems import Problem, Problems

log = logging.getLogger(__name__)

TIDIED: Final = 3600.0
"""Seconds between two times."""


class AccountsAdmin:
    """Of one supervisor. Without a directory there is nothing to look at but challenges."""

    def __init__(self, configuration: Configuration, wholes: Path, durable: Directory | None) -> None:
        """`durable` is closed by `close`. Raises Problems."""
        self.durable = durable
        self.rules = Rules(wholes)
        self.rules.look()
        if not self.rules.known:
            raise Problems([Problem(wholes, 1, 1, "the rules in force cannot be read: no limit would hold")])
        database = self.durable.database if self.durable is not None else None
        redis = configuration.file.redis.get_secret_value()
        self._challenges = ChallengesAdmin(redis, database, lambda: self.rules.terms)
        self._public_url = configuration.file.public_url

    def operations(self) -> list[Operation]:
        found = self._challenges.operations()
        if self.durable is None:
            return found
        database, secrets = self.durable.database, self.durable.secrets
        accounts = AccountsApi(database, secrets, self._ladder, self._limits, self._owner_url)
        return [*found, *accounts.operations()]

    async def follow(self) -> None:
        """The rules in force, for ever: read in a thread, since a large list takes its time."""
        await self.rules.run()

    async def tidy(self) -> None:
        """What is not kept for ever goes once an hour, for ever."""
        while self.durable is not None:
            try:
                await self.durable.database.writing("supervisor", lambda writing: purge(writing, writing.now))
            except SQLAlchemyError as error:
                log.error("the directory is not tidied: %s", getattr(error, "orig", None) or type(error).__name__)
            await asyncio.sleep(TIDIED)

    async def close(self) -> None:
        await self._challenges.close()
        if self.durable is not None:
            self.durable.close()

    def _ladder(self) -> Ladder | None:
        return self.rules.ladder

    def _limits(self) -> Mapping[str, IdentityLimit]:
        return self.rules.limits

    def _owner_url(self, token: str) -> str:
        return f"{self._public_url}{link_path(token)}"
