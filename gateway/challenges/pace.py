"""How often answers may come: a bucket for each name, in this worker's memory. Asked before anything that costs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

REMEMBERED: Final = 10_000
"""Names at once. Beyond them the one that was seen longest ago is forgotten."""


class Pace:
    """`times` at once, and as many again every `every` seconds."""

    def __init__(self, times: int, every: float, now: Callable[[], float]) -> None:
        self._times = times
        self._every = every
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """0 where it may be done, and it counts; otherwise the seconds until it may."""
        now = self._now()
        level, seen = self._levels.pop(name, (float(self._times), now))
        level = min(float(self._times), level + max(0.0, now - seen) * self._times / self._every)
        granted = level >= 1.0
        self._levels[name] = (level - 1.0 if granted else level, now)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return 0.0 if granted else (1.0 - level) * self._every / self._times
