"""The durable directory of one process: opened, told of, followed, closed."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.accounts.announce import Announcer
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import migrate
from gateway.accounts.sql.database import Database
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.rules.directory_file import open_directory, stated
from gateway.rules.problems import Problem, Problems
from gateway.stores.redis.client import blocking

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Directory:
    """Closed by `close`, which waits for what is being written."""

    database: Database
    secrets: Secrets
    announcer: Announcer

    def close(self) -> None:
        self.database.close()
        self.announcer.close()


def open_durable(configuration: Configuration) -> Directory | None:
    """None where nobody asked for one and none can be kept: then accounts.yaml is all there is. Raises Problems."""
    if not _wanted(configuration):
        return None
    url = configuration.file.redis.get_secret_value()
    announcer = Announcer(functools.partial(blocking, url), monotonic)
    database, secrets = open_directory(configuration, wall, announcer)
    return Directory(database, secrets, announcer)


def prepare_durable(configuration: Configuration) -> None:
    """Before workers start: SQLite is brought to the newest schema, PostgreSQL has to be there. Raises Problems."""
    opened = open_durable(configuration)
    if opened is None:
        log.warning(
            "no directory: nothing can be kept beside %s, so accounts.yaml holds all accounts. To have one, state "
            "`directory.url` on a disk that can be written",
            configuration.path,
        )
        return
    try:
        if opened.database.url.get_backend_name() == "sqlite":
            migrate.upgrade(opened.database)
        if reason := migrate.ready(opened.database):
            raise Problems([Problem(configuration.path, 1, 1, f"directory: {reason}")])
    finally:
        opened.close()


def has_durable(configuration: Configuration) -> bool:
    """Whether there is one already, as far as can be seen without asking a server."""
    url = stated(configuration).url
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def _wanted(configuration: Configuration) -> bool:
    """A directory that somebody named has to be there; one that nobody named, where it can be."""
    if "directory" in configuration.file.model_fields_set:
        return True
    database = Path(stated(configuration).url.database or "")
    return database.exists() or os.access(database.parent, os.W_OK)
