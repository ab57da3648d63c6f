"""Networks of keys in the whole fleet: one Redis sorted set a key, and what a worker remembers of it.

`tg:networks:<digest of the subject>`   members by Unix time of the last use: `<network>|<first use, Unix time>`, and
                                        `<network>|+` where somebody has passed a challenge. It goes `REMEMBERED` after
                                        its last use.

A member's time only grows (ZADD GT), and the earliest first use of a network holds: so a worker may tell a thing twice,
late, and beside others, without a script or a lock. It asks once a (key, network), tells the use of a network every
`REFRESHED` seconds, and with each of both it reads the key's whole set.

While Redis is away what is remembered stays in force, and what is not is not known: `look` says so at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from gateway.feeds.networks import NETWORKS_AT_MOST, REFRESHED, Known, Subject, Use, join
from gateway.feeds.networks_memory import RecentNetworks
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY, Outages
from gateway.tasks import is_cancelled

PREFIX: Final = "tg:networks:"
"""Spelled as the keys in `gateway.stores.keys`, which feeds may not import."""
MEMBERS_AT_MOST: Final = 2 * NETWORKS_AT_MOST
"""Of one sorted set: a network may have several. Those that were used longest ago go."""
BATCH: Final = 64
"""Subjects in one round trip: some milliseconds of a loop that serves others as well."""
PATIENCE: Final = 0.1
"""Seconds that an exchange waits for an answer."""
DEADLINE: Final = 1.0
"""Seconds after which Redis is away."""
WAITING_AT_MOST: Final = 20_000
"""Subjects that wait for Redis."""
STALE: Final = 2 * REFRESHED
"""Seconds after which a key that was not used here is looked up again."""
RENEWED: Final = 10.0
"""Seconds within which `renew` does nothing."""
AHEAD: Final = 300.0
"""Seconds that a time may be ahead of our clock. One from further in the future would stay the latest for ever."""
VOUCHED: Final = "+"

_NETWORK: Final = re.compile(r"[A-Za-z0-9.:/]{1,64}")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the worker began."""

    looked: int = 0
    """Keys that were asked for."""
    told: int = 0
    """Uses that were written."""
    unanswered: int = 0
    """Exchanges that were judged without what the fleet knows: it gave no answer, or not in time."""
    dropped: int = 0
    """Uses that found the queue full: other workers do not know of them."""
    unreadable: int = 0
    """Members that made no sense, and keys that are something else."""
    failures: int = 0
    """Calls that Redis did not answer."""


