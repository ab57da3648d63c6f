"""Exchanges as they stand in the stream of a fleet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gateway.campaigns.event import Event
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, VERSION, pack
from gateway.detect.observations import STREAM


def observed(now: float, count: int, accounts: int, prefix: str = "account", system: int = 1) -> list[Event]:
    """So many, of accounts in turn, all with one system prompt."""
    sketch = np.array([system, system + 7, system + 31], np.uint64)
    return [
        Event(f"{prefix}-x{number}", now, f"{prefix}-{number % accounts}", model="m-large", system=sketch, status=200)
        for number in range(count)
    ]


async def tell(redis: Any, events: Sequence[Event], size: int = 256) -> None:
    """As a sketcher does."""
    for batch in _batches(events, size):
        await redis.xadd(STREAM, {FIELD_VERSION: VERSION, FIELD_EVENTS: pack(batch)})


def _batches(events: Sequence[Event], size: int) -> Iterator[list[Event]]:
    waiting = iter(events)
    while batch := list(itertools.islice(waiting, size)):
        yield batch
