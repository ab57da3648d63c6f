"""Access to the operators' port, put together: what the composition root makes once."""

from __future__ import annotations

from collections.abc import Callable

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.control.access.guard import Guard
from gateway.control.access.notes import Failures, Note, to_log
from gateway.control.access.sessions import Sessions
from gateway.control.access.tokens import Tokens
from gateway.control.access.tries import Tries
from gateway.control.operations import Operation


class Access:
    """`guard` stands before every operation; `operations()` are those to sign in and to make tokens."""

    def __init__(
        self,
        *,
        token: str,
        database: Database | None,
        secrets: Secrets | None,
        now: Callable[[], float],
        url: str = "",
        note: Note = to_log,
    ) -> None:
        """`token` is that of tidegate.yaml; without a directory it is the only one."""
        self.tokens = Tokens(token, database, secrets, now)
        self.sessions = Sessions(now)
        self.guard = Guard(self.tokens, self.sessions, Tries(now), Failures(note, now), url)

    def operations(self) -> list[Operation]:
        return []

    async def close(self) -> None:
        """What was counted and not told yet."""
        self.guard.failures.flush()
