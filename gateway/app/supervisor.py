"""What one supervisor does for its workers: check everything, make wholes, change the rules of all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.accounts.live_directory import LiveDirectory
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration, read_configuration, unusable
from gateway.app.services import Seen, services_of
from gateway.control.access.notes import Note
from gateway.control.audit import Audit
from gateway.control.fleet import Fleet
from gateway.control.rulesets import Rulesets
from gateway.feeds.folder import Feeds
from gateway.feeds.refresher import Refresher
from gateway.feeds.update import World
from gateway.policies import Services
from gateway.rules.accounts_file import AccountsWatcher
from gateway.rules.build import policy_kinds
from gateway.rules.escalation import unknown_captchas
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset
from gateway.rules.whole import OnDisk, Whole, make
from gateway.stores.redis.client import client
from gateway.stores.redis.connect import parse

Live = Rulesets[OnDisk]


class Refreshing:
    """Called once, it fetches lists and databases when they are due, for ever."""

    def __init__(self, refresher: Refresher, world: World, redis: Any) -> None:
        """`redis` is the client in `world`: closed at the end."""
        self._refresher = refresher
        self._redis = redis
        self.world = world
        """What a fetch needs."""

    def failing(self) -> Mapping[str, str]:
        """Feed -> why it could not be fetched the last time."""
        return self._refresher.failing

    async def __call__(self) -> None:
        try:
            await self._refresher.run()
        finally:
            await self._redis.aclose()


def check_everything(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[Configuration, Whole, Ruleset]:
    """What `serve` needs, read and checked; the folder of the whole is thrown away.

    Raises Problems with all that is wrong in all files.
    """
    with tempfile.TemporaryDirectory(prefix="tidegate-check-") as folder:
        return prepare_everything(path, Path(folder), environment)


def prepare_everything(
    path: Path, wholes: Path, environment: Mapping[str, str] = os.environ
) -> tuple[Configuration, Whole, Ruleset]:
    """As `check_everything`, and the whole is kept in the folder `wholes`."""
    configuration = read_configuration(path, environment)
    found: list[Any] = []
    made = None
    try:
        parse(configuration.file.redis.get_secret_value())
    except ValueError as error:
        found.append(Problem(configuration.path, 1, 1, f"redis: {error}"))
    found.extend(unusable(configuration))
    try:
        made = make_whole(configuration, wholes, 1, environment)
    except Problems as problems:
        found.extend(problems.problems)
    try:
        required = configuration.accounts_required
        AccountsWatcher(configuration.accounts, LiveDirectory(), environment, required=required).load()
    except Problems as problems:
        found.extend(problems.problems)
    if found or made is None:
        raise Problems(found)
    return configuration, *made


def make_whole(
    configuration: Configuration, wholes: Path, generation: int, environment: Mapping[str, str] = os.environ
) -> tuple[Whole, Ruleset]:
    """The policies on disk, checked, as a folder for workers. Raises Problems."""
    return make(
        configuration.policies,
        configuration.data,
        wholes,
        generation,
        policy_kinds(),
        lambda ruleset, feeds: _services(configuration, ruleset, feeds),
        wall(),
        environment,
    )


def _services(configuration: Configuration, ruleset: Ruleset, feeds: Feeds) -> Services:
    """To see whether policies can be made. Raises Problems where nobody could pass what one of them asks for."""
    unknown = unknown_captchas(ruleset, [captcha.name for captcha in configuration.file.captchas])
    if unknown:
        raise Problems(unknown)
    return services_of(ruleset, feeds, LiveDirectory(), Seen())


def rulesets(
    configuration: Configuration, first: Whole, ruleset: Ruleset, fleet: Fleet, tell: Note | None = None
) -> tuple[Live, Refreshing]:
    """What changes the rules of all workers, and what fetches lists and databases when they are due, for ever. `tell`
    is given what is noted in the audit log as well.

    Raises OSError where the audit log cannot be written.
    """

    def on_disk(made: Ruleset) -> OnDisk:
        return OnDisk(configuration.policies, configuration.data, made.feeds.plain())

    def again(generation: int) -> tuple[Whole, OnDisk]:
        whole, made = make_whole(configuration, first.folder.parent, generation)
        return whole, on_disk(made)

    disk = on_disk(ruleset)
    redis = client(configuration.file.redis.get_secret_value())
    world = World(configuration.policies, configuration.data, wall, redis)
    refresher = Refresher(disk.feeds, world)
    audit = Audit(configuration.audit_log, wall, tell)
    live = Rulesets(first, disk, again, fleet, audit, wall, lambda seen: refresher.replace(seen.feeds))

    return live, Refreshing(refresher, world, redis)
