"""Events in the order of their time, whatever small disorder their file has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from gateway.campaigns.event import Event

WINDOW: Final = 300.0
"""Seconds: a log is written when exchanges end, and its times are those at which they began."""

_time = attrgetter("time")


class OutOfOrderError(ValueError):
    """A row that is older than what has been gone through already."""


def in_order(batches: Iterable[list[Event]], window: float = WINDOW) -> Iterator[list[Event]]:
    """The same events by their time; those of one time as in the file. Holds those of `window` seconds.

    Raises OutOfOrderError where one comes later than that.
    """
    held: list[Event] = []
    done = newest = float("-inf")
    for batch in batches:
        if not batch:
            continue
        oldest = min(batch, key=_time)
        if oldest.time < done:
            raise OutOfOrderError(
                f"exchange {oldest.exchange or 'without id'} is {newest - oldest.time:,.0f} s older than one before it"
                f" in the file, and more than {window:,.0f} s are not waited for: sort the file by time, or widen"
                " --window (events of that time are held in memory)"
            )
        batch.sort(key=_time)
        newest = max(newest, batch[-1].time)
        late = bool(held) and batch[0].time < held[-1].time
        held += batch
        if late:
            held.sort(key=_time)
        done = newest - window
        cut = bisect_left(held, done, key=_time)
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held
