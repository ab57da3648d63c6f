"""Access to the operators' port, put together: what the composition root makes once."""

from __future__ import annotations

from collections.abc import Callable

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.control.access.guard import Guard
from gateway.control.access.idp import Provider, Settings
from gateway.control.access.links import Links
from gateway.control.access.notes import Failures, Note, to_log
from gateway.control.access.oidc import OidcApi
from gateway.control.access.operators_api import OperatorsApi
from gateway.control.access.sessions import Sessions
from gateway.control.access.sign_in import SessionApi
from gateway.control.access.tokens import Tokens
from gateway.control.access.tries import Tries
from gateway.control.operations import Operation


def nobody_told(_: str) -> None:
    """Where nobody keeps what was denied."""


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
        oidc: Settings | None = None,
        note: Note = to_log,
        denied: Callable[[str], None] = nobody_told,
    ) -> None:
        """`token` is that of tidegate.yaml; without a directory it is the only one. `url` is where browsers find the
        console, if not by an address or a name without a dot; `oidc` needs it. `now` is Unix time; `note` takes a line
        for the audit; `denied` is told the path of a change that somebody unknown wanted.
        """
        self.tokens = Tokens(token, database, secrets, now)
        self.sessions = Sessions(now)
        self.tries = Tries(now)
        self._failures = Failures(note, now)
        self.guard = Guard(self.tokens, self.sessions, self.tries, self._failures, url=url, now=now, denied=denied)
        ways = ("token", "oidc") if oidc is not None else ("token",)
        signing_in = SessionApi(self.guard, Links(now), note, ways)
        self._operations = signing_in.operations()
        self._provider = Provider(oidc, now) if oidc is not None else None
        if self._provider is not None:
            self._operations += OidcApi(self._provider, signing_in, note, now, url).operations()
        if database is not None and secrets is not None:
            others = oidc is not None and bool(oidc.roles.get("admin"))
            self._operations += OperatorsApi(database, secrets, self.tokens, others=others).operations()

    def operations(self) -> list[Operation]:
        return self._operations

    async def close(self) -> None:
        """What was counted and not told yet is told."""
        self._failures.flush()
        if self._provider is not None:
            await self._provider.close()
