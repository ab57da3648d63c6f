"""What the operator is told, so that the owner of an account can be asked: challenges put and passed, and accounts that
have to verify or are under review.

A webhook by the Standard Webhooks specification, 1.0.0 (github.com/standard-webhooks/standard-webhooks):

    {"type": "challenge.asked", "timestamp": "2026-03-01T10:00:00Z",
     "data": {"account", "rule", "step", "challenge_id", "challenge_url", "expires_at", "kinds"}}

`type` is challenge.asked, challenge.passed, account.verify or account.review. What says nothing is null, or empty:
`account.verify` and `account.review` have no challenge. Callers without an account have nobody to be told of, and their
address is told to nobody.

What a worker notes waits in memory for Redis, in Redis for the receiver (`gateway.challenges.deliveries`), both with a
bound; what finds no room is counted. `told` never waits, and nothing that goes wrong here reaches who called it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from gateway.accounts.outage import Outage, said
from gateway.challenges import addresses
from gateway.challenges.answers import kinds
from gateway.challenges.deliveries import STREAM, Deliveries
from gateway.challenges.interface import Changed
from gateway.challenges.ladder import Clearance, Open, Step
from gateway.challenges.token import Challenge, Tokens
from gateway.fleet_stream import AWAY, FIRST_RETRY, LAST_RETRY
from gateway.pace import Pace
from gateway.tasks import is_cancelled, spawn

log = logging.getLogger(__name__)

WAITING_AT_MOST: Final = 2_000
"""Notices that wait for Redis in one worker."""
LONGEST: Final = 10_000
"""Notices that wait for the receiver in the fleet, some 5 MB: beyond them the oldest go."""
KEPT: Final = 2 * 86_400
"""Seconds after which Redis forgets a stream that nobody writes to any more."""
BATCH: Final = 200
TIMEOUT: Final = 2.0
"""Seconds for one batch."""
AGAIN: Final = 10.0
"""Seconds after which what broke is begun anew."""
ASKED: Final = (20, 3600.0)
"""Notices of challenges that are put to one account, by one worker: so many at once, as many again in so many seconds.
A stolen key that comes from a thousand networks is put a thousand challenges: no owner wants as many mails."""
LAST_WORDS: Final = 1.0
"""Seconds that are given to what is still to be told when the worker ends."""


class Notice(NamedTuple):
    """One webhook."""

    id: str
    """The same however often it is tried: who gets it twice can tell."""
    body: bytes
    until: float
    """Unix time after which nobody wants it any more; 0 for none."""


class Notices:
    """One for a process. Call `told` with what this process changed; `run` until cancelled."""

    def __init__(
        self,
        redis: Any,
        url: str,
        secret: bytes,
        public_url: str,
        tokens: Tokens,
        now: Callable[[], float],
        signs_in: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`redis` is a client of redis.asyncio, the caller's to close; `secret` as `deliveries.secret_of` reads it.
        `signs_in` says whether an account has pages on which its owner can sign in.
        """
        self._redis = redis
        self._public_url = public_url.rstrip("/")
        self._tokens = tokens
        self._signs_in = signs_in
        self._waiting: deque[Notice] = deque()
        self._news = asyncio.Event()
        self._outage = Outage(log, "notices cannot be handed on, they wait", "notices are handed on again")
        self._crowd = Outage(log, "notices are lost", "notices are not lost any more")
        self.counts: Counter[str] = Counter()
        """noted; spared (too many of one account); lost (no room, here or in Redis); handed_on; and those of
        Deliveries: delivered, failed, stale, refused, dropped."""
        self._asked = Pace(*ASKED, now)
        self._deliveries = Deliveries(redis, url, secret, now, self.counts)

    def __repr__(self) -> str:
        return f"<Notices {len(self._waiting)} waiting>"

    def told(self, changed: Changed) -> None:
        """An Escalations' `told`. Never waits."""
        for notice in notices_of(changed, self._link, self._signs_in):
            # Only those of challenges that are put have an end.
            if notice.until and self._asked.take(changed.subject):
                self.counts["spared"] += 1
                continue
            self.counts["noted"] += 1
            if len(self._waiting) >= WAITING_AT_MOST:
                self._waiting.popleft()
                self._lose(1, "Redis has taken none for too long")
            self._waiting.append(notice)
            self._news.set()

    async def run(self) -> None:
        """Hand on and deliver, until cancelled; it never gives up, and raises nothing."""
        await asyncio.gather(
            self._keep_up(self._hand_on, "hand on notices"), self._keep_up(self._deliveries.run, "deliver notices")
        )

    async def _keep_up(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """A fault of ours in here is logged with its traceback, and must not end a worker that serves."""
        while not is_cancelled():
            task = spawn(work(), name)
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(AGAIN)

    async def close(self) -> None:
        """After `run` was cancelled: what this worker still knows is handed on, if Redis takes it at once."""
        try:
            async with asyncio.timeout(LAST_WORDS):
                while self._waiting:
                    await self._write()
        except AWAY as error:
            self._lose(len(self._waiting), said(error))
            self._waiting.clear()
        await self._deliveries.close()

    async def _hand_on(self) -> None:
        retry = FIRST_RETRY
        while not is_cancelled():
            self._news.clear()
            if not self._waiting:
                await self._news.wait()
            try:
                await self._write()
            except AWAY as error:
                self._outage.begins(said(error))
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY)
                continue
            retry = FIRST_RETRY
            self._outage.ends()

    async def _write(self) -> None:
        batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
        async with asyncio.timeout(TIMEOUT), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xlen(STREAM)
            for notice in batch:
                fields = {"i": notice.id, "b": notice.body, "u": repr(notice.until)}
                pipeline.xadd(STREAM, fields, maxlen=LONGEST, approximate=False)
            pipeline.expire(STREAM, KEPT)
            before, *_ = await pipeline.execute()
        # Some may be told twice after a lost answer: they have the same id. What is newer by now stays.
        written = set(batch)
        self._waiting = deque(one for one in self._waiting if one not in written)
        self.counts["handed_on"] += len(batch)
        if (over := before + len(batch) - LONGEST) > 0:
            self._lose(min(over, before + len(batch)), "the receiver has taken none for too long")
        else:
            self._crowd.ends()

    def _lose(self, many: int, why: str) -> None:
        if many:
            self.counts["lost"] += many
            self._crowd.begins(why)

    def _link(self, challenge: Challenge) -> str:
        return self._public_url + addresses.page(self._tokens.make(challenge))


