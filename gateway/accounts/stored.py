"""The accounts of the database as the hot path meets them: remembered, and read on demand."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateway.accounts.directory import AccountRecord, KeyRecord
from gateway.accounts.loader import Loader
from gateway.accounts.outage import Outage
from gateway.accounts.remembered import ABSENT, ABSENT_FOR, PEPPER, Remembered
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import lookup
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.keys import PEPPER as PURPOSE

REMEMBER: Final = 100_000

_log = logging.getLogger(__name__)


class StoredAccounts:
    """For one event loop. The database is closed by whoever opened it, after this."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        now: Callable[[], float],
        remember: int = REMEMBER,
        *,
        absent: int = ABSENT,
        absent_for: float = ABSENT_FOR,
    ) -> None:
        """`remember` accounts are in memory; `absent` prefixes that are not there, for `absent_for` seconds."""
        self._database = database
        self._secrets = secrets
        self._now = now
        self._unknown_secrets: set[str] = set()
        self._outage = Outage(
            _log,
            "the directory's database cannot be asked: what is in memory stays in force, all else is refused with 503",
            "the directory's database answers again",
        )
        self.memory = Remembered(remember, now, absent, absent_for)
        self.keys: Loader[str, KeyRecord | None] = Loader(self._read_keys, self._outage)
        self.accounts: Loader[str, AccountRecord] = Loader(self._read_accounts, self._outage)

    def __repr__(self) -> str:
        return f"<StoredAccounts {self.memory!r}>"

    @property
    def available(self) -> bool:
        """Whether the last question had an answer."""
        return self._outage.over

    def pepper(self, name: str) -> bytes | None:
        """Of a key that came from here; None for any other."""
        secret = name.removeprefix(PEPPER)
        return self._secrets.key(PURPOSE, secret) if name != secret and secret in self._secrets else None

    def void(self, accounts: Collection[str]) -> None:
        """These have changed."""
        self.memory.void(accounts)
        self._part()

    def void_all(self) -> None:
        """Everything may have changed."""
        self.memory.void_all()
        self._part()

    async def close(self) -> None:
        await self.keys.close()
        await self.accounts.close()

    def _part(self) -> None:
        self.keys.part()
        self.accounts.part()

    async def _read_keys(self, prefixes: tuple[str, ...]) -> Mapping[str, KeyRecord | None]:
        with self.memory.reading() as since:
            work = functools.partial(lookup.read, prefixes=prefixes, ids=(), now=self._now())
            found = (await self._database.reading(work)).keys
            for row in found.values():
                self._check_secret(row.pepper)
            return {prefix: self.memory.keep_key(prefix, found.get(prefix), since) for prefix in prefixes}

    async def _read_accounts(self, accounts: tuple[str, ...]) -> Mapping[str, AccountRecord]:
        with self.memory.reading() as since:
            work = functools.partial(lookup.read_accounts, ids=accounts, now=self._now())
            found = await self._database.reading(work)
            return {account: self.memory.keep_account(account, found.get(account), since) for account in accounts}

    def _check_secret(self, secret: str) -> None:
        """A secret that is taken out of `tidegate.yaml` takes the keys that it made with it: that is not kept quiet."""
        if secret not in self._secrets and secret not in self._unknown_secrets:
            self._unknown_secrets.add(secret)
            _log.error(
                "keys that were made with the secret %r are refused: `directory.secrets` does not have it", secret
            )
