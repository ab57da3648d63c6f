"""A Redis stream that the workers of a fleet write and all of them read: sightings, refusals, escalations.

Who follows is told of entries late, twice, or again: after an outage a stretch is read again, because the server that
took over may have another clock, or not all that the one before it had. It must not mind.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisClusterException, RedisError

from gateway.tasks import is_cancelled

BATCH: Final = 500
"""Entries that are read at once: a few milliseconds of a loop that serves others as well."""
BLOCK: Final = 1.0
"""Seconds that a read waits at the end of the stream."""
GATHER: Final = 0.01
"""Seconds in which more gathers after something came: a read costs ten times what an entry costs."""
AGAIN: Final = 60.0
"""Seconds of the stream that are read again after an outage."""
FIRST_RETRY: Final = 0.25
LAST_RETRY: Final = 10.0

AWAY: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What redis-py raises where there is no answer that is worth anything."""


WRITE: Final = 2.0
"""Seconds for one batch."""

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Counted(Protocol):
    """Where failures are added up."""

    failures: int


class Outages:
    """What Redis did not answer when it was asked last: said in the log when that begins and when it ends."""

    def __init__(self, counts: Counted, log: logging.Logger, what: str, meanwhile: str) -> None:
        self._counts = counts
        self._log = log
        self._what = what
        self._meanwhile = meanwhile
        self._out: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._out)

    def began(self, done: str, error: BaseException) -> None:
        """`done` is a participle: told, followed."""
        self._counts.failures += 1
        if done not in self._out:
            self._out.add(done)
            said = str(error) or type(error).__name__
            self._log.warning("%s are not %s, %s: %s", self._what, done, self._meanwhile, said)

    def ended(self, done: str) -> None:
        """It was answered."""
        if done in self._out:
            self._out.remove(done)
            self._log.warning("%s are %s again", self._what, done)


async def follow(
    redis: Redis,
    stream: str,
    now: Callable[[], float],
    back: float,
    hear: Callable[[Mapping[Any, Any]], None],
    outages: Outages,
    caught_up: Callable[[], None] = lambda: None,
) -> None:
    """Hear every entry of the last `back` seconds and all that come, until cancelled; it never gives up.

    `now` gives Unix time in seconds. `hear` gets the fields as the client gives them (`texts` reads them) and
    raises nothing. `caught_up` is called whenever the end of the stream was reached.
    """
    after = _id(now() - back)
    retry = FIRST_RETRY
    behind = True
    while not is_cancelled():
        try:
            block = None if behind else int(BLOCK * 1000)
            # The bound is for redis-py, which tries long and silently to get a lost connection back.
            async with asyncio.timeout(BLOCK + 1.0):
                answer = await redis.xread({stream: after}, count=BATCH, block=block)
        except AWAY as error:
            outages.began("followed", error)
            after, behind = min(after, _id(now() - AGAIN), key=_id_order), True
            await asyncio.sleep(retry)
            retry = min(retry * 2, LAST_RETRY)
            continue
        retry = FIRST_RETRY
        outages.ended("followed")
        entries = _entries(answer)
        for entry, fields in entries:
            hear(fields)
            after = _text(entry)
        behind = len(entries) >= BATCH
        if not behind:
            caught_up()
        # A long stream is always ready to be read: others want the loop, too.
        await asyncio.sleep(0 if behind else GATHER)


async def tell(
    waiting: dict[KeyT, ValueT],
    wake: asyncio.Event,
    pause: float,
    most: int,
    write: Callable[[dict[KeyT, ValueT]], Awaitable[None]],
    outages: Outages,
) -> None:
    """Write what gathers in `waiting` when `wake` is set, in batches of `most`, until cancelled; it never gives up.

    `pause` is in seconds. What could not be written waits again, but for what is newer by now: some of it may be told
    twice, and whoever hears it must not mind.
    """
    retry = FIRST_RETRY
    while not is_cancelled():
        await wake.wait()
        await asyncio.sleep(pause)
        batch = {key: waiting.pop(key) for key in list(itertools.islice(waiting, most))}
        try:
            async with asyncio.timeout(WRITE):
                await write(batch)
        except AWAY as error:
            newer = batch | waiting
            waiting.clear()
            waiting.update(newer)
            outages.began("told", error)
            await asyncio.sleep(retry)
            retry = min(retry * 2, LAST_RETRY)
            continue
        retry = FIRST_RETRY
        outages.ended("told")
        if not waiting:
            wake.clear()


def texts(fields: Mapping[Any, Any]) -> dict[str, str]:
    """Of an entry. Raises UnicodeDecodeError (a ValueError): anybody may write into a stream."""
    return {_text(name): _text(value) for name, value in fields.items()}


def _entries(answer: Any) -> list[tuple[Any, Mapping[Any, Any]]]:
    """Of XREAD's answer: a list of streams by RESP2, a mapping by RESP3, nothing where nothing came."""
    if not answer:
        return []
    if isinstance(answer, Mapping):
        return [(entry, fields) for batches in answer.values() for batch in batches for entry, fields in batch]
    return [(entry, fields) for _, entries in answer for entry, fields in entries]


def _id(time: float) -> str:
    return f"{max(0, int(time * 1000))}-0"


def _id_order(entry: str) -> tuple[int, int]:
    time, _, number = entry.partition("-")
    return int(time), int(number or 0)


def _text(value: bytes | str) -> str:
    """What a client made with `decode_responses` gives, too."""
    return value.decode() if isinstance(value, bytes) else value
