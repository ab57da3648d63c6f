"""What goes with time, and what never does."""

from __future__ import annotations

import sqlalchemy as sql

from gateway.accounts.sql import accounts, purge, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing, changes_since
from gateway.accounts.sql.purge import Purged
from gateway.testing import Clock


def test_what_is_over_goes(database: Database, clock: Clock) -> None:
    """To the second; what is open or dead stays, and so does the audit, for ever."""
    now = clock()

    def news(event: str, *, done: float | None = None, dead: float | None = None) -> dict[str, object]:
        row = {"provider": "p", "event": event, "digest": b"d", "received": 1.0}
        return {**row, "done": done, "dead": dead}

    def work(writing: Writing) -> None:
        accounts.create(writing, NewAccount("a"))
        insert = writing.connection.execute
        for ago, mark in ((purge.SPENT + 1, "over"), (purge.SPENT, "just")):
            insert(tables.spent.insert(), {"mark": mark, "expires": now - ago})
        session = {"account": "a", "scope": "owner", "created": 1.0}
        insert(tables.sessions.insert(), session | {"digest": b"over", "expires": now - purge.SESSIONS - 1})
        insert(tables.sessions.insert(), session | {"digest": b"on", "expires": now + 1})
        insert(tables.inbox.insert(), news("over", done=now - purge.INBOX - 1))
        insert(tables.inbox.insert(), news("just", done=now - purge.INBOX))
        insert(tables.inbox.insert(), news("dead", dead=1.0))
        insert(tables.inbox.insert(), news("open"))

    database.write("test", work)
    assert database.write("clerk", lambda writing: purge.purge(writing, now)) == Purged(0, 1, 1, 1)
    left = {
        table.name: database.read(lambda c, column=column: sorted(map(str, c.scalars(sql.select(column)))))  # type: ignore[misc]
        for table, column in (
            (tables.spent, tables.spent.c.mark),
            (tables.sessions, tables.sessions.c.digest),
            (tables.inbox, tables.inbox.c.event),
            (tables.audit, tables.audit.c.did),
        )
    }
    assert left == {
        "spent": ["just"],
        "sessions": ["b'on'"],
        "inbox": ["dead", "just", "open"],
        "audit": ["account.create"],
    }
    clock.turn(purge.CHANGES + 1)
    assert database.write("clerk", lambda writing: purge.purge(writing, clock())).changes == 1
    assert database.read(lambda connection: changes_since(connection, 0)) == (1, None)
    assert database.read(lambda connection: changes_since(connection, 1)) == (1, ())


def test_the_inbox_outlives_every_retry() -> None:
    """At least thirty days: what a provider sends once more must be met."""
    assert purge.INBOX >= 30 * 86_400
