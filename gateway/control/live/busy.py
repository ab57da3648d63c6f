"""Who used what in the last minutes: the accounts that eat the capacity.

Sums come from the workers each second, of every exchange. While a slot of time is open all accounts are in it; when it
is closed, those that are among the largest by any measure stay, and of all others only the sum. So who is told has used
at least what is told, and at most `error` more; a slot that had no more than KEPT accounts adds no error.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.partitions import MILLION, Price, price_of

By = Literal["requests", "tokens", "refusals", "spend"]
MEASURES: Final[tuple[By, ...]] = ("requests", "refusals", "tokens", "spend")
"""In the order of a row."""
KEPT: Final = 500
"""Accounts by each measure in a closed slot."""
FINE: Final = 10
"""Seconds of a slot of the last six minutes."""
COARSE: Final = 60
"""As that, of the hour."""
OPEN_AT_MOST: Final = 200_000
"""Accounts in an open slot; those beyond are of the rest."""

Row = list[float]
Prices = Callable[[], Mapping[str, Price]]


def unpriced() -> Mapping[str, Price]:
    """Where there is no price table nothing has a price."""
    return {}


@dataclass(slots=True)
class Slot:
    """Some seconds."""

    number: int
    """Unix time divided by the slot's seconds."""
    accounts: dict[str, Row] = field(default_factory=dict)
    total: Row = field(default_factory=lambda: [0.0] * len(MEASURES))
    error: Row = field(default_factory=lambda: [0.0] * len(MEASURES))
    """What an account that is not told may have used at most, by measure."""

    def close(self) -> None:
        """Keep the largest."""
        accounts = self.accounts
        if len(accounts) <= KEPT:
            return
        kept: set[str] = set()
        for index in range(len(MEASURES)):
            # One more than is kept: what it has is the most that anybody who goes has.
            top = heapq.nlargest(KEPT + 1, ((row[index], account) for account, row in accounts.items()))
            kept.update(account for value, account in top[:KEPT] if value > 0)
            self.error[index] = max(self.error[index], top[KEPT][0])
        self.accounts = {account: accounts[account] for account in kept}


class Busy:
    """The last hour. One thread, one clock."""

    def __init__(self, prices: Prices = unpriced) -> None:
        self._prices = prices
        self._fine: deque[Slot] = deque(maxlen=6 * 6 + 1)
        self._coarse: deque[Slot] = deque(maxlen=61)

    def add(self, rows: Iterable[Sequence[Any]], now: float) -> None:
        """Sums of workers (`gateway.telemetry.sums`) of the last second."""
        fine, coarse = _slot(self._fine, int(now // FINE)), _slot(self._coarse, int(now // COARSE))
        prices = self._prices()
        for account, _, model, requests, refused, input_, output, cached, creation in rows:
            spend = 0.0
            if prices:
                of_input, of_cached, of_creation, of_output = price_of(prices, model)
                spend = input_ * of_input + cached * of_cached + creation * of_creation + output * of_output
            row = (requests, refused, input_ + output + cached + creation, spend / MILLION)
            for slot in (fine, coarse):
                _add(slot, account, row)

    @property
    def priced(self) -> bool:
        return bool(self._prices())

    def told(self, by: By, minutes: int, limit: int, now: float) -> dict[str, Any]:
        """The accounts that used most in about the last so many minutes, the largest first."""
        step, ring = (FINE, self._fine) if minutes <= 5 else (COARSE, self._coarse)
        oldest = int((now - minutes * 60) // step)
        slots = [slot for slot in ring if slot.number > oldest]
        accounts: dict[str, Row] = {}
        total = [0.0] * len(MEASURES)
        error = [0.0] * len(MEASURES)
        for slot in slots:
            for index in range(len(MEASURES)):
                total[index] += slot.total[index]
                error[index] += slot.error[index]
            for account, row in slot.accounts.items():
                known = accounts.get(account)
                if known is None:
                    accounts[account] = list(row)
                else:
                    for index, value in enumerate(row):
                        known[index] += value
        at = MEASURES.index(by)
        ranked = heapq.nlargest(limit, accounts.items(), key=lambda item: (item[1][at], item[0]))
        return {
            "by": by,
            "minutes": minutes,
            "since": min((slot.number * step for slot in slots), default=now),
            "until": now,
            "total": _named(total),
            "error": error[at],
            "priced": self.priced,
            "accounts": [
                {"account": account, **_named(row), "share": row[at] / total[at] if total[at] else 0.0}
                for account, row in ranked
                if row[at] > 0
            ],
        }


def _slot(ring: deque[Slot], number: int) -> Slot:
    """The open one. A clock that was put back goes on in the one that is open."""
    if not ring or ring[-1].number < number:
        if ring:
            ring[-1].close()
        ring.append(Slot(number))
    return ring[-1]


def _add(slot: Slot, account: str, row: Sequence[float]) -> None:
    total = slot.total
    for index, value in enumerate(row):
        total[index] += value
    if not account:
        return
    known = slot.accounts.get(account)
    if known is not None:
        for index, value in enumerate(row):
            known[index] += value
    elif len(slot.accounts) < OPEN_AT_MOST:
        slot.accounts[account] = list(row)
    else:
        for index, value in enumerate(row):
            slot.error[index] += value


def _named(row: Sequence[float]) -> dict[str, float]:
    return {
        "requests": int(row[0]),
        "refusals": int(row[1]),
        "tokens": int(row[2]),
        "spend": round(row[3], 6),
    }
