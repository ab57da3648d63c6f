"""Who was active in which hour, for two weeks: what an analyst's timeline is drawn from."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np

from gateway.detect.batch import Ints

HOUR: Final = 3600.0
HOURS: Final = 14 * 24
AT_MOST: Final = 1 << 22
"""Rows (account and hour) that are kept: 32 MB. In more traffic the timeline reaches back less far."""


class Hours:
    def __init__(self) -> None:
        self._past: deque[tuple[float, Ints, Ints]] = deque()
        """(Unix time, accounts, exchanges)."""
        self._rows = 0
        self._hour = 0.0
        self._now: list[Ints] = []

    def hear(self, accounts: Ints, times: Ints) -> None:
        hour = float(times[-1] // HOUR * HOUR)
        if hour > self._hour:
            self._close()
            self._hour = hour
        self._now.append(accounts)
        if len(self._now) > 256:
            self._now = [np.concatenate(self._now)]

    def _close(self) -> None:
        if self._now:
            accounts, counts = np.unique(np.concatenate(self._now), return_counts=True)
            self._past.append((self._hour, accounts.astype(np.int32), counts.astype(np.int32)))
            self._rows += len(accounts)
            self._now = []
        while self._past and (self._rows > AT_MOST or self._past[0][0] < self._hour - HOURS * HOUR):
            self._rows -= len(self._past.popleft()[1])

    def of(self, member: Ints) -> tuple[tuple[float, int, int], ...]:
        """(Unix time of an hour, exchanges, accounts active in it); `member`: a mask by row of account."""
        lines = []
        for at, accounts, counts in [*self._past, *self._current()]:
            inside = member[accounts]
            if inside.any():
                lines.append((at, int(counts[inside].sum()), int(inside.sum())))
        return tuple(lines)

    def _current(self) -> list[tuple[float, Ints, Ints]]:
        if not self._now:
            return []
        accounts, counts = np.unique(np.concatenate(self._now), return_counts=True)
        return [(self._hour, accounts, counts)]

    def free(self, freed: Ints) -> None:
        kept = deque[tuple[float, Ints, Ints]]()
        for at, accounts, counts in self._past:
            stays = ~np.isin(accounts, freed)
            kept.append((at, accounts[stays], counts[stays]))
        self._past = kept
        self._now = [accounts[~np.isin(accounts, freed)] for accounts in self._now]
        self._rows = sum(len(accounts) for _, accounts, _ in kept)

    @property
    def bytes(self) -> int:
        return 8 * self._rows

    def save(self) -> dict[str, Any]:
        past = [*self._past, *self._current()]
        if not past:
            return {
                "hours.at": np.empty(0),
                "hours.account": np.empty(0, np.int32),
                "hours.count": np.empty(0, np.int32),
            }
        return {
            "hours.at": np.concatenate([np.full(len(accounts), at) for at, accounts, _ in past]),
            "hours.account": np.concatenate([accounts for _, accounts, _ in past]).astype(np.int32),
            "hours.count": np.concatenate([counts for _, _, counts in past]).astype(np.int32),
        }

    def load(self, arrays: dict[str, Any]) -> None:
        times, accounts, counts = (arrays[f"hours.{name}"] for name in ("at", "account", "count"))
        hours = np.unique(times)
        self._past = deque((float(at), accounts[times == at], counts[times == at]) for at in hours[:-1])
        self._hour = float(hours[-1]) if len(hours) else 0.0
        last = times == self._hour
        # The hour that was not over goes on: exchange by exchange.
        self._now = [np.repeat(accounts[last], counts[last])] if last.any() else []
        self._rows = sum(len(rows) for _, rows, _ in self._past)
