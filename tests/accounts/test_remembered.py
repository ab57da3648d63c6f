"""Whatever happens in whatever order: what is current is what the database says, but for changes not heard yet."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.accounts.directory import AccountRecord, Cell, KeyRecord
from gateway.accounts.remembered import Remembered, Since
from gateway.accounts.sql.lookup import AccountRow, KeyRow
from gateway.policy import NO_PROFILE
from gateway.testing import Clock

ACCOUNTS: Final = st.sampled_from([f"account-{number}" for number in range(6)])
FOREVER: Final = float("inf")


class Worker(RuleBasedStateMachine):
    """A database in which each account's tier counts its changes, and a memory that is too small for all of them."""

    readings = Bundle("readings")

    def __init__(self) -> None:
        super().__init__()
        self.memory = Remembered(2, Clock())
        self.database: dict[str, int] = {}
        self.unheard: list[str] = []
        self.held: list[tuple[str, str, Cell]] = []
        self.open = ExitStack()

    def row(self, account: str) -> AccountRow | None:
        tier = self.database.get(account)
        return None if tier is None else AccountRow(account, "", f"t{tier}", False, NO_PROFILE, FOREVER)

    @rule(account=ACCOUNTS)
    def change(self, account: str) -> None:
        self.database[account] = self.database.get(account, 0) + 1
        self.unheard.append(account)

    @rule()
    def hear(self) -> None:
        if self.unheard:
            self.memory.void([self.unheard.pop(0)])

    @rule()
    def hear_that_all_has_changed(self) -> None:
        self.unheard.clear()
        self.memory.void_all()

    @rule(target=readings, account=ACCOUNTS)
    def begin(self, account: str) -> tuple[str, AccountRow | None, Since]:
        reading = self.memory.reading()
        return account, self.row(account), self.open.enter_context(reading)

    @rule(reading=consumes(readings), key=st.booleans())
    def finish(self, reading: tuple[str, AccountRow | None, Since], key: bool) -> None:
        account, row, since = reading
        record: KeyRecord | AccountRecord | None
        if key:
            found = None if row is None else _key(row)
            record = self.memory.keep_key(account, found, since)
        else:
            record = self.memory.keep_account(account, row, since)
        if record is not None:
            self.held.append((account, _tier(record), record.cell))

    @invariant()
    def what_is_current_is_true(self) -> None:
        for account, tier, cell in self.held:
            assert not cell.current or tier == self.tier(account) or account in self.unheard

    @invariant()
    def what_is_remembered_is_true(self) -> None:
        for account in {*self.database, *(name for name, _, _ in self.held)} - {*self.unheard}:
            known, key = self.memory.account(account), self.memory.key(account)
            assert not isinstance(known, AccountRecord) or _tier(known) == self.tier(account)
            assert not isinstance(key, KeyRecord) or _tier(key) == self.tier(account)
            assert key is not None or account not in self.database

    def tier(self, account: str) -> str:
        row = self.row(account)
        return "" if row is None else row.tier

    def teardown(self) -> None:
        self.open.close()


def _key(row: AccountRow) -> KeyRow:
    return KeyRow(row.id, row, b"d" * 32, "s1", frozenset(), frozenset(), None, False)


def _tier(record: KeyRecord | AccountRecord) -> str:
    return "" if record.principal is None else record.principal.tier


Worker.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestWorker = Worker.TestCase
