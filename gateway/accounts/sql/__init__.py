"""The durable directory, in SQLite or PostgreSQL: plain functions of a connection, called in threads of their own."""
