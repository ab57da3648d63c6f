"""The directory's schema, before workers start. Apart from the rest: nobody but the supervisor needs Alembic."""

from __future__ import annotations

import logging

from gateway.accounts.sql import migrate
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.rules.problems import Problem, Problems

log = logging.getLogger(__name__)


def prepare_durable(configuration: Configuration) -> None:
    """SQLite is brought to the newest schema, PostgreSQL has to be there. Raises Problems."""
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
