"""What the directory does not keep for ever, and how long. The audit it keeps."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.accounts.sql import changes, tables
from gateway.accounts.sql.database import Writing

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

CHANGES: Final = DAY
"""Workers look twice a second; one that was stopped for longer reads all again."""
SPENT: Final = HOUR
"""After the link's own end: so far may the clocks of two machines be apart."""
SESSIONS: Final = 0.0
"""After their end."""
INBOX: Final = 30 * DAY
"""After it was worked off: a provider that sends it once more has to meet it. The longest that any of them retries is
some days. What is open or dead stays until somebody has dealt with it.
"""


class Purged(NamedTuple):
    """How many rows went."""

    changes: int
    spent: int
    sessions: int
    inbox: int


def purge(writing: Writing, now: float) -> Purged:
    """To be called now and then, by one process. It changes no account, and leaves no line in the audit."""
    connection = writing.connection
    spent, sessions, inbox = tables.spent, tables.sessions, tables.inbox
    return Purged(
        changes.trim(connection, now - CHANGES),
        connection.execute(spent.delete().where(spent.c.expires < now - SPENT)).rowcount,
        connection.execute(sessions.delete().where(sessions.c.expires < now - SESSIONS)).rowcount,
        connection.execute(inbox.delete().where(inbox.c.done < now - INBOX)).rowcount,
    )
