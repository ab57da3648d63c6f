"""The directory on both databases, as its own tests have it."""

from __future__ import annotations

from tests.accounts.sql.conftest import (  # noqa: F401 - fixtures
    clock,
    connect,
    database,
    migrated,
    postgres,
    secrets,
    url,
)
