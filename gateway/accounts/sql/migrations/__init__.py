"""The migrations of the directory, run by Alembic: `gateway.accounts.sql.migrate` is who asks it to."""