class FleetNetworks(RecentNetworks):
    """As `Networks`, of the whole fleet while `run` runs. `now` gives Unix time in seconds."""

    def __init__(self, now: Callable[[], float], **bounds: Any) -> None:
        super().__init__(now, **bounds)
        self.counts = Counts()
        self._outages = Outages(self.counts, _log, "networks", "what is remembered here counts")
        self._to_tell: dict[Subject, dict[str, Use]] = {}
        """What Redis is to be told of a subject; empty where it is asked alone."""
        self._waiting: dict[Subject, list[tuple[str, asyncio.Future[Known | None]]]] = {}
        self._wake = asyncio.Event()
        self._running = False

    @property
    def available(self) -> bool:
        """Whether the last that was heard of Redis were answers."""
        return self._running and not self._outages

    def of(self, subject: Subject, network: str) -> Known | None:
        known = self._find(subject)
        if known is None or known.looked < 0:
            if not self.available:
                self.counts.unanswered += 1
            return None
        if not self.available:
            return known
        fresh = self._now() - known.looked < STALE
        return known if fresh and (network in known.uses or network in known.asked) else None

    async def look(self, subject: Subject, network: str) -> Known | None:
        if not self.available:
            self.counts.unanswered += 1
            return None
        answer: asyncio.Future[Known | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, []).append((network, answer))
        self._ask(subject)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await answer
        except TimeoutError:
            found = None
        if found is None:
            self.counts.unanswered += 1
        return found

    def renew(self, subject: Subject) -> None:
        known = self._find(subject)
        if known is not None and self.available and self._now() - known.looked >= RENEWED:
            self._ask(subject)

    def _learnt(self, subject: Subject, network: str, use: Use) -> None:
        uses = self._ask(subject)
        if uses is not None:
            uses[network] = use

    def _ask(self, subject: Subject) -> dict[str, Use] | None:
        """What will be told with it; None where the queue is full."""
        uses = self._to_tell.get(subject)
        if uses is None:
            if len(self._to_tell) >= WAITING_AT_MOST and subject not in self._waiting:
                self.counts.dropped += 1
                return None
            uses = self._to_tell[subject] = {}
        self._wake.set()
        return uses

    async def run(self, redis: Redis) -> None:
        """Ask and tell until cancelled; it never gives up. The client is the caller's to close."""
        self._running = True
        retry = FIRST_RETRY
        try:
            while not is_cancelled():
                batch = self._next()
                if not batch and not self._outages:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                try:
                    async with asyncio.timeout(DEADLINE):
                        answers = await self._exchange(redis, batch)
                except AWAY as error:
                    self._put_back(batch)
                    self._outages.began("asked", error)
                    await asyncio.sleep(retry)
                    retry = min(retry * 2, LAST_RETRY)
                    continue
                retry = FIRST_RETRY
                self._outages.ended("asked")
                for (subject, uses), answer in zip(batch, answers, strict=True):
                    self._hear(subject, uses, answer)
        finally:
            self._running = False
            self._give_up(list(self._waiting))

    def _next(self) -> list[tuple[Subject, dict[str, Use]]]:
        """What goes in one round trip: those first for whom an exchange waits."""
        wanted = itertools.chain((one for one in self._waiting if one in self._to_tell), self._to_tell)
        chosen = list(dict.fromkeys(itertools.islice(wanted, BATCH)))
        return [(subject, self._to_tell.pop(subject)) for subject in chosen]

    async def _exchange(self, redis: Redis, batch: list[tuple[Subject, dict[str, Use]]]) -> list[Any]:
        """The whole set of each, or what is wrong with its key. Raises what AWAY names."""
        ends = []
        async with redis.pipeline(transaction=False) as pipeline:
            for subject, uses in batch:
                key = key_of(subject)
                if uses:
                    pipeline.zadd(key, _members(uses), gt=True)
                    pipeline.expire(key, int(self._remembered))
                    known = self._find(subject)
                    if known is None or known.members >= MEMBERS_AT_MOST:
                        pipeline.zremrangebyrank(key, 0, -MEMBERS_AT_MOST - 1)
                pipeline.zrange(key, 0, -1, withscores=True)
                ends.append(len(pipeline))
            if not batch:
                # After an outage, where nothing waits: to see whether it is over.
                pipeline.exists(PREFIX)
            answers = await pipeline.execute(raise_on_error=False)
        wrong = next((one for one in answers if isinstance(one, Exception) and not _is_wrong_type(one)), None)
        if wrong is not None:
            raise wrong
        return [answers[end - 1] for end in ends]

    def _put_back(self, batch: Iterable[tuple[Subject, dict[str, Use]]]) -> None:
        """To be told again: some may have been written, which does no harm. Nobody waits for it any more."""
        for subject, uses in batch:
            if uses:
                newer = self._to_tell.get(subject, {})
                self._to_tell[subject] = {**uses, **newer}
            elif subject in self._to_tell and not self._to_tell[subject]:
                del self._to_tell[subject]
        self._give_up(list(self._waiting))

    def _give_up(self, subjects: Iterable[Subject]) -> None:
        for subject in subjects:
            for _, answer in self._waiting.pop(subject, ()):
                if not answer.done():
                    answer.set_result(None)

    def _hear(self, subject: Subject, told: dict[str, Use], answer: Any) -> None:
        if isinstance(answer, Exception):
            self.counts.unreadable += 1
            self._give_up([subject])
            return
        self.counts.looked += 1
        self.counts.told += len(told)
        known = self._know(subject)
        self._learn(known, self._read(answer))
        known.looked = self._now()
        known.members = len(answer)
        if len(known.asked) > NETWORKS_AT_MOST:
            known.asked.clear()
        for network, waits in self._waiting.pop(subject, ()):
            known.asked.add(network)
            if not waits.done():
                waits.set_result(known)

    def _read(self, answer: Any) -> dict[str, Use]:
        """Anybody may write into a sorted set: what makes no sense is passed over."""
        latest = self._now() + AHEAD
        uses: dict[str, Use] = {}
        vouched: dict[str, float] = {}
        for member, score in answer:
            text = member.decode(errors="replace") if isinstance(member, bytes) else member
            network, _, first = text.rpartition("|")
            last = float(score)
            if not _NETWORK.fullmatch(network) or not 0 <= last <= latest:
                self.counts.unreadable += 1
            elif first == VOUCHED:
                vouched[network] = last
            elif not first.isdecimal() or len(first) > 12 or int(first) > last + 1:
                self.counts.unreadable += 1
            else:
                use = Use(float(first), last)
                uses[network] = join(uses.get(network, use), use)
        for network, last in vouched.items():
            use = uses.get(network, Use(last, last))
            uses[network] = join(use, Use(use.first, last, vouched=True))
        return uses


def key_of(subject: Subject) -> str:
    """A digest: ids of accounts come from tokens, too, and may hold anything."""
    text = "\0".join(subject).encode("utf-8", "surrogatepass")
    return PREFIX + hashlib.blake2b(text, digest_size=16).hexdigest()


def _members(uses: dict[str, Use]) -> dict[Any, float]:
    members: dict[Any, float] = {}
    for network, use in uses.items():
        members[f"{network}|{math.floor(use.first)}"] = round(use.last, 3)
        if use.vouched:
            members[f"{network}|{VOUCHED}"] = round(use.last, 3)
    return members


def _is_wrong_type(error: Exception) -> bool:
    """Somebody has put something else there: that is no outage."""
    return str(error).startswith("WRONGTYPE")
