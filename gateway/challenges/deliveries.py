"""Brings notices from the fleet's stream to the operator's receiver: each by one worker at a time, at least once.

`tg:notices`   stream: one entry a notice. Its fields: i id, b body, u Unix time after which nobody wants it (0: none)

The workers are one consumer group. An entry that was read is some worker's until its pause is over; then whoever looks
takes it again, and so what a worker had that died. What is delivered, or given up, is deleted: the stream holds what
is still to be done. It is one key, so it has a slot of a Redis Cluster to itself. (Redis 7 or later: what was trimmed
is forgotten by the group when it is claimed.)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
from redis.exceptions import ResponseError
from yarl import URL

from gateway.accounts.outage import Outage, said
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY
from gateway.tasks import is_cancelled, spawn

log = logging.getLogger(__name__)

STREAM: Final = "tg:notices"
GROUP: Final = "workers"
CONSUMER: Final = "worker"
"""One name for all: what belongs to whom is told by time alone, and no name of a dead worker stays."""

TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0, sock_connect=5.0)
AT_ONCE: Final = 4
"""Requests of one worker."""
PAUSES: Final = (15.0, 60.0, 300.0, 1_800.0, 7_200.0)
"""Seconds before the second and each later attempt; the last stays. The first is longer than a request may take."""
GIVEN_UP: Final = 86_400.0
"""Seconds after which a notice that could not be delivered is dropped."""
BLOCK: Final = 1.0
"""Seconds for which a worker waits for news; so often it looks for what is due again."""
LOOKED_AT: Final = 100
"""Entries that are looked at at once for whether they are due."""
LAST_REST: Final = 30.0
"""A receiver that fails is left alone for so many seconds at most."""
SHORTEST_SECRET: Final = 16


class Entry(NamedTuple):
    """Of the stream."""

    name: str
    id: str
    body: bytes
    until: float


class Deliveries:
    """One for a process: `run` until cancelled, then `close`."""

    def __init__(self, redis: Any, url: str, secret: bytes, now: Callable[[], float], counts: Counter[str]) -> None:
        """`counts` gets delivered; failed (attempts); stale (nobody wanted it any more); refused (410, or an entry that
        nobody can read); dropped (a day has passed).
        """
        self._redis = redis
        self._url = URL(url)
        self._secret = secret
        self._now = now
        self._counts = counts
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._rest = 0.0
        self._looked_from = "-"
        self._redis_out = Outage(log, "notices cannot be fetched, they wait", "notices are fetched again")
        self._receiver_out = Outage(log, "the receiver of notices does not take them", "notices are delivered again")

    async def run(self) -> None:
        """It never gives up."""
        retry = FIRST_RETRY
        try:
            while not is_cancelled():
                await self._room()
                try:
                    entries = await self._take(1 if self._rest else AT_ONCE - len(self._running))
                except AWAY as error:
                    if isinstance(error, ResponseError) and "NOGROUP" in str(error) and await self._found():
                        continue
                    self._redis_out.begins(said(error))
                    await asyncio.sleep(retry)
                    retry = min(retry * 2, LAST_RETRY)
                    continue
                retry = FIRST_RETRY
                self._redis_out.ends()
                for entry in entries:
                    task = spawn(self._deliver(entry), name="a notice")
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
        finally:
            # What is under way is somebody's again when its pause is over.
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _room(self) -> None:
        while len(self._running) >= AT_ONCE or (self._rest and self._running):
            await asyncio.wait(list(self._running), return_when=asyncio.FIRST_COMPLETED)
        if self._rest:
            await asyncio.sleep(self._rest)

    async def _found(self) -> bool:
        """The group is made by whoever comes first, and again where Redis has lost it."""
        try:
            async with asyncio.timeout(BLOCK):
                await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            return "BUSYGROUP" in str(error)
        except AWAY:
            return False
        return True

    async def _take(self, room: int) -> list[Entry]:
        """What is due again, and what is new: that waits for a moment."""
        async with asyncio.timeout(2 * BLOCK + 1.0):
            again = await self._due(room)
            room -= len(again)
            if not room:
                return again
            block = None if again else int(BLOCK * 1000)
            new = await self._redis.xreadgroup(GROUP, CONSUMER, {STREAM: ">"}, count=room, block=block)
            return again + await self._read(_batch(new))

    async def _due(self, room: int) -> list[Entry]:
        pending = await self._redis.xpending_range(
            STREAM, GROUP, min=self._looked_from, max="+", count=LOOKED_AT, idle=int(PAUSES[0] * 1000)
        )
        # The next look goes on where this one ends: what is not due must not hide what is.
        whole = len(pending) < LOOKED_AT
        self._looked_from = "-" if whole else f"({_text(pending[-1]['message_id'])}"
        claimed: list[Entry] = []
        for one in pending:
            pause = PAUSES[min(one["times_delivered"], len(PAUSES)) - 1]
            if one["time_since_delivered"] < pause * 1000:
                continue
            if len(claimed) >= room:
                self._looked_from = _text(one["message_id"])
                break
            # It is ours only if nobody was faster: for them it is not idle any more.
            took = await self._redis.xclaim(STREAM, GROUP, CONSUMER, int(pause * 1000), [one["message_id"]])
            claimed += await self._read(took)
        return claimed

    async def _read(self, entries: list[tuple[Any, Mapping[Any, Any] | None]]) -> list[Entry]:
        found = []
        for name, fields in entries:
            try:
                found.append(_entry(name, fields))
            except (KeyError, ValueError, TypeError):
                self._counts["refused"] += 1
                await self._done(_text(name))
        return found

    async def _deliver(self, entry: Entry) -> None:
        now = self._now()
        outcome = "delivered"
        if entry.until and entry.until <= now:
            outcome = "stale"
        elif _written(entry.name) <= now - GIVEN_UP:
            outcome = "dropped"
            log.warning("notice %s could not be delivered within a day", entry.id)
        else:
            problem = await self._send(entry, now)
            if problem == "410":
                outcome = "refused"
            elif problem:
                self._counts["failed"] += 1
                self._receiver_out.begins(problem)
                self._rest = min(max(1.0, 2 * self._rest), LAST_REST)
                return
            else:
                self._rest = 0.0
                self._receiver_out.ends()
        try:
            async with asyncio.timeout(BLOCK):
                await self._done(entry.name)
        except AWAY as error:
            # It comes again, with the same id.
            self._redis_out.begins(said(error))
        self._counts[outcome] += 1

    async def _send(self, entry: Entry, now: float) -> str:
        """What went wrong; empty where it was taken. Redirects are not followed: it goes where the operator said."""
        fields = headers(self._secret, entry.id, int(now), entry.body)
        try:
            async with self._open().post(self._url, data=entry.body, headers=fields, allow_redirects=False) as answer:
                # Its content is not read: it says nothing that matters here.
                return "" if 200 <= answer.status < 300 else str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            return type(problem).__name__

    async def _done(self, name: str) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xack(STREAM, GROUP, name)
            pipeline.xdel(STREAM, name)
            await pipeline.execute()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=AT_ONCE),
                auto_decompress=False,
            )
        return self._session


def headers(secret: bytes, name: str, now: int, body: bytes) -> dict[str, str]:
    """Standard Webhooks 1.0.0, "Signature scheme" and "Webhook headers": HMAC-SHA256 of `id.timestamp.body`. The time
    is that of the attempt.
    """
    digest = hmac.digest(secret, b"%s.%d.%s" % (name.encode(), now, body), "sha256")
    return {
        "Content-Type": "application/json",
        "User-Agent": "tidegate",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def secret_of(text: str) -> bytes:
    """As receivers' libraries read it: `whsec_` and base64, or the text itself. Raises ValueError."""
    if not text.startswith("whsec_"):
        secret = text.encode()
    else:
        try:
            secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ValueError("what follows `whsec_` must be base64") from error
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} bytes")
    return secret


def _entry(name: Any, fields: Mapping[Any, Any] | None) -> Entry:
    """Raises KeyError, ValueError or TypeError where it is not what `Notices` writes: anybody may write there."""
    said = {_text(key): value for key, value in (fields or {}).items()}
    body = said["b"]
    body = body if isinstance(body, bytes) else body.encode()
    return Entry(_text(name), _text(said["i"]), body, float(_text(said["u"])))


def _batch(answer: Any) -> list[tuple[Any, Mapping[Any, Any] | None]]:
    """Of XREADGROUP's answer: a list of streams by RESP2, a mapping by RESP3, nothing where nothing came."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, Mapping) else [entries for _, entries in answer]
    found: list[tuple[Any, Mapping[Any, Any] | None]] = []
    for entries in streams:
        # By RESP3 a stream's entries come in a list of their own.
        nested = bool(entries) and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], tuple)
        found += [one for batch in entries for one in batch] if nested else list(entries)
    return found


def _written(name: str) -> float:
    """Unix time at which an entry was written, by the server's clock."""
    return int(name.partition("-")[0]) / 1000


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
