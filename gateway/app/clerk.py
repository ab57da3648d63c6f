"""The clerk's process: works the inbox off, by the ladder in force."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.app.providers import providers_of
from gateway.policies.kyc.config import KycConfig
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load
from gateway.rules.whole import pointed
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import World

log = logging.getLogger(__name__)

INBOX: Final = "tg:inbox"
"""The channel in Redis on which workers say that there is something."""
LOOK: Final = 1.0
"""Seconds between looks at the rules in force."""


class Rules:
    """What the rules in force say of ladders and identities. Those on disk that are not in force do not count."""

    def __init__(self, wholes: Path) -> None:
        self._wholes = wholes
        self._folder: Path | None = None
        self.ladder: Ladder | None = None
        self.limits: Mapping[str, IdentityLimit] = {}

    def look(self) -> None:
        """Reads them where others came into force. The last that could be read stay."""
        try:
            folder = pointed(self._wholes)
            if folder == self._folder:
                return
            entries = load(folder / "policies", policy_kinds()).entries
        except (OSError, Problems) as error:
            log.error("the rules in force cannot be read, the last ones are gone by: %s", error)
            return
        self._folder = folder
        found = next((entry.config for entry in entries if isinstance(entry.config, KycConfig)), None)
        self.ladder = None if found is None else found.ladder()
        self.limits = {} if found is None else found.identity_limits()

    async def run(self) -> None:
        """For ever: for a task of its own."""
        while True:
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)


async def work(configuration: Configuration, wholes: Path, stopping: asyncio.Event) -> None:
    """Until `stopping`: what is in hand is finished, or put off. Raises Problems."""
    durable = open_durable(configuration)
    if durable is None:
        await stopping.wait()
        return
    rules = Rules(wholes)
    rules.look()
    providers = providers_of(configuration.file.providers)
    clerk = Clerk(durable.database, providers, World(durable.secrets, lambda: rules.limits), wall)
    redis = client(configuration.file.redis.get_secret_value())
    tasks = [
        spawn(clerk.run(), "the inbox"),
        spawn(rules.run(), "the rules in force"),
        spawn(_hear(redis, clerk), "who tells of news"),
    ]
    await stopping.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await clerk.idle()
    for provider in providers.values():
        await provider.close()
    await redis.aclose()
    await asyncio.to_thread(durable.close)


async def _hear(redis: Any, clerk: Clerk) -> None:
    """A worker says that there is something. Where nobody can say it, the clerk looks for itself."""
    while True:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with redis.pubsub(ignore_subscribe_messages=True) as told:
                await told.subscribe(INBOX)
                while True:
                    if await told.get_message(timeout=LOOK) is not None:
                        clerk.poke()
        await asyncio.sleep(LOOK)
