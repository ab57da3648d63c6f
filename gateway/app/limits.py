"""Limits on the operators' port: what the API is made of."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.accounts.file_directory import EMPTY, Snapshot
from gateway.accounts.sql.database import Database
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.app.overriding import gateway_name
from gateway.control.jobs import Jobs
from gateway.control.limits.api import LimitsApi
from gateway.control.limits.applied import Applied, by_redis, by_sockets
from gateway.control.limits.limits_api import ModelsOf, no_models
from gateway.control.limits.overrides_api import Steering
from gateway.control.limits.rules import LimitsInForce
from gateway.rules.accounts_file import read_accounts
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.stores.redis.usage import Usages

log = logging.getLogger(__name__)


class AccountsFile:
    """accounts.yaml as the supervisor sees it: read again when it has changed, the last good one else.

    A look costs one stat. A large file is read in the caller's thread: these files are reviewed by people.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._content: Snapshot = EMPTY

    def __call__(self) -> Snapshot:
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen != self._seen:
                self._seen = seen
                self._content = read_accounts(self._path, os.environ)
        except FileNotFoundError:
            self._seen, self._content = None, EMPTY
        except (OSError, Problems) as error:
            log.error("accounts cannot be read for the operators' port, the last good ones are gone by: %s", error)
        return self._content


def limits_api(
    configuration: Configuration,
    wholes: Path,
    database: Database | None,
    redis: Any,
    sockets: Callable[[], Sequence[Path]],
    jobs: Jobs,
    models_of: ModelsOf = no_models,
) -> LimitsApi:
    """In the supervisor's process, on its loop. `redis` is a client of redis.asyncio, which stays the caller's;
    `sockets` are those of the workers (`edge.workers.Supervisor.sockets`).
    """
    gateway = gateway_name(os.getpid())
    steering = Steering(
        rules=LimitsInForce(wholes, policy_kinds(), wall),
        applied=Applied(by_sockets(sockets, gateway), by_redis(redis, gateway, wall), monotonic),
        database=database,
        file=AccountsFile(configuration.accounts),
        now=wall,
    )
    written = configuration.file.exchange_log
    return LimitsApi(
        steering,
        Usages(redis),
        jobs,
        log=None if written is None else configuration.path.parent / written.folder,
        data=configuration.data,
        models_of=models_of,
    )
