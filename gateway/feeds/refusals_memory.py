"""Refusals in this process: bounded in accounts and in time.

Each worker states what it has counted of an account in a slot so far, so it does not matter in which order, or how
often, that is heard: the highest number holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.feeds.refusals import REMEMBERED, SLOT

ACCOUNTS_AT_MOST: Final = 20_000
HERE: Final = ""
"""This worker."""


class Slots:
    """What is known of one account."""

    __slots__ = ("by_worker", "sums")

    def __init__(self) -> None:
        self.by_worker: dict[tuple[int, str], int] = {}
        """(slot, worker) -> its count so far."""
        self.sums: dict[int, int] = {}
        """Slot -> of all workers."""

    def raise_to(self, slot: int, worker: str, count: int) -> bool:
        """Whether that was news."""
        before = self.by_worker.get((slot, worker), 0)
        if count <= before:
            return False
        self.by_worker[slot, worker] = count
        self.sums[slot] = self.sums.get(slot, 0) + count - before
        return True

    def forget(self, oldest: int) -> None:
        """All slots before that one."""
        self.by_worker = {key: count for key, count in self.by_worker.items() if key[0] >= oldest}
        self.sums = {slot: count for slot, count in self.sums.items() if slot >= oldest}


def slot_of(time: float) -> int:
    return int(time // SLOT)


class RecentRefusals:
    """As `Refusals`. `now` gives Unix time in seconds."""

    def __init__(self, now: Callable[[], float], *, accounts: int = ACCOUNTS_AT_MOST) -> None:
        self._now = now
        self._most_accounts = accounts
        self._accounts: dict[str, Slots] = {}
        """Whose last new slot is oldest stands first."""
        self._last = ""
        """The exchange that was noted last."""
        self._aside: RecentRefusals | None = None

    @property
    def accounts(self) -> Mapping[str, object]:
        return self._accounts

    @property
    def aside(self) -> RecentRefusals:
        if self._aside is None:
            self._aside = RecentRefusals(self._now)
        return self._aside

    def of(self, account: str, within: float, now: float) -> int:
        slots = self._accounts.get(account)
        if slots is None:
            return 0
        last = slot_of(now)
        # The slot in which the span begins is left out: what is uncertain speaks for the account.
        first = slot_of(now - within) + 1
        count = sum([count for slot, count in slots.sums.items() if first <= slot <= last])
        if not count and max(slots.sums, default=0) < slot_of(self._now() - REMEMBERED):
            del self._accounts[account]
        return count

    def note(self, account: str, exchange: str, now: float) -> None:
        if exchange == self._last:
            return
        self._last = exchange
        slot = slot_of(now)
        slots = self._accounts.get(account)
        count = slots.by_worker.get((slot, HERE), 0) + 1 if slots is not None else 1
        if self.learn(account, slot, HERE, count):
            self._learnt(account, slot, count)

    def learn(self, account: str, slot: int, worker: str, count: int) -> bool:
        """Take in what a worker has counted so far; whether it was news. In any order, as often as it comes."""
        oldest = slot_of(self._now() - REMEMBERED)
        if slot < oldest:
            return False
        slots = self._accounts.get(account)
        if slots is None:
            self._make_room(oldest)
            slots = self._accounts[account] = Slots()
        elif slot not in slots.sums:
            slots.forget(oldest)
            self._accounts[account] = self._accounts.pop(account)
        return slots.raise_to(slot, worker, count)

    def _learnt(self, account: str, slot: int, count: int) -> None:
        """Something was counted here. For those who tell others."""

    def _make_room(self, oldest: int) -> None:
        """For one more. Those that were refused longest ago stand first."""
        accounts = self._accounts
        while accounts:
            account = next(iter(accounts))
            if len(accounts) < self._most_accounts and max(accounts[account].sums, default=oldest) >= oldest:
                return
            del accounts[account]
