"""The clerk's process: works the inbox off, by the ladder in force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.app.offers import no_terms, offers_of
from gateway.app.providers import providers_of
from gateway.challenges.terms import Terms
from gateway.control.cases.preview import Rules as CaseRules
from gateway.partitions import Price
from gateway.policies.kyc.config import KycConfig
from gateway.policies.quota.config import QuotaConfig
from gateway.rules.build import policy_kinds
from gateway.rules.campaigns import answering
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset, load
from gateway.rules.whole import pointed
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import World
from gateway.verification.duties import Duties
from gateway.verification.pokes import listen

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks at the rules in force."""
DRAIN: Final = 15.0
"""Seconds for what is in hand when it is told to stop."""


class Rules:
    """What the rules in force say of ladders and identities. Those on disk that are not in force do not count."""

    def __init__(self, wholes: Path) -> None:
        self._wholes = wholes
        self._folder: Path | None = None
        self.known = False
        """They could be read once. Before that nobody may be lifted: no limit is known."""
        self.ladder: Ladder | None = None
        self.limits: Mapping[str, IdentityLimit] = {}
        self.terms: Callable[[str], Terms | None] = no_terms
        """Rule -> on what terms its challenge is passed."""
        self.campaigns: CaseRules | None = None
        """What follows for accounts that act as one."""
        self._prices: Mapping[str, Price] = {}
        self._models: frozenset[str] = frozenset()

    def prices(self) -> Mapping[str, Price]:
        """Model -> price; empty where there are none."""
        return self._prices

    def models(self) -> frozenset[str]:
        """That prices and limits name, but for patterns."""
        return self._models

    def look(self) -> None:
        """Reads them where others came into force. The last that could be read stay."""
        try:
            folder = pointed(self._wholes)
            if folder == self._folder:
                return
            ruleset = load(folder / "policies", policy_kinds())
        except (OSError, Problems) as error:
            log.error("the rules in force cannot be read, the last ones are gone by: %s", error)
            return
        self._folder = folder
        self.known = True
        self.terms = offers_of(ruleset).terms
        response = answering(ruleset, shadow=True)
        self.campaigns = None if response is None else CaseRules(response, shadow=answering(ruleset) is None)
        self._prices = ruleset.prices or {}
        self._models = _models(ruleset)
        found = next((entry.config for entry in ruleset.entries if isinstance(entry.config, KycConfig)), None)
        self.ladder = None if found is None else found.ladder()
        self.limits = {} if found is None else found.identity_limits()

    async def run(self) -> None:
        """For ever: for a task of its own."""
        while True:
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)


def _models(ruleset: Ruleset) -> frozenset[str]:
    stated = {model for model in ruleset.prices or {} if model != "default"}
    for entry in ruleset.entries:
        if isinstance(entry.config, QuotaConfig):
            stated.update(*(limit.models for limit in entry.config.limits))
    return frozenset(model for model in stated if not set(model) & set("*?["))


async def work(configuration: Configuration, wholes: Path, stopping: asyncio.Event) -> None:
    """Until `stopping`: what is in hand then is finished, or due again when its lease ends. Raises Problems."""
    durable = open_durable(configuration)
    if durable is None:
        await stopping.wait()
        return
    rules = Rules(wholes)
    rules.look()
    if not rules.known:
        raise Problems([Problem(wholes, 1, 1, "the rules in force cannot be read: nothing is worked off")])
    providers = providers_of(configuration.file.providers)
    clerk = Clerk(durable.database, providers, World(durable.secrets, lambda: rules.limits), wall)
    duties = Duties(durable.database, providers, clerk, lambda: rules.ladder, wall, asyncio.sleep)
    redis = client(configuration.file.redis.get_secret_value())
    tasks = [
        spawn(clerk.run(), "the inbox"),
        spawn(duties.run(), "duties"),
        spawn(rules.run(), "the rules in force"),
        spawn(listen(redis, clerk.poke), "who tells of news"),
    ]
    stopped = spawn(stopping.wait(), "stop of the clerk")
    try:
        # One that crashes ends the process: who supervises it starts it again.
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        await _finish(clerk)
        for provider in providers.values():
            await provider.close()
        await redis.aclose()
        await asyncio.to_thread(durable.close)


async def _finish(clerk: Clerk) -> None:
    try:
        async with asyncio.timeout(DRAIN):
            await clerk.idle()
    except TimeoutError:
        log.warning("%r: they are due again when their lease ends", clerk)
