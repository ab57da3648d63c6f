"""What is held of accounts, as Redis has it: keys, scripts, how a record is written, and how long an answer may take.

`tg:c:{<subject>}<rule>`        string: the record
`tg:cb:{<subject>}<rule>:<id>`  string: what is left of a clearance's budget
`tg:cs:{<solver>}`              sorted set: digests of the subjects that a solver passed for, by the first time (Unix)
`tg:challenges`                 stream: one entry a change; r rule, s subject, v the record

A record is `<version> <writer> <until> <held>`: the microsecond of its change by Redis's clock, in digits; a word for
the change; until when it is of any use, Unix time; what `gateway.challenges.ladder.dump` made.
Keys are as in `gateway.stores.keys`: what stands in the braces has one slot of a Cluster to itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeVar, cast

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError

from gateway.challenges.interface import Name, Unavailable
from gateway.challenges.ladder import Clearance, Held, dump, load
from gateway.fleet_stream import AWAY, Outages
from gateway.stores.keys import safe
from gateway.tasks import spawn

T = TypeVar("T")

STREAM: Final = "tg:challenges"
LONGEST: Final = 100_000
"""Entries that the stream keeps, about: some 40 MB."""
AT_ONCE: Final = 16
"""Calls under way: redis-py opens a connection for each, a hundred at most, for all that share its client."""
SOLVED_FOR: Final = 1_000
"""Subjects that are remembered of a solver."""
SHORTEST: Final = 60.0
"""Seconds that a record stays, also where nothing in it is of use any more: clocks may differ as much."""
LONGEST_LIFE: Final = 400 * 86_400.0
HIGHEST: Final = 9_000_000_000_000_000
"""Versions, as the script knows them."""
TOLD_AGAIN: Final = 0.05
"""Seconds."""
CALM: Final = 5.0
"""Seconds without a failure after which Redis is there again: a slow answer in a hundred is said once."""

_RECORD: Final = re.compile(rb"(\d{1,16}) ([0-9a-z.-]{1,64}) ([0-9.e+]{1,32}) (.+)", re.DOTALL)
_VERSION: Final = re.compile(rb"(\d{1,16}) ")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the worker began."""

    changes: int = 0
    """Records written."""
    conflicts: int = 0
    """Writes that found another record than the one they began with, and began again."""
    looks: int = 0
    draws: int = 0
    heard: int = 0
    """Changes of other workers."""
    untold: int = 0
    """Changes that the stream did not take: others see them when they look."""
    unreadable: int = 0
    """Records, entries or budgets that made no sense."""
    restored: int = 0
    """Records that Redis had lost and that were written back when somebody looked."""
    forgotten: int = 0
    """Names that memory had no room for, although something was asked of them."""
    failures: int = 0
    """Calls that Redis did not answer, or not in time."""


class Record(NamedTuple):
    """What is held of a name, and of which moment that is."""

    version: int
    writer: str
    until: float
    """Unix time."""
    held: Held


class Found(NamedTuple):
    """What stands in Redis."""

    version: int
    """What a write has to name; 0 where nothing is there that has one."""
    record: Record | None
    """None where nothing is there, or nothing that can be read."""


class Written(NamedTuple):
    """A record that was taken."""

    version: int


