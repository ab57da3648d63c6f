"""What Alembic runs to migrate: on the connection of `gateway.accounts.sql.migrate`, inside its one transaction."""

from __future__ import annotations

from alembic import context

from gateway.accounts.sql import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
context.run_migrations()