def notices_of(
    changed: Changed, link: Callable[[Challenge], str], signs_in: Callable[[str], bool] = lambda _: True
) -> Iterator[Notice]:
    """What is to be told of a change. `link` says where a person passes a challenge."""
    rule, subject, before, after, now = changed
    if "=" in subject:
        return
    sign_in = signs_in(subject)
    open_before = {one.id for one in before.open}
    for one in after.open:
        if one.id not in open_before:
            url = link(Challenge(one.id, rule, subject, one.step, one.key, one.network, one.until))
            yield _notice("challenge.asked", now, one.id, _data(rule, subject, one, url, one.until, sign_in), one.until)
    cleared_before = {one.id for one in before.clearances}
    for clearance in after.clearances:
        if clearance.id not in cleared_before:
            told = _data(rule, subject, clearance, None, clearance.expires, sign_in)
            yield _notice("challenge.passed", now, clearance.id, told)
    if before.step < after.step and after.step in (Step.VERIFY, Step.REVIEW):
        data: dict[str, Any] = {"account": subject, "rule": rule, "step": after.step.name.lower()}
        data |= {"challenge_id": None, "challenge_url": None, "expires_at": None}
        data |= {"kinds": ["sign_in"] if sign_in and after.step is Step.VERIFY else []}
        yield _notice(f"account.{after.step.name.lower()}", now, f"{rule}\0{subject}\0{after.since!r}", data)


def _data(
    rule: str, subject: str, of: Open | Clearance, url: str | None, expires: float, sign_in: bool
) -> dict[str, Any]:
    return {
        "account": subject,
        "rule": rule,
        "step": of.step.name.lower(),
        "challenge_id": of.id,
        "challenge_url": url,
        "expires_at": rfc3339(expires),
        "kinds": list(kinds(of.step, sign_in=sign_in)),
    }


def _notice(kind: str, now: float, mark: str, data: dict[str, Any], until: float = 0.0) -> Notice:
    # Made of what it is about, so that a change that is told twice is one notice.
    digest = hashlib.blake2b(f"{kind}\0{mark}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    document = {"type": kind, "timestamp": rfc3339(now), "data": data}
    # In ASCII: an account that a token names may hold half of a surrogate pair.
    return Notice(f"msg_{digest}", json.dumps(document, separators=(",", ":")).encode(), until)


def rfc3339(time: float) -> str:
    """In UTC, such as 2026-03-01T10:00:00Z (RFC 3339, section 5.6)."""
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
