"""The durable directory of one process: opened, told of, followed, closed."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.accounts.announce import Announcer
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration
from gateway.rules.directory_file import open_directory, stated
from gateway.stores.redis.client import blocking


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