class Calls:
    """To one Redis, each within `deadline` seconds. `now` gives Unix time. Errors: Unavailable."""

    def __init__(self, redis: Any, now: Callable[[], float], deadline: float) -> None:
        self.counts = Counts()
        self.outages = Outages(self.counts, _log, "escalations", "what this worker remembers stays in force")
        self._redis = redis
        self._now = now
        self._deadline = deadline
        self._in_one_step = not isinstance(redis, RedisCluster)
        """A script of a Cluster cannot have the stream, which is in another slot."""
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._failed = -math.inf
        folder = files("gateway.challenges") / "lua"
        self._scripts = {name: (folder / f"{name}.lua").read_text("utf-8") for name in ("change", "draw", "solve")}
        self._digests = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in self._scripts.items()
        }

    async def in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """What calls come to; so long for all of them."""
        # In a task of its own: redis-py tries long and silently to get a lost connection back, and may not hear that it
        # is to end (`gateway.tasks.is_cancelled`); then it is told once more, and nobody waits for it.
        task = spawn(_outcome(work), name="ask for escalations")
        try:
            await asyncio.wait((task,), timeout=self._deadline)
        finally:
            if not task.done():
                task.cancel()
                asyncio.get_running_loop().call_later(TOLD_AGAIN, task.cancel)
        answer, error = task.result() if task.done() else (None, TimeoutError("no answer in time"))
        if error is not None:
            self._failed = self._now()
            self.outages.began("asked for", error)
            raise Unavailable(str(error) or type(error).__name__) from error
        if self.outages and self._now() - self._failed > CALM:
            self.outages.ended("asked for")
        return cast("T", answer)

    async def find(self, name: Name) -> Found:
        """What is there now."""
        async with self._gate:
            try:
                text = await self._redis.get(record_key(name))
            except AWAY as error:
                if not str(error).startswith("WRONGTYPE"):
                    raise
                text = b"?"
        return self._found(text or b"")

    async def change(
        self, name: Name, expected: int, record: Record, lasts: float, budgets: Iterable[Clearance]
    ) -> Written | Found:
        """Put `record` where `expected` is, with a version above its own; what is there instead, if it is not."""
        rule, subject = name
        rest = f"{record.writer} {record.until:.3f} ".encode() + dump(record.held)
        keys: list[bytes | str] = [record_key(name)]
        args: list[Any] = [expected, record.version, rest, _ms(min(max(lasts, SHORTEST), LONGEST_LIFE))]
        args += [_encode(rule), _encode(subject), LONGEST]
        now = self._now()
        for clearance in budgets:
            keys.append(budget_key(name, clearance.id))
            args += [clearance.exchanges, _ms(clearance.expires - now)]
        if self._in_one_step:
            keys.append(STREAM)
        reply = await self._run("change", keys, args)
        if not reply[0]:
            return self._found(reply[1])
        version = int(reply[1])
        if not self._in_one_step:
            await self._tell(name, b"%d %b" % (version, rest))
        elif not reply[2]:
            self.counts.untold += 1
        return Written(version)

    async def draw(self, name: Name, clearance: str, wanted: int) -> int:
        """How many there were."""
        taken = int(await self._run("draw", [budget_key(name, clearance)], [wanted]))
        if taken < 0:
            self.counts.unreadable += 1
        return max(0, taken)

    async def solve(self, solver: str, subject: str, within: float) -> int:
        """Which one of its subjects within those seconds this is."""
        now = self._now()
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        args = [digest, repr(now), repr(now - within), SOLVED_FOR, _ms(within)]
        return int(await self._run("solve", [solver_key(solver)], args))

    async def _run(self, script: str, keys: list[bytes | str], args: list[Any]) -> Any:
        async with self._gate:
            try:
                return await self._redis.evalsha(self._digests[script], len(keys), *keys, *args)
            except NoScriptError:
                return await self._redis.eval(self._scripts[script], len(keys), *keys, *args)

    async def _tell(self, name: Name, text: bytes) -> None:
        """That it is changed is certain by now, whatever becomes of this."""
        fields: dict[Any, Any] = {"r": _encode(name[0]), "s": _encode(name[1]), "v": text}
        try:
            await self._redis.xadd(STREAM, fields, maxlen=LONGEST, approximate=True)
        except AWAY as error:
            self.counts.untold += 1
            _log.warning("a change is not told to other workers: %s", str(error) or type(error).__name__)

    def _found(self, text: bytes) -> Found:
        if not text:
            return Found(0, None)
        try:
            record = read(text)
        except ValueError:
            self.counts.unreadable += 1
            return Found(version_of(text), None)
        return Found(record.version, record)


async def _outcome(work: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """What it came to, or why Redis gave no answer: to a task that ends by an error nobody may be listening."""
    try:
        return await work, None
    except AWAY as error:
        return None, error


def read(text: bytes) -> Record:
    """Raises ValueError for what is no record."""
    found = _RECORD.fullmatch(text)
    if found is None:
        raise ValueError("no record")
    version, writer, until, held = int(found[1]), found[2].decode(), float(found[3]), found[4]
    if version > HIGHEST or math.isinf(until):
        raise ValueError("no version, or no time")
    return Record(version, writer, until, load(held))


def version_of(text: bytes) -> int:
    """As the script reads it; 0 where it has none."""
    found = _VERSION.match(text)
    version = int(found[1]) if found else 0
    return version if version <= HIGHEST else 0


def record_key(name: Name) -> bytes:
    """The string that holds the record of (rule, subject)."""
    rule, subject = name
    return _encode(f"tg:c:{{{safe(subject)}}}{safe(rule)}")


def budget_key(name: Name, clearance: str) -> bytes:
    """The string that holds what is left of a clearance."""
    rule, subject = name
    return _encode(f"tg:cb:{{{safe(subject)}}}{safe(rule)}:{safe(clearance)}")


def solver_key(solver: str) -> bytes:
    """The sorted set of those that a solver passed for."""
    return _encode(f"tg:cs:{{{safe(solver)}}}")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _ms(seconds: float) -> int:
    """For PX, which takes no 0."""
    return max(1, math.ceil(seconds * 1000))
