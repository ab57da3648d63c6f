"""Who bears a token: that of tidegate.yaml, or one of the table of operators.

Each request asks; what the directory said is believed for a second, so a revocation or a lower role bites then. While
the directory is away, what it said last is believed for `WITHOUT` more; the file's token needs no directory.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import operators
from gateway.accounts.sql.database import Database
from gateway.control.access.roles import Role
from gateway.control.operations import Operator
from gateway.tasks import spawn

log = logging.getLogger(__name__)

FILE: Final = "admin_token"
"""How the bearer of the file's token is called: by its name there."""
BELIEVED: Final = 1.0
"""Seconds for what the directory said."""
WITHOUT: Final = 300.0
"""Seconds, while it cannot be asked."""
KEPT: Final = 1024
"""Tokens that are remembered."""
USED: Final = 60.0
"""Seconds: when a token was used is noted no more often."""


class Bearer(NamedTuple):
    """Whose token it is. `id` is empty for the file's; None where there is no token."""

    id: str | None
    operator: Operator
    expires: float | None = None


class _Known(NamedTuple):
    row: Any
    """None where there is none."""
    at: float
    """When the directory said so."""


class Tokens:
    def __init__(
        self, token: str, database: Database | None, secrets: Secrets | None, now: Callable[[], float]
    ) -> None:
        """`token` is that of tidegate.yaml; empty where there is none."""
        self._file = token.encode()
        self._database = database
        self._secrets = secrets
        self._now = now
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._used: dict[str, float] = {}
        self._unwritten: dict[str, float] = {}
        self._writes = False

    @property
    def any(self) -> bool:
        """Whether there can be a right one at all."""
        return bool(self._file) or self._database is not None

    @property
    def file(self) -> bool:
        """Whether the file has one."""
        return bool(self._file)

    def was_right(self, token: bytes) -> bool:
        """Whether it was shown before, and was right then: it is no guess."""
        return _mark(token) in self._proved

    async def find(self, token: bytes) -> Bearer | None:
        """None for one that holds no more, or never did. Raises SQLAlchemyError where nobody knows."""
        if self._file and hmac.compare_digest(token, self._file):
            self._remember(token)
            return Bearer("", Operator(FILE, Role.ADMIN))
        text = token.decode("ascii", "replace")
        named = operators.parse(text)
        if named is None or self._database is None or self._secrets is None:
            return None
        row = await self._row(named)
        if row is None or not operators.is_same(self._secrets, row, text):
            return None
        found = self._bearer(row)
        if found is not None:
            self._remember(token)
            self._note_used(named)
        return found

    async def by_id(self, named: str) -> Bearer | None:
        """For a session: its token as it is now. Raises SQLAlchemyError where nobody knows."""
        if not named:
            return Bearer("", Operator(FILE, Role.ADMIN)) if self._file else None
        row = await self._row(named)
        found = self._bearer(row) if row is not None else None
        if found is not None:
            self._note_used(named)
        return found

    def forget(self, named: str) -> None:
        """It was changed just now, here: the next request looks again."""
        self._known.pop(named, None)

    def _bearer(self, row: Any) -> Bearer | None:
        if row.revoked is not None or (row.expires is not None and row.expires <= self._now()):
            return None
        try:
            role = Role(row.role)
        except ValueError:
            log.error("the token %s has the role %r, which there is not: it may nothing", row.id, row.role)
            return None
        return Bearer(row.id, Operator(f"token:{row.name}", role), row.expires)

    async def _row(self, named: str) -> Any:
        known, now = self._known.get(named), self._now()
        if known is not None and 0.0 <= now - known.at < BELIEVED:
            return known.row
        database = self._database
        if database is None:
            return None
        try:
            row = await database.reading(lambda connection: operators.find(connection, named))
        except SQLAlchemyError:
            if known is not None and 0.0 <= now - known.at < WITHOUT:
                return known.row
            raise
        self._known[named] = _Known(row, now)
        self._known.move_to_end(named)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return row

    def _remember(self, token: bytes) -> None:
        mark = _mark(token)
        self._proved[mark] = None
        self._proved.move_to_end(mark)
        while len(self._proved) > KEPT:
            self._proved.popitem(last=False)

    def _note_used(self, named: str) -> None:
        """Beside the request, and for all that were used since at once."""
        now = self._now()
        if now - self._used.get(named, 0.0) < USED:
            return
        self._used[named] = self._unwritten[named] = now
        if not self._writes:
            self._writes = True
            spawn(self._write(), name="note the tokens that are used")

    async def _write(self) -> None:
        try:
            while self._unwritten and self._database is not None:
                used, self._unwritten = self._unwritten, {}
                await self._database.writing("supervisor", functools.partial(operators.note_used, used=used))
        except SQLAlchemyError as error:
            log.warning("when tokens were used is not noted: %s", type(error).__name__)
        finally:
            self._writes = False


def _mark(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
